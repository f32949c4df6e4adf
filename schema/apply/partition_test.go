package apply_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

const partitionedSchema = `version: 1
keys: {identity: deterministic, medical: randomized}
databases:
  laboratory:
    tables:
      lab.person:
        access: {biologist: {verdict: decrypt, search: true}}
        columns:
          nir: {type: text, encryption: deterministic, key: identity, domain: nir}
      lab.act:
        access: {biologist: {verdict: decrypt, search: true}}
        columns:
          nir: {type: text, encryption: deterministic, key: identity, domain: nir}
          code: {type: varchar(20), encryption: deterministic, key: identity}
          note: {type: text, encryption: randomized, key: medical}
`

// partitionedTables have partitions by range, one of them by list, one with its columns in
// another order, and the default; what is not to be changed has a generated column, and
// triggers see to it.
var partitionedTables = []string{
	`CREATE TABLE lab.person (id int, nir text PRIMARY KEY)`,
	`CREATE TABLE lab.act (id int, year int NOT NULL, nir text REFERENCES lab.person, code varchar(20) DEFAULT 'none', note text, twice int GENERATED ALWAYS AS (id * 2) STORED, changed int NOT NULL DEFAULT 0,
		PRIMARY KEY (id, year), UNIQUE (code, year)) PARTITION BY RANGE (year)`,
	`CREATE TABLE lab.act_2023 PARTITION OF lab.act FOR VALUES FROM (2023) TO (2024)`,
	`CREATE TABLE lab.act_2024 (note text, dropped int, changed int NOT NULL DEFAULT 0, twice int GENERATED ALWAYS AS (id * 2) STORED, year int NOT NULL, code varchar(20) DEFAULT 'none', nir text, id int NOT NULL)`,
	`ALTER TABLE lab.act_2024 DROP COLUMN dropped`,
	`ALTER TABLE lab.act ATTACH PARTITION lab.act_2024 FOR VALUES FROM (2024) TO (2025)`,
	`CREATE TABLE lab.act_2025 PARTITION OF lab.act FOR VALUES FROM (2025) TO (2026) PARTITION BY LIST (year)`,
	`CREATE TABLE lab.act_2025_rest PARTITION OF lab.act_2025 DEFAULT`,
	`CREATE TABLE lab.act_rest PARTITION OF lab.act DEFAULT`,
	`CREATE INDEX ON lab.act (nir)`, `CREATE INDEX only_2023 ON lab.act_2023 (nir, id)`,
	`CREATE TABLE lab.log (id int, what text)`,
	`CREATE FUNCTION lab.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF TG_WHEN = ''BEFORE'' THEN NEW.changed := NEW.changed + 1; ELSE INSERT INTO lab.log VALUES (NEW.id, TG_OP); END IF; RETURN NEW; END'`,
	`CREATE TRIGGER touch BEFORE UPDATE ON lab.act FOR EACH ROW EXECUTE FUNCTION lab.touch()`,
	`CREATE TRIGGER tell AFTER INSERT OR UPDATE ON lab.act FOR EACH ROW EXECUTE FUNCTION lab.touch()`,
	`INSERT INTO lab.person SELECT g, 'nir' || g FROM generate_series(1, 2000) g`,
	`INSERT INTO lab.act SELECT g, 2021 + g % 6, 'nir' || g, 'code' || g, CASE WHEN g % 5 > 0 THEN 'Quasimodo' || g END FROM generate_series(1, 2000) g`,
	`TRUNCATE lab.log`,
	`GRANT ALL ON ALL TABLES IN SCHEMA lab TO biologist`,
}

