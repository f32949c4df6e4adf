package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestErased: values whose key was destroyed read as their column's marker, in every form; what
// was damaged is an error as before, what other keys have sealed opens, and nothing is sealed.
func TestErased(t *testing.T) {
	ctx := context.Background()
	var mu sync.Mutex
	live := make(map[*schema.Column]*keys.LiveSealer)
	marked := strings.Replace(stack.Schema, "            key: medical\n            access: {biologist: decrypt, secretary: decrypt, researcher: hide}",
		"            key: medical\n            erased: effacé\n            access: {biologist: decrypt, secretary: {mask: {keep_first: 1, fill: \"*\"}}, researcher: hide}", 1)
	marked = strings.Replace(marked, "r_char: {type: 'char(10)', encryption: randomized,", "r_char: {type: 'char(10)', erased: 'gone', encryption: randomized,", 1)
	s := stack.Start(t, stack.Options{Schema: marked, Sealer: func(column *schema.Column, sealer proxy.Sealer) proxy.Sealer {
		l := keys.NewLiveSealer(sealer.(*keys.Sealer))
		mu.Lock()
		defer mu.Unlock()
		live[column] = l
		return l
	}})
	conn := s.Connect(t, "biologist")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(sql string) error { _, err := conn.Exec(ctx, sql); return err }
	must(exec(`INSERT INTO lab.patient (id, nir, last_name, birth_date, city) VALUES (1, '185057800608436', 'Durand', '1985-05-01', 'Lyon'), (2, '278037512345642', NULL, NULL, 'Metz')`))
	must(exec(`INSERT INTO lab.every (id, r_char, r_int4, r_jsonb, d_int4) VALUES (1, 'abc', 42, '{"a": 1}', 7)`))
	_, err := conn.Prepare(ctx, "read", `SELECT last_name, birth_date FROM lab.patient WHERE id = $1`)
	must(err)
	open := s.Connect(t, "biologist")
	for _, sql := range []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT last_name, birth_date, nir FROM lab.patient ORDER BY id`} {
		_, err := open.Exec(ctx, sql)
		must(err)
	}

	before, err := s.Store.Version(ctx, "medical")
	must(err)
	must(s.Store.Destroy(ctx, "medical", before))
	_, err = s.Store.Open(ctx, "medical")
	left := keys.Erased(err)
	if left == nil {
		t.Fatal(err)
	}
	s.SetKey(left)
	mu.Lock()
	sealers := maps.Clone(live)
	mu.Unlock()
	for column, l := range sealers {
		if column.Key == "medical" {
			must(l.Exchange(left))
		}
	}

	for sql, want := range map[string]string{
		`SELECT id, last_name, birth_date, nir FROM lab.patient ORDER BY id`:                                                   "1|effacé|NULL|185057800608436\n2|NULL|NULL|278037512345642",
		`SELECT r_char, r_int4, r_jsonb, d_int4 FROM lab.every`:                                                                "gone      |NULL|NULL|7",
		`SELECT array_agg(last_name ORDER BY id), array_agg(birth_date ORDER BY id) FROM lab.patient`:                          "{effacé,NULL}|{NULL,NULL}",
		`SELECT row_to_json(p) FROM (SELECT last_name, birth_date, nir FROM lab.patient WHERE id = 1) p`:                       `{"last_name":"effacé","birth_date":null,"nir":"185057800608436"}`,
		`SELECT json_agg(birth_date ORDER BY id) FROM lab.patient`:                                                             "[null, null]",
		`UPDATE lab.patient SET city = 'Nice' WHERE id = 1 RETURNING last_name, city`:                                          "effacé|Nice",
		`SELECT last_name::text FROM lab.patient WHERE id = 1`:                                                                 "effacé",
		`SELECT coalesce(last_name) FROM lab.patient WHERE id = 1`:                                                             "effacé",
		`SELECT count(last_name) FROM lab.patient WHERE last_name IS NOT NULL`:                                                 "1",
		`WITH a AS (SELECT last_name FROM lab.patient WHERE id = 1) SELECT last_name FROM a UNION ALL SELECT last_name FROM a`: "effacé\neffacé",
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			if got := texts(t, conn, sql, mode); got != want {
				t.Errorf("%s: %q, want %q", sql, got, want)
			}
		}
	}
	var name *string
	var born *time.Time
	must(conn.QueryRow(ctx, "read", 1).Scan(&name, &born)) // in binary
	if name == nil || *name != "effacé" || born != nil {
		t.Errorf("prepared: %v, %v", name, born)
	}
	var names []*string
	must(conn.QueryRow(ctx, `SELECT array_agg(last_name ORDER BY id) FROM lab.patient`).Scan(&names))
	if len(names) != 2 || names[0] == nil || *names[0] != "effacé" || names[1] != nil {
		t.Errorf("a binary array: %v", names)
	}
	if got := texts(t, open, `FETCH 1 FROM c`, pgx.QueryExecModeSimpleProtocol); got != "effacé|NULL|185057800608436" {
		t.Errorf("a cursor: %s", got)
	}
	var out bytes.Buffer
	_, err = conn.PgConn().CopyTo(ctx, &out, `COPY lab.patient (id, last_name, birth_date) TO STDOUT`)
	if err != nil || !strings.Contains(out.String(), "1\teffacé\t\\N\n") {
		t.Errorf("COPY: %q, %v", out.String(), err)
	}
	for role, want := range map[string]string{"secretary": "effacé", "researcher": "NULL"} {
		if got := texts(t, s.Connect(t, role), `SELECT last_name FROM lab.patient WHERE id = 1`, pgx.QueryExecModeExec); got != want {
			t.Errorf("%s reads %s", role, got)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(auditText(t, s), `"rows":2,"opened":2,"erased":2,`); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the audit log does not tell of erased values: %s", auditText(t, s))
		}
	}

	// Nothing is sealed, and nothing else is amiss.
	for _, sql := range []string{
		`INSERT INTO lab.patient (id, last_name) VALUES (3, 'Martin')`,
		`UPDATE lab.patient SET last_name = 'Martin' WHERE id = 1`,
	} {
		for _, err := range []error{exec(sql), func() error { _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); return err }()} {
			var e *pgconn.PgError
			if !errors.As(err, &e) || e.Code != "55000" || !strings.Contains(e.Message, `key "medical" was destroyed`) || e.Hint == "" || e.ColumnName != "last_name" {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	_, err = conn.PgConn().CopyFrom(ctx, strings.NewReader("3\tMartin\n"), `COPY lab.patient (id, last_name) FROM STDIN`)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "55000" {
		t.Errorf("COPY FROM: %v", err)
	}
	must(exec(`INSERT INTO lab.patient (id, nir, last_name) VALUES (3, '185057800608500', NULL)`))
	must(exec(`UPDATE lab.patient SET last_name = NULL WHERE id = 3`))

	// A damaged value is no erased one.
	server, err := s.Postgres.Conn(ctx, s.Database)
	must(err)
	defer server.Close(ctx)
	_, err = server.Exec(ctx, `UPDATE lab.patient SET last_name = set_byte(last_name, 9, 255 - get_byte(last_name, 9)) WHERE id = 1`)
	must(err)
	if err := conn.QueryRow(ctx, `SELECT last_name FROM lab.patient WHERE id = 1`).Scan(&name); !errors.As(err, &e) || e.Code != "XX001" {
		t.Errorf("a value that names another key: %v", err)
	}
}

// texts gives the rows of a statement as the server's texts.
func texts(t *testing.T, conn *pgx.Conn, sql string, mode pgx.QueryExecMode) string {
	t.Helper()
	rows, err := conn.Query(context.Background(), sql, mode, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var values []string
		for _, v := range rows.RawValues() {
			if v == nil {
				values = append(values, "NULL")
			} else {
				values = append(values, string(v))
			}
		}
		lines = append(lines, strings.Join(values, "|"))
	}
	if rows.Err() != nil {
		t.Errorf("%s: %v", sql, rows.Err())
	}
	return strings.Join(lines, "\n")
}
