package apply_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

const meanwhileSchema = `version: 1
keys: {medical: randomized}
databases:
  laboratory:
    tables:
      lab.act:
        access: {biologist: {verdict: decrypt, search: true}}
        columns:
          note: {type: text, encryption: randomized, key: medical}
`

// startMeanwhile gives a partitioned table lab.act of 20 rows, whose notes are in the clear.
func startMeanwhile(t *testing.T) (s *stack.Stack, conn *pgx.Conn) {
	t.Helper()
	s = stack.Start(t, stack.Options{Schema: meanwhileSchema, Tables: []string{`CREATE SCHEMA lab`, `GRANT USAGE ON SCHEMA lab TO biologist`, `CREATE TABLE lab.act (note bytea)`}})
	conn = connect(t, s)
	if _, err := conn.Exec(t.Context(), `DROP TABLE lab.act;
		CREATE TABLE lab.act (id int NOT NULL, note text) PARTITION BY RANGE (id);
		CREATE TABLE lab.act_1 PARTITION OF lab.act FOR VALUES FROM (0) TO (10);
		CREATE TABLE lab.act_2 PARTITION OF lab.act FOR VALUES FROM (10) TO (20);
		INSERT INTO lab.act SELECT g, 'before' || g FROM generate_series(0, 19) g`); err != nil {
		t.Fatal(err)
	}
	return s, conn
}

