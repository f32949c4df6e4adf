package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

const rekeySchema = `version: 1
keys: {identity: deterministic, medical: randomized}
databases:
  laboratory:
    tables:
      lab.patient:
        access: {biologist: {verdict: decrypt, search: true}}
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity, domain: nir}
          name: {type: text, encryption: randomized, key: medical}
      lab.visit:
        access: {biologist: {verdict: decrypt, search: true}}
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity, domain: nir}
          ward: {type: text, encryption: deterministic, key: identity}
`

var rekeyTables = []string{
	`CREATE SCHEMA lab`,
	`CREATE TABLE lab.patient (id int PRIMARY KEY, nir bytea UNIQUE, name bytea, visits int NOT NULL DEFAULT 0)`,
	`CREATE TABLE lab.visit (id int PRIMARY KEY, nir bytea REFERENCES lab.patient (nir), ward bytea)`,
	`CREATE INDEX ON lab.visit (ward)`, `ALTER TABLE lab.visit ADD CONSTRAINT later UNIQUE (id, ward) DEFERRABLE INITIALLY DEFERRED`,
	`GRANT USAGE ON SCHEMA lab TO biologist`, `GRANT ALL ON ALL TABLES IN SCHEMA lab TO biologist`,
}

// startRekey has some patients with two visits each, sealed through pgveil.
func startRekey(t *testing.T, patients int) *rotating {
	t.Helper()
	r := startRotating(t, stack.Options{Schema: rekeySchema, Tables: rekeyTables})
	client := r.Connect(t, "biologist")
	copyIn := func(table string, columns []string, n int, row func(i int) ([]any, error)) {
		if _, err := client.CopyFrom(t.Context(), pgx.Identifier{"lab", table}, columns, pgx.CopyFromSlice(n, row)); err != nil {
			t.Fatal(err)
		}
	}
	copyIn("patient", []string{"id", "nir", "name"}, patients, func(i int) ([]any, error) { return []any{i, nirOf(i), fmt.Sprint("Quasimodo", i)}, nil })
	copyIn("visit", []string{"id", "nir", "ward"}, 2*patients, func(i int) ([]any, error) { return []any{i, nirOf(i / 2), fmt.Sprint("ward", i%9)}, nil })
	return r
}

func nirOf(i int) string { return fmt.Sprintf("%015d", i) }

// prefixes gives what the values of the deterministic columns begin with behind their header, and
// what their constraints name.
func prefixes(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	var b strings.Builder
	for _, c := range []string{"patient.nir", "visit.nir", "visit.ward"} {
		table, column, _ := strings.Cut(c, ".")
		fmt.Fprintf(&b, "%s %s; ", c, lines(t, conn, fmt.Sprintf(`
			SELECT (SELECT string_agg(DISTINCT substr(%[2]s, 8, 5)::text, ',') FROM lab.%[1]s), (SELECT substring(pg_get_constraintdef(oid) FROM '(..........)''::bytea\)\)\)$') FROM pg_constraint WHERE conname = 'pgveil_%[2]s' AND conrelid = 'lab.%[1]s'::regclass)`,
			table, column)))
	}
	return b.String()
}

func wantPrefixes(key uint32) string {
	each := fmt.Sprintf("[[%q %q]]", fmt.Sprintf(`\x01%08x`, key), fmt.Sprintf("01%08x", key))
	return fmt.Sprintf("patient.nir %s; visit.nir %[1]s; visit.ward %[1]s; ", each)
}

