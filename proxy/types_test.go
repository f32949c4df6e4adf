package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// marker is in every text that must not be found in clear at the server.
const marker = "Zéphyrine-Quasimodo"

// values are what each logical type is tried with, as text; NULL is tried with
// all. Bad ones must give the server's own error.
var values = []struct {
	name, logical string
	deterministic bool
	good, bad     []string
}{
	{"text", "text", true, []string{marker, "", " ", "a\tb\nc", "\x01\x7f", "été 北京 🧪", strings.Repeat(marker+" ", 50000), `it''s \x41 "q"`}, nil},
	{"varchar", "varchar(20)", true, []string{marker, "", "x", "exactly twenty chars", "trailing            ", "blanks after twenty     "}, []string{strings.Repeat("y", 21)}},
	{"char", "char(10)", true, []string{"abc", "", "abc  ", "0123456789", "é", "0123456789   "}, []string{"0123456789a"}},
	{"int2", "int2", true, []string{"0", "-32768", "32767", " 7 ", "+5"}, []string{"32768", "x", "", "1.5"}},
	{"int4", "int4", true, []string{"0", "-2147483648", "2147483647"}, []string{"2147483648", "abc", "1 2"}},
	{"int8", "int8", true, []string{"0", "-9223372036854775808", "9223372036854775807"}, []string{"9223372036854775808", "1e3"}},
	{"numeric", "numeric(12,3)", false, []string{"0", "1.5", "-1.2345", "123456789.123", "1e3", "NaN", "0.0005"}, []string{"1234567890.1", "x", ""}},
	{"real", "float4", false, []string{"0", "1.5", "-0", "1e20", "1e-20", "NaN", "Infinity", "-Infinity", "123456.7"}, []string{"1e50", "x"}},
	{"double", "float8", false, []string{"0", "0.1", "1e300", "123456789012345678", "-1e-5", "NaN", "infinity"}, []string{"1e400", "1,5"}},
	{"bool", "bool", true, []string{"t", "false", "yes", "off", "1", " TRUE "}, []string{"maybe", "2", ""}},
	{"date", "date", true, []string{"1942-03-05", "2024-02-29", "0001-01-01", "0044-03-15 BC", "infinity", "5874897-12-31"}, []string{"2023-02-29", "2023-13-01", "hello"}},
	{"timestamp", "timestamp", true, []string{"2024-05-06 07:08:09", "2024-05-06T07:08:09.123456", "2024-05-06", "infinity", "1000-01-01 00:00:00"}, []string{"2024-05-06 25:00:00", "nope"}},
	{"timestamptz", "timestamptz", true, []string{"2024-05-06 07:08:09+02", "2024-12-06 07:08:09", "2024-05-06T07:08:09.5Z", "-infinity"}, []string{"2024-02-30 00:00:00+00", "later"}},
	{"uuid", "uuid", true, []string{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"}, []string{"a0eebc99", "zz"}},
	{"jsonb", "jsonb", false, []string{`{"b":1, "a":[1,2.50,{"x":"` + marker + `"}],"b":2}`, `null`, `"é\u00e9\n"`, `1e2`, `[]`, `{}`}, []string{`{`, `{"a":}`, ``}},
	{"bytea", "bytea", true, []string{`\x`, `\xdeadbeef00ff`, `abc\\001`, `\x5a`}, []string{`\xf`, `\xzz`}},
}

// twin is the same table in the clear, on a server of its own.
func twin(t *testing.T) *testenv.Postgres {
	t.Helper()
	return inTheClear(t, "CREATE SCHEMA lab", everyTable())
}

// everyTable is lab.every in the clear.
func everyTable() string {
	ddl := "CREATE TABLE lab.every (id int PRIMARY KEY, plain text"
	for _, v := range values {
		ddl += fmt.Sprintf(", r_%s %s, d_%s %s", v.name, v.logical, v.name, v.logical)
	}
	return ddl + ")"
}

// way is one of the ways in which a client sends a value.
type way struct {
	name  string
	write func(ctx context.Context, c *pgconn.PgConn, id int, column string, value *string, binary []byte) error
}

var ways = []way{
	{"simple literal", func(ctx context.Context, c *pgconn.PgConn, id int, column string, value *string, _ []byte) error {
		return c.Exec(ctx, fmt.Sprintf("INSERT INTO lab.every (id, %s) VALUES (%d, %s)", column, id, literal(value))).Close()
	}},
	{"extended literal", func(ctx context.Context, c *pgconn.PgConn, id int, column string, value *string, _ []byte) error {
		_, err := c.ExecParams(ctx, fmt.Sprintf("INSERT INTO lab.every (id, %s) VALUES (%d, %s)", column, id, literal(value)), nil, nil, nil, nil).Close()
		return err
	}},
	{"text parameter", func(ctx context.Context, c *pgconn.PgConn, id int, column string, value *string, _ []byte) error {
		_, err := c.ExecParams(ctx, fmt.Sprintf("INSERT INTO lab.every (id, %s) VALUES (%d, $1)", column, id), [][]byte{text(value)}, nil, nil, nil).Close()
		return err
	}},
	{"binary parameter", func(ctx context.Context, c *pgconn.PgConn, id int, column string, _ *string, binary []byte) error {
		_, err := c.ExecParams(ctx, fmt.Sprintf("INSERT INTO lab.every (id, %s) VALUES (%d, $1)", column, id), [][]byte{binary}, nil, []int16{1}, nil).Close()
		return err
	}},
	{"prepared parameter", func(ctx context.Context, c *pgconn.PgConn, id int, column string, value *string, _ []byte) error {
		if _, err := c.Prepare(ctx, "s", fmt.Sprintf("INSERT INTO lab.every (id, %s) VALUES ($2, $1)", column), nil); err != nil {
			return err
		}
		_, err := c.ExecPrepared(ctx, "s", [][]byte{text(value), []byte(fmt.Sprint(id))}, nil, nil).Close()
		if e := c.Exec(ctx, "DEALLOCATE s").Close(); err == nil {
			err = e
		}
		return err
	}},
	{"update literal", func(ctx context.Context, c *pgconn.PgConn, id int, column string, value *string, _ []byte) error {
		if err := c.Exec(ctx, fmt.Sprintf("INSERT INTO lab.every (id) VALUES (%d)", id)).Close(); err != nil {
			return err
		}
		return c.Exec(ctx, fmt.Sprintf("UPDATE lab.every SET %s = %s WHERE id = %d", column, literal(value), id)).Close()
	}},
}

func literal(value *string) string {
	if value == nil {
		return "NULL"
	}
	return "'" + strings.ReplaceAll(*value, "'", "''") + "'"
}

func text(value *string) []byte {
	if value == nil {
		return nil
	}
	return []byte(*value)
}

func connectPg(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if err := conn.PgConn().Exec(context.Background(), "SET TimeZone TO 'Europe/Paris'").Close(); err != nil {
		t.Fatal(err)
	}
	return conn.PgConn()
}

// sameError compares what a client is told: SQLSTATE and message.
func sameError(direct, through error) bool {
	a, aOK := direct.(*pgconn.PgError)
	b, bOK := through.(*pgconn.PgError)
	return direct == nil && through == nil || aOK && bOK && a.Code == b.Code && a.Message == b.Message
}

// TestTypes writes every value of every type in every way, through pgveil and, to a
// twin in the clear, directly: both must give the same rows, byte for byte, in text
// and in binary, with the same description, and the same errors. Afterwards nothing
// of it is to be found in the clear at the server.
func TestTypes(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	clear := twin(t)
	direct := connectPg(t, clear.DSN(clear.Superuser(), clear.SuperPassword(), "postgres"))
	through := connectPg(t, s.DSN("biologist"))
	id := 0
	for _, v := range values {
		modes := []string{"r_"}
		if v.deterministic {
			modes = append(modes, "d_")
		}
		for _, mode := range modes {
			column := mode + v.name
			inputs := []*string{nil}
			for i := range v.good {
				inputs = append(inputs, &v.good[i])
			}
			for i := range v.bad {
				inputs = append(inputs, &v.bad[i])
			}
			for _, value := range inputs {
				var binary []byte
				for _, w := range ways {
					if w.name == "binary parameter" && value != nil && binary == nil {
						continue // no server form of a bad value
					}
					id++
					name := fmt.Sprintf("%s %s %.40q", column, w.name, literal(value))
					want := w.write(ctx, direct, id, column, value, binary)
					got := w.write(ctx, through, id, column, value, binary)
					if !sameError(want, got) {
						t.Errorf("%s: through pgveil: %v, directly: %v", name, got, want)
						continue
					}
					if want != nil {
						continue
					}
					for _, format := range []int16{0, 1} {
						sql := fmt.Sprintf("SELECT id, %s FROM lab.every WHERE id = $1", column)
						args, formats := [][]byte{[]byte(fmt.Sprint(id))}, []int16{0, format}
						a := direct.ExecParams(ctx, sql, args, nil, nil, formats).Read()
						b := through.ExecParams(ctx, sql, args, nil, nil, formats).Read()
						if a.Err != nil || b.Err != nil {
							t.Errorf("%s: read: through pgveil: %v, directly: %v", name, b.Err, a.Err)
							continue
						}
						if len(b.Rows) != 1 || !bytes.Equal(a.Rows[0][1], b.Rows[0][1]) || (a.Rows[0][1] == nil) != (b.Rows[0][1] == nil) {
							t.Errorf("%s: format %d: read %.60q, directly %.60q", name, format, b.Rows, a.Rows)
						}
						f, g := a.FieldDescriptions[1], b.FieldDescriptions[1]
						if f.Name != g.Name || f.DataTypeOID != g.DataTypeOID || f.DataTypeSize != g.DataTypeSize || f.TypeModifier != g.TypeModifier || f.Format != g.Format {
							t.Errorf("%s: described as %+v, directly %+v", name, g, f)
						}
						if format == 1 {
							binary = a.Rows[0][1]
						}
					}
				}
			}
		}
	}
	t.Logf("%d writes", id)
	s.Postgres.NoPlaintext(t, stack.Database, marker, "1942-03-05", "deadbeef00ff", "123456789.123")
}
