package proxy

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv"
)

// TestKeptLogin: readings of the catalog that follow one another share a connection,
// which is opened again where it has broken or grown old, and closed soon after.
func TestKeptLogin(t *testing.T) {
	testenv.Require(t, testenv.PartPostgres)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	server, err := testenv.StartPostgres(ctx, testenv.PostgresOptions{AuthMethod: testenv.AuthTrust})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	logins := 0
	config := &Config{
		Log: slog.New(slog.DiscardHandler),
		Login: func(ctx context.Context, database string) (*pgx.Conn, error) {
			logins++
			return pgx.Connect(ctx, server.DSN(testenv.SuperUser, "", database)+"&application_name=kept")
		},
	}
	tracked, err := newTracked(config, &schema.Database{Name: "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	tracked.login.wait = time.Hour // however slow the machine is
	read := func(table string) {
		t.Helper()
		if err := server.ExecIn(ctx, "postgres", `CREATE TABLE `+table+` (a int)`); err != nil {
			t.Fatal(err)
		}
		s, err := tracked.compare(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if s.catalog.Relation("public", table) == nil {
			t.Errorf("table %s is not seen", table)
		}
	}
	held := func(change func()) {
		tracked.loading <- struct{}{}
		change()
		<-tracked.loading
	}
	open := func() (n int) {
		t.Helper()
		conn, err := pgx.Connect(ctx, server.DSN(testenv.SuperUser, "", "postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kept'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	read("a")
	read("b")
	if logins != 1 {
		t.Errorf("%d logins for two readings", logins)
	}
	if err := server.Exec(ctx, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'kept'`); err != nil {
		t.Fatal(err)
	}
	read("c")
	held(func() { tracked.login.opened = time.Now().Add(-loginAge) })
	held(func() { tracked.login.wait = loginIdle })
	read("d")
	if logins != 3 {
		t.Errorf("%d logins after one was broken and one had grown old", logins)
	}
	for open() != 0 && ctx.Err() == nil {
		time.Sleep(loginIdle)
	}
	if ctx.Err() != nil {
		t.Error("the connection stays open")
	}
}
