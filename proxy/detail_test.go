package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv/stack"
)

// detailOf gives the DETAIL of the error with which a statement fails.
func detailOf(t *testing.T, conn *pgx.Conn, mode pgx.QueryExecMode, sql string) string {
	t.Helper()
	_, err := conn.Exec(context.Background(), sql, mode)
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		t.Fatalf("%s: %v", sql, err)
	}
	return e.Detail
}

// TestDetail: a key that an error quotes is opened for roles that may read it, as a server without pgveil has it, and that is recorded;
// for others it is taken out, and so is a row of which they may not know what is NULL.
func TestDetail(t *testing.T) {
	s := stack.Start(t, stack.Options{Tables: append(stack.Tables[:len(stack.Tables):len(stack.Tables)],
		`ALTER TABLE lab.result ADD FOREIGN KEY (nir) REFERENCES lab.patient (nir)`, `ALTER TABLE lab.patient ADD CHECK (id < 100)`)})
	fill(t, s)
	clear := twinOfAll(t)
	if err := clear.Exec(context.Background(), `ALTER TABLE lab.result ADD FOREIGN KEY (nir) REFERENCES lab.patient (nir)`); err != nil {
		t.Fatal(err)
	}
	biologist, secretary, researcher := s.Connect(t, "biologist"), s.Connect(t, "secretary"), s.Connect(t, "researcher")
	direct, err := pgx.Connect(context.Background(), clear.DSN(clear.Superuser(), clear.SuperPassword(), "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(context.Background())

	opened := 0
	for _, sql := range []string{
		`INSERT INTO lab.patient (id, nir) VALUES (3, '` + nir1 + `')`,
		`UPDATE lab.patient SET nir = '` + nir2 + `' WHERE id = 1`,
		`INSERT INTO lab.result (id, nir) VALUES (3, '278')`,
		`DELETE FROM lab.patient WHERE nir = '` + nir1 + `' AND id NOT IN (SELECT 9)`,
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			want := detailOf(t, direct, mode, sql)
			if got := detailOf(t, biologist, mode, sql); got != want {
				t.Errorf("%s: %q, without pgveil %q", sql, got, want)
			}
			if strings.Contains(want, "(nir)") {
				opened++
			}
		}
	}
	if log := auditText(t, s); strings.Count(log, `"statement":"DETAIL of error 2350`) != opened || opened < 4 || strings.Contains(log, nir1) {
		t.Errorf("%d values were opened, and the log has %d records of that:\n%s", opened, strings.Count(log, `"DETAIL of error`), log)
	}

	const taken = `INSERT INTO lab.patient (id, nir) VALUES (3, '` + nir1 + `')`
	const row = `UPDATE lab.patient SET id = 100 + id WHERE id = 2`
	for _, c := range []struct {
		who       string
		conn      *pgx.Conn
		sql, want string
	}{
		{"who sees a mask", secretary, taken, "Key (nir)=((sealed)) already exists."},
		{"who sees nothing", researcher, `INSERT INTO lab.patient (id) VALUES (1)`, "Key (id)=(1) already exists."},
		{"who may read all", biologist, `UPDATE lab.patient SET id = 100 WHERE id = 9 OR id = 2 AND nir IS NULL OR id = 2`, "Failing row contains (100, (sealed)..., null, (sealed)..., (sealed)..., Lyon)."},
		{"who sees nothing of one", researcher, row, "Failing row contains values that the role may not read."},
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			if got := detailOf(t, c.conn, mode, c.sql); got != c.want {
				t.Errorf("%s: %s: %q, not %q", c.who, c.sql, got, c.want)
			}
		}
	}
}
