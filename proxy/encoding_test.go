package proxy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv/stack"
)

// singleByte are the client encodings, other than UTF8, under which tagged columns can be used.
var singleByte = []string{"LATIN1", "LATIN2", "LATIN5", "LATIN9", "WIN1250", "WIN1252"}

// said gives what a statement with one text parameter answers.
func said(conn *pgx.Conn, sql string, params ...[]byte) string {
	r := conn.PgConn().ExecParams(context.Background(), sql, params, nil, nil, nil).Read()
	if e, ok := r.Err.(*pgconn.PgError); ok {
		return fmt.Sprintf("%s %q %d", e.Code, e.Message, e.Position)
	}
	return fmt.Sprintf("%q %s %v", r.Rows, r.CommandTag, r.Err)
}

// TestClientEncoding writes and reads every byte of every encoding, as a literal and as
// a parameter, through pgveil and in the clear beside it.
func TestClientEncoding(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	ctx := context.Background()
	for _, sql := range []string{
		`CREATE TABLE lab.encoded (id int, email varchar(120), last_name varchar(80))`,
		`GRANT ALL ON lab.encoded TO biologist`,
	} {
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	inUTF8 := s.Connect(t, "biologist")
	for _, name := range singleByte {
		t.Run(name, func(t *testing.T) {
			through, direct := s.Connect(t, "biologist", "client_encoding="+name), s.Direct(t, "biologist")
			if _, err := direct.Exec(ctx, "SET client_encoding TO "+name); err != nil {
				t.Fatal(err)
			}
			both := func(sql string, params ...[]byte) {
				t.Helper()
				got, want := said(through, sql, params...), said(direct, strings.ReplaceAll(sql, "lab.patient", "lab.encoded"), params...)
				if got != want {
					t.Errorf("%q %q:\npgveil %s\nserver %s", sql, params, got, want)
				}
			}
			for b := 0x80; b < 0x100; b += 1 + b%3 {
				c := string([]byte{byte(b)})
				both(`INSERT INTO lab.patient (id, email, last_name) VALUES (` + fmt.Sprint(b) + `, 'a` + c + `b', 'x` + c + `') RETURNING email, last_name`)
				both(`UPDATE lab.patient SET last_name = $1 WHERE email = $2 RETURNING email, last_name /* `+c+` */`, []byte(c+"y"), []byte("a"+c+"b"))
				both(`SELECT email, last_name, length('` + c + `') FROM lab.patient WHERE email IN ('` + c + `', 'a` + c + `b') -- ` + c)
				both(`UPDATE lab.patient SET last_name = $1 || 'z`+c+`' WHERE id = `+fmt.Sprint(b)+` RETURNING last_name`, []byte(c))
			}
			both(`SELECT email AS "` + "\xe9" + `", wrong FROM lab.patient WHERE email = 'x'`)
			both(`SELECT '` + "\xe9" + `', wrong FROM lab.patient WHERE email = '` + "\xe9" + `'`)
			both(`SELECT id FROM lab.patient WHERE id = '` + "\xe9" + `' AND email = 'x'`)
			both(`DELETE FROM lab.patient`)

			// A character that the encoding has not.
			if _, err := inUTF8.Exec(ctx, `INSERT INTO lab.patient (id, last_name) VALUES (2, '漢字')`); err != nil {
				t.Fatal(err)
			}
			if err := s.Postgres.ExecIn(ctx, stack.Database, `INSERT INTO lab.encoded (id, last_name) VALUES (2, '漢字')`); err != nil {
				t.Fatal(err)
			}
			both(`SELECT last_name FROM lab.patient`)
			both(`SELECT id FROM lab.patient`)
			both(`DELETE FROM lab.patient`)
		})
	}
	if got := said(s.Connect(t, "biologist", "client_encoding=SJIS"), `SELECT email FROM lab.patient`); !strings.Contains(got, "0A000") {
		t.Errorf("a client encoding of several bytes: %s", got)
	}

	// What one client writes is what another reads.
	latin := s.Connect(t, "biologist", "client_encoding=LATIN1")
	if got := said(latin, "INSERT INTO lab.patient (id, last_name) VALUES (3, 'Lef\xe8vre')"); !strings.Contains(got, "INSERT 0 1") {
		t.Fatal(got)
	}
	if got := said(inUTF8, `SELECT last_name FROM lab.patient WHERE id = 3`); !strings.Contains(got, "Lefèvre") {
		t.Error(got)
	}
}
