package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestControlledWays: the verdict holds in every way in which a value leaves.
func TestControlledWays(t *testing.T) {
	ctx := context.Background()
	s := startControlled(t)
	fillControlled(t, s, anne)
	server := directConn(t, s)
	for _, role := range []struct{ name, called, born string }{{"biologist", "Lefèvre", "1985-05-17"}, {"secretary", "L******", "1985-05-17"}, {"researcher", "", "1985-01-01"}} {
		conn := s.Connect(t, role.name)
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			var called *string
			var born pgtype.Date
			if err := conn.QueryRow(ctx, `SELECT name, born FROM lab.person WHERE id = $1`, mode, 1).Scan(&called, &born); err != nil {
				t.Fatalf("%s, %v: %v", role.name, mode, err)
			}
			if role.called == "" && called != nil || role.called != "" && (called == nil || *called != role.called) || born.Time.Format("2006-01-02") != role.born {
				t.Errorf("%s, %v: %v, %v", role.name, mode, called, born)
			}
		}
		null := func(s string) string {
			if s == "" {
				return "NULL"
			}
			return s
		}
		want := null(role.called) + "|" + role.born
		for _, sql := range []string{
			`BEGIN; DECLARE c CURSOR FOR SELECT name, born FROM lab.person ORDER BY id; FETCH 1 FROM c; COMMIT`,
			`PREPARE q(int) AS SELECT name, born FROM lab.person WHERE id = $1; EXECUTE q(1); DEALLOCATE q`,
		} {
			if got := show(t, conn, sql); got != want {
				t.Errorf("%s: %s\ngot  %q\nwant %q", role.name, sql, got, want)
			}
		}
		var found int
		err := conn.QueryRow(ctx, `SELECT count(*) FROM lab.person WHERE name = ANY ($1)`, []string{"Lefèvre", "x"}).Scan(&found)
		if role.name == "researcher" && !strings.Contains(fmt.Sprint(err), "42501") || role.name != "researcher" && (err != nil || found != 1) {
			t.Errorf("%s: %d, %v", role.name, found, err)
		}
		for _, style := range []string{"ISO, DMY", "ISO, MDY", "SQL, DMY", "SQL, MDY", "Postgres, DMY", "Postgres, MDY", "German"} {
			show(t, conn, `SET DateStyle = '`+style+`'`)
			got := show(t, conn, `SELECT born FROM lab.person WHERE id = 1`)
			direct := show(t, server, `SET DateStyle = '`+style+`'; SELECT DATE '`+role.born+`'`)
			if got != direct {
				t.Errorf("%s, %s: %s, not %s", role.name, style, got, direct)
			}
		}
		show(t, conn, `SET client_encoding = LATIN1`)
		got := show(t, conn, `SELECT name FROM lab.person WHERE id = 1`)
		if want := map[string]string{"biologist": "Lef\xe8vre", "secretary": "0A000", "researcher": "0A000"}[role.name]; got != want {
			t.Errorf("%s, LATIN1: %q", role.name, got)
		}
	}
}

