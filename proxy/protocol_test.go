package proxy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv/stack"
)

// wireClient speaks the protocol message by message.
type wireClient struct {
	t *testing.T
	*pgconn.HijackedConn
}

func dialWire(t *testing.T, dsn string) *wireClient {
	t.Helper()
	conn, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hijacked.Conn.Close() })
	return &wireClient{t, hijacked}
}

// exchange sends the messages at once and gives everything that comes back, a line
// a message, until as many ReadyForQuery as the messages call for.
func (c *wireClient) exchange(messages ...pgproto3.FrontendMessage) string {
	c.t.Helper()
	want := 0
	for _, m := range messages {
		switch m.(type) {
		case *pgproto3.Sync, *pgproto3.Query, *pgproto3.FunctionCall:
			want++
		}
		c.Frontend.Send(m)
	}
	_ = c.Conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := c.Frontend.Flush(); err != nil {
		c.t.Fatal(err)
	}
	return c.receive(want)
}

// receive gives what comes until n ReadyForQuery have.
func (c *wireClient) receive(n int) string {
	c.t.Helper()
	var lines []string
	for n > 0 {
		m, err := c.Frontend.Receive()
		if err != nil {
			c.t.Fatalf("%v after\n%s", err, strings.Join(lines, "\n"))
		}
		lines = append(lines, line(m))
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			n--
		}
	}
	return strings.Join(lines, "\n")
}

// line is a message without what may differ between two servers.
func line(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.RowDescription:
		var fields []string
		for _, f := range m.Fields {
			fields = append(fields, fmt.Sprintf("%s:%d:%d:%d:%d", f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format))
		}
		return "RowDescription " + strings.Join(fields, " ")
	case *pgproto3.DataRow:
		return fmt.Sprintf("DataRow %q", m.Values)
	case *pgproto3.ErrorResponse:
		return fmt.Sprintf("ErrorResponse %s %s %q position %d", m.Severity, m.Code, m.Message, m.Position)
	case *pgproto3.NoticeResponse:
		return fmt.Sprintf("NoticeResponse %s %q", m.Code, m.Message)
	case *pgproto3.ReadyForQuery:
		return fmt.Sprintf("ReadyForQuery %c", m.TxStatus)
	case *pgproto3.CommandComplete:
		return "CommandComplete " + string(m.CommandTag)
	case *pgproto3.CopyData:
		return fmt.Sprintf("CopyData %q", m.Data)
	case *pgproto3.CopyOutResponse:
		return fmt.Sprintf("CopyOutResponse %d %d", m.OverallFormat, m.ColumnFormatCodes)
	case *pgproto3.ParameterDescription:
		return fmt.Sprintf("ParameterDescription %v", m.ParameterOIDs)
	default:
		return strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.")
	}
}

type messages = []pgproto3.FrontendMessage

func query(sql string) pgproto3.FrontendMessage { return &pgproto3.Query{String: sql} }

func parse(name, sql string, oids ...uint32) pgproto3.FrontendMessage {
	return &pgproto3.Parse{Name: name, Query: sql, ParameterOIDs: oids}
}

func bind(portal, statement string, values ...string) *pgproto3.Bind {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement}
	for _, v := range values {
		b.Parameters = append(b.Parameters, []byte(v))
	}
	return b
}

func describe(kind byte, name string) pgproto3.FrontendMessage {
	return &pgproto3.Describe{ObjectType: kind, Name: name}
}

func execute(portal string, rows uint32) pgproto3.FrontendMessage {
	return &pgproto3.Execute{Portal: portal, MaxRows: rows}
}

func closing(kind byte, name string) pgproto3.FrontendMessage {
	return &pgproto3.Close{ObjectType: kind, Name: name}
}

var sync_ = &pgproto3.Sync{}

