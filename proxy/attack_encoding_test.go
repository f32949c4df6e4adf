package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// accented has names beyond ASCII, which the catalog, the client and the schema file spell in encodings
// of their own.
const accented = `
version: 1
keys: {medical: randomized}
databases:
  laboratory:
    tables:
      données.élève:
        access: {biologist: decrypt, "infirmière": decrypt}
        columns: {prénom: {type: text, encryption: randomized}}
`

// TestAttackAccents: a table whose name is not ASCII is the tagged one, whatever the encoding of the client
// and of the server, and however the session's search_path leads there.
func TestAttackAccents(t *testing.T) {
	ctx := context.Background()
	for _, server := range []string{"UTF8", "LATIN1", "UTF8 with settings"} {
		t.Run("server "+server, func(t *testing.T) {
			server, settings, _ := strings.Cut(server, " ")
			options := testenv.PostgresOptions{Encoding: server, LogStatements: true}
			if server != "UTF8" {
				options.Locale = "C"
			}
			s := stack.Start(t, stack.Options{
				Postgres: options,
				Schema:   accented,
				Tables: []string{
					`CREATE SCHEMA données`, `CREATE TABLE données.élève (id int, prénom bytea)`, `CREATE SCHEMA autre`, `CREATE TABLE autre.élève (id int, prénom text)`,
					`CREATE ROLE infirmière`, `GRANT infirmière TO researcher`,
					`GRANT ALL ON SCHEMA données, autre TO PUBLIC`, `GRANT ALL ON ALL TABLES IN SCHEMA données, autre TO PUBLIC`,
				},
			})
			if settings != "" { // of the database, for pgveil's own login too
				for _, setting := range []string{"client_encoding = LATIN1", "standard_conforming_strings = off", "quote_all_identifiers = on", "bytea_output = escape", "search_path = autre", "DateStyle = 'SQL, DMY'"} {
					if err := s.Postgres.ExecIn(ctx, "postgres", "ALTER DATABASE laboratory SET "+setting); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.Server.Check(ctx); err != nil {
					t.Fatal(err)
				}
			}
			setup := s.Connect(t, "biologist", "client_encoding=UTF8")
			if got := show(t, setup, `INSERT INTO données.élève (id, prénom) VALUES (1, 'Quasimodo'); SELECT prénom FROM données.élève`); got != "Quasimodo" {
				t.Fatal(got)
			}
			for _, client := range []string{"UTF8", "LATIN1"} {
				conn := s.Connect(t, "biologist", "client_encoding="+client)
				in := func(sql string) string {
					if client == "LATIN1" {
						sql = strings.NewReplacer("é", "\xe9", "è", "\xe8").Replace(sql)
					}
					return sql
				}
				check := func(sql, want string) {
					t.Helper()
					if got := show(t, conn, in(sql)); got != in(want) {
						t.Errorf("%s, %s: %q, not %q", client, sql, got, want)
					}
				}
				check(`SELECT prénom FROM données.élève WHERE id = 1`, "Quasimodo")
				check(`SELECT row_to_json(é) FROM données.élève é WHERE id = 1`, `{"id":1,"prénom":"Quasimodo"}`)
				check(`SELECT json_build_object('né "ici"', prénom, 'è', id) FROM données.élève WHERE id = 1`, `{"né \"ici\"" : "Quasimodo", "è" : 1}`)
				check(`SELECT json_agg(é) FROM (SELECT prénom AS "né ""ici""", 'né' AS è FROM données.élève WHERE id = 1) é`, `[{"né \"ici\"":"Quasimodo","è":"né"}]`)
				check(`SET search_path TO données`, "")
				check(`SELECT prénom FROM élève WHERE id = 1`, "Quasimodo")
				check(`INSERT INTO élève (id, prénom) VALUES (2, 'Esmeralda')`, "")
				check(`SELECT prénom FROM élève WHERE id = 2`, "Esmeralda")
				check(`BEGIN; SET search_path TO autre`, "")
				check(`INSERT INTO élève (id, prénom) VALUES (2, 'in the clear')`, "")
				check(`ROLLBACK`, "")
				check(`SELECT id, prénom FROM élève WHERE id = 2`, "2|Esmeralda")
				// The catalog is read through the session.
				check(`BEGIN; CREATE VIEW vué AS SELECT id, prénom AS né FROM données.élève`, "")
				check(`SELECT né FROM vué WHERE id = 1`, "Quasimodo")
				check(`INSERT INTO vué (id, né) VALUES (3, 'Esmeralda')`, "")
				check(`SELECT né FROM données.vué WHERE id = 3`, "Esmeralda")
				check(`ROLLBACK`, "")
				check(`DELETE FROM élève WHERE id > 1`, "")
				check(`PREPARE été AS SELECT 1; EXECUTE été`, "1")
				check(`DO $$ BEGIN EXECUTE 'PREPARE hiver AS SELECT 2'; EXECUTE 'PREPARE après AS SELECT 3'; END $$`, "")
				check(`EXECUTE hiver`, "2")
				check(`EXECUTE après`, "3")

				nurse := s.Connect(t, "researcher", "client_encoding="+client)
				if got := show(t, nurse, in(`SET ROLE infirmière`)); got != "" {
					t.Fatal(got)
				}
				if got := show(t, nurse, in(`SELECT prénom FROM données.élève WHERE id = 1`)); got != "Quasimodo" {
					t.Errorf("%s: a role whose name is not ASCII: %q", client, got)
				}
			}
			for _, secret := range []string{"Quasimodo", "Esmeralda"} {
				if line := logged(t, s, secret); line != "" {
					t.Errorf("reached the server: %s", line)
				}
			}
			if _, err := setup.Exec(ctx, `SELECT 1`); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAttackAccentsDetail: an error about a row of a table whose name is not ASCII tells a role that may not read
// it as little in every client encoding.
func TestAttackAccentsDetail(t *testing.T) {
	s := stack.Start(t, stack.Options{
		Schema: strings.Replace(accented, `"infirmière": decrypt`, "researcher: hide", 1),
		Tables: []string{
			`CREATE SCHEMA données`, `CREATE TABLE données.élève (id int CHECK (id < 100), plain text, prénom bytea)`, `CREATE TABLE données.été (id int CHECK (id < 100))`,
			`GRANT ALL ON SCHEMA données TO PUBLIC`, `GRANT ALL ON ALL TABLES IN SCHEMA données TO PUBLIC`,
		},
	})
	writer := s.Connect(t, "biologist")
	show(t, writer, `INSERT INTO données.élève VALUES (1, 'plain', NULL)`)
	if got := detailOf(t, writer, pgx.QueryExecModeSimpleProtocol, `UPDATE données.élève SET id = 100`); got != "Failing row contains (100, plain, null)." {
		t.Fatal(got)
	}
	for _, client := range append([]string{"UTF8"}, singleByte...) {
		conn := s.Connect(t, "researcher", "client_encoding="+client)
		in := strings.NewReplacer("é", "\xe9", "è", "\xe8")
		switch client {
		case "UTF8":
			in = strings.NewReplacer()
		case "LATIN2", "WIN1250":
			show(t, conn, "SET client_encoding TO LATIN1") // which have no è
		}
		if got := detailOf(t, conn, pgx.QueryExecModeExec, in.Replace(`INSERT INTO données.été VALUES (101)`)); got != "Failing row contains (101)." {
			t.Errorf("%s: of a table in the clear, first: %q", client, got)
		}
		if got := detailOf(t, conn, pgx.QueryExecModeExec, in.Replace(`UPDATE données.élève SET id = 100`)); got != "Failing row contains values that the role may not read." {
			t.Errorf("%s: %q", client, got)
		}
		if got := detailOf(t, conn, pgx.QueryExecModeExec, in.Replace(`INSERT INTO données.été VALUES (100)`)); got != "Failing row contains (100)." {
			t.Errorf("%s: of a table in the clear: %q", client, got)
		}
	}
}