// notes opens all notes of lab.act.
func notes(t *testing.T, s *stack.Stack, conn *pgx.Conn) map[int]string {
	t.Helper()
	column := s.File.Databases[s.Database].Columns[0]
	sealer, err := column.Sealer(s.Keys)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), `SELECT id, note FROM lab.act WHERE note IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]string{}
	var id int
	var note []byte
	if _, err := pgx.ForEachRow(rows, []any{&id, &note}, func() error {
		plain, err := sealer.Open(nil, note)
		all[id] = string(plain)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// whenFilled runs a job, and SQL beside it once all is filled, before the swap.
func whenFilled(t *testing.T, s *stack.Stack, sql string) error {
	t.Helper()
	direct := connect(t, s)
	o := options(s)
	filled := 0
	o.Progress = func(p apply.Progress) {
		if p.State != apply.StateFill || p.Why != "" {
			return
		}
		if filled++; filled == 2 { // both partitions
			if _, err := direct.Exec(t.Context(), sql); err != nil {
				t.Error(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := run(ctx, connect(t, s), s, o)
	if filled < 2 {
		t.Errorf("filled %d times", filled)
	}
	return err
}

// TestAttackDetached: what was changed in a partition while it was not one is not lost.
func TestAttackDetached(t *testing.T) {
	s, conn := startMeanwhile(t)
	err := whenFilled(t, s, `ALTER TABLE lab.act DETACH PARTITION lab.act_1; UPDATE lab.act_1 SET note = 'after' || id; UPDATE lab.act_1 SET note = NULL WHERE id = 3;
		ALTER TABLE lab.act ATTACH PARTITION lab.act_1 FOR VALUES FROM (0) TO (10);
		CREATE TABLE lab.act_3 PARTITION OF lab.act FOR VALUES FROM (20) TO (30); INSERT INTO lab.act VALUES (20, 'later')`)
	if err != nil {
		t.Fatal(err)
	}
	got := notes(t, s, conn)
	want := map[int]string{20: "later"}
	for id := range 20 {
		if want[id] = fmt.Sprintf("before%d", id); id < 10 {
			want[id] = fmt.Sprintf("after%d", id)
		}
	}
	delete(want, 3)
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestAttackDetachedBetween: the same where the job was stopped in between, and has another partition when
// it goes on.
func TestAttackDetachedBetween(t *testing.T) {
	s, conn := startMeanwhile(t)
	ctx, cancel := context.WithCancel(t.Context())
	o := options(s)
	filled := 0
	o.Progress = func(p apply.Progress) {
		if filled++; filled == 2 {
			cancel()
		}
	}
	job := connect(t, s)
	if _, err := run(ctx, job, s, o); err == nil {
		t.Fatal("not cancelled")
	}
	_ = job.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `ALTER TABLE lab.act DETACH PARTITION lab.act_1; UPDATE lab.act_1 SET note = 'after' || id; ALTER TABLE lab.act ATTACH PARTITION lab.act_1 FOR VALUES FROM (0) TO (10)`); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), connect(t, s), s, options(s)); err != nil {
		t.Fatal(err)
	}
	if got := notes(t, s, conn); got[3] != "after3" || got[13] != "before13" || len(got) != 20 {
		t.Errorf("%v", got)
	}
}

// TestAttackAltered: what the plan has not seen, and would be lost, ends the job before the swap.
func TestAttackAltered(t *testing.T) {
	for name, change := range map[string]struct{ sql, says, look, want string }{
		"a trigger behind pgveil's": {
			`CREATE FUNCTION lab.loud() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := ''loud'' || NEW.id; RETURN NEW; END';
			CREATE TRIGGER zzzz_loud BEFORE UPDATE ON lab.act FOR EACH ROW EXECUTE FUNCTION lab.loud(); UPDATE lab.act SET id = id WHERE id = 1`,
			"zzzz_loud of lab.act was made meanwhile", `SELECT note FROM lab.act WHERE id = 1`, `["loud1"]`,
		},
		"a default":                {`ALTER TABLE lab.act ALTER note SET DEFAULT 'given'`, "lab.act.note was altered meanwhile", `INSERT INTO lab.act (id) VALUES (1) RETURNING note`, `["given"]`},
		"a default of a partition": {`ALTER TABLE lab.act_1 ALTER note SET DEFAULT 'given'`, "lab.act.note was altered meanwhile", `INSERT INTO lab.act_1 (id) VALUES (1) RETURNING note`, `["given"]`},
	} {
		t.Run(name, func(t *testing.T) {
			s, conn := startMeanwhile(t)
			if err := whenFilled(t, s, change.sql); err == nil || !strings.Contains(err.Error(), change.says) {
				t.Error(err)
			}
			if got := lines(t, conn, change.look); len(got) != 1 || got[0] != change.want {
				t.Errorf("%s", got)
			}
		})
	}
}

// TestAttackRestless: a trigger that gives each row another value whenever it is changed does not
// keep the swap, and all who wait for it, for ever.
func TestAttackRestless(t *testing.T) {
	s, conn := startMeanwhile(t)
	if _, err := conn.Exec(t.Context(), `CREATE FUNCTION lab.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := clock_timestamp()::text || random(); RETURN NEW; END';
		CREATE TRIGGER stamp BEFORE UPDATE ON lab.act FOR EACH ROW EXECUTE FUNCTION lab.stamp();
		ALTER TABLE lab.act OWNER TO biologist; ALTER TABLE lab.act_1 OWNER TO biologist; ALTER TABLE lab.act_2 OWNER TO biologist; GRANT CREATE ON DATABASE laboratory TO biologist`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := run(ctx, s.Direct(t, "biologist"), s, options(s)); err == nil || !strings.Contains(err.Error(), "10 rows of lab.act_1 cannot be filled") {
		t.Error(err)
	}
}

// TestAttackAbortWaits: nobody waits for long behind what is taken back.
func TestAttackAbortWaits(t *testing.T) {
	s, conn := startMeanwhile(t)
	if err := whenFilled(t, s, `ALTER TABLE lab.act ALTER note SET DEFAULT 'given'`); err == nil {
		t.Fatal("the job has ended well")
	}
	holder, other := connect(t, s), connect(t, s)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE lab.act_2 IN ACCESS SHARE MODE`); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- apply.Abort(t.Context(), conn) }()
	for waited := false; !waited; {
		if err := other.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock')`).Scan(&waited); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.Exec(t.Context(), `SET statement_timeout = '30 s'; SELECT count(*) FROM lab.act`); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		t.Errorf("before the table was free: %v", err)
	default:
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
