package proxy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv/stack"
)

// copied gives what COPY FROM STDIN of the data answers.
func copied(c *pgconn.PgConn, sql string, data []byte) string {
	tag, err := c.CopyFrom(context.Background(), bytes.NewReader(data), sql)
	if e, ok := err.(*pgconn.PgError); ok {
		return fmt.Sprintf("%s %q %q", e.Code, e.Message, e.Where)
	}
	return fmt.Sprint(tag, err)
}

// copiedOut gives what COPY TO STDOUT sends, or its error.
func copiedOut(c *pgconn.PgConn, sql string) string {
	var out bytes.Buffer
	tag, err := c.CopyTo(context.Background(), &out, sql)
	if e, ok := err.(*pgconn.PgError); ok {
		return fmt.Sprintf("%s %q", e.Code, e.Message)
	}
	return fmt.Sprintf("%q %s %v", out.Bytes(), tag, err)
}

// everyByte is data of rows with every character of an encoding beyond ASCII, in the
// formats of COPY.
func everyByte(name string) (text, csv, binaries []byte) {
	binaries = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for b := 0x80; b < 0x100; b++ {
		if b < 0xa0 && strings.HasPrefix(name, "WIN") { // not all of them are characters
			continue
		}
		c := string([]byte{byte(b)})
		text = fmt.Appendf(text, "%d\ta%s\t%s\\tb\t%s\n", b, c, c, c)
		csv = fmt.Appendf(csv, "%d,a%s,\"%s\"\"\",%s\n", b, c, c, c)
		binaries = append(binaries, 0, 4)
		for _, field := range []string{string(binary.BigEndian.AppendUint32(nil, uint32(b))), "a" + c, c, c} {
			binaries = append(binary.BigEndian.AppendUint32(binaries, uint32(len(field))), field...)
		}
	}
	return text, csv, append(binaries, 0xff, 0xff)
}

// TestCopyEncoding copies every byte of every encoding, in and out, through pgveil and in
// the clear beside it.
func TestCopyEncoding(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	ctx := context.Background()
	if err := s.Postgres.ExecIn(ctx, stack.Database, `CREATE TABLE lab.encoded (id int, email varchar(120), last_name varchar(80), city text, birth_date date)`,
		`GRANT ALL ON lab.encoded TO biologist`); err != nil {
		t.Fatal(err)
	}
	utf8 := s.Connect(t, "biologist")
	empty := func(rows string) {
		t.Helper()
		for _, table := range []string{"lab.patient", "lab.encoded"} {
			for _, sql := range []string{`DELETE FROM ` + table, `INSERT INTO ` + table + ` (id, last_name) ` + rows} {
				if _, err := utf8.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, name := range append([]string{"UTF8"}, singleByte...) {
		t.Run(name, func(t *testing.T) {
			through := s.Connect(t, "biologist", "client_encoding="+name).PgConn()
			clear := s.Direct(t, "biologist")
			if _, err := clear.Exec(ctx, "SET client_encoding TO "+name); err != nil {
				t.Fatal(err)
			}
			direct := clear.PgConn()
			option := ""
			if name == "UTF8" { // the data is in another encoding than the client's
				option = ", ENCODING 'iso-8859-15'"
			}
			same := func(what, got, want string) {
				t.Helper()
				if want = strings.ReplaceAll(want, "encoded", "patient"); got != want {
					t.Errorf("%q\npgveil %s\nserver %s", what, got, want)
				}
			}
			in := func(columns, options string, data []byte) {
				t.Helper()
				empty(`SELECT 0, NULL WHERE false`)
				sql := columns + ` FROM STDIN (` + options + `)`
				same(sql, copied(through, "COPY lab.patient"+sql, data), copied(direct, "COPY lab.encoded"+sql, data))
				stored := `SELECT id, email, last_name, city FROM `
				same(sql, said(utf8, stored+"lab.patient ORDER BY id"), said(utf8, stored+"lab.encoded ORDER BY id"))
			}
			out := func(rest string) {
				t.Helper()
				same(rest, copiedOut(through, strings.ReplaceAll("COPY "+rest, "TABLE", "lab.patient")), copiedOut(direct, strings.ReplaceAll("COPY "+rest, "TABLE", "lab.encoded")))
			}
			const all = " (id, email, last_name, city)"
			text, csv, binaries := everyByte(name)
			in(all, "FORMAT text"+option, text)
			out("TABLE" + all + " TO STDOUT (FORMAT text" + option + ")")
			in(all, "FORMAT csv"+option, csv)
			out("TABLE (last_name, city) TO STDOUT (FORMAT csv, FORCE_QUOTE (last_name)" + option + ")")
			out("(SELECT to_json(x) FROM (SELECT last_name, city FROM TABLE) x) TO STDOUT (FORMAT text" + option + ")")
			// An escape stands for a byte of the server's encoding.
			in(all, "FORMAT text"+option, []byte("1\t\\303\\251\t\\xc3\\xa9\t\\303\\251\n"))
			out("TABLE" + all + " TO STDOUT (FORMAT text" + option + ")")
			// A value that is no date, and characters that the encoding has not.
			in(" (id, birth_date)", "FORMAT text"+option, []byte("1\tn\xe9\n"))
			empty(`VALUES (1, '漢字')`)
			out("TABLE (last_name) TO STDOUT (FORMAT text" + option + ")")
			out("TABLE (id) TO STDOUT (FORMAT text" + option + ")")
			if name == "UTF8" {
				return
			}
			out("TABLE (last_name) TO STDOUT (ENCODING 'UTF8')")
			in(all, "FORMAT csv, ENCODING UTF8", []byte("1,é,é,é\n"))
			in(all, "FORMAT binary", binaries)
			out("TABLE" + all + " TO STDOUT (FORMAT binary)")
			out("(SELECT to_jsonb(x) FROM (SELECT last_name, city FROM TABLE) x) TO STDOUT (FORMAT binary)")
			out("(SELECT last_name, '\xe9' FROM TABLE WHERE email = 'a\xe9') TO STDOUT (FORMAT csv)")
			in(all, "NULL '\xe9'", []byte("1\t\xe9\tx\xe9\t\xe9\n2\tb\t\xe9\tc\n"))
			out("TABLE" + all + " TO STDOUT (NULL '\xe9')")
			in(all, "DELIMITER '\xe9'", []byte("1\xe9a\xe9b\xe9c\n"))
			if name == "WIN1252" { // a byte that is no character
				hole, sql := []byte("2\tx\x81\n"), ` (id, last_name) FROM STDIN`
				got, want := copied(through, "COPY lab.patient"+sql, hole), copied(direct, "COPY lab.encoded"+sql, hole)
				if message, _, _ := strings.Cut(want, ` "COPY`); !strings.HasPrefix(got, message) || !strings.HasPrefix(got, "22P05") {
					t.Errorf("%s, not %s", got, want)
				}
			}
		})
	}
	if got := copied(utf8.PgConn(), `COPY lab.patient (id, nir) FROM STDIN (ENCODING 'SJIS')`, nil); !strings.Contains(got, "0A000") {
		t.Errorf("an encoding of several bytes: %s", got)
	}
}
