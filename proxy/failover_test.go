package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// startReplicated starts pgveil before a primary and its synchronous standby.
func startReplicated(t *testing.T, target string) (s *stack.Stack, upstreams *proxy.Upstreams, standby *testenv.Postgres) {
	t.Helper()
	s = stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}, Upstreams: func(s *stack.Stack, u *proxy.Upstreams) func(context.Context, string) (*pgx.Conn, error) {
		ctx := t.Context()
		var err error
		if standby, err = s.Postgres.Standby(ctx); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { standby.Stop() })
		if err := s.Postgres.Exec(ctx, `ALTER SYSTEM SET synchronous_standby_names TO '*'`); err != nil {
			t.Fatal(err)
		}
		if err := s.Postgres.Exec(ctx, `SELECT pg_reload_conf()`); err != nil {
			t.Fatal(err)
		}
		second := *u.Servers[0]
		second.Port = standby.Port()
		u.Servers = []*proxy.UpstreamConfig{&second, u.Servers[0]} // the standby first
		u.Target = target
		to := func(ctx context.Context, server *proxy.UpstreamConfig, database string) (*pgx.Conn, error) {
			config, err := server.LoginConfig("pgveil", stack.Password, database)
			if err != nil {
				return nil, err
			}
			return pgx.ConnectConfig(ctx, config)
		}
		u.State = func(ctx context.Context, server *proxy.UpstreamConfig) (state proxy.ServerState, err error) {
			conn, err := to(ctx, server, stack.Database)
			if err != nil {
				return state, err
			}
			defer conn.Close(ctx)
			return state, conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'`).Scan(&state.Standby, &state.ReadOnly)
		}
		upstreams = u
		return func(ctx context.Context, database string) (conn *pgx.Conn, err error) {
			err = u.Connect(ctx, func(ctx context.Context, server *proxy.UpstreamConfig) (err error) {
				conn, err = to(ctx, server, database)
				return err
			})
			return conn, err
		}
	}})
	return s, upstreams, standby
}

// writer stores rows one by one and keeps a ledger of what was acknowledged.
type writer struct {
	first  int
	ledger map[int]string
	errors []error
}

func (w *writer) run(ctx context.Context, dsn string, stop <-chan struct{}, wrote func()) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for id := w.first; ; id++ {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		default:
		}
		one, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := func() (err error) {
			if conn == nil || conn.IsClosed() {
				if conn, err = pgx.Connect(one, dsn); err != nil {
					return err
				}
			}
			email := fmt.Sprintf("ledger-%d@exemple.fr", id)
			var back string
			if err := conn.QueryRow(one, `INSERT INTO lab.patient (id, nir, email) VALUES ($1, $2, $3) RETURNING email`, id, fmt.Sprintf("%015d", id), email).Scan(&back); err != nil {
				return err
			}
			if back != email {
				return fmt.Errorf("stored %q, got back %q", email, back)
			}
			w.ledger[id] = email
			wrote()
			return nil
		}()
		cancel()
		if err != nil {
			w.errors = append(w.errors, err)
			time.Sleep(20 * time.Millisecond) // as an application that tries again
		}
	}
}

