package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// keyedByName is a column with a key for each laboratory, whose name may have characters that neither
// the client nor the server has.
const keyedByName = `
version: 1
keys: {sites: randomized}
databases:
  laboratory:
    tables:
      lab.visit:
        access: {biologist: decrypt}
        columns: {note: {type: text, encryption: randomized, key: sites, key_by: site}}
`

// TestKeyByEncodings: the name of one keyset is nothing to a client, or a server, whose encoding
// lacks a character of it.
func TestKeyByEncodings(t *testing.T) {
	ctx := context.Background()
	for _, server := range []struct {
		encoding, site string
		clients        []string
	}{
		{"UTF8", "Évry", []string{"UTF8", "LATIN1", "WIN1252", "LATIN2", "SQL_ASCII"}},
		{"LATIN1", "Évry", []string{"UTF8", "LATIN1"}},
		{"SQL_ASCII", "Evry", []string{"UTF8"}},
	} {
		t.Run("server "+server.encoding, func(t *testing.T) {
			options := testenv.PostgresOptions{Encoding: server.encoding}
			if server.encoding != "UTF8" {
				options.Locale = "C"
			}
			k := &keyedStack{ids: make(map[uint32]string)}
			k.Stack = stack.Start(t, stack.Options{
				Postgres: options,
				Schema:   keyedByName,
				Tables: []string{
					`CREATE SCHEMA lab`,
					`CREATE TABLE lab.visit (id bigint PRIMARY KEY, site text, note bytea)`,
					`GRANT USAGE ON SCHEMA lab TO PUBLIC`,
					`GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`,
				},
				// Lyon, Évry, 検査 and Łódź; a text that is no UTF-8, and one with a zero byte.
				Members: []string{"sites.by.Lyon", "sites.by.Evry", "sites.by..c3.89vry", "sites.by..e6.a4.9c.e6.9f.bb", "sites.by..c5.81.c3.b3d.c5.ba", "sites.by.a.ff", "sites.by.a.00"},
			})
			for name, ring := range k.Keys {
				k.ids[ring.Info().Keys[0].ID] = name
			}
			k.seen = k.Direct(t, "biologist")
			setup := k.Connect(t, "biologist", "client_encoding=UTF8")
			if _, err := setup.Exec(ctx, `INSERT INTO lab.visit (id, site) VALUES (1, $1), (2, 'Lyon'), (3, NULL)`, server.site); err != nil {
				t.Fatal(err)
			}
			member := "sites.by." + strings.ReplaceAll(server.site, "É", ".c3.89")
			for _, client := range server.clients {
				conn := k.Connect(t, "biologist", "client_encoding="+client)
				text := func(s string) string { // in the client's encoding
					if client == "UTF8" || client == "SQL_ASCII" {
						return s
					}
					return strings.ReplaceAll(s, "é", "\xe9")
				}
				run := func(what string, err error) {
					t.Helper()
					if err != nil {
						t.Errorf("%s, %s: %v", client, what, err)
						return
					}
					if got, want := k.sealedBy(t, "lab.visit", "note"), "1:"+member+" 2:sites.by.Lyon 3:NULL"; got != want {
						t.Errorf("%s, %s: sealed by %s, want %s", client, what, got, want)
					}
					var notes string
					if err := setup.QueryRow(ctx, `SELECT note FROM lab.visit WHERE id = 1`).Scan(&notes); err != nil || notes != "né "+what {
						t.Errorf("%s, %s: the note is %q, %v", client, what, notes, err)
					}
				}
				simple := func(sql string) error { _, err := conn.PgConn().Exec(ctx, text(sql)).ReadAll(); return err }
				run("by a literal", simple(`UPDATE lab.visit SET note = 'né by a literal' WHERE id < 3`))
				show(t, conn, `SET standard_conforming_strings TO off`)
				run("where backslashes escape", simple(`UPDATE lab.visit SET note = 'né where backslashes escape' WHERE id < 3`))
				show(t, conn, `SET standard_conforming_strings TO on`)
				_, err := conn.Exec(ctx, `UPDATE lab.visit SET note = $1 WHERE id < $2`, pgx.QueryExecModeExec, pgtype.Text{String: text("né by a parameter"), Valid: true}, 3)
				run("by a parameter", err)
				run("by MERGE", simple(`MERGE INTO lab.visit v USING (VALUES (1), (2)) n (id) ON v.id = n.id WHEN MATCHED THEN UPDATE SET note = 'né by MERGE'`))
				run("by ON CONFLICT", simple(`INSERT INTO lab.visit (id, site, note) VALUES (1, 'Lyon', 'x'), (2, 'Lyon', 'x') ON CONFLICT (id) DO UPDATE SET note = 'né by ON CONFLICT'`))
				if got := show(t, conn, `UPDATE lab.visit SET note = 'x' WHERE id = 3`); got != "23514" {
					t.Errorf("%s: a row of no laboratory: %s", client, got)
				}
			}
		})
	}
}
