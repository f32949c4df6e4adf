package proxy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv/stack"
)

// answers runs texts one by one and gives what each says: rows, tag or SQLSTATE.
func answers(t *testing.T, conn *pgx.Conn, texts []string) []string {
	t.Helper()
	var all []string
	for _, sql := range texts {
		results, err := conn.PgConn().Exec(context.Background(), sql).ReadAll()
		var said []string
		for _, r := range results {
			for _, row := range r.Rows {
				said = append(said, fmt.Sprintf("%q", row))
			}
			said = append(said, r.CommandTag.String())
		}
		if err != nil {
			said = append(said, err.Error())
		}
		all = append(all, sql+" -> "+strings.Join(said, " "))
	}
	return all
}

// TestUncommittedCatalog: what a transaction has made itself is seen by its own next
// statement, and by nobody once it is undone. Nothing in it is tagged, so that the
// server's own answer to the same session is the right one.
func TestUncommittedCatalog(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	ctx := context.Background()
	for _, sql := range []string{
		`GRANT CREATE ON DATABASE laboratory TO biologist`,
		`CREATE SCHEMA mine AUTHORIZATION biologist`,
		`CREATE PROCEDURE mine.run(sql text) LANGUAGE plpgsql AS $$ BEGIN EXECUTE sql; END $$`,
	} {
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	for name, texts := range map[string][]string{
		"a table of a tagged one's name": {
			`BEGIN`, `CREATE SCHEMA their`, `CALL mine.run('CREATE TABLE their.pati' || 'ent (id int, nir char(15))')`,
			`INSERT INTO their.patient VALUES (1, '185057800608436')`, `SELECT * FROM their.patient`,
			`ROLLBACK`, `SELECT * FROM their.patient`,
		},
		"the same, with its search_path": {
			`SET search_path TO mine`, `BEGIN`, `CALL mine.run('CREATE TABLE pati' || 'ent (id int, nir char(15))')`, `SET LOCAL search_path TO mine, public`,
			`INSERT INTO patient VALUES (1, 'it''s \')`, `SELECT nir FROM patient`, `SHOW search_path`, `CALL mine.run('ALTER TABLE pati' || 'ent RENAME nir TO number')`,
			`SELECT number FROM patient`, `SHOW search_path`, `ROLLBACK`, `SHOW search_path`, `SELECT * FROM patient`, `RESET search_path`,
		},
		"a savepoint": {
			`BEGIN`, `SAVEPOINT a`, `CALL mine.run('CREATE TABLE mine.pati' || 'ent (id int)')`, `SELECT * FROM mine.patient`, `ROLLBACK TO a`,
			`SELECT * FROM mine.patient`, `SELECT 1`, `ROLLBACK TO a`, `CALL mine.run('CREATE TABLE mine.pati' || 'ent (id int, note text)')`, `SELECT note FROM mine.patient`, `COMMIT`,
			`SELECT note FROM mine.patient`, `CALL mine.run('DROP TABLE mine.pati' || 'ent')`, `SELECT note FROM mine.patient`,
		},
		"its settings of the planner": {
			`SET max_parallel_workers_per_gather TO 3`, `BEGIN`, `SET LOCAL jit TO on`, `CALL mine.run('CREATE TABLE mine.pati' || 'ent (id int)')`, `SELECT * FROM mine.patient`,
			`SHOW max_parallel_workers_per_gather`, `SHOW jit`, `COMMIT`, `SHOW max_parallel_workers_per_gather`, `SHOW jit`, `DROP TABLE mine.patient`, `RESET ALL`,
		},
		"a path with a strange name": {
			`CREATE SCHEMA "o'\x"`, `SET search_path TO "o'\x"`, `BEGIN`, `CALL mine.run('CREATE TABLE pati' || 'ent (id int)')`, `SELECT * FROM patient`, `SHOW search_path`,
			`COMMIT`, `SHOW search_path`, `DROP SCHEMA "o'\x" CASCADE`, `RESET search_path`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			through := answers(t, s.Connect(t, "biologist"), texts)
			direct := answers(t, s.Direct(t, "biologist"), texts)
			for i := range direct {
				if through[i] != direct[i] {
					t.Errorf("pgveil: %s\nserver: %s", through[i], direct[i])
				}
			}
		})
	}
}

