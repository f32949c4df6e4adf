package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// jsonQueries make JSON of sealed columns; %s is the name of one.
var jsonQueries = []string{
	`SELECT id, to_json(r_%[1]s) FROM lab.every ORDER BY id`,
	`SELECT json_agg(r_%[1]s ORDER BY id) FROM lab.every`,
	`SELECT json_build_object('a', id, 'b', r_%[1]s, 'b', plain) FROM lab.every ORDER BY id`,
	`SELECT jsonb_build_object('some key', id, 'b', r_%[1]s, 'p', jsonb_build_object('q', plain, 'r', r_%[1]s)) FROM lab.every ORDER BY id`,
	`SELECT to_jsonb(x) FROM (SELECT id, plain, r_%[1]s AS "odd ""name" FROM lab.every) x ORDER BY id`,
	`SELECT id, (SELECT json_agg(o.r_%[1]s ORDER BY o.id) FROM lab.every o WHERE o.id >= e.id) FROM lab.every e ORDER BY id`,
	`SELECT jsonb_build_object('a', (SELECT json_build_object('p', plain, 'r', r_%[1]s) FROM lab.every WHERE id = 1), 'b', coalesce((SELECT jsonb_agg(r_%[1]s ORDER BY id) FROM lab.every WHERE id < 3), '[]'))`,
	`UPDATE lab.every SET plain = plain WHERE id = 2 RETURNING id, json_build_object('r', r_%[1]s), plain`,
}

var wholeRows = []string{
	`SELECT row_to_json(e) FROM lab.every e ORDER BY id`,
	`SELECT json_agg(e ORDER BY id) FROM lab.every e`,
	`SELECT json_agg(json_build_object('row', e, 'other', o) ORDER BY e.id) FROM lab.every e LEFT JOIN lab.every o ON o.id = e.id + 1`,
	`SELECT coalesce(json_agg(x), '[]') FROM (SELECT r_text, plain FROM lab.every WHERE id < 0) x`,
	`SELECT row_to_json(p), count(*) OVER () FROM lab.positive p ORDER BY p.nir IS NULL`,
	`SELECT row_to_json(e) FROM lab.every e (a, b, c) WHERE a = 1`,
	`SELECT e.id, json_build_object('all', (SELECT coalesce(json_agg(o ORDER BY o.id), '[]') FROM lab.every o WHERE o.id > e.id)) FROM lab.every e ORDER BY id`,
	`UPDATE lab.every SET r_text = 'written "anew"' WHERE id = 1 RETURNING row_to_json(every), r_text`,
	`WITH gone AS (SELECT id FROM lab.every WHERE id < 0) DELETE FROM lab.every e USING gone WHERE e.id = gone.id RETURNING json_build_array(1), to_json(e.r_text)`,
}

// TestJSON: JSON that the server makes of sealed values is, once opened, what it makes
// of the plaintexts.
func TestJSON(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	fill(t, s)
	clear := twinOfAll(t)
	if err := clear.Exec(ctx, `ALTER TABLE lab.every DROP d_numeric, DROP d_real, DROP d_double, DROP d_jsonb`, `CREATE VIEW lab.positive AS SELECT p.nir, p.last_name, r.outcome FROM lab.patient p JOIN lab.result r ON r.patient = p.id`); err != nil {
		t.Fatal(err)
	}
	through := s.Connect(t, "biologist")
	direct, err := clear.Conn(ctx, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(ctx)
	both := func(sql string) {
		t.Helper()
		for _, c := range []*pgx.Conn{through, direct} {
			if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	rows := make([]string, 8)
	for _, v := range values {
		for i := range rows {
			value := "NULL"
			if i < len(v.good) && len(v.good[i]) < 1000 {
				value = literal(&v.good[i])
			}
			rows[i] += ", " + value
		}
	}
	var columns string
	for _, v := range values {
		columns += ", r_" + v.name
	}
	for i, row := range rows {
		both(fmt.Sprintf("INSERT INTO lab.every (id, plain%s) VALUES (%d, 'pl\"ain'%s)", columns, i, row))
	}
	var queries []string
	for _, v := range values {
		for _, q := range jsonQueries {
			if v.name == "real" || v.name == "double" {
				if strings.Contains(q, "jsonb") {
					continue
				}
			}
			queries = append(queries, fmt.Sprintf(q, v.name))
		}
	}
	queries = append(queries, wholeRows...)
	compared := 0
	for _, setting := range []string{
		`SET DateStyle = 'ISO, MDY'; SET TimeZone = 'Europe/Paris'`, `SET DateStyle = 'German'; SET TimeZone = 'Asia/Kolkata'`, `SET bytea_output = escape; SET TimeZone = 'UTC'`,
	} {
		both(setting)
		for _, sql := range queries {
			for _, format := range []int16{0, 1} {
				got, want := readAll(ctx, through, sql, format), readAll(ctx, direct, sql, format)
				if got != want {
					t.Errorf("%s; %s (format %d)\nthrough pgveil %.2000s\ndirectly       %.2000s", setting, sql, format, got, want)
				}
				compared++
			}
		}
	}
	if compared < 300 {
		t.Errorf("only %d comparisons", compared)
	}
	both(`RESET ALL`)
	s.Postgres.NoPlaintext(t, stack.Database, `written "anew"`)

	// Verdicts hold inside JSON, too.
	for role, want := range map[string]string{
		"secretary": `{"a":"1**************","b":"Lefèvre"}`, "researcher": `{"a":null,"b":null}`,
	} {
		c := s.Connect(t, role)
		if got := show(t, c, `SELECT json_build_object('a', nir, 'b', last_name)::varchar(200) FROM lab.patient WHERE id = 1`); !strings.Contains(got, "0A000") {
			t.Errorf("%s: a cast is not refused: %s", role, got)
		}
		if got := strings.ReplaceAll(show(t, c, `SELECT json_build_object('a', nir, 'b', last_name) FROM lab.patient WHERE id = 1`), " ", ""); !strings.Contains(got, want) {
			t.Errorf("%s: %s", role, got)
		}
		var e *pgconn.PgError
		if _, err := c.Exec(ctx, `SELECT row_to_json(r) FROM lab.result r`, pgx.QueryExecModeSimpleProtocol); !errors.As(err, &e) || e.Code != "42501" {
			t.Errorf("%s: a row with a denied column: %v", role, err)
		}
	}
	// A value that does not open ends the statement.
	if err := s.Postgres.ExecIn(ctx, stack.Database, `UPDATE lab.patient SET last_name = set_byte(last_name, 30, get_byte(last_name, 30) # 1) WHERE id = 2`); err != nil {
		t.Fatal(err)
	}
	if got := show(t, through, `SELECT row_to_json(p) FROM lab.patient p`); !strings.Contains(got, "XX001") {
		t.Errorf("a tampered value: %s", got)
	}
}

// readAll gives all that a query returns in one format, or its error.
func readAll(ctx context.Context, c *pgx.Conn, sql string, format int16) string {
	r := c.PgConn().ExecParams(ctx, sql, nil, nil, nil, []int16{format}).Read()
	if r.Err != nil {
		return r.Err.Error()
	}
	var b strings.Builder
	for _, f := range r.FieldDescriptions {
		fmt.Fprint(&b, f.Name, f.DataTypeOID, f.Format, " ")
	}
	for _, row := range r.Rows {
		for _, value := range row {
			fmt.Fprintf(&b, "%s|", value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
