package apply_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestKeysByValue: what rows hold in the clear is sealed with the key that each row picks, and so
// again after a rotation or a change beside pgveil; what a destroyed key has sealed stays.
func TestKeysByValue(t *testing.T) {
	ctx := t.Context()
	s := stack.Start(t, stack.Options{
		Schema: `
version: 1
keys: {results: randomized, yearly: randomized}
databases:
  laboratory:
    tables:
      lab.result:
        access: {biologist: decrypt}
        columns:
          outcome: {type: text, encryption: randomized, key: results, key_by: laboratory, was: {encryption: none}}
          note: {type: text, encryption: randomized, key: yearly, key_by: {column: taken, by: year}, was: {encryption: none}}
`,
		Members: []string{"results.by.1", "results.by.Ly.c3.b3n", "yearly.by.2025"},
		Tables: []string{
			`CREATE SCHEMA lab`,
			`CREATE TABLE lab.result (id bigint PRIMARY KEY, laboratory text, taken date, outcome text, note text)`,
			`INSERT INTO lab.result SELECT i, CASE WHEN i % 2 = 0 THEN '1' ELSE 'Lyón' END, date '2025-12-30' + (i % 4)::int, 'outcome ' || i, CASE WHEN i % 3 > 0 THEN 'note ' || i END FROM generate_series(1, 3000) i`,
			`INSERT INTO lab.result (id, laboratory, taken) VALUES (0, 'nowhere', NULL)`,
			`GRANT USAGE ON SCHEMA lab TO PUBLIC`, `GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`,
		},
	})
	db := s.File.Databases[s.Database]
	conn := connect(t, s)
	check := func(what string, opens func(laboratory string) bool) {
		t.Helper()
		live, err := db.Columns[0].Sealer(s.Keys)
		if err != nil {
			t.Fatal(err)
		}
		years, err := db.Columns[1].Sealer(s.Keys)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(ctx, `SELECT id, laboratory, date_part('year', taken)::int::text, outcome, note FROM lab.result WHERE id > 0`)
		if err != nil {
			t.Fatal(err)
		}
		var id int
		var laboratory, year string
		var outcome, note []byte
		if _, err := pgx.ForEachRow(rows, []any{&id, &laboratory, &year, &outcome, &note}, func() error {
			member, err := keys.MemberName("results", laboratory)
			if err != nil {
				return err
			}
			plain, err := live.Open(nil, outcome)
			if !opens(laboratory) {
				if !errors.Is(err, keys.ErrErased) {
					return fmt.Errorf("outcome %d: %q, %v, and is to be erased", id, plain, err)
				}
			} else if key := binary.BigEndian.Uint32(outcome[keys.HeaderSize+1:]); err != nil || key != primaryOf(s, member) || string(plain) != fmt.Sprintf("outcome %d", id) {
				return fmt.Errorf("outcome %d: %q, %v, with key %d, not that of %s", id, plain, err, key, member)
			}
			if note == nil && id%3 == 0 {
				return nil
			}
			plain, err = years.Open(nil, note)
			if key := binary.BigEndian.Uint32(note[keys.HeaderSize+1:]); err != nil || key != primaryOf(s, "yearly.by."+year) || string(plain) != fmt.Sprintf("note %d", id) {
				return fmt.Errorf("note %d: %q, %v, with key %d, not that of %s", id, plain, err, key, year)
			}
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	all := func(string) bool { return true }

	plan, _, err := apply.Run(ctx, connect(t, s), db, options(s))
	if !errors.Is(err, apply.ErrBlocked) || len(plan.Blockers) != 1 || plan.Blockers[0].Fix != "pgveil keys create yearly.by.2026" {
		t.Fatalf("without the key of a year: %v, %+v", err, plan)
	}
	addKeys(t, s, "yearly.by.2026")
	applyFile(t, s, db)
	check("sealed", all)

	for _, name := range []string{"results.by.1", "yearly.by.2025"} {
		id, err := s.Store.AddKey(ctx, name)
		if err == nil {
			err = s.Store.Promote(ctx, name, id)
		}
		if err != nil {
			t.Fatal(err)
		}
		ring, err := s.Store.Open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		s.SetKey(ring)
	}
	if _, err := conn.Exec(ctx, `UPDATE lab.result SET laboratory = '1' WHERE id = 1001`); err != nil { // beside pgveil
		t.Fatal(err)
	}
	if result := applyFile(t, s, db); result.Resealed < 1500 {
		t.Errorf("%d values were sealed again", result.Resealed)
	}
	check("sealed again", all)

	version, err := s.Store.Version(ctx, "results.by.Ly.c3.b3n")
	if err == nil {
		err = s.Store.Destroy(ctx, "results.by.Ly.c3.b3n", version)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Store.Open(ctx, "results.by.Ly.c3.b3n")
	s.SetKey(keys.Erased(err))
	check("destroyed", func(laboratory string) bool { return !strings.HasPrefix(laboratory, "Ly") })
	applyFile(t, s, db)
}

// TestKeysByNameOfAnotherEncoding: a keyset whose name has what the server's encoding lacks is nothing to a
// job, and values are sealed as the UTF-8 that pgveil takes them for, whatever encoding they come in.
func TestKeysByNameOfAnotherEncoding(t *testing.T) {
	s := stack.Start(t, stack.Options{
		Postgres: testenv.PostgresOptions{Encoding: "LATIN1", Locale: "C"},
		Schema: `
version: 1
keys: {results: randomized}
databases:
  laboratory:
    tables:
      lab.result:
        access: {biologist: decrypt}
        columns:
          outcome: {type: text, encryption: randomized, key: results, key_by: laboratory, was: {encryption: none}}
`,
		Members: []string{"results.by..c3.89vry", "results.by..e6.a4.9c", "results.by.a.ff", "results.by.a.00"},
		Tables: []string{
			`CREATE SCHEMA lab`,
			`CREATE TABLE lab.result (id bigint PRIMARY KEY, laboratory text, outcome text)`,
			`INSERT INTO lab.result VALUES (1, 'Évry', 'négatif'), (2, 'Évry', 'positif')`,
			`GRANT USAGE ON SCHEMA lab TO PUBLIC`, `GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`,
		},
	})
	db := s.File.Databases[s.Database]
	conn := connect(t, s)
	if _, err := conn.Exec(t.Context(), `SET client_encoding TO LATIN1`); err != nil {
		t.Fatal(err)
	}
	if plan, _, err := apply.Run(t.Context(), conn, db, options(s)); err != nil {
		t.Fatalf("%v; %+v", err, plan)
	}
	sealer, err := db.Columns[0].Sealer(s.Keys)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := connect(t, s).Query(t.Context(), `SELECT outcome FROM lab.result ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(sealed) != 2 {
		t.Fatal(len(sealed), err)
	}
	for i, want := range []string{"négatif", "positif"} {
		plain, err := sealer.Open(nil, sealed[i])
		if key := binary.BigEndian.Uint32(sealed[i][keys.HeaderSize+1:]); err != nil || string(plain) != want || key != primaryOf(s, "results.by..c3.89vry") {
			t.Errorf("row %d: %q with key %d, %v", i+1, plain, key, err)
		}
	}
}
