package copydata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
)

// serverForms are options as the server is given them and as a stream is.
var serverForms = []struct {
	sql string
	Options
}{
	{"", Options{Delimiter: "\t", Null: `\N`}},
	{"(DELIMITER '|', NULL '')", Options{Delimiter: "|", Null: ""}},
	{"(DELIMITER ',', NULL 'a', HEADER)", Options{Delimiter: ",", Null: "a", Header: HeaderLine}},
	{"(HEADER match)", Options{Delimiter: "\t", Null: `\N`, Header: HeaderMatch}},
	{"CSV", Options{Format: CSV, Delimiter: ",", Quote: `"`, Escape: `"`}},
	{"(FORMAT csv, DELIMITER '|', QUOTE '''', ESCAPE '\\', NULL 'a')", Options{Format: CSV, Delimiter: "|", Quote: "'", Escape: `\`, Null: "a"}},
	{"(FORMAT csv, QUOTE ',', DELIMITER 'a', NULL '|')", Options{Format: CSV, Delimiter: "a", Quote: ",", Escape: ",", Null: "|"}},
	{"(FORMAT csv, ESCAPE 'a', HEADER)", Options{Format: CSV, Delimiter: ",", Quote: `"`, Escape: "a", Header: HeaderLine}},
	{"(FORMAT csv, QUOTE '\\')", Options{Format: CSV, Delimiter: ",", Quote: `\`, Escape: `\`}},
	{"(FORMAT csv, HEADER match, FORCE_NULL (b), FORCE_NOT_NULL (c))", Options{Format: CSV, Delimiter: ",", Quote: `"`, Escape: `"`, Header: HeaderMatch}},
}

// pieces are what random data is made of: whatever has a meaning in some form.
var pieces = []string{"a", "b", "|", ",", "\t", "\n", "\n", "\n", "\r", "\r\n", `\`, `\.`, "\\.\n", `\N`, `\n`, `\x4`, `\101`, `"`, `""`, "'", "é", "c", "a|b|c\n", "a,b,c\n", "a\tb\tc\n", `"a","b","c"` + "\n"}

// TestLikeServer gives random data to a server, as it is for a table of text, and
// rewritten for one with a column of bytea: both must hold the same then, or the
// error must be the same.
func TestLikeServer(t *testing.T) {
	testenv.Require(t, testenv.PartPostgres)
	ctx := context.Background()
	pg, err := testenv.StartPostgres(ctx, testenv.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pg.Stop() })
	conn, err := pgx.Connect(ctx, pg.DSN(pg.Superuser(), pg.SuperPassword(), "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.PgConn().Exec(ctx, `CREATE TEMP TABLE t (a text, b text, c text); CREATE TEMP TABLE sealed (a text, b bytea, c text)`).Close(); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	stored, failed := 0, 0
	for i := range 1500 {
		form := serverForms[i%len(serverForms)]
		var data []byte
		if form.Header == HeaderMatch && i%3 > 0 {
			data = append(data, strings.Join([]string{"a", "b", "c"}, form.Delimiter)+"\n"...)
		}
		for range random.IntN(14) {
			data = append(data, pieces[random.IntN(len(pieces))]...)
		}
		c := config(Text, stars, "a", "*b", "c")
		c.Options = form.Options
		if strings.Contains(form.sql, "FORCE_NULL") {
			c.Columns[1].ForceNull, c.Columns[2].ForceNotNull = true, true
		}
		name := fmt.Sprintf("%s %q", form.sql, data)
		want := load(ctx, conn, "t", form.sql, data)
		rewritten, got := rewrite(t, c, data, 1+random.IntN(len(data)+1))
		if got == nil {
			if got = load(ctx, conn, "sealed", form.sql, rewritten); got != nil {
				got = errors.New(strings.ReplaceAll(got.Error(), "COPY sealed", "COPY t"))
			}
		} else {
			got = errors.New(said(got))
			if _, err := conn.Exec(ctx, `TRUNCATE sealed`); err != nil {
				t.Fatal(err)
			}
		}
		switch {
		case (want == nil) != (got == nil):
			t.Errorf("%s: %v, the server: %v; rewritten %q", name, got, want, rewritten)
		case want != nil:
			// A line that the server finds wrong for another reason is quoted as it got it.
			if failed++; want.Error() != got.Error() {
				t.Errorf("%s: %v, the server: %v", name, got, want)
			}
		default:
			stored++
			compareTables(t, conn, name, c, form.sql)
		}
		if t.Failed() && i > 200 {
			break
		}
	}
	t.Logf("%d stored, %d failed", stored, failed)
}

func said(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code + " " + e.Message + " | " + e.Hint + " | " + e.Where
	}
	if e, ok := pgerrorOf(err); ok {
		return e
	}
	return err.Error()
}

// load replaces what a table holds.
func load(ctx context.Context, conn *pgx.Conn, table, form string, data []byte) error {
	if _, err := conn.Exec(ctx, "TRUNCATE "+table); err != nil {
		return err
	}
	if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(data), "COPY "+table+" FROM STDIN "+form); err != nil {
		return errors.New(said(err))
	}
	return nil
}

// compareTables compares the two tables, and what is copied out of them.
func compareTables(t *testing.T, conn *pgx.Conn, name string, c Config, form string) {
	t.Helper()
	ctx := context.Background()
	var differ bool
	err := conn.QueryRow(ctx, `SELECT (SELECT json_agg(t) FROM t)::text IS DISTINCT FROM
		(SELECT json_agg(s) FROM (SELECT a, convert_from(b, 'UTF8') AS b, c FROM sealed) s)::text`).Scan(&differ)
	if err != nil {
		t.Fatal(err)
	}
	if differ {
		t.Errorf("%s: the tables differ", name)
		return
	}
	form, _, _ = strings.Cut(strings.Replace(form, "HEADER match", "HEADER", 1), ", FORCE")
	if strings.HasPrefix(form, "(") && !strings.HasSuffix(form, ")") {
		form += ")"
	}
	var want, sealed bytes.Buffer
	if _, err := conn.PgConn().CopyTo(ctx, &want, "COPY t TO STDOUT "+form); err != nil {
		t.Fatalf("%s: %v", form, err)
	}
	if _, err := conn.PgConn().CopyTo(ctx, &sealed, "COPY sealed TO STDOUT "+form); err != nil {
		t.Fatalf("%s: %v", form, err)
	}
	c.In, c.Change = false, unstars
	if got, err := rewrite(t, c, sealed.Bytes(), 7); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s: out: %q, %v, the server: %q", name, got, err, want.Bytes())
	}
}