// TestProtocol sends the same messages to pgveil and, with the same tables in the
// clear, to a server directly: every message of the answers must be the same.
func TestProtocol(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	clear := twinOfAll(t)
	byNIR := `SELECT id, nir, last_name FROM lab.patient WHERE nir = $1`
	binary := bind("", "", nir1)
	binary.ResultFormatCodes = []int16{1}
	mixed := bind("", "", nir1)
	mixed.ResultFormatCodes = []int16{0, 1, 0}
	wrong := bind("", "", nir1, "2")
	manyRows := `SELECT g, p.last_name FROM generate_series(1, 5) g, lab.patient p WHERE p.id = 1 ORDER BY g`
	sameAnswers(t, s, clear, []conversation{
		{"simple", []messages{{query(`SELECT nir, last_name, city FROM lab.patient ORDER BY id`)}}},
		{"two statements", []messages{{query(`SELECT nir FROM lab.patient WHERE id = 1; SELECT 2 AS two; SELECT last_name FROM lab.patient WHERE id = 2`)}}},
		{"empty", []messages{{query(``)}, {query(`;`)}, {query(`-- nothing`)}, {parse("", ""), bind("", ""), execute("", 0), sync_}}},
		{"no such table", []messages{{query(`SELECT * FROM lab.nowhere`)}}},
		{"syntax error", []messages{{query(`SELEC 1`)}, {query(`SELECT 1 FROM`)}}},
		{"syntax error beside a tagged table", []messages{{query(`SELECT nir FROM lab.patient WHERE WHERE`)}}},
		{"error position behind a sealed literal", []messages{{query(`SELECT id FROM lab.patient WHERE nir = 'é` + nir1 + `' AND nosuch = 'x'`)}}},
		{"error position before a sealed literal", []messages{{query(`SELECT nosuch, 'é' FROM lab.patient WHERE nir = '` + nir1 + `'`)}}},
		{"bad value", []messages{{query(`UPDATE lab.patient SET birth_date = '2024-02-31' WHERE id = 1`)}}},
		{"too long", []messages{{query(`UPDATE lab.patient SET nir = '1234567890123456' WHERE id = 1`)}}},
		{"parse and describe", []messages{{parse("a", byNIR), describe('S', "a"), sync_}, {bind("p", "a", nir1), describe('P', "p"), execute("p", 0), sync_}, {closing('S', "a"), sync_}, {bind("", "a", nir1), sync_}}},
		{"declared types", []messages{{parse("", byNIR, 25), describe('S', ""), sync_}, {parse("", byNIR, 1043), describe('S', ""), sync_}}},
		{"unnamed", []messages{{parse("", byNIR), bind("", "", nir1), describe('P', ""), execute("", 0), sync_}}},
		{"binary results", []messages{{parse("", byNIR), binary, describe('P', ""), execute("", 0), sync_}}},
		{"mixed results", []messages{{parse("", byNIR), mixed, describe('P', ""), execute("", 0), sync_}}},
		{"flush", []messages{{parse("", byNIR), &pgproto3.Flush{}, bind("", "", nir1), &pgproto3.Flush{}, execute("", 0), sync_}}},
		{"wrong number of parameters", []messages{{parse("", byNIR), wrong, execute("", 0), sync_}, {query(`SELECT 1`)}}},
		{"row limit", []messages{{query(`BEGIN`)}, {parse("", manyRows), bind("c", ""), execute("c", 2), sync_}, {execute("c", 2), sync_}, {execute("c", 2), sync_}, {execute("c", 2), sync_}, {query(`COMMIT`)}, {execute("c", 2), sync_}}},
		{"pipeline", []messages{{
			parse("", byNIR), bind("", "", nir2), describe('P', ""), execute("", 0),
			parse("", `SELECT 1 AS one`), bind("", ""), describe('P', ""), execute("", 0),
			parse("", `UPDATE lab.patient SET last_name = $1 WHERE id = 1 RETURNING last_name`), bind("", "", "Durand"), describe('P', ""), execute("", 0), sync_,
			query(`SELECT last_name FROM lab.patient WHERE id = 1`), parse("", byNIR), bind("", "", nir1), execute("", 0), sync_,
		}}},
		{"error skips to Sync", []messages{{
			parse("", byNIR), bind("", "", nir2), execute("", 0), parse("", `SELECT nosuch`), bind("", ""), execute("", 0), parse("", byNIR), bind("", "", nir1), execute("", 0), sync_,
			parse("", byNIR), bind("", "", nir1), execute("", 0), sync_,
		}}},
		{"a bad parameter skips to Sync", []messages{{
			parse("u", `UPDATE lab.patient SET birth_date = $1 WHERE id = 2`), bind("", "u", "1999-09-09"), execute("", 0),
			bind("", "u", "not a date"), execute("", 0), bind("", "u", "2000-01-01"), execute("", 0), sync_,
			query(`SELECT birth_date FROM lab.patient WHERE id = 2`), closing('S', "u"), sync_,
		}}},
		{"duplicate statement", []messages{{parse("d", byNIR), sync_}, {parse("d", `SELECT 1`), sync_}, {closing('S', "d"), sync_}, {parse("d", `SELECT 1`), bind("", "d"), execute("", 0), sync_}, {closing('S', "d"), sync_}}},
		{"failed transaction", []messages{{query(`BEGIN`)}, {query(`SELECT 1/0`)}, {query(`SELECT nir FROM lab.patient`)}, {parse("", byNIR), sync_}, {query(`ROLLBACK`)}}},
		{"same parameter twice", []messages{{parse("", `INSERT INTO lab.plain (id, note, nir) VALUES (50, $1, $1)`), bind("", "", "x"), execute("", 0), sync_}, {parse("", `SELECT p.id FROM lab.patient p, lab.plain q WHERE p.nir = $1 AND q.note <> $2 AND p.nir <> $2 ORDER BY 1`), bind("", "", nir1, "y"), execute("", 0), sync_}}},
		{"notice", []messages{{query(`DO $$ BEGIN RAISE NOTICE 'hello'; END $$`)}}},
		{"copy in, untagged", []messages{{query(`COPY lab.plain FROM STDIN`), &pgproto3.CopyData{Data: []byte("60\ta\tb\n")}, &pgproto3.CopyDone{}}, {query(`SELECT note FROM lab.plain WHERE id = 60`)}}},
		{"copy in by the extended protocol", []messages{{parse("", `COPY lab.plain FROM STDIN`), bind("", ""), execute("", 0), &pgproto3.CopyData{Data: []byte("61\ta\tb\n")}, &pgproto3.CopyDone{}, sync_}, {query(`SELECT note FROM lab.plain WHERE id = 61`)}}},
		{"copy out, untagged", []messages{{query(`COPY lab.plain (id) TO STDOUT`)}}},
		{"copy fails", []messages{{query(`COPY lab.plain FROM STDIN`), &pgproto3.CopyFail{Message: "enough"}}, {query(`SELECT 1`)}}},
		{"insert returning", []messages{{query(`INSERT INTO lab.patient (id, nir, last_name) VALUES (70, '170017500100101', 'Été') RETURNING *`)}, {query(`DELETE FROM lab.patient WHERE nir = '170017500100101' RETURNING id, last_name`)}}},
	})
}