// TestRekey rotates the key of deterministic columns and seals them anew, again and again killed,
// while clients read, join and write them through pgveil. Nothing is lost, and the old key can
// go.
func TestRekey(t *testing.T) {
	const patients = 402 // a multiple of the clients: each has its own
	r := startRekey(t, patients)
	conn := connect(t, r.Stack)
	for _, sql := range []string{`CREATE VIEW lab.shown AS SELECT p.nir, p.name, v.ward FROM lab.patient p JOIN lab.visit v USING (nir)`, `CREATE VIEW lab.wards AS SELECT DISTINCT ward FROM lab.shown`, `GRANT ALL ON lab.shown, lab.wards TO biologist`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	old := primaryOf(r.Stack, "identity")
	key := r.rotate(t, "identity")
	if key == old {
		t.Fatal("not rotated")
	}
	var stop atomic.Bool
	var clients sync.WaitGroup
	written := make([]map[int]int, 3)
	for w := range written {
		written[w] = make(map[int]int)
		c := r.Connect(t, "biologist")
		clients.Go(func() {
			ctx := context.Background()
			for i := 0; !stop.Load(); i++ {
				p := (i*len(written) + w) % patients
				level := pgx.TxOptions{}
				if i%3 == 0 {
					level.IsoLevel = pgx.RepeatableRead
				}
				err := pgx.BeginTxFunc(ctx, c, level, func(tx pgx.Tx) error {
					var n int
					if err := tx.QueryRow(ctx, `SELECT count(*) FROM lab.patient p JOIN lab.visit v USING (nir) WHERE p.nir = $1`, nirOf(p)).Scan(&n); err != nil {
						return err
					}
					if n != 2+written[w][p] {
						t.Errorf("patient %d has %d visits, not %d", p, n, 2+written[w][p])
					}
					_, err := tx.Exec(ctx, `INSERT INTO lab.visit VALUES ($1, $2, $3)`, 100_000*(w+1)+i, nirOf(p), fmt.Sprint("ward", p%9))
					return err
				})
				switch code := testenvCode(err); {
				case err == nil:
					written[w][p]++
				case code != "40001" && code != "55P03":
					t.Errorf("client %d: %v", w, err)
					return
				}
			}
		})
	}
	kills := 0
	for n := 1; ; n += 3 {
		job := connect(t, r.Stack)
		ctx, kill := context.WithCancel(t.Context())
		o := options(r.Stack)
		o.Settle, o.LockTimeout, o.LockTries = 2*time.Second, 200*time.Millisecond, 300 // more than three refreshes
		if n < 20 {
			o.Settle = 0 // it does not come to the swap
		}
		batches := 0
		o.Progress = func(p apply.Progress) {
			if batches++; batches == n && n < 20 {
				kill()
			}
		}
		result, err := run(ctx, job, r.Stack, o)
		kill()
		_ = job.Close(context.Background())
		if err == nil {
			if result.Columns < 3 || result.Older != 0 {
				t.Errorf("%+v", result)
			}
			break
		}
		if kills++; kills > 30 {
			t.Fatalf("no end: %v", err)
		}
	}
	stop.Store(true)
	clients.Wait()
	if kills < 2 {
		t.Errorf("only %d kills", kills)
	}
	if got := prefixes(t, conn); got != wantPrefixes(key) {
		t.Errorf("stored:\n%s\nnot\n%s", got, wantPrefixes(key))
	}
	total := 2 * patients
	for _, w := range written {
		for _, n := range w {
			total += n
		}
	}
	client := r.Connect(t, "biologist", "default_query_exec_mode=exec")
	if got := lines(t, client, `SELECT count(*) FROM lab.visit v JOIN lab.patient p ON p.nir = v.nir`); got[0] != fmt.Sprintf(`["%d"]`, total) {
		t.Errorf("%s visits, not %d", got, total)
	}
	if got := lines(t, client, `SELECT ward FROM lab.wards`); len(got) != 9 || !strings.Contains(got[0], "ward") {
		t.Errorf("through views: %s", got)
	}
	for sql, code := range map[string]string{
		`INSERT INTO lab.visit VALUES (1000001, '999999999999999', 'x')`:   "23503",
		`INSERT INTO lab.patient VALUES (1000001, '` + nirOf(5) + `', '')`: "23505",
	} {
		if _, err := client.Exec(t.Context(), sql); testenvCode(err) != code {
			t.Errorf("%s: %v, not %q", sql, err, code)
		}
	}
	if p := read(t, conn, r.Stack); len(p.Units)+len(p.Reseal)+len(p.Unverified) != 0 {
		t.Errorf("planned again: %+v", p)
	}
	version, err := r.Store.Version(t.Context(), "identity")
	if err == nil {
		err = r.Store.Retire(t.Context(), "identity", old, version)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestKeysBehindLock: the keys are opened when no other job can run and no key can be retired, so
// that one that was retired before is not used, whatever was planned.
func TestKeysBehindLock(t *testing.T) {
	r := startRekey(t, 20)
	conn := connect(t, r.Stack)
	first := r.rotate(t, "identity")
	before := prefixes(t, conn)
	var second uint32
	o := options(r.Stack)
	o.Keys = func(ctx context.Context) (apply.Keys, error) {
		var free bool
		if err := connect(t, r.Stack).QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(schema.JobLock)).Scan(&free); err != nil || free {
			t.Errorf("no job is to be seen: %v", err)
		}
		second = r.rotate(t, "identity") // after whatever was planned
		return r.Keys, nil
	}
	if _, err := run(t.Context(), conn, r.Stack, o); err != nil || first == second {
		t.Fatal(err)
	}
	if got := prefixes(t, conn); got != wantPrefixes(second) {
		t.Errorf("stored:\n%s\nnot\n%s", got, wantPrefixes(second))
	}
	// Without the key that a column is sealed with nothing is done.
	third := r.rotate(t, "identity")
	version, err := r.Store.Version(t.Context(), "identity")
	if err == nil {
		err = r.Store.Retire(t.Context(), "identity", second, version)
	}
	if err != nil {
		t.Fatal(err)
	}
	ring, err := r.Store.Open(t.Context(), "identity")
	if err != nil {
		t.Fatal(err)
	}
	r.SetKey(ring)
	if _, err := run(t.Context(), conn, r.Stack, options(r.Stack)); !errors.Is(err, keys.ErrNotEnabled) {
		t.Errorf("with a key that is retired: %v", err)
	}
	if got := prefixes(t, conn); got != wantPrefixes(second) || third == second {
		t.Errorf("stored: %s, before %s", got, before)
	}
	if shadows := lines(t, conn, `SELECT attname FROM pg_attribute WHERE attname LIKE 'pgveil_shadow%' AND NOT attisdropped`); len(shadows) != 0 {
		t.Errorf("%s", shadows)
	}
}

// TestShadowsOfAnotherKey: what an interrupted job has filled with a key that is not the primary
// any more, or for another form, is not swapped in.
func TestShadowsOfAnotherKey(t *testing.T) {
	r := startRekey(t, 300)
	conn := connect(t, r.Stack)
	r.rotate(t, "identity")
	prepared(t, r.Stack)
	filled := func() string {
		names := lines(t, conn, `SELECT attname FROM pg_attribute WHERE attrelid = 'lab.patient'::regclass AND attname LIKE 'pgveil_shadow%' AND NOT attisdropped`)
		name := strings.Trim(names[0], `[]"`)
		return lines(t, conn, fmt.Sprintf(`SELECT count(%s), string_agg(DISTINCT substr(%[1]s, 8, 5)::text, ',') FROM lab.patient`, name))[0]
	}
	if got := filled(); !strings.HasPrefix(got, `["100" `) {
		t.Fatal(got)
	}
	key := r.rotate(t, "identity")
	if _, err := run(t.Context(), conn, r.Stack, options(r.Stack)); err != nil {
		t.Fatal(err)
	}
	if got := prefixes(t, conn); got != wantPrefixes(key) {
		t.Errorf("stored:\n%s\nnot\n%s", got, wantPrefixes(key))
	}
	// A trigger that was away: what was changed then is not lost.
	key = r.rotate(t, "identity")
	prepared(t, r.Stack)
	for _, sql := range []string{
		`ALTER TABLE lab.patient DISABLE TRIGGER USER`,
		`UPDATE lab.visit SET nir = NULL WHERE nir IN (SELECT nir FROM lab.patient WHERE id < 2)`, `UPDATE lab.patient SET nir = NULL WHERE id < 2`,
		`ALTER TABLE lab.patient ENABLE TRIGGER USER`, // as it was not
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := run(t.Context(), conn, r.Stack, options(r.Stack)); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, conn, `SELECT id FROM lab.patient WHERE nir IS NULL ORDER BY id`); !slices.Equal(got, []string{`["0"]`, `["1"]`}) {
		t.Errorf("changed behind the trigger: %s", got)
	}
	if got := prefixes(t, conn); got != wantPrefixes(key) {
		t.Errorf("stored:\n%s\nnot\n%s", got, wantPrefixes(key))
	}
}

// TestTriggerTakenAway: without its trigger a table is not swapped.
func TestTriggerTakenAway(t *testing.T) {
	r := startRekey(t, 300)
	conn := connect(t, r.Stack)
	before := prefixes(t, conn)
	r.rotate(t, "identity")
	o := options(r.Stack)
	taken := false
	o.Progress = func(p apply.Progress) {
		if !taken {
			taken = true
			if _, err := connect(t, r.Stack).Exec(t.Context(), `ALTER TABLE lab.patient DISABLE TRIGGER zzz_pgveil_shadow`); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := run(t.Context(), conn, r.Stack, o); err == nil || !strings.Contains(err.Error(), "zzz_pgveil_shadow of lab.patient was taken away") {
		t.Errorf("it ran: %v", err)
	}
	if got := prefixes(t, conn); got != before {
		t.Errorf("stored: %s, not %s", got, before)
	}
}

// TestRekeyBlockers: what holds values in their old form is named beforehand.
func TestRekeyBlockers(t *testing.T) {
	r := startRekey(t, 20)
	conn := connect(t, r.Stack)
	r.rotate(t, "identity")
	value := strings.Trim(lines(t, conn, `SELECT nir::text FROM lab.patient WHERE id = 1`)[0], `[]"`)[1:]
	for _, test := range []struct{ make, undo, want string }{
		{`CREATE VIEW lab.one AS SELECT id FROM lab.patient WHERE nir = '` + value + `'`, `DROP VIEW lab.one`, "view lab.one holds a value"},
		{`CREATE VIEW lab.nirs AS SELECT id, nir FROM lab.patient; CREATE VIEW lab.one AS SELECT id FROM lab.nirs WHERE nir = '` + value + `'`, `DROP VIEW lab.nirs CASCADE`, "view lab.one holds a value"},
		{`CREATE VIEW lab.nirs AS SELECT id, nir FROM lab.patient; CREATE MATERIALIZED VIEW lab.kept AS SELECT nir FROM lab.nirs`, `DROP VIEW lab.nirs CASCADE`, "materialized view lab.kept keeps"},
		{`CREATE FUNCTION lab.one() RETURNS int LANGUAGE sql AS $$SELECT id FROM lab.patient WHERE nir = '` + value + `'$$`, `DROP FUNCTION lab.one`, "function lab.one() holds a value"},
		{`CREATE INDEX one ON lab.patient (id) WHERE nir = '` + value + `'`, `DROP INDEX lab.one`, "index lab.one depends"},
		{`ALTER TABLE lab.patient ADD CONSTRAINT one CHECK (nir <> '` + value + `') NOT VALID`, `ALTER TABLE lab.patient DROP CONSTRAINT one`, "constraint one"},
	} {
		for _, sql := range strings.Split(test.make, "; ") {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		plan := read(t, conn, r.Stack)
		if !slices.ContainsFunc(plan.Blockers, func(b apply.Blocker) bool { return strings.Contains(b.String(), test.want) && b.Fix != "" }) || len(plan.Blockers) > 2 {
			t.Errorf("%s: %v", test.make, plan.Blockers)
		}
		if _, err := run(t.Context(), conn, r.Stack, options(r.Stack)); !errors.Is(err, apply.ErrBlocked) {
			t.Errorf("%s: %v", test.make, err)
		}
		if _, err := conn.Exec(t.Context(), test.undo); err != nil {
			t.Fatal(err)
		}
	}
	if plan := read(t, conn, r.Stack); len(plan.Blockers) != 0 || len(plan.Units) != 1 {
		t.Errorf("%+v", plan)
	}
}

// TestUnnamedKeyStays: a column that joins a domain whose columns name no key in their constraints
// names none either, so that they go on to be compared; after a rotation all name the new one.
func TestUnnamedKeyStays(t *testing.T) {
	r := startRekey(t, 20)
	conn := connect(t, r.Stack)
	for _, sql := range []string{
		`DROP TABLE lab.visit`, `CREATE TABLE lab.visit (id int PRIMARY KEY, nir char(15), ward text)`, `GRANT ALL ON lab.visit TO biologist`,
		`INSERT INTO lab.visit SELECT g, lpad(g::text, 15, '0'), 'ward' || g % 9 FROM generate_series(0, 9) g`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := run(t.Context(), conn, r.Stack, options(r.Stack)); err != nil {
		t.Fatal(err)
	}
	named := func() []string {
		return lines(t, conn, `SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) LIKE '%FOR 12)%' FROM pg_constraint WHERE contype = 'c' AND conname IN ('pgveil_nir', 'pgveil_ward') ORDER BY 1, 2`)
	}
	if got, want := named(), []string{`["lab.patient" "pgveil_nir" "f"]`, `["lab.visit" "pgveil_nir" "f"]`, `["lab.visit" "pgveil_ward" "t"]`}; !slices.Equal(got, want) {
		t.Errorf("%s, not %s", got, want)
	}
	const joined = `SELECT count(*) FROM lab.patient JOIN lab.visit USING (nir)`
	if got := lines(t, r.Connect(t, "biologist", "default_query_exec_mode=exec"), joined); got[0] != `["10"]` {
		t.Errorf("joined: %s", got)
	}
	key := r.rotate(t, "identity")
	if _, err := run(t.Context(), conn, r.Stack, options(r.Stack)); err != nil {
		t.Fatal(err)
	}
	if got := prefixes(t, conn); got != wantPrefixes(key) {
		t.Errorf("stored:\n%s\nnot\n%s", got, wantPrefixes(key))
	}
}
