package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

func data(s string) pgproto3.FrontendMessage { return &pgproto3.CopyData{Data: []byte(s)} }

var copyDone = &pgproto3.CopyDone{}

// TestCopyProtocol sends COPY to pgveil and, with the same tables in the clear, to a
// server: every message of the answers must be the same, the bytes of CopyData too.
func TestCopyProtocol(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	clear := inTheClear(t,
		`CREATE SCHEMA lab`,
		`CREATE TABLE lab.patient (id int PRIMARY KEY, nir char(15) UNIQUE, email varchar(120), last_name varchar(80), birth_date date, city text)`,
		`CREATE TABLE lab.plain (id int PRIMARY KEY, note text, nir text)`,
		`ALTER ROLE postgres SET TimeZone TO 'UTC'`,
	)
	in := `COPY lab.patient (id, nir, last_name) FROM STDIN`
	out := `COPY (SELECT id, nir, last_name FROM lab.patient ORDER BY id) TO STDOUT`
	all := query(`SELECT id, nir, last_name, birth_date FROM lab.patient ORDER BY id`)
	secret := "Quasimodo"
	for _, c := range []conversation{
		{"simple", []messages{{query(in), data("1\t" + nir1 + "\t" + secret + "\n2\t\\N\t\n"), copyDone}, {all}, {query(out)}}},
		{"extended", []messages{{parse("", in), bind("", ""), execute("", 0), data("1\t" + nir1 + "\t" + secret + "\n"), copyDone, sync_}, {all}, {parse("", out), bind("", ""), describe('P', ""), execute("", 0), sync_}}},
		{"a pipeline", []messages{{
			parse("", `SELECT 1`), bind("", ""), execute("", 0), parse("c", in), bind("", "c"), execute("", 0), data("1\t" + nir1 + "\t" + secret), data("\n2\t"), copyDone,
			parse("", `SELECT last_name FROM lab.patient WHERE nir = $1`), bind("", "", nir1), execute("", 0), sync_, query(`SELECT 2`),
		}, {query(`SELECT 3`)}, {bind("", "c"), execute("", 0), data("7\t\\N\t" + secret + "\n"), copyDone, sync_}, {all}}},
		{"several at once", []messages{{
			query(in + `; SELECT last_name FROM lab.patient; COPY lab.plain FROM STDIN; COPY lab.patient (id, birth_date) FROM STDIN; ` + out),
			data("1\t" + nir1 + "\t" + secret + "\n"), copyDone, data("1\tnote\tnir\n"), copyDone, data("2\t1999-01-02\n"), copyDone,
		}, {all, query(`SELECT * FROM lab.plain`)}}},
		{"a failure before", []messages{{query(`SELECT 1/0; ` + in), data("1\t\\N\t" + secret + "\n"), copyDone, all}}},
		{"the server fails it", []messages{{query(in), data("1\t" + nir1 + "\tx\n"), copyDone}, {query(in), data("1\t\\N\t" + secret + "\n"), data("2\t\\N\t" + secret + "\n"), copyDone, all}}},
		{"pgveil fails it", []messages{{query(in), data("1\t1234567890123456\tx\n2\t\\N\t" + secret + "\n"), data("3\t\\N\t" + secret + "\n"), copyDone, all}, {query(`BEGIN`)}, {query(in), data("1\n"), data("2\t\\N\t" + secret), copyDone}, {all}, {query(`ROLLBACK`)}}},
		{"pgveil fails it in a pipeline", []messages{{
			parse("", in), bind("", ""), execute("", 0), data("1\t1234567890123456\tx\n"), data("2\t\\N\t" + secret + "\n"), copyDone,
			parse("", `SELECT 1`), bind("", ""), execute("", 0), sync_, all,
		}}},
		{"the client fails it", []messages{{query(in), data("1\t\\N\t" + secret + "\n"), &pgproto3.CopyFail{Message: "enough"}}, {all}}},
		{"data that nobody reads", []messages{{query(in), data("1\t\\N\tx\n"), copyDone, data("2\t\\N\t" + secret + "\n"), copyDone, all}}},
		{"behind the marker", []messages{{query(in), data("1\t\\N\tx\n\\.\n2\t\\N\t" + secret + "\n"), data(secret), copyDone}, {all}}},
		{"Sync and Flush between data", []messages{{parse("", in), bind("", ""), execute("", 0), data("1\t\\N\t" + secret + "\n"), &pgproto3.Flush{}, data("2\t\\N\t" + secret + "\n"), copyDone, sync_}, {all}}},
		{"a header with a secret", []messages{{query(in + ` WITH (HEADER)`), data("0\t\\N\t" + secret + "\n1\t\\N\t" + secret + "\n"), copyDone}, {all}}},
		{"WHERE", []messages{{query(in + ` WHERE nir <> '` + nir2 + `' AND id > 1`), data("1\t" + nir1 + "\t" + secret + "\n2\t" + nir1 + "\t" + secret + "\n3\t" + nir2 + "\t" + secret + "\n"), copyDone}, {all}}},
		{"writing queries", []messages{{query(`COPY (INSERT INTO lab.patient (id, last_name) VALUES (1, '` + secret + `') RETURNING id, last_name) TO STDOUT`)}, {query(`COPY (DELETE FROM lab.patient RETURNING last_name) TO STDOUT CSV`)}}},
		{"errors of the statement", []messages{
			{query(`COPY lab.patient (nosuch) FROM STDIN`)},
			{query(`COPY lab.patient (id, id, nir) TO STDOUT`)},
			{query(`COPY lab.patient TO STDOUT (FORMAT x)`)},
			{query(`COPY (SELECT nosuch, nir FROM lab.patient) TO STDOUT`)},
			{query(`COPY (SELECT 'é', nir, 1 + city FROM lab.patient) TO STDOUT`)},
			{query(`BEGIN`)},
			{query(`COPY (SELECT nir, 1 + city FROM lab.patient WHERE nir = 'x') TO STDOUT`)},
			{query(out)},
			{query(`ROLLBACK`)},
			{parse("", `COPY (SELECT nir, 1/0 FROM lab.patient) TO STDOUT`), bind("", ""), execute("", 0), sync_},
			{query(`COPY (SELECT nir, 1/(id-id) FROM lab.patient) TO STDOUT`)},
		}},
	} {
		for _, pg := range []*testenv.Postgres{clear, s.Postgres} {
			database := stack.Database
			if pg == clear {
				database = "postgres"
			}
			if err := pg.ExecIn(ctx, database, `DELETE FROM lab.patient; DELETE FROM lab.plain`); err != nil {
				t.Fatal(err)
			}
		}
		sameAnswers(t, s, clear, []conversation{c})
	}
	log, err := os.ReadFile(s.Postgres.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(log, []byte(secret)) {
		t.Error("the data is in the server's log")
	}
}

// TestCopyUnexpected sends other messages in the middle of the data: as directly, the
// COPY fails and what was sent is lost.
func TestCopyUnexpected(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	c := dialWire(t, s.DSN("biologist"))
	for range 2 {
		c.Frontend.Send(query(`COPY lab.patient (id, last_name) FROM STDIN`))
		c.Frontend.Send(data("1\tx\n"))
		c.Frontend.Send(query(`SELECT 1`))
		if err := c.Frontend.Flush(); err != nil {
			t.Fatal(err)
		}
		want := "CopyInResponse\nErrorResponse ERROR 08P01 \"unexpected message type 0x51 during COPY from stdin\" position 0\nReadyForQuery I"
		if got := c.receive(1); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	if got := c.exchange(query(`SELECT count(*) FROM lab.patient`)); !strings.Contains(got, `DataRow ["0"]`) {
		t.Errorf("afterwards: %s", got)
	}
}

// TestCopyEveryByte cuts the stream of messages, and the data within them, at every
// byte.
func TestCopyEveryByte(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	c := dialWire(t, s.DSN("biologist"))
	rows := "1,\"Le \"\"Roux\"\"\nné\"\r\n2,\r\n"
	want := ""
	for cut := range len(rows) + 1 {
		var all []byte
		for _, m := range (messages{query(`COPY lab.patient (id, last_name) FROM STDIN CSV`), data(rows[:cut]), data(rows[cut:]), copyDone, query(`SELECT id, last_name FROM lab.patient ORDER BY id; DELETE FROM lab.patient`)}) {
			var err error
			if all, err = m.Encode(all); err != nil {
				t.Fatal(err)
			}
		}
		for i := 0; i < len(all); {
			n := 1
			if cut != len(rows)/2 { // once in single bytes, else in two parts
				n = len(all) - i
				if i == 0 {
					n = min(n, cut*len(all)/len(rows)+1)
				}
			}
			if _, err := c.Conn.Write(all[i : i+n]); err != nil {
				t.Fatal(err)
			}
			i += n
		}
		got := c.receive(2)
		if want == "" {
			want = got
			if !strings.Contains(got, fmt.Sprintf("%q", [][]byte{[]byte("1"), []byte("Le \"Roux\"\nné")})) || !strings.Contains(got, "COPY 2") {
				t.Fatalf("copied: %s", got)
			}
		}
		if got != want {
			t.Fatalf("cut at %d: %s", cut, got)
		}
	}
}