// TestUncommittedBesideDropped: what a transaction still sees in the catalog, and others
// have dropped, does not fail it when pgveil reads through it.
func TestUncommittedBesideDropped(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	ctx := context.Background()
	server := func(texts ...string) {
		t.Helper()
		if err := s.Postgres.ExecIn(ctx, stack.Database, texts...); err != nil {
			t.Fatal(err)
		}
	}
	server(
		`CREATE SCHEMA mine AUTHORIZATION biologist`, `CREATE SCHEMA gone`,
		`CREATE TABLE gone.checked (number int CHECK (number > 0), note bytea CHECK (octet_length(note) > 1))`,
		`CREATE TABLE gone.parted (number int, note bytea) PARTITION BY LIST ((number + 1))`,
		`CREATE TABLE gone.heir () INHERITS (lab.patient)`,
	)
	conn := s.Connect(t, "biologist")
	for _, sql := range []string{`BEGIN ISOLATION LEVEL REPEATABLE READ`, `SELECT 1`, `CREATE TABLE mine.first (id int)`} {
		show(t, conn, sql)
	}
	server(`DROP SCHEMA gone CASCADE`)
	show(t, conn, `CREATE TABLE mine.second (id int)`)
	if got := show(t, conn, `SELECT nir FROM lab.patient WHERE id = 1`); got != nir1 {
		t.Errorf("the transaction reads %q", got)
	}
	show(t, conn, `COMMIT`)
}

// TestUncommittedView: a view that a transaction has made over a tagged table is
// opened within it as later.
func TestUncommittedView(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	ctx := context.Background()
	for _, sql := range []string{
		// DDL that pgveil cannot see, in the session's own transaction.
		`CREATE SCHEMA mine AUTHORIZATION biologist`,
		`CREATE PROCEDURE mine.make() LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CREATE VIEW mine.v AS SELECT id, nir AS number FROM lab.pati' || 'ent'; END $$`,
	} {
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	c := dialWire(t, s.DSN("biologist"))
	got := c.everything(messages{query(`BEGIN`), query(`CALL mine.make()`), query(`SELECT number FROM mine.v ORDER BY id LIMIT 1`), query(`ROLLBACK`)})
	if !strings.Contains(got, nir1) || strings.Contains(got, "ErrorResponse") {
		t.Errorf("a view of the transaction's own:\n%s", got)
	}
	// In one implicit transaction, nothing of which is answered before its Sync.
	got = c.everything(messages{
		parse("", `CALL mine.make()`), bind("", ""), execute("", 0),
		parse("", `SELECT number FROM mine.v ORDER BY id LIMIT 1`), bind("", ""), execute("", 0), &pgproto3.Sync{},
	})
	if !strings.Contains(got, nir1) || strings.Contains(got, "ErrorResponse") {
		t.Errorf("a view of the implicit transaction's own:\n%s", got)
	}
}

// TestCatalogChangedBeside: what others have made is known before pgveil says that it
// does not exist.
func TestCatalogChangedBeside(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	ctx := context.Background()
	c := s.Connect(t, "biologist")
	for i := range 5 {
		schema := fmt.Sprintf("beside%d", i)
		for _, sql := range []string{
			`CREATE SCHEMA ` + schema, `CREATE TABLE ` + schema + `.patient (id int, nir text)`,
			`GRANT USAGE ON SCHEMA ` + schema + ` TO biologist`, `GRANT ALL ON ` + schema + `.patient TO biologist`,
		} {
			if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Exec(ctx, `INSERT INTO `+schema+`.patient (id, nir) VALUES (1, 'x')`); err != nil {
			t.Fatal(err)
		}
		if err := s.Postgres.ExecIn(ctx, stack.Database, `ALTER TABLE `+schema+`.patient ADD note text`); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(ctx, `UPDATE `+schema+`.patient SET note = 'y'`); err != nil {
			t.Fatal(err)
		}
	}
}
