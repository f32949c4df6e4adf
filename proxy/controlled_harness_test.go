package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv/stack"
)

// controlledSchema has a table with controlled columns beside a sealed one.
const controlledSchema = stack.SchemaHead + `      lab.person:
        subject: nir
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity, access: {biologist: {verdict: decrypt, search: true}}}
          name:
            type: varchar(40)
            encryption: none
            access:
              biologist: decrypt
              secretary: {mask: {keep_first: 1, fill: "*", length: same}, search: true}
              researcher: hide
          born:
            type: date
            encryption: none
            access: {biologist: decrypt, secretary: decrypt, researcher: {mask: {truncate: year}}}
          weight:
            type: numeric(6,2)
            encryption: none
            access: {biologist: decrypt, researcher: {mask: {round: 100}}}
      lab.memo:
        columns:
          body: {type: text, encryption: none, access: {biologist: decrypt}}
    trusted_functions: [lab.half]
`

// controlledTables are the tables of that schema file, and what else reaches them.
var controlledTables = []string{
	`CREATE SCHEMA lab`,
	`CREATE TABLE lab.person (id int PRIMARY KEY, nir bytea, name varchar(40) UNIQUE, born date, weight numeric(6,2), city text)`,
	`CREATE TABLE lab.visit (id int PRIMARY KEY, person int REFERENCES lab.person, note text)`,
	`CREATE TABLE lab.memo (id int, body text)`,
	`INSERT INTO lab.memo VALUES (1, 'Secret')`,
	`CREATE FUNCTION lab.memos() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(body, ',') FROM lab.memo $$`,
	`CREATE VIEW lab.people AS SELECT id, name AS called, city FROM lab.person`,
	`CREATE VIEW lab.initials AS SELECT id, left(name, 1) AS initial FROM lab.person`,
	`CREATE VIEW lab.parisians AS SELECT id, born FROM lab.person WHERE city = 'Paris'`,
	`CREATE FUNCTION lab.half(n int) RETURNS int LANGUAGE sql IMMUTABLE RETURN n / 2`,
	`CREATE FUNCTION lab.spy() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT name::text FROM lab.per' || 'son'; END $$`,
	`CREATE FUNCTION lab.tell() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(name, ',') FROM lab.person $$`,
	`CREATE FUNCTION lab.of_visit(v lab.visit) RETURNS text LANGUAGE plpgsql AS $$ DECLARE n text; BEGIN EXECUTE 'SELECT name FROM lab.per' || 'son WHERE id = ' || v.id INTO n; RETURN n; END $$`,
	`GRANT USAGE ON SCHEMA lab TO PUBLIC`,
	`GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`,
	`GRANT CREATE ON SCHEMA lab TO PUBLIC`,
	`GRANT pg_read_all_data TO pgveil`,
}

func startControlled(t *testing.T) *stack.Stack {
	t.Helper()
	return startClear(t, "encryption: none")
}

// startClear is startControlled of columns that are in the clear for another reason.
func startClear(t *testing.T, form string) *stack.Stack {
	t.Helper()
	text := strings.ReplaceAll(controlledSchema, "encryption: none\n", strings.ReplaceAll(form, ", ", "\n            ")+"\n")
	return stack.Start(t, stack.Options{Schema: strings.ReplaceAll(text, "encryption: none,", form+","), Tables: controlledTables})
}

// person is a row whose controlled values a test chooses.
type person struct{ name, born, weight string }

// fillControlled stores three persons at the server itself, the first of them this one.
func fillControlled(t *testing.T, s *stack.Stack, first person) {
	t.Helper()
	sql := `TRUNCATE lab.person, lab.visit;
		INSERT INTO lab.person (id, name, born, weight, city) VALUES
			(1, '` + first.name + `', '` + first.born + `', ` + first.weight + `, 'Paris'),
			(2, 'Bernard', '1978-03-01', 81.5, 'Lyon'), (3, NULL, NULL, NULL, 'Paris');
		INSERT INTO lab.visit VALUES (1, 1, 'a note'), (2, 2, 'another')`
	if err := s.Postgres.ExecIn(context.Background(), s.Database, sql); err != nil {
		t.Fatal(err)
	}
}

// seenBy gives all that a client gets of a statement, which is undone: descriptions, rows, tags,
// notices and every field of an error, over both protocols.
func seenBy(t *testing.T, conn *pgx.Conn, notices *[]string, sql string) string {
	t.Helper()
	ctx := context.Background()
	var b strings.Builder
	tell := func(r *pgconn.Result, err error) {
		if r != nil {
			for _, f := range r.FieldDescriptions {
				fmt.Fprintf(&b, "%s %d %d %d %d %d %d;", f.Name, f.TableOID, f.TableAttributeNumber, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format)
			}
			for _, row := range r.Rows {
				fmt.Fprintf(&b, "%q", row)
			}
			fmt.Fprintf(&b, "%s\n", r.CommandTag)
		}
		var e *pgconn.PgError
		if errors.As(err, &e) {
			fmt.Fprintf(&b, "%+v\n", *e)
		} else if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	*notices = nil
	for _, extended := range []bool{false, true} {
		if _, err := conn.Exec(ctx, `BEGIN`); err != nil {
			t.Fatal(err)
		}
		if extended {
			r := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, []int16{1}).Read()
			tell(r, r.Err)
		} else {
			results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
			for _, r := range results {
				tell(r, nil)
			}
			tell(nil, err)
		}
		if _, err := conn.Exec(ctx, `ROLLBACK`); err != nil {
			t.Fatal(err)
		}
	}
	return b.String() + strings.Join(*notices, "\n")
}

// connectNoting connects a role and collects the server's notices.
func connectNoting(t *testing.T, s *stack.Stack, role string) (*pgx.Conn, *[]string) {
	t.Helper()
	notices := new([]string)
	config, err := pgx.ParseConfig(s.DSN(role))
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { *notices = append(*notices, fmt.Sprintf("%+v", *n)) }
	conn, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn, notices
}
