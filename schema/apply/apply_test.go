package apply_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

// clearTables are the tables of the test database before anything was sealed.
var clearTables = []string{
	`DROP VIEW lab.positive`, `DROP TABLE lab.result`, `DROP TABLE lab.patient`, `DROP TABLE lab.every`,
	`CREATE TABLE lab.patient (id int PRIMARY KEY, nir char(15) UNIQUE, email varchar(120) DEFAULT 'nobody@nowhere', last_name varchar(80) NOT NULL, birth_date date, city text)`,
	`CREATE INDEX by_email ON lab.patient (email, city)`,
	`CREATE TABLE lab.result (id int PRIMARY KEY, patient int REFERENCES lab.patient, nir char(15) REFERENCES lab.patient (nir) ON UPDATE CASCADE, outcome varchar(20), document jsonb, sampled timestamptz)`,
	`CREATE TABLE lab.every (id int PRIMARY KEY, plain text, r_text text, d_text text, r_varchar varchar(20), d_varchar varchar(20), r_char char(10), d_char char(10),
		r_int2 int2, d_int2 int2, r_int4 int4, d_int4 int4, r_int8 int8, d_int8 int8, r_numeric numeric(12,3), r_real float4, r_double float8, r_bool bool, d_bool bool, r_date date, d_date date,
		r_timestamp timestamp, d_timestamp timestamp, r_timestamptz timestamptz, d_timestamptz timestamptz, r_uuid uuid, d_uuid uuid, r_jsonb jsonb, r_bytea bytea, d_bytea bytea)`,
	`GRANT ALL ON ALL TABLES IN SCHEMA lab TO biologist`,
	`INSERT INTO lab.patient SELECT g, '1' || lpad(g::text, 14, '0'), CASE WHEN g % 3 > 0 THEN 'patient' || g || '@exemple.fr' END, 'Quasimodo' || g, date '1950-01-01' + g, 'Paris' FROM generate_series(1, 1200) g`,
	`INSERT INTO lab.result SELECT g, g, '1' || lpad(g::text, 14, '0'), CASE WHEN g % 2 = 0 THEN 'positif' ELSE 'négatif' END, jsonb_build_object('Quasimodo', g, 'x', 1.50) FROM generate_series(1, 1200) g`,
	`INSERT INTO lab.every (id) VALUES (1)`,
	`INSERT INTO lab.every VALUES (2, 'plain', '', '', '', '', '', '', -32768, 32767, -2147483648, 2147483647, -9223372036854775808, 9223372036854775807, -999999999.999, '-0', 'NaN', false, true, '0044-03-15 BC', 'infinity',
		'-infinity', '2024-02-29 23:59:59.999999', '1969-12-31 23:59:59.5+02', 'infinity', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '{"b": 1.500, "a": [null, "é"]}', '', '\x00ff')`,
	`INSERT INTO lab.every (id, r_text, d_text, r_char, d_varchar) VALUES (3, repeat('Quasimodo ', 100000), repeat('é', 1000), 'ab ', 'Quasimodo😀')`,
}