func startPartitioned(t *testing.T) *stack.Stack {
	t.Helper()
	s := stack.Start(t, stack.Options{Schema: partitionedSchema, Tables: []string{
		`CREATE SCHEMA lab`, `GRANT USAGE ON SCHEMA lab TO biologist`, `CREATE TABLE lab.person (nir bytea)`, `CREATE TABLE lab.act (nir bytea, code bytea, note bytea)`,
	}})
	for _, sql := range append([]string{`DROP TABLE lab.person, lab.act`}, partitionedTables...) {
		if err := s.Postgres.ExecIn(t.Context(), s.Database, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return s
}

func lines(t *testing.T, conn *pgx.Conn, sql string) []string {
	t.Helper()
	results, err := conn.PgConn().Exec(context.Background(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, row := range results[0].Rows {
		list = append(list, fmt.Sprintf("%q", row))
	}
	return list
}

// TestPartitioned seals, and unseals, a partitioned table while writers add, move and remove rows,
// and partitions are made. The application's triggers see nothing of it.
func TestPartitioned(t *testing.T) {
	s := startPartitioned(t)
	conn := connect(t, s)
	plan := read(t, conn, s)
	if len(plan.Blockers)+len(plan.Notices) != 0 || len(plan.Units) != 1 || len(plan.Units[0].Tables) != 2 || plan.Units[0].Tables[0].Partitions != 4 {
		t.Fatalf("%+v", plan)
	}
	var stop atomic.Bool
	var writer sync.WaitGroup
	other := s.Direct(t, "biologist")
	ledger := map[int]string{}
	writer.Go(func() {
		for i := 0; !stop.Load(); i++ {
			id := 5000 + i%50
			note := fmt.Sprintf("Esmeralda%d", i)
			_, err := other.Exec(context.Background(), `WITH d AS (DELETE FROM lab.act WHERE id = $1) SELECT`, id)
			if err == nil {
				delete(ledger, id)
				_, err = other.Exec(context.Background(), `INSERT INTO lab.act (id, year, note, code) VALUES ($1, $2, $3::text, $3::text)`, id, 2020+i%9, note)
			}
			if err == nil {
				ledger[id] = note
				_, err = other.Exec(context.Background(), `UPDATE lab.act SET year = 2020 + (year + 1) % 9 WHERE id = $1`, id) // into another partition
			}
			if err != nil {
				if code := testenvCode(err); code != "42804" && code != "23514" {
					t.Errorf("the writer: %v", err)
				}
				return
			}
		}
	})
	o := options(s)
	o.LockTimeout, o.LockTries = 100*time.Millisecond, 300
	made := false
	o.Progress = func(p apply.Progress) {
		if !made && p.State == apply.StateFill {
			made = true
			for _, sql := range []string{`CREATE TABLE lab.act_2040 PARTITION OF lab.act FOR VALUES FROM (2040) TO (2041)`, `INSERT INTO lab.act VALUES (4000, 2040, 'nir1', 'made', 'Esmeralda')`} {
				if err := s.Postgres.ExecIn(t.Context(), s.Database, sql); err != nil {
					t.Error(err)
				}
			}
		}
	}
	_, err := run(t.Context(), conn, s, o)
	stop.Store(true)
	writer.Wait()
	if err != nil {
		t.Fatal(err)
	}
	client := s.Connect(t, "biologist", "default_query_exec_mode=exec")
	if again := read(t, conn, s); len(again.Units)+len(again.Blockers)+len(again.Notices) != 0 {
		t.Errorf("planned again: %+v", again)
	}
	got := lines(t, client, `SELECT id, year, nir, code, note, twice, changed FROM lab.act WHERE id <= 2000 ORDER BY id`)
	if len(got) != 2000 || got[6] != `["7" "2022" "nir7" "code7" "Quasimodo7" "14" "0"]` {
		t.Errorf("%d rows, %s", len(got), got[6])
	}
	for id, note := range ledger {
		if row := lines(t, client, fmt.Sprintf(`SELECT note, code FROM lab.act WHERE id = %d`, id)); len(row) != 1 || row[0] != fmt.Sprintf(`["%s" "%[1]s"]`, note) {
			t.Errorf("%d is %s, not %s", id, row, note)
		}
	}
	if row := lines(t, client, `SELECT note, nir FROM lab.act WHERE id = 4000`); !slices.Equal(row, []string{`["Esmeralda" "nir1"]`}) {
		t.Errorf("in the new partition: %s", row)
	}
	if told := lines(t, conn, `SELECT count(*) FROM lab.log WHERE id <= 2000`); told[0] != `["0"]` {
		t.Errorf("triggers fired: %s", told)
	}
	for sql, code := range map[string]string{
		`INSERT INTO lab.act VALUES (6000, 2023, 'nir99999', 'x', 'y')`: "23503",
		`INSERT INTO lab.act VALUES (6000, 2024, 'nir1', 'code4', 'y')`: "",
		`INSERT INTO lab.act VALUES (6001, 2024, 'nir1', 'code9', 'y')`: "23505",
		`INSERT INTO lab.act (id, year) VALUES (6002, 2025)`:            "",
	} {
		if _, err := client.Exec(t.Context(), sql); testenvCode(err) != code {
			t.Errorf("%s: %v, not %q", sql, err, code)
		}
	}
	if row := lines(t, client, `SELECT code FROM lab.act WHERE id = 6002`); !slices.Equal(row, []string{`["none"]`}) {
		t.Errorf("the default: %s", row)
	}
	// And back.
	before := lines(t, client, `SELECT id, year, nir, code, note, twice, changed FROM lab.act ORDER BY id`)
	clear := parse(t, s, strings.NewReplacer(
		"encryption: deterministic, key: identity, domain: nir", "encryption: none, was: {encryption: deterministic, key: identity, domain: nir}",
		"encryption: deterministic, key: identity}", "encryption: none, was: {encryption: deterministic, key: identity}}",
		"encryption: randomized, key: medical", "encryption: none, was: {encryption: randomized, key: medical}").Replace(partitionedSchema))
	if result := applyFile(t, s, clear); result.Cleared != 4 {
		t.Errorf("%+v", result)
	}
	same(t, lines(t, conn, `SELECT id, year, nir, code, note, twice, changed FROM lab.act ORDER BY id`), before)
	if left := lines(t, conn, `SELECT attrelid::regclass, attname FROM pg_attribute WHERE attname LIKE 'pgveil%' AND attrelid::regclass::text LIKE 'lab.%'`); len(left) != 0 {
		t.Errorf("left: %s", left)
	}
}

// TestPartitionedBlockers names what cannot be done beforehand.
func TestPartitionedBlockers(t *testing.T) {
	s := startPartitioned(t)
	conn := connect(t, s)
	for _, test := range []struct{ make, undo, want string }{
		{`ALTER TABLE lab.act_2023 ALTER COLUMN code SET DEFAULT 'other'`, `ALTER TABLE lab.act_2023 ALTER COLUMN code SET DEFAULT 'none'`, "partition lab.act_2023 has another default"},
		{`CREATE VIEW lab.shown AS SELECT note FROM lab.act_2024`, `DROP VIEW lab.shown`, "view lab.shown"},
		{`CREATE INDEX x ON lab.act_2025_rest (note)`, `DROP INDEX lab.x`, "index x is on it"},
		{`ALTER TABLE lab.act_rest ADD CONSTRAINT short CHECK (length(note) < 99)`, `ALTER TABLE lab.act_rest DROP CONSTRAINT short`, "constraint short"},
		{`ALTER TABLE lab.act ADD COLUMN low text GENERATED ALWAYS AS (lower(note)) STORED`, `ALTER TABLE lab.act DROP COLUMN low`, "a generated column"},
		{`CREATE TRIGGER zzz_z BEFORE UPDATE ON lab.act FOR EACH ROW EXECUTE FUNCTION lab.touch()`, `DROP TRIGGER zzz_z ON lab.act`, "fires behind"},
		{
			`CREATE TABLE lab.by_note (id int, note text) PARTITION BY LIST (lower(note)); ALTER TABLE lab.act RENAME TO act_away; ALTER TABLE lab.by_note RENAME TO act; ALTER TABLE lab.act ADD nir text, ADD code varchar(20)`,
			`DROP TABLE lab.act; ALTER TABLE lab.act_away RENAME TO act`, "is partitioned by it",
		},
		{
			`CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw; CREATE FOREIGN TABLE lab.far (id int not null, year int not null, nir text, code varchar(20) default 'none', note text, twice int GENERATED ALWAYS AS (id * 2) STORED, changed int not null) SERVER far; ALTER TABLE lab.act DROP CONSTRAINT act_nir_fkey, DROP CONSTRAINT act_pkey, DROP CONSTRAINT act_code_year_key; ALTER TABLE lab.act ATTACH PARTITION lab.far FOR VALUES FROM (2050) TO (2051)`,
			`DROP EXTENSION postgres_fdw CASCADE`, "on another server",
		},
		{`CREATE TABLE lab.child () INHERITS (lab.person)`, `DROP TABLE lab.child`, "inherits"},
	} {
		if err := s.Postgres.ExecIn(t.Context(), s.Database, test.make); err != nil {
			t.Fatalf("%s: %v", test.make, err)
		}
		plan := read(t, conn, s)
		if !slices.ContainsFunc(plan.Blockers, func(b apply.Blocker) bool { return strings.Contains(b.String(), test.want) && b.Fix != "" }) || len(plan.Blockers) > 3 {
			t.Errorf("%s: %v", test.make, plan.Blockers)
		}
		if err := s.Postgres.ExecIn(t.Context(), s.Database, test.undo); err != nil {
			t.Fatal(err)
		}
	}
	if plan := read(t, conn, s); len(plan.Blockers) > 0 {
		t.Errorf("undone: %v", plan.Blockers)
	}
	owner := s.Direct(t, "biologist")
	if err := s.Postgres.ExecIn(t.Context(), s.Database, `ALTER TABLE lab.act OWNER TO biologist; ALTER TABLE lab.person OWNER TO biologist; CREATE PUBLICATION told FOR TABLE lab.act_2024; CREATE RULE again AS ON UPDATE TO lab.act_2024 DO ALSO SELECT 1`); err != nil {
		t.Fatal(err)
	}
	plan := read(t, owner, s)
	if len(plan.Notices) != 2 || !strings.Contains(plan.Notices[0], "lab.act_2024: it is published ([told])") || !strings.Contains(plan.Notices[1], "[tell touch again]") || !slices.ContainsFunc(plan.Blockers, func(b apply.Blocker) bool {
		return strings.Contains(b.String(), "lab.act_2023: the role that does this does not own it")
	}) {
		t.Errorf("%+v", plan)
	}
}
