package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

const guardSchema = stack.SchemaHead + `      lab.patient:
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity, domain: nir, access: care, was: {encryption: none}}
          note: {type: text, encryption: randomized, key: medical, access: care, was: {encryption: none}}
      lab.visit:
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity, domain: nir, access: care, was: {encryption: none}}
`

// guardStack is a stack whose columns are in the clear.
func guardStack(t *testing.T) *stack.Stack {
	t.Helper()
	return stack.Start(t, stack.Options{Schema: guardSchema, Tables: guardTables})
}

var guardTables = []string{
	`CREATE SCHEMA lab AUTHORIZATION biologist`,
	`CREATE TABLE lab.patient (id int PRIMARY KEY, nir char(15) UNIQUE, note text, kept text)`,
	`CREATE TABLE lab.visit (id int PRIMARY KEY, nir char(15) REFERENCES lab.patient (nir), kept text)`,
	`ALTER TABLE lab.patient OWNER TO biologist`, `ALTER TABLE lab.visit OWNER TO biologist`,
}

// job is a schema apply that runs beside a test and waits while it fills, and its end.
type guardJob struct {
	filling, resume chan struct{}
	done            chan error
}

func seal(t *testing.T, s *stack.Stack) *guardJob {
	t.Helper()
	j := &guardJob{filling: make(chan struct{}), resume: make(chan struct{}), done: make(chan error, 1)}
	conn, err := s.Postgres.Conn(context.Background(), s.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	db := s.File.Databases[s.Database]
	first := true
	go func() {
		_, _, err := apply.Run(t.Context(), conn, db, apply.Options{
			Settle: 2 * time.Second, // four times the catalog's refresh
			Keys:   func(context.Context) (apply.Keys, error) { return s.Keys, nil },
			Progress: func(p apply.Progress) {
				if first && p.State == apply.StateFill && p.Why == "" {
					first = false
					close(j.filling)
					<-j.resume
				}
			},
		})
		j.done <- err
	}()
	select {
	case <-j.filling:
	case err := <-j.done:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("the job does not fill")
	}
	return j
}

// TestSealedBesideClients: sessions work on while the columns that they use are sealed, and
// see nothing of it.
func TestSealedBesideClients(t *testing.T) {
	s := guardStack(t)
	ctx := t.Context()
	b := newBesideClients(t, s)
	clients, each, work := b.clients, b.each, b.work
	each("before")
	j := seal(t, s)
	awaitShadows(t, s)
	each("filling")
	for _, sql := range []string{`SELECT * FROM lab.patient`, `SELECT p.* FROM lab.patient p, lab.visit v WHERE p.nir = v.nir`, `TABLE lab.visit`, `SELECT row_to_json(p) FROM lab.patient p`} {
		rows, err := clients[0].Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		if err == nil {
			for rows.Next() {
				if len(rows.RawValues()) > 4 {
					t.Errorf("%s: %d columns", sql, len(rows.RawValues()))
				}
			}
			err = rows.Err()
		}
		if refused := sql[:5] == "TABLE" || sql[7:10] == "row"; refused != (err != nil) {
			t.Errorf("%s: %v", sql, err)
		}
	}

	// A transaction that has used them keeps the columns as they are.
	held := clients[2]
	tx, err := held.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	work("in a transaction", held, tx)
	close(j.resume)
	time.Sleep(300 * time.Millisecond) // for the job to come to where it waits; nothing depends on it
	work("in a transaction that is waited for", held, tx)
	select {
	case err := <-j.done:
		t.Errorf("the columns were swapped meanwhile: %v", err)
	default:
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		each("swapping")
	}
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
	each("after")

	super, err := s.Postgres.Conn(ctx, s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close(ctx)
	var rows, sealed int
	if err := super.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE substring(nir::bytea from 1 for 2) = substring(note::bytea from 1 for 2)) FROM lab.patient`).Scan(&rows, &sealed); err != nil || rows != b.next || sealed != rows {
		t.Errorf("%d rows, %d of them sealed, and %d were written: %v", rows, sealed, b.next, err)
	}
}

// awaitShadows waits until pgveil has surely seen the job.
func awaitShadows(t *testing.T, s *stack.Stack) {
	t.Helper()
	c := s.Connect(t, "biologist")
	for range 600 {
		rows, err := c.Query(t.Context(), `SELECT * FROM lab.visit WHERE id = -1`, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
		if len(rows.FieldDescriptions()) == 3 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("pgveil does not see the job")
}

// TestGuarded: what a session may do while its columns are being sealed.
func TestGuarded(t *testing.T) {
	s := guardStack(t)
	ctx := t.Context()
	direct, err := s.Postgres.Conn(ctx, s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(ctx)
	if _, err := direct.Exec(ctx, `INSERT INTO lab.patient SELECT n, '1' || n, 'note ' || n, 'kept' FROM generate_series(1, 3) n`); err != nil {
		t.Fatal(err)
	}
	c := s.Connect(t, "biologist")
	rr := s.Connect(t, "biologist")
	if _, err := rr.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1`); err != nil {
		t.Fatal(err)
	}
	held := s.Connect(t, "biologist")
	if _, err := held.Prepare(ctx, "by nir", `SELECT note FROM lab.patient WHERE nir = $1`); err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(ctx, `PREPARE s AS SELECT note FROM lab.patient WHERE nir = '12'`); err != nil {
		t.Fatal(err)
	}

	j := seal(t, s)
	awaitShadows(t, s)
	one := func(sql, want string) {
		t.Helper()
		results, err := c.PgConn().Exec(ctx, sql).ReadAll()
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			return
		}
		var got string
		for _, r := range results {
			for _, row := range r.Rows {
				for _, v := range row {
					got += string(v) + " "
				}
			}
		}
		if got != want {
			t.Errorf("%s: %q", sql, got)
		}
	}
	one(`SELECT note FROM lab.patient WHERE id = 1; SELECT nir FROM lab.patient WHERE id = 2`, "note 1 12              ")
	one(`BEGIN; SELECT note FROM lab.patient WHERE id = 1; COMMIT; SELECT note FROM lab.patient WHERE id = 2`, "note 1 note 2 ")
	one(`BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT note FROM lab.patient WHERE id = 1; COMMIT`, "note 1 ")
	one(`BEGIN; SAVEPOINT a; UPDATE lab.patient SET note = 'x' WHERE id = 1; ROLLBACK TO a; SELECT note FROM lab.patient WHERE id = 1; COMMIT`, "note 1 ")
	one(`BEGIN; DECLARE c CURSOR FOR SELECT * FROM lab.patient ORDER BY id; FETCH 1 FROM c; COMMIT`, "1 11              note 1 kept ")
	one(`VACUUM lab.visit`, "")
	one(`COPY lab.visit TO STDOUT`, "")
	one(`SELECT 1 FROM lab.patient WHERE false`, "")
	if _, err := c.Exec(ctx, `SELECT pgveil_shadow_1 FROM lab.patient`); err == nil {
		t.Error("a shadow is seen")
	}
	if tag, err := c.PgConn().CopyFrom(ctx, strings.NewReader("7\t11\tcopied\n"), `COPY lab.visit FROM STDIN`); err != nil || tag.RowsAffected() != 1 {
		t.Errorf("copy: %v", err)
	}
	batch := &pgx.Batch{}
	for id := range 3 {
		batch.Queue(`SELECT note FROM lab.patient WHERE id = $1`, id+1)
	}
	answers := c.SendBatch(ctx, batch)
	for id := range 3 {
		var note string
		if err := answers.QueryRow().Scan(&note); err != nil || note != fmt.Sprintf("note %d", id+1) {
			t.Errorf("batch: %q, %v", note, err)
		}
	}
	if err := answers.Close(); err != nil {
		t.Error(err)
	}

	// Whoever waits for the swap can be cancelled.
	if _, err := direct.Exec(ctx, fmt.Sprintf(`SELECT pg_advisory_lock(%d)`, int64(schema.SwapLock))); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		waiting, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		own := s.Connect(t, "biologist")
		go func() {
			_, err := own.Exec(waiting, `SELECT note FROM lab.patient WHERE id = 1`, mode)
			ended <- err
		}()
		awaitLock(t, direct)
		if err := own.PgConn().CancelRequest(ctx); err != nil {
			t.Fatal(err)
		}
		var e *pgconn.PgError
		if err := <-ended; !errors.As(err, &e) || e.Code != "57014" {
			t.Errorf("%s: %v", mode, err)
		}
		cancel()
		if _, err := own.Exec(ctx, `SELECT 1`); err != nil {
			t.Errorf("%s: afterwards: %v", mode, err)
		}
	}
	if _, err := direct.Exec(ctx, `SELECT pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}

	close(j.resume)
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
	var note string
	if err := held.QueryRow(ctx, "by nir", "12").Scan(&note); err != nil || note != "note 2" {
		t.Errorf("prepared before: %q, %v", note, err)
	}
	var e *pgconn.PgError
	if err := held.QueryRow(ctx, `EXECUTE s`, pgx.QueryExecModeSimpleProtocol).Scan(&note); !errors.As(err, &e) || e.Code != "0A000" {
		t.Errorf("PREPARE before: %q, %v", note, err)
	}
	// To a snapshot that is older than the swap the table is empty.
	if err := rr.QueryRow(ctx, `SELECT note FROM lab.patient WHERE id = 1`).Scan(&note); !errors.As(err, &e) || e.Code != "40001" {
		t.Errorf("an older snapshot: %q, %v", note, err)
	}
	one(`SELECT note FROM lab.patient WHERE nir = '11'`, "note 1 ")
	one(`SELECT * FROM lab.visit`, "7 11              copied ")
}

// awaitLock waits until a session waits for a lock.
func awaitLock(t *testing.T, direct *pgx.Conn) {
	t.Helper()
	for range 600 {
		var waits bool
		if err := direct.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)`).Scan(&waits); err != nil {
			t.Fatal(err)
		}
		if waits {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("nobody waits")
}