// unseal brings the database of a stack back to what it was before anything was sealed.
func unseal(t *testing.T, s *stack.Stack) *pgx.Conn {
	t.Helper()
	for _, sql := range clearTables {
		if err := s.Postgres.ExecIn(t.Context(), s.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	return connect(t, s)
}

func connect(t *testing.T, s *stack.Stack) *pgx.Conn {
	t.Helper()
	conn, err := s.Postgres.Conn(context.Background(), s.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func read(t *testing.T, conn *pgx.Conn, s *stack.Stack) *apply.Plan {
	t.Helper()
	plan, err := apply.Read(t.Context(), conn, s.File.Databases[s.Database], s.Keys)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func options(s *stack.Stack) apply.Options {
	return apply.Options{Batch: 100, Keys: func(context.Context) (apply.Keys, error) { return s.Keys, nil }}
}

// run runs a job.
func run(ctx context.Context, conn *pgx.Conn, s *stack.Stack, o apply.Options) (*apply.Result, error) {
	_, result, err := apply.Run(ctx, conn, s.File.Databases[s.Database], o)
	return result, err
}

// all shows all that is in the tables.
func all(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	var lines []string
	for _, table := range []string{"lab.patient", "lab.result", "lab.every"} {
		results, err := conn.PgConn().Exec(context.Background(), "SELECT * FROM "+table+" ORDER BY id").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range results[0].Rows {
			var b strings.Builder
			for _, v := range row {
				fmt.Fprintf(&b, "%q,", v)
			}
			lines = append(lines, table+" "+b.String())
		}
	}
	return lines
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, not %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("got  %.300s\nwant %.300s", got[i], want[i])
		}
	}
}

// TestSeal seals values of every type in both modes, and reads them through pgveil.
func TestSeal(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	before := all(t, conn)
	plan := read(t, conn, s)
	if len(plan.Blockers) > 0 {
		t.Fatal(plan.Blockers)
	}
	if len(plan.Units) != 2 || len(plan.Units[0].Tables) != 2 {
		t.Errorf("units: %v", plan.Units)
	}
	var seen []apply.Progress
	o := options(s)
	o.Progress = func(p apply.Progress) { seen = append(seen, p) }
	result, err := run(t.Context(), conn, s, o)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(4*1200 - 400 + 3*1200 + 26 + 4 + 2); result.Columns != 35 || result.Opened < want-40 || len(result.Left) == 0 {
		t.Errorf("%+v, about %d", result, want)
	}
	if len(seen) < 40 || seen[len(seen)-1].State != apply.StateVerify {
		t.Errorf("%d reports, the last %+v", len(seen), seen[len(seen)-1])
	}
	client := s.Connect(t, "biologist", "default_query_exec_mode=exec")
	same(t, all(t, client), before)
	// The constraints hold, the places of the columns are the old ones, defaults are sealed.
	for sql, code := range map[string]string{
		`INSERT INTO lab.patient VALUES (5000, '100000000000001', 'x', 'y', NULL, NULL)`:            "23505",
		`INSERT INTO lab.patient (id, nir) VALUES (5000, '1')`:                                      "23502",
		`INSERT INTO lab.result (id, nir) VALUES (5000, '199999999999999')`:                         "23503",
		`INSERT INTO lab.patient VALUES (5001, '150', 'a@b.fr', 'Esmeralda', '1990-01-01', 'Lyon')`: "",
		`INSERT INTO lab.patient (id, last_name) VALUES (5002, 'Esmeralda')`:                        "",
		`UPDATE lab.patient SET nir = '151' WHERE nir = '150'`:                                      "",
	} {
		if _, err := client.Exec(t.Context(), sql); testenvCode(err) != code {
			t.Errorf("%s: %v, not %q", sql, err, code)
		}
	}
	var email string
	if err := client.QueryRow(t.Context(), `SELECT email FROM lab.patient WHERE id = 5002`).Scan(&email); err != nil || email != "nobody@nowhere" {
		t.Errorf("the default: %q, %v", email, err)
	}
	if again := read(t, conn, s); len(again.Units)+len(again.Blockers)+len(again.Unverified) != 0 {
		t.Errorf("planned again: %+v", again)
	}
	problems, err := schema.Check(t.Context(), conn, s.File.Databases[s.Database])
	if err != nil || schema.HasErrors(problems) {
		t.Errorf("%v, %v", problems, err)
	}
	var left int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_attribute WHERE attname LIKE 'pgveil_shadow%'`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d shadows are left, %v", left, err)
	}
	// Files of the tables, statistics and dumps; the WAL still has what was written in the clear.
	if err := s.Postgres.ExecIn(t.Context(), s.Database, `CHECKPOINT`); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`SELECT count(*) FROM pg_stats WHERE schemaname = 'lab' AND (most_common_vals::text LIKE '%Quasimodo%' OR histogram_bounds::text LIKE '%Quasimodo%')`,
		`SELECT count(*) FROM lab.patient WHERE position('Quasimodo'::bytea IN last_name) > 0`,
		`SELECT count(*) FROM lab.result WHERE position('Quasimodo'::bytea IN document) > 0`,
	} {
		if err := conn.QueryRow(t.Context(), q).Scan(&left); err != nil || left != 0 {
			t.Errorf("%s: %d, %v", q, left, err)
		}
	}
}

func testenvCode(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestSealBeside has writers change the tables until they are swapped: the ledger of each
// says what must be there afterwards.
func TestSealBeside(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	var stop atomic.Bool
	var writers sync.WaitGroup
	ledgers := make([]map[int]string, 4)
	for w := range ledgers {
		ledgers[w] = make(map[int]string)
		writer := s.Direct(t, "biologist") // who owns nothing
		writers.Go(func() {
			ctx := context.Background()
			for i := 0; !stop.Load(); i++ {
				id := 10_000*(w+1) + i%500
				name := fmt.Sprintf("Writer%d-%d", w, i)
				_, err := writer.Exec(ctx, `INSERT INTO lab.patient (id, last_name) VALUES ($1, $2::text) ON CONFLICT (id) DO UPDATE SET last_name = $2::text`, id, name)
				if err != nil { // the column is sealed now: it holds no text
					if code := testenvCode(err); code != "42804" && code != "23514" && code != "42846" {
						t.Errorf("a writer: %v", err)
					}
					return
				}
				ledgers[w][id] = name
				if i%7 == 0 {
					if _, err := writer.Exec(ctx, `DELETE FROM lab.patient WHERE id = $1`, id); err == nil {
						delete(ledgers[w], id)
					}
				}
			}
		})
	}
	o := options(s)
	o.LockTimeout, o.LockTries = 200*time.Millisecond, 300
	_, err := run(t.Context(), conn, s, o)
	stop.Store(true)
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[int]string)
	for _, ledger := range ledgers {
		maps.Copy(want, ledger)
	}
	client := s.Connect(t, "biologist")
	rows, err := client.Query(t.Context(), `SELECT id, last_name FROM lab.patient WHERE id >= 10000`)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[int]string)
	var id int
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error { got[id] = name; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("%d rows of %d are as the writers left them", len(got), len(want))
	}
}

// TestSealKilled ends the job at many moments, the connection too, and runs it again.
func TestSealKilled(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	before := all(t, conn)
	kills := 0
	for n := 1; ; n += 9 {
		job := connect(t, s)
		ctx, kill := context.WithCancel(t.Context())
		o := options(s)
		o.Batch = 100
		batches := 0
		o.Progress = func(apply.Progress) {
			if batches++; batches == n {
				if n%2 == 0 {
					kill()
					return
				}
				var ended bool
				if err := conn.QueryRow(context.Background(), `SELECT pg_terminate_backend($1, 10000)`, job.PgConn().PID()).Scan(&ended); err != nil || !ended {
					t.Errorf("the session goes on: %v", err)
				}
			}
		}
		_, err := run(ctx, job, s, o)
		kill()
		if err == nil {
			break
		}
		if kills++; kills > 60 {
			t.Fatalf("no end: %v", err)
		}
		if strings.Contains(err.Error(), "Quasimodo") {
			t.Errorf("a value: %v", err)
		}
		_ = job.Close(context.Background())
	}
	if kills < 3 {
		t.Errorf("only %d kills", kills)
	}
	same(t, all(t, s.Connect(t, "biologist", "default_query_exec_mode=exec")), before)
	if plan := read(t, conn, s); len(plan.Units)+len(plan.Unverified) != 0 {
		t.Errorf("not done: %+v", plan)
	}
	status, err := apply.ReadStatus(t.Context(), conn)
	if err != nil || len(status) != 2 || status[0].State != apply.StateDone || status[1].State != apply.StateDone || status[0].Running {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestSealTwice: a second job does nothing while the first works, and says who that is.
func TestSealTwice(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	other := connect(t, s)
	o := options(s)
	tried := false
	o.Progress = func(apply.Progress) {
		if tried {
			return
		}
		tried = true
		if _, err := run(t.Context(), other, s, options(s)); !errors.Is(err, apply.ErrRunning) || !strings.Contains(err.Error(), "process") {
			t.Errorf("a second job: %v", err)
		}
		if err := apply.Abort(t.Context(), other); !errors.Is(err, apply.ErrRunning) {
			t.Errorf("aborted: %v", err)
		}
		if status, err := apply.ReadStatus(t.Context(), other); err != nil || len(status) != 1 || !status[0].Running || status[0].State != apply.StateFill {
			t.Errorf("%+v, %v", status, err)
		}
	}
	if _, err := run(t.Context(), conn, s, o); err != nil || !tried {
		t.Fatal(tried, err)
	}
}

// TestSealPauses: while sessions wait for locks, filling does.
func TestSealPauses(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	holder := connect(t, s)
	if _, err := holder.Exec(t.Context(), `BEGIN; LOCK TABLE lab.plain`); err != nil {
		t.Fatal(err)
	}
	var waiters sync.WaitGroup
	for range 2 {
		waiter := connect(t, s)
		waiters.Go(func() { _, _ = waiter.Exec(context.Background(), `SELECT count(*) FROM lab.plain`) })
	}
	for waiting := 0; waiting < 2; {
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	o := options(s)
	o.Waiting = 1
	pauses, after := 0, 0
	o.Progress = func(p apply.Progress) {
		switch {
		case p.Why == "":
			after++
		case !strings.Contains(p.Why, "2 sessions wait"):
			t.Errorf("it pauses: %s", p.Why)
		default:
			if pauses++; pauses == 2 {
				if after != 1 {
					t.Errorf("%d batches before it pauses", after)
				}
				if _, err := holder.Exec(context.Background(), `ROLLBACK`); err != nil {
					t.Error(err)
				}
				waiters.Wait()
			}
		}
	}
	if _, err := run(t.Context(), conn, s, o); err != nil || pauses != 2 {
		t.Errorf("%d pauses, %v", pauses, err)
	}
}

// TestAbort takes back what was prepared.
func TestAbort(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	before := all(t, conn)
	if err := apply.Abort(t.Context(), conn); err != nil { // where nothing was begun
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o := options(s)
	o.Progress = func(apply.Progress) { cancel() }
	job := connect(t, s)
	if _, err := run(ctx, job, s, o); err == nil {
		t.Fatal("not cancelled")
	}
	_ = job.Close(context.Background())
	var shadows int
	count := `SELECT count(*) FROM pg_attribute WHERE attname LIKE 'pgveil_shadow%' AND NOT attisdropped`
	if err := conn.QueryRow(t.Context(), count).Scan(&shadows); err != nil || shadows == 0 {
		t.Fatal(shadows, err)
	}
	if err := apply.Abort(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), count).Scan(&shadows); err != nil || shadows != 0 {
		t.Fatal(shadows, err)
	}
	same(t, all(t, conn), before)
	if status, err := apply.ReadStatus(t.Context(), conn); err != nil || len(status) != 0 {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestBlockers names what stands in the way, and does nothing.
func TestBlockers(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	for _, test := range []struct{ make, undo, want string }{
		{`CREATE VIEW lab.names AS SELECT last_name FROM lab.patient`, `DROP VIEW lab.names`, "view lab.names"},
		{`CREATE MATERIALIZED VIEW lab.kept AS SELECT nir FROM lab.result`, `DROP MATERIALIZED VIEW lab.kept`, "materialized view lab.kept"},
		{`CREATE INDEX x ON lab.patient (last_name)`, `DROP INDEX lab.x`, "index x is on it"},
		{`CREATE INDEX x ON lab.patient (lower(email))`, `DROP INDEX lab.x`, "index lab.x"},
		{`CREATE INDEX x ON lab.patient (city) WHERE birth_date > '2000-01-01'`, `DROP INDEX lab.x`, "index lab.x"},
		{`CREATE INDEX x ON lab.patient (email varchar_pattern_ops)`, `DROP INDEX lab.x`, "operator class"},
		{`CREATE INDEX x ON lab.patient (email COLLATE "C")`, `DROP INDEX lab.x`, "collation"},
		{`CREATE INDEX x ON lab.patient USING brin (nir)`, `DROP INDEX lab.x`, "brin"},
		{`ALTER TABLE lab.patient ADD CONSTRAINT born CHECK (birth_date > '1900-01-01')`, `ALTER TABLE lab.patient DROP CONSTRAINT born`, "constraint born"},
		{`ALTER TABLE lab.patient ADD COLUMN year int GENERATED ALWAYS AS (extract(year FROM birth_date)) STORED`, `ALTER TABLE lab.patient DROP COLUMN year`, "year"},
		{`ALTER TABLE lab.patient ALTER COLUMN birth_date SET DEFAULT CURRENT_DATE`, `ALTER TABLE lab.patient ALTER COLUMN birth_date DROP DEFAULT`, "default"},
		{`CREATE STATISTICS lab.st ON email, city FROM lab.patient`, `DROP STATISTICS lab.st`, "statistics object lab.st"},
		{`CREATE FUNCTION lab.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; CREATE TRIGGER tr BEFORE UPDATE OF email ON lab.patient FOR EACH ROW EXECUTE FUNCTION lab.f()`, `DROP FUNCTION lab.f CASCADE`, "trigger tr"},
		{`CREATE FUNCTION lab.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO lab.history SELECT (new ) . *; RETURN new; END'; CREATE TRIGGER tr AFTER INSERT ON lab.patient FOR EACH ROW EXECUTE FUNCTION lab.f()`, `DROP FUNCTION lab.f CASCADE`, "takes all columns of a row"},
		{`CREATE POLICY own ON lab.patient USING (email = current_user)`, `DROP POLICY own ON lab.patient`, "policy own"},
		{`CREATE TABLE lab.letter (email varchar(120)); ALTER TABLE lab.patient ADD UNIQUE (email); ALTER TABLE lab.letter ADD FOREIGN KEY (email) REFERENCES lab.patient (email)`, `DROP TABLE lab.letter; ALTER TABLE lab.patient DROP CONSTRAINT patient_email_key`, "foreign key"},
		{`CREATE TABLE lab.child () INHERITS (lab.patient)`, `DROP TABLE lab.child`, "inherits"},
		{`ALTER TABLE lab.result ALTER COLUMN outcome TYPE varchar(30)`, `ALTER TABLE lab.result ALTER COLUMN outcome TYPE varchar(20)`, "its type is character varying(30)"},
		{`ALTER TABLE lab.result RENAME COLUMN outcome TO output`, `ALTER TABLE lab.result RENAME COLUMN output TO outcome`, "no such column"},
		{`ALTER TABLE lab.result ADD CONSTRAINT pgveil_outcome CHECK (id > 0)`, `ALTER TABLE lab.result DROP CONSTRAINT pgveil_outcome`, "constraint of the name"},
	} {
		if err := s.Postgres.ExecIn(t.Context(), s.Database, test.make); err != nil {
			t.Fatal(err)
		}
		plan := read(t, conn, s)
		if !slices.ContainsFunc(plan.Blockers, func(b apply.Blocker) bool { return strings.Contains(b.String(), test.want) }) || len(plan.Blockers) > 2 {
			t.Errorf("%s: %v", test.make, plan.Blockers)
		}
		if _, err := run(t.Context(), conn, s, options(s)); err == nil || !strings.Contains(err.Error(), "nothing was done") {
			t.Errorf("%s: it ran: %v", test.make, err)
		}
		if err := s.Postgres.ExecIn(t.Context(), s.Database, test.undo); err != nil {
			t.Fatal(err)
		}
	}
	other, err := pgx.Connect(t.Context(), s.Postgres.DSN("biologist", stack.Password, s.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if plan := read(t, other, s); !slices.ContainsFunc(plan.Blockers, func(b apply.Blocker) bool { return strings.Contains(b.String(), "own it") }) {
		t.Errorf("not the owner: %v", plan.Blockers)
	}
	if plan := read(t, conn, s); len(plan.Blockers) > 0 {
		t.Errorf("undone: %v", plan.Blockers)
	}
}
