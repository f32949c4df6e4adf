package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestKeyByEqualToTheServer: values of the column which to the server look alike pick keys of their own, or none.
func TestKeyByEqualToTheServer(t *testing.T) {
	ctx := context.Background()
	k := &keyedStack{ids: make(map[uint32]string)}
	k.Stack = stack.Start(t, stack.Options{
		Schema: `
version: 1
keys: {sites: randomized, days: randomized}
databases:
  laboratory:
    tables:
      lab.loose:
        access: {biologist: decrypt}
        columns: {note: {type: text, encryption: randomized, key: sites, key_by: site}}
      lab.exact:
        access: {biologist: decrypt}
        columns: {note: {type: text, encryption: randomized, key: sites, key_by: site}}
      lab.dated:
        access: {biologist: decrypt}
        columns: {note: {type: text, encryption: randomized, key: days, key_by: day}}
`,
		Tables: []string{
			`CREATE SCHEMA lab`,
			`CREATE COLLATION lab.alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
			`CREATE TABLE lab.loose (id bigint PRIMARY KEY, site text COLLATE lab.alike, note bytea)`,
			`CREATE TABLE lab.exact (id bigint PRIMARY KEY, site text, note bytea)`,
			`CREATE TABLE lab.dated (id bigint PRIMARY KEY, day date, note bytea)`,
			`GRANT USAGE ON SCHEMA lab TO PUBLIC`,
			`GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`,
		},
		Members: []string{"sites.by.LYON", "sites.by.Lyon", "days.by.0044-03-15", "days.by.2026-03-15"},
	})
	for name, ring := range k.Keys {
		k.ids[ring.Info().Keys[0].ID] = name
	}
	k.seen = k.Direct(t, "biologist")
	conn := k.Connect(t, "biologist")
	run := func(sql string) error { _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); return err }

	for _, sql := range []string{`INSERT INTO lab.loose VALUES (1, 'Lyon', 'x')`, `UPDATE lab.loose SET note = 'x'`} {
		if err := run(sql); sqlstate(err) != "0A000" || !strings.Contains(err.Error(), "collation that is not deterministic") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		`INSERT INTO lab.exact (id, site) VALUES (1, 'Lyon'), (2, 'LYON')`, `UPDATE lab.exact SET note = 'x'`,
		`INSERT INTO lab.dated (id, day) VALUES (1, '0044-03-15'), (2, '2026-03-15')`, `UPDATE lab.dated SET note = 'x'`,
	} {
		if err := run(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got := k.sealedBy(t, "lab.exact", "note"); got != "1:sites.by.Lyon 2:sites.by.LYON" {
		t.Error(got)
	}
	if err := run(`INSERT INTO lab.dated (id, day) VALUES (3, '0044-03-15 BC')`); err != nil {
		t.Error(err)
	}
	if err := run(`UPDATE lab.dated SET note = 'y'`); sqlstate(err) != "23514" {
		t.Errorf("a day before the year 1: %v", err)
	}
	if got := k.sealedBy(t, "lab.dated", "note"); got != "1:days.by.0044-03-15 2:days.by.2026-03-15 3:NULL" {
		t.Error(got)
	}
}