// TestProtocolEveryByte: a session's messages arrive one byte at a time.
func TestProtocolEveryByte(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	c := dialWire(t, s.DSN("biologist"))
	var all []byte
	for _, m := range (messages{parse("", `SELECT nir FROM lab.patient WHERE nir = $1`), bind("", "", nir1), execute("", 0), sync_}) {
		var err error
		if all, err = m.Encode(all); err != nil {
			t.Fatal(err)
		}
	}
	for i := range all {
		if _, err := c.Conn.Write(all[i : i+1]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Microsecond)
	}
	_ = c.Conn.SetDeadline(time.Now().Add(10 * time.Second))
	want := "ParseComplete\nBindComplete\nDataRow [\"" + nir1 + "\"]\nCommandComplete SELECT 1\nReadyForQuery I"
	if got := c.receive(1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestUnnamedIsOutOfReach: no text can name the unnamed statement, however oddly it is
// written.
func TestUnnamedIsOutOfReach(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	c := dialWire(t, s.DSN("biologist"))
	got := c.exchange(parse("", "SELECT nir FROM lab.patient"), sync_)
	if strings.Contains(got, "Error") {
		t.Fatal(got)
	}
	c.exchange(query("BEGIN"), query("ROLLBACK"), query("SET search_path TO lab"))
	got = c.exchange(query(`INSERT INTO lab.plain (id, note) VALUES (1, 'b\') RETURNING id AS "x ""y"""`))
	if strings.Contains(got, "Error") {
		t.Errorf("a text with a backslash and doubled quotes: %s", got)
	}
}