// TestFailover: the primary dies under writers, its standby is promoted, and they go on
// without a value lost that was acknowledged.
func TestFailover(t *testing.T) {
	s, upstreams, standby := startReplicated(t, proxy.TargetReadWrite)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	idle := s.Connect(t, "biologist") // on the primary
	if got := show(t, idle, `SELECT pg_is_in_recovery()`); got != "f" && got != "false" {
		t.Fatalf("a read-write session is on a standby: %s", got)
	}
	writes := make(chan struct{}, 1<<16)
	after := func(n int) {
		t.Helper()
		for range n {
			select {
			case <-writes:
			case <-ctx.Done():
				t.Fatal("the writers do not get on")
			}
		}
	}
	stop := make(chan struct{})
	writers := make([]*writer, 4)
	var running sync.WaitGroup
	for i := range writers {
		w := &writer{first: 1 + i*1_000_000, ledger: make(map[int]string)}
		writers[i] = w
		running.Go(func() { w.run(ctx, s.DSN("biologist"), stop, func() { writes <- struct{}{} }) })
	}
	after(200)
	if err := s.Postgres.Crash(ctx); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(ctx); err != nil {
		t.Fatal(err)
	}
	if err := standby.Exec(ctx, `ALTER SYSTEM RESET synchronous_standby_names`); err != nil {
		t.Fatal(err)
	}
	if err := standby.Exec(ctx, `SELECT pg_reload_conf()`); err != nil {
		t.Fatal(err)
	}
	for len(writes) > 0 {
		<-writes
	}
	after(200)
	close(stop)
	running.Wait()

	var e *pgconn.PgError
	if err := idle.Ping(ctx); err == nil || errors.As(err, &e) && e.Severity != "FATAL" {
		t.Errorf("a session on the dead server goes on: %v", err)
	}
	conn := s.Connect(t, "biologist")
	stored := make(map[int]string)
	rows, err := conn.Query(ctx, `SELECT id, email FROM lab.patient`)
	if err != nil {
		t.Fatal(err)
	}
	var id int
	var email *string
	if _, err := pgx.ForEachRow(rows, []any{&id, &email}, func() error { stored[id] = *email; return nil }); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for _, w := range writers {
		for id, email := range w.ledger {
			acknowledged++
			if stored[id] != email {
				t.Errorf("row %d is %q, acknowledged was %q", id, stored[id], email)
			}
		}
		for _, err := range w.errors {
			var e *pgconn.PgError
			if errors.As(err, &e) && !slices.Contains([]string{"57P01", "57P02", "57P03", "08001", "08006"}, e.Code) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a writer has seen %v", err)
			}
		}
	}
	t.Logf("%d rows acknowledged, %d stored", acknowledged, len(stored))
	if _, err := conn.Exec(ctx, `CREATE TEMP TABLE made (id int)`); err != nil {
		t.Errorf("the new primary: %v", err)
	}
	var needles [][]byte
	for _, w := range writers { // any that was acknowledged
		for _, email := range w.ledger {
			needles = append(needles, []byte(email))
			break
		}
	}
	findings, err := standby.FindPlaintext(ctx, stack.Database, needles...)
	if err != nil || len(findings) > 0 {
		t.Errorf("in the clear: %v %v", findings, err)
	}
	cancels(t, s)
	if got := upstreams.Servers[1].Port; got != s.Postgres.Port() {
		t.Errorf("the servers have changed places: %d", got)
	}
}

// cancels cancels a query of a session.
func cancels(t *testing.T, s *stack.Stack) {
	t.Helper()
	ctx := t.Context()
	conn := s.Connect(t, "biologist")
	result := make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, `SELECT pg_sleep(20)`)
		result <- err
	}()
	for {
		if err := conn.PgConn().CancelRequest(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-result:
			var e *pgconn.PgError
			if !errors.As(err, &e) || e.Code != "57014" {
				t.Errorf("a cancelled query: %v", err)
			}
			return
		case <-time.After(100 * time.Millisecond): // it came too early
		}
	}
}

// TestTargets: which of a primary and a standby a session goes to.
func TestTargets(t *testing.T) {
	s, upstreams, standby := startReplicated(t, proxy.TargetStandby)
	cancels(t, s)
	if got := show(t, s.Connect(t, "biologist"), `SELECT pg_is_in_recovery(), count(nir) FROM lab.patient`); got != "t|0" {
		t.Errorf("a tagged table on a standby: %s", got)
	}
	on := func(target string) string {
		u := &proxy.Upstreams{Servers: upstreams.Servers, Target: target, State: upstreams.State}
		at := ""
		err := u.Connect(t.Context(), func(ctx context.Context, server *proxy.UpstreamConfig) error {
			state, err := upstreams.State(ctx, server)
			at = map[bool]string{true: "standby", false: "primary"}[state.Standby]
			return err
		})
		if err != nil {
			return err.Error()
		}
		return at
	}
	for target, want := range map[string]string{
		"": "standby", proxy.TargetAny: "standby", proxy.TargetReadWrite: "primary", proxy.TargetPrimary: "primary", proxy.TargetReadOnly: "standby",
		proxy.TargetStandby: "standby", proxy.TargetPreferStandby: "standby",
	} {
		if got := on(target); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
	if err := standby.Stop(); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		proxy.TargetAny: "primary", proxy.TargetPreferStandby: "primary", proxy.TargetPrimary: "primary",
		proxy.TargetStandby: "pgveil finds no server for this session (target_session_attrs is standby) (SQLSTATE 08001)",
	} {
		if got := on(target); got != want {
			t.Errorf("without the standby, %s: %s", target, got)
		}
	}
	if _, err := pgx.Connect(t.Context(), s.DSN("biologist")); err == nil || !strings.Contains(err.Error(), "08001") {
		t.Errorf("a session without a standby: %v", err)
	}
}
