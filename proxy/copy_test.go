package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// copyColumns are the columns of lab.every that are in the twin too.
func copyColumns() []string {
	columns := []string{"id", "plain"}
	for _, v := range values {
		columns = append(columns, "r_"+v.name)
		if v.deterministic {
			columns = append(columns, "d_"+v.name)
		}
	}
	return columns
}

func copyOut(t testing.TB, c *pgconn.PgConn, sql string) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := c.CopyTo(context.Background(), &b, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return b.Bytes()
}

func copyIn(c *pgconn.PgConn, sql string, data []byte) error {
	_, err := c.CopyFrom(context.Background(), bytes.NewReader(data), sql)
	return err
}

// copyForms are the options that every type is copied with.
var copyForms = []string{
	"(FORMAT text)",
	"(FORMAT text, DELIMITER '|', NULL '')",
	"(FORMAT csv)",
	"(FORMAT csv, HEADER, DELIMITER ';', QUOTE '''', ESCAPE '\\', NULL 'nothing')",
	"(FORMAT binary)",
	"CSV HEADER",
}

// TestCopyTypes copies every value of every type out of a twin in the clear, the same
// bytes into pgveil, and out of it again: the bytes must be the same, and nothing of
// them in the clear at the server.
func TestCopyTypes(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	clear := twin(t)
	direct := connectPg(t, clear.DSN(clear.Superuser(), clear.SuperPassword(), "postgres"))
	through := connectPg(t, s.DSN("biologist"))
	server := connectPg(t, s.Postgres.DSN("biologist", stack.Password, stack.Database))
	columns := copyColumns()
	most := 0
	for _, v := range values {
		most = max(most, len(v.good))
	}
	for i := range most + 1 {
		row := []string{fmt.Sprint(i), "'plain'"}
		for _, v := range values {
			value := "NULL"
			if i < most {
				value = literal(&v.good[i%len(v.good)])
			}
			row = append(row, value)
			if v.deterministic {
				row = append(row, value)
			}
		}
		sql := fmt.Sprintf("INSERT INTO lab.every (%s) VALUES (%s)", strings.Join(columns, ", "), strings.Join(row, ", "))
		if err := direct.Exec(ctx, sql).Close(); err != nil {
			t.Fatal(err)
		}
	}
	list := " (" + strings.Join(columns, ", ") + ") "
	truncate := func() {
		t.Helper()
		if err := s.Postgres.ExecIn(ctx, stack.Database, "TRUNCATE lab.every"); err != nil {
			t.Fatal(err)
		}
	}
	exec := func(sql string) {
		t.Helper()
		for _, c := range []*pgconn.PgConn{direct, through} {
			if err := c.Exec(ctx, sql).Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, form := range copyForms {
		force := form
		if strings.Contains(form, "csv,") {
			force = strings.TrimSuffix(form, ")") + ", FORCE_QUOTE (r_text, d_int4))"
		}
		truncate()
		want := copyOut(t, direct, "COPY lab.every"+list+"TO STDOUT "+force)
		if err := copyIn(through, "COPY lab.every"+list+"FROM STDIN "+form, want); err != nil {
			t.Errorf("%s in: %v", form, err)
			continue
		}
		for _, sql := range []string{
			"COPY lab.every" + list + "TO STDOUT " + force,
			"COPY (SELECT " + strings.Join(columns, ", ") + " FROM lab.every) TO STDOUT " + force,
		} {
			if got := copyOut(t, through, sql); !bytes.Equal(got, want) {
				t.Errorf("%.40s… %s: other bytes:\n%.300q\ndirectly\n%.300q", sql, form, got, want)
			}
		}
		exec("SET bytea_output TO escape; SET TimeZone TO 'Asia/Kathmandu'")
		sql := "COPY lab.every" + list + "TO STDOUT " + force
		if got, want := copyOut(t, through, sql), copyOut(t, direct, sql); !bytes.Equal(got, want) {
			t.Errorf("%s with other settings: other bytes:\n%.300q\ndirectly\n%.300q", form, got, want)
		}
		exec("RESET bytea_output; SET TimeZone TO 'Europe/Paris'")
		if r := server.ExecParams(ctx, "SELECT count(*) FROM lab.every WHERE r_text IS NOT NULL AND substr(r_text, 1, 2) <> '\\xfe9d'", nil, nil, nil, nil).Read(); r.Err != nil || string(r.Rows[0][0]) != "0" {
			t.Errorf("%s: values that are not sealed: %v", form, r)
		}
	}
	s.Postgres.NoPlaintext(t, stack.Database, marker, "1942-03-05", "deadbeef00ff", "123456789.123")
}

// TestCopyErrors compares what a client is told of data that cannot be copied.
func TestCopyErrors(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	clear := twin(t)
	direct := connectPg(t, clear.DSN(clear.Superuser(), clear.SuperPassword(), "postgres"))
	through := connectPg(t, s.DSN("biologist"))
	type failing struct{ sql, data string }
	var all []failing
	for _, v := range values {
		for _, bad := range v.bad {
			bad = strings.ReplaceAll(bad, `\`, `\\`)
			all = append(all, failing{"COPY lab.every (id, r_" + v.name + ") FROM STDIN", "1\t\\N\n2\t" + bad + "\n"})
			all = append(all, failing{"COPY lab.every (id, r_" + v.name + ") FROM STDIN CSV", "1,\n2,\"" + strings.NewReplacer(`"`, `""`, `\\`, `\`).Replace(bad) + "\"\n"})
		}
	}
	head := "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	id := "\x00\x00\x00\x04\x00\x00\x00\x01"
	for _, f := range []failing{
		{"", "1\n"},
		{"", "1\ta\tb\n"},
		{"", "x\t1\n"},
		{"", "1\t7\r\n2\t8\n"},
		{"", "1\t7\n\\.x\n"},
		{"", "\\N\t1\n"},
		{"CSV", "1,\"7\n"},
		{"CSV", "1,7,8\n"},
		{"CSV HEADER", "1,7\n2\n"},
		{"(FORMAT csv, HEADER match)", "id,r\n1,7\n"},
		{"(FORMAT csv, HEADER match)", "id\n"},
		{"", "1\t7\n\\."},
		{"CSV", "1,7\r2,8\n"},
		{"BINARY", "no signature at all"},
		{"BINARY", head + "\x00\x03"},
		{"BINARY", head + "\x00\x02" + id + "\x00\x00\x00\x03abc"},
		{"BINARY", head + "\x00\x02" + id + "\x00\x00\x00\x05abcde"},
		{"BINARY", head + "\x00\x02" + id + "\xff\xff\xff\xf0"},
		{"BINARY", head + "\xff\xff\x00"},
		{"BINARY", head + "\x00\x02" + id},
		{"BINARY", head + "\x00\x02" + id + "\x00\x00\x00\x04ab"},
		{"(FORMAT nothing)", ""},
		{"(DELIMITER 'ab')", ""},
		{"(FORMAT csv, QUOTE 'ab')", ""},
		{"(HEADER maybe)", ""},
		{"(FORMAT csv, FORMAT text)", ""},
	} {
		all = append(all, failing{"COPY lab.every (id, r_int4) FROM STDIN " + f.sql, f.data})
	}
	for _, f := range all {
		want, got := copyIn(direct, f.sql, []byte(f.data)), copyIn(through, f.sql, []byte(f.data))
		a, ok := want.(*pgconn.PgError)
		b, is := got.(*pgconn.PgError)
		if !ok || !is {
			t.Errorf("%s %q: %v, directly %v", f.sql, f.data, got, want)
			continue
		}
		where := a.Where
		if strings.HasPrefix(where, "JSON data") {
			where = where[strings.LastIndex(where, "COPY "):]
		}
		// The server quotes the line as it got it.
		if before, _, sealed := strings.Cut(b.Where, "(sealed)"); sealed && strings.HasPrefix(where, before) {
			where = b.Where
		}
		if a.Code != b.Code || a.Message != b.Message || where != b.Where || a.Hint != b.Hint {
			t.Errorf("%s %q:\n%s %s (%s) %s\ndirectly\n%s %s (%s) %s", f.sql, f.data, b.Code, b.Message, b.Where, b.Hint, a.Code, a.Message, where, a.Hint)
		}
	}
	if err := copyIn(through, "COPY lab.every (id, r_int4) FROM STDIN", []byte("1\t7\n")); err != nil {
		t.Errorf("the connection is of no use afterwards: %v", err)
	}
}
