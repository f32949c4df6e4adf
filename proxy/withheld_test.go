package proxy_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestWithheldKey: while a key is withheld, what needs it fails before anything of it has run,
// the session and all else go on, and it works again in the same session afterwards.
func TestWithheldKey(t *testing.T) {
	ctx := context.Background()
	live := make(map[*schema.Column]*keys.LiveSealer)
	s := stack.Start(t, stack.Options{Sealer: func(column *schema.Column, sealer proxy.Sealer) proxy.Sealer {
		live[column] = keys.NewLiveSealer(sealer.(*keys.Sealer))
		return live[column]
	}})
	conn := s.Connect(t, "biologist")
	if _, err := conn.Exec(ctx, `INSERT INTO lab.patient (id, nir, last_name) VALUES (1, '185057800608436', 'Durand'), (2, '278037512345642', 'Petit')`); err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{"read": `SELECT last_name FROM lab.patient WHERE id = $1`, "change": `UPDATE lab.patient SET id = id + 100 WHERE id = $1 RETURNING last_name`} {
		if _, err := conn.Prepare(ctx, name, sql); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (name string, err error) {
		err = conn.QueryRow(ctx, "read", 1).Scan(&name)
		return name, err
	}
	if name, err := read(); err != nil || name != "Durand" {
		t.Fatalf("%q, %v", name, err)
	}
	inside := s.Connect(t, "biologist")
	for _, sql := range []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT last_name FROM lab.patient ORDER BY id`, `FETCH 1 FROM c`} {
		if _, err := inside.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}

	for column, sealer := range live {
		if column.Key == "medical" {
			sealer.Withhold(column.Key, pgerror.New(pgerror.SystemError, "key %q is withheld", column.Key).WithHint("Wait."))
		}
	}
	withheld := func(what string, err error) {
		t.Helper()
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "58000" || e.Hint != "Wait." || e.Message != `key "medical" is withheld` {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := read()
	withheld("a prepared SELECT", err)
	var e *pgconn.PgError
	if errors.As(err, &e) && (e.SchemaName != "lab" || e.TableName != "patient" || e.ColumnName != "last_name") {
		t.Errorf("the error names %s.%s.%s", e.SchemaName, e.TableName, e.ColumnName)
	}
	_, err = conn.Exec(ctx, "change", 1)
	withheld("a prepared UPDATE … RETURNING", err)
	for _, sql := range []string{
		`SELECT last_name FROM lab.patient`,
		`SELECT * FROM lab.patient`,
		`INSERT INTO lab.patient (id, last_name) VALUES (3, 'Martin')`,
		`UPDATE lab.patient SET id = id + 100 RETURNING last_name`,
		`UPDATE lab.patient SET id = id + 100; SELECT last_name FROM lab.patient`,
		`PREPARE p AS SELECT last_name FROM lab.patient`,
	} {
		_, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		withheld(sql, err)
	}
	_, err = conn.PgConn().CopyTo(ctx, io.Discard, `COPY lab.patient (last_name) TO STDOUT`)
	withheld("COPY TO", err)
	_, err = conn.PgConn().CopyFrom(ctx, strings.NewReader("3\tMartin\n"), `COPY lab.patient (id, last_name) FROM STDIN`)
	withheld("COPY FROM", err)

	// What needs no key, or another, goes on; nothing of the others was done.
	for sql, want := range map[string]string{
		`SELECT string_agg(id::text, ',' ORDER BY id) FROM lab.patient`:        "1,2",
		`SELECT count(last_name) FROM lab.patient WHERE last_name IS NOT NULL`: "2",
		`SELECT nir FROM lab.patient WHERE nir = '185057800608436'`:            nir1,
	} {
		if got := show(t, conn, sql); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	var name *string
	if err := s.Connect(t, "researcher").QueryRow(ctx, `SELECT last_name FROM lab.patient WHERE id = 1`).Scan(&name); err != nil || name != nil {
		t.Errorf("a column that is hidden: %v, %v", name, err)
	}

	// A cursor that is open fails at its next row, and the transaction as the server would have it.
	_, err = inside.Exec(ctx, `FETCH 1 FROM c`)
	withheld("FETCH", err)
	if _, err = inside.Exec(ctx, `SELECT 1`); !errors.As(err, &e) || e.Code != "25P02" {
		t.Errorf("after it: %v", err)
	}
	if _, err = inside.Exec(ctx, `ROLLBACK`); err != nil {
		t.Error(err)
	}

	for column, sealer := range live {
		if err := sealer.Exchange(s.Keys[column.Key]); err != nil {
			t.Fatal(err)
		}
	}
	if name, err := read(); err != nil || name != "Durand" {
		t.Errorf("afterwards: %q, %v", name, err)
	}
}
