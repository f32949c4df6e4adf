package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestUnopened: no statement shows a sealed value, be it one that pgveil cannot know to
// read a tagged table. The next one finds the session as it should be.
func TestUnopened(t *testing.T) {
	s := stack.Start(t, stack.Options{Refresh: time.Hour})
	fill(t, s)
	conn := s.Connect(t, "biologist")
	if got := show(t, conn, `SELECT nir FROM lab.patient WHERE id = 1`); got != nir1 {
		t.Fatal(got)
	}
	if err := s.Postgres.ExecIn(context.Background(), stack.Database,
		`CREATE FUNCTION lab.one(c text) RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER AS $$ DECLARE b bytea; BEGIN EXECUTE 'SELECT ' || c || ' FROM lab.pat' || 'ient WHERE id = 1' INTO b; RETURN b; END $$`,
		`CREATE FUNCTION lab.as_text(c text) RETURNS text LANGUAGE sql AS 'SELECT lab.one(c)::text'`,
	); err != nil {
		t.Fatal(err)
	}
	extended := func(sql string, format ...int16) messages {
		b := bind("", "")
		b.ResultFormatCodes = format
		return messages{parse("", sql), b, execute("", 0), sync_}
	}
	simple := func(sql string, _ ...int16) messages { return messages{query(sql)} }
	views := 0
	for _, output := range []string{"hex", "escape"} {
		for _, c := range []struct {
			in  func(sql string, format ...int16) messages
			sql string // VIEW is one that was made a moment ago, beside pgveil
		}{
			{simple, `SELECT * FROM VIEW`},
			{extended, `SELECT * FROM VIEW`},
			{func(sql string, _ ...int16) messages { return extended(sql, 1) }, `SELECT * FROM VIEW`},
			{simple, `COPY (SELECT * FROM VIEW) TO STDOUT`},
			{simple, `COPY (SELECT * FROM VIEW) TO STDOUT (FORMAT csv)`},
			{simple, `COPY (SELECT * FROM VIEW) TO STDOUT (FORMAT binary)`},
			{simple, `SELECT to_jsonb(b) FROM VIEW b`},
			{simple, `SELECT array_agg(a) FROM VIEW b`},
			{simple, `SELECT b FROM VIEW b`},
			{simple, `SELECT xmlelement(name a, a::text) FROM VIEW b`},
			{simple, `SELECT lab.one('last_name')`},
			{simple, `SELECT 'it is ' || lab.as_text('nir')`},
			{simple, `SELECT id, nir, lab.one('last_name') FROM lab.patient`},
			{func(sql string, _ ...int16) messages { return extended(sql, 1) }, `SELECT id, nir, lab.one('last_name') FROM lab.patient`},
			{simple, `COPY (SELECT id, nir, lab.as_text('last_name') FROM lab.patient) TO STDOUT`},
			{simple, `SELECT CASE WHEN n = 3000 THEN lab.as_text('nir') ELSE repeat('x', 30) END FROM generate_series(1, 3000) n`},
		} {
			views++
			view := fmt.Sprintf("lab.beside_%d", views)
			if err := s.Postgres.ExecIn(context.Background(), stack.Database,
				`CREATE VIEW `+view+` AS SELECT id, nir AS a FROM lab.patient`, `GRANT SELECT ON `+view+` TO biologist`); err != nil {
				t.Fatal(err)
			}
			sql := strings.ReplaceAll(c.sql, "VIEW", view)
			w := dialWire(t, s.DSN("biologist"))
			w.exchange(query(`SET bytea_output TO ` + output))
			w.exchange(query(`BEGIN`))
			got := w.exchange(c.in(sql)...)
			if strings.Contains(got, `fe9d`) || strings.Contains(got, `\xfe\x9d`) || strings.Contains(got, `376`) || !strings.Contains(got, `0A000 "the result holds sealed values`) {
				t.Errorf("%s, %s: %.600s", output, sql, got)
			}
			if got := w.exchange(query(`SELECT 1`)); !strings.Contains(got, "25P02") {
				t.Errorf("%s, %s: the transaction goes on: %s", output, sql, got)
			}
			w.exchange(query(`ROLLBACK`))
			if got := w.exchange(query(`SELECT a FROM ` + view + ` WHERE id = 1`)); !strings.Contains(got, nir1) {
				t.Errorf("%s, %s: afterwards: %s", output, sql, got)
			}
		}
	}
	w := dialWire(t, s.DSN("biologist"))
	w.Frontend.Send(query(`SELECT repeat('x', 200000) || lab.as_text('nir')`))
	if err := w.Frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	_ = w.Conn.SetDeadline(time.Now().Add(20 * time.Second))
	got, err := io.ReadAll(w.Conn)
	if err != nil || len(got) < 1000 || bytes.Contains(got, []byte(`\xfe9d`)) {
		t.Errorf("in a value larger than all buffers: %d bytes, %v, %.200q", len(got), err, got[max(0, len(got)-200):])
	}
}