// TestGuardWithoutLogin: where pgveil's login cannot read the catalog any more, what is known
// serves on until a job changes columns.
func TestGuardWithoutLogin(t *testing.T) {
	var broken atomic.Bool
	s := stack.Start(t, stack.Options{
		Schema: guardSchema, Tables: guardTables, Refresh: 50 * time.Millisecond,
		Upstreams: func(s *stack.Stack, _ *proxy.Upstreams) func(context.Context, string) (*pgx.Conn, error) {
			return func(ctx context.Context, database string) (*pgx.Conn, error) {
				if broken.Load() {
					return nil, errors.New("the login has expired")
				}
				return pgx.Connect(ctx, s.Postgres.DSN("pgveil", stack.Password, database))
			}
		},
	})
	ctx := t.Context()
	c := s.Connect(t, "biologist")
	insert := func(n int) error {
		_, err := c.Exec(ctx, `INSERT INTO lab.patient (id, nir, note) VALUES ($1, $2, 'note')`, n, strconv.Itoa(n))
		return err
	}
	if err := insert(1); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	time.Sleep(6 * time.Second) // the kept login is given up, and the catalog aged
	if err := insert(2); err != nil {
		t.Errorf("without a job: %v", err)
	}
	j := seal(t, s)
	var e *pgconn.PgError
	if err := insert(3); !errors.As(err, &e) || e.Code != "40001" {
		t.Errorf("beside a job: %v", err)
	}
	close(j.resume)
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
	if err := insert(4); !errors.As(err, &e) || e.Code != "40001" {
		t.Errorf("behind a job: %v", err)
	}
	broken.Store(false)
	for range 100 {
		if err := insert(5); err == nil {
			return
		} else if !errors.As(err, &e) || e.Code != "40001" {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("the login is back, and statements are refused")
}