// directConn connects to the server itself.
func directConn(t *testing.T, s *stack.Stack) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.Postgres.DSN(s.Postgres.Superuser(), s.Postgres.SuperPassword(), s.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// TestControlledRoleChanges: what one role has prepared is no way for another.
func TestControlledRoleChanges(t *testing.T) {
	ctx := context.Background()
	s := startControlled(t)
	fillControlled(t, s, anne)
	for _, sql := range []string{
		`CREATE ROLE application LOGIN NOINHERIT PASSWORD '` + stack.Password + `'`, `GRANT biologist, secretary TO application`,
	} {
		if err := s.Postgres.ExecIn(ctx, s.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	conn := s.Connect(t, "application")
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`SET ROLE biologist`)
	if _, err := conn.Prepare(ctx, "upper", `SELECT upper(name) FROM lab.person WHERE id = $1`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Prepare(ctx, "plain", `SELECT name FROM lab.person WHERE id = $1`); err != nil {
		t.Fatal(err)
	}
	ask := func(name string) string {
		var value string
		err := conn.QueryRow(ctx, name, 1).Scan(&value)
		var e *pgconn.PgError
		if errors.As(err, &e) {
			return e.Code
		}
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	if got := ask("upper") + " " + ask("plain"); got != "LEFÈVRE Lefèvre" {
		t.Error(got)
	}
	if _, err := conn.Prepare(ctx, "spy", `SELECT min(s) FROM lab.spy() s WHERE $1 = 1`); err != nil {
		t.Fatal(err)
	}
	if got := ask("spy"); got != "Bernard" {
		t.Error(got)
	}
	exec(`SET ROLE secretary`)
	if got := ask("spy"); got != "42501" {
		t.Error(got)
	}
	if got := ask("upper") + " " + ask("plain"); got != "42501 L******" {
		t.Error(got)
	}
	exec(`SET ROLE biologist`)
	if got := ask("upper") + " " + ask("plain"); got != "LEFÈVRE Lefèvre" {
		t.Error(got)
	}
	if got := show(t, conn, `SET ROLE secretary; SELECT upper(name) FROM lab.person`); got != "42501" && got != "0A000" {
		t.Error(got)
	}
	exec(`SET ROLE biologist`)
	exec(`PREPARE u(int) AS SELECT upper(name) FROM lab.person WHERE id = $1`)
	exec(`DECLARE u CURSOR WITH HOLD FOR SELECT upper(name) FROM lab.person ORDER BY name`)
	for _, role := range []struct{ name, executed, fetched string }{{"biologist", "LEFÈVRE", "BERNARD"}, {"secretary", "42501", "42501"}, {"biologist", "LEFÈVRE", "LEFÈVRE"}} {
		exec(`SET ROLE ` + role.name)
		if got := show(t, conn, `EXECUTE u(1)`) + " " + show(t, conn, `FETCH FROM u`); got != role.executed+" "+role.fetched {
			t.Errorf("%s: %s", role.name, got)
		}
	}
	// The same of what reaches them through a function, unnamed.
	exec(`PREPARE unnamed AS SELECT min(s) FROM lab.spy() s`)
	exec(`PREPARE beside AS SELECT s, name FROM lab.spy() s, lab.person WHERE id = 2 ORDER BY s`)
	exec(`DECLARE unnamed CURSOR WITH HOLD FOR SELECT s FROM lab.spy() s ORDER BY s`)
	extended := func(sql string) string {
		r := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
		var e *pgconn.PgError
		switch {
		case errors.As(r.Err, &e):
			return e.Code
		case r.Err != nil:
			t.Fatal(r.Err)
		case len(r.Rows) == 0:
			return ""
		}
		return string(r.Rows[0][0])
	}
	if _, err := conn.Prepare(ctx, "run", `EXECUTE unnamed`); err != nil {
		t.Fatal(err)
	}
	run := func() string {
		r := conn.PgConn().ExecPrepared(ctx, "run", nil, nil, nil).Read()
		var e *pgconn.PgError
		if errors.As(r.Err, &e) {
			return e.Code
		}
		return fmt.Sprintf("%s", r.Rows)
	}
	for _, role := range []struct{ name, want string }{
		{"biologist", "Bernard Bernard Bernard Bernard Lefèvre [[Bernard]]"},
		{"secretary", "42501 42501 42501 42501 42501 42501"},
		{"biologist", "Bernard Bernard Bernard NULL  [[Bernard]]"},
	} {
		exec(`SET ROLE ` + role.name)
		got := show(t, conn, `EXECUTE unnamed`) + " " + extended(`EXECUTE unnamed`) + " " + extended(`EXECUTE beside`) + " " +
			show(t, conn, `FETCH FROM unnamed`) + " " + extended(`FETCH FROM unnamed`) + " " + run()
		if got != role.want {
			t.Errorf("%s: %s, want %s", role.name, got, role.want)
		}
		if role.name == "secretary" {
			for _, sql := range []string{`MOVE FROM unnamed`, `EXPLAIN ANALYZE EXECUTE unnamed`, `CREATE TEMP TABLE spied AS EXECUTE unnamed`} {
				if got := show(t, conn, sql); got != "42501" {
					t.Errorf("%s: %s", sql, got)
				}
			}
		}
	}
	w := dialWire(t, s.DSN("application"))
	said := w.exchange(query(`SET ROLE biologist`)) + w.exchange(query(`BEGIN`)) + w.exchange(parse("", `SELECT s FROM lab.spy() s`), bind("p", ""), sync_) +
		w.exchange(query(`SET ROLE secretary`)) + w.exchange(execute("p", 0), sync_) + w.exchange(query(`ROLLBACK`))
	if !strings.Contains(said, "42501") || strings.Contains(said, "Bernard") {
		t.Errorf("a portal: %s", said)
	}
	// Once the catalog has changed, what was prepared goes on.
	if err := s.Postgres.ExecIn(ctx, s.Database, `ALTER TABLE lab.person ADD another int`); err != nil {
		t.Fatal(err)
	}
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	if got := ask("upper") + " " + show(t, conn, `EXECUTE u(1)`) + " " + show(t, conn, `EXECUTE unnamed`); got != "LEFÈVRE LEFÈVRE Bernard" {
		t.Error(got)
	}
	exec(`SET ROLE secretary`)
	if got := show(t, conn, `EXECUTE unnamed`) + " " + show(t, conn, `EXECUTE beside`); got != "42501 42501" {
		t.Error(got)
	}
}

// TestControlledMessages: errors and notices of the server quote no value to whom may not read it.
func TestControlledMessages(t *testing.T) {
	ctx := context.Background()
	s := startControlled(t)
	fillControlled(t, s, anne)
	for _, sql := range []string{
		`CREATE FUNCTION lab.loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			RAISE NOTICE 'of %', OLD.name;
			IF NEW.city = 'raise' THEN RAISE EXCEPTION 'not %', OLD.name USING HINT = OLD.name, DETAIL = OLD.name; END IF;
			IF NEW.city = 'cast' THEN NEW.id := OLD.name::int; END IF;
			RETURN NEW; END $$`,
		`CREATE TABLE lab.parent (id int PRIMARY KEY)`, `INSERT INTO lab.parent VALUES (1)`, `GRANT ALL ON lab.parent TO PUBLIC`,
		`ALTER TABLE lab.person ADD parent int REFERENCES lab.parent ON DELETE SET NULL`, `UPDATE lab.person SET parent = 1 WHERE id = 1`,
		`ALTER TABLE lab.person ADD CONSTRAINT has_parent CHECK (parent IS NOT NULL OR id <> 1), ADD CHECK (city <> 'check')`,
		`CREATE TRIGGER loud BEFORE UPDATE ON lab.person FOR EACH ROW EXECUTE FUNCTION lab.loud()`,
	} {
		if err := s.Postgres.ExecIn(ctx, s.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	conn, notices := connectNoting(t, s, "secretary")
	for _, c := range []struct{ sql, code string }{
		{`UPDATE lab.person SET city = 'raise' WHERE id = 1`, "P0001"},
		{`UPDATE lab.person SET city = 'cast' WHERE id = 1`, "22P02"},
		{`UPDATE lab.person SET city = 'check' WHERE id = 1`, "23514"},
		{`UPDATE lab.person SET id = 2 WHERE id = 1`, "23505"},
		{`INSERT INTO lab.person (id, name) VALUES (8, 'Bernard')`, "23505"},
		{`DELETE FROM lab.parent`, "23514"},
	} {
		got := seenBy(t, conn, notices, c.sql)
		if strings.Contains(got, "Lef") || strings.Contains(got, "61.25") || strings.Contains(got, "Bernard") || !strings.Contains(got, "Code:"+c.code) {
			t.Errorf("%s: %s", c.sql, got)
		}
	}
	reader, notices := connectNoting(t, s, "biologist")
	if got := seenBy(t, reader, notices, `UPDATE lab.person SET city = 'raise' WHERE id = 1`); !strings.Contains(got, "not Lefèvre") || !strings.Contains(got, "of Lefèvre") {
		t.Errorf("biologist: %s", got)
	}
}

// TestControlledCopies: COPY is for those who may decrypt, and into the table for those who may write.
func TestControlledCopies(t *testing.T) {
	ctx := context.Background()
	s := startControlled(t)
	fillControlled(t, s, anne)
	reader := s.Connect(t, "biologist")
	var out strings.Builder
	if _, err := reader.PgConn().CopyTo(ctx, &out, `COPY lab.person TO STDOUT`); err != nil || !strings.Contains(out.String(), "Lefèvre\t1985-05-17\t61.25") {
		t.Errorf("%q, %v", out.String(), err)
	}
	if _, err := reader.PgConn().CopyFrom(ctx, strings.NewReader("7\t185057800608436\tDurand\n"), `COPY lab.person (id, nir, name) FROM STDIN`); err != nil {
		t.Error(err)
	}
	if got := show(t, reader, `SELECT nir, name FROM lab.person WHERE id = 7`); got != "185057800608436|Durand" {
		t.Error(got)
	}
	writer := s.Connect(t, "secretary")
	if _, err := writer.PgConn().CopyFrom(ctx, strings.NewReader("8\tMartin\n"), `COPY lab.person (id, name) FROM STDIN`); err != nil {
		t.Error(err)
	}
	if _, err := s.Connect(t, "researcher").PgConn().CopyFrom(ctx, strings.NewReader("9\tMartin\n"), `COPY lab.person (id, name) FROM STDIN`); !strings.Contains(fmt.Sprint(err), "42501") {
		t.Error(err)
	}
	if got := show(t, writer, `SELECT name FROM lab.person WHERE id = 8`); got != "M*****" {
		t.Error(got)
	}
}

// TestControlledBudget: a budget counts what is opened of controlled columns, and nothing is made of
// them that it could not count.
func TestControlledBudget(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: controlledSchema + "    budgets:\n      biologist: {values: 2}\n", Tables: controlledTables})
	fillControlled(t, s, anne)
	for _, c := range []struct{ sql, want string }{
		{`SELECT name FROM lab.person WHERE id = 1`, "Lefèvre"},
		{`SELECT name FROM lab.person WHERE id < 3 ORDER BY id`, "Lefèvre\nBernard"},
		{`SELECT name, born FROM lab.person WHERE id < 3`, "53400"},
		{`SELECT string_agg(name, ',') FROM lab.person`, "42501"},
		{`SELECT id FROM lab.person ORDER BY name`, "42501"},
	} {
		if got := show(t, s.Connect(t, "biologist"), c.sql); got != c.want {
			t.Errorf("%s\ngot  %q\nwant %q", c.sql, got, c.want)
		}
	}
}
