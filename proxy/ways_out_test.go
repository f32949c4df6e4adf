package proxy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// shownTable is what waysOut reads: a table lab.shown with an id, a column plain that is not
// tagged, and the tagged columns; a view of it, and the rights.
func shownTable(columns ...string) []string {
	table := "CREATE TABLE lab.shown (id int PRIMARY KEY, plain text"
	for _, name := range columns {
		table += ", " + name + " bytea"
	}
	return []string{
		`CREATE SCHEMA lab`, table + ")", `CREATE VIEW lab.seen AS SELECT * FROM lab.shown`,
		`GRANT USAGE ON SCHEMA lab TO biologist, secretary, researcher`,
		`GRANT ALL ON ALL TABLES IN SCHEMA lab TO biologist, secretary, researcher`,
	}
}

// waysOut gives what a client sees of a column of a row of lab.shown, as text, by each of the
// ways in which values leave.
func waysOut(t *testing.T, conn *pgx.Conn, column string, id int) map[string]string {
	t.Helper()
	ctx, pg := context.Background(), conn.PgConn()
	seen := make(map[string]string)
	query := fmt.Sprintf("SELECT %s FROM lab.shown WHERE id = %d", column, id)
	steps := func(way string, statements ...string) {
		lines := strings.Split(show(t, conn, strings.Join(statements, "; ")), "\n")
		seen[way] = lines[len(lines)-1]
	}
	steps("simple", query)
	steps("cursor", "BEGIN", "DECLARE c CURSOR FOR "+query, "FETCH ALL FROM c")
	steps("", "COMMIT")
	steps("execute", "PREPARE p AS "+query, "EXECUTE p")
	steps("", "DEALLOCATE p")
	steps("returning", fmt.Sprintf("UPDATE lab.shown SET plain = plain WHERE id = %d RETURNING %s", id, column))
	steps("view", fmt.Sprintf("SELECT %s FROM lab.seen WHERE id = %d", column, id))
	steps("subquery", fmt.Sprintf("WITH w AS (SELECT * FROM lab.seen) SELECT (SELECT %s FROM w WHERE w.id = s.id) FROM lab.shown s WHERE id = %d", column, id))
	delete(seen, "")

	for way, format := range map[string]int16{"extended text": 0, "extended binary": 1} {
		result := pg.ExecParams(ctx, fmt.Sprintf("SELECT %s FROM lab.shown WHERE id = $1", column), [][]byte{fmt.Append(nil, id)}, nil, nil, []int16{format}).Read()
		if result.Err != nil || len(result.Rows) != 1 {
			t.Fatalf("%s: %d rows, %v", way, len(result.Rows), result.Err)
		}
		seen[way] = asText(t, conn, result.FieldDescriptions[0].DataTypeOID, format, result.Rows[0][0])
	}
	description, err := pg.Prepare(ctx, "", query, nil)
	if err != nil {
		t.Fatal(err)
	}
	oid := description.Fields[0].DataTypeOID
	var text, binaryCopy bytes.Buffer
	if _, err := pg.CopyTo(ctx, &text, "COPY ("+query+") TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	seen["copy"] = strings.NewReplacer(`\N`, "NULL", `\\`, `\`).Replace(strings.TrimSuffix(text.String(), "\n"))
	if _, err := pg.CopyTo(ctx, &binaryCopy, "COPY ("+query+") TO STDOUT (FORMAT binary)"); err != nil {
		t.Fatal(err)
	}
	const header = 11 + 4 + 4 + 2 // of the data, and the number of fields of a row
	field := binaryCopy.Bytes()[header:]
	if n := int32(binary.BigEndian.Uint32(field)); n < 0 {
		seen["copy binary"] = "NULL"
	} else {
		seen["copy binary"] = asText(t, conn, oid, 1, field[4:4+n])
	}
	var row struct{ V any }
	decoder := json.NewDecoder(strings.NewReader(show(t, conn, fmt.Sprintf("SELECT json_build_object('V', %s) FROM lab.shown WHERE id = %d", column, id))))
	decoder.UseNumber()
	if err := decoder.Decode(&row); err != nil {
		t.Fatal(err)
	}
	seen["json"] = fmt.Sprint(row.V)
	if row.V == nil {
		seen["json"] = "NULL"
	}
	return seen
}

// asText gives a value as the server writes it as text, of whatever format it is.
func asText(t *testing.T, conn *pgx.Conn, oid uint32, format int16, value []byte) string {
	t.Helper()
	if value == nil {
		return "NULL"
	}
	if format == pgtype.TextFormatCode {
		return string(value)
	}
	typ, ok := conn.TypeMap().TypeForOID(oid)
	if !ok {
		t.Fatalf("type %d is not known", oid)
	}
	decoded, err := typ.Codec.DecodeValue(conn.TypeMap(), oid, format, value)
	if err != nil {
		t.Fatalf("%s: %v", typ.Name, err)
	}
	text, err := conn.TypeMap().Encode(oid, pgtype.TextFormatCode, decoded, nil)
	if err != nil {
		t.Fatalf("%s: %v", typ.Name, err)
	}
	return string(text)
}
