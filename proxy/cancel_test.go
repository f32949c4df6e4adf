package proxy

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
)

// A cancelled query ends with 57014 and its session goes on, whatever the links are
// made of.
func TestCancel(t *testing.T) {
	ca := newCA(t)
	server := loginServer(t, testenv.PostgresOptions{TLS: true, CA: ca})
	clients := clientTLS(t, ClientTLSAllow, ca)
	for name, upstream := range map[string]*UpstreamConfig{
		"clear": upstreamOf(server, SSLDisable), "TLS": upstreamOf(server, SSLVerifyFull),
		"allow": upstreamOf(server, SSLAllow), "prefer": upstreamOf(server, SSLPrefer),
		"Unix socket": {Host: server.Dir(), Port: server.Port()},
	} {
		t.Run(name, func(t *testing.T) {
			relay := relayLogins(t, clients, upstream, "")
			ctx := bounded(t)
			conn, err := pgx.Connect(ctx, through(relay, "md5", secret, "sslmode=require"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(ctx)
			for range 3 {
				cancelled := make(chan error, 1)
				time.AfterFunc(100*time.Millisecond, func() { cancelled <- conn.PgConn().CancelRequest(ctx) })
				begun := time.Now()
				_, err := conn.Exec(ctx, "SELECT pg_sleep(20)")
				if err := <-cancelled; err != nil {
					t.Error(err)
				}
				var e *pgconn.PgError
				if !errors.As(err, &e) || e.Code != "57014" || time.Since(begun) > 10*time.Second {
					t.Fatalf("%v after %v", err, time.Since(begun))
				}
			}
			var one int
			if err := conn.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// When the client's connection closes, the signal has been sent: a query begun
// afterwards is not hit by it.
func TestCancelIsOverWhenClosed(t *testing.T) {
	server := loginServer(t, testenv.PostgresOptions{})
	relay := relayLogins(t, &ClientTLS{}, upstreamOf(server, SSLDisable), "")
	ctx := bounded(t)
	conn, err := pgx.Connect(ctx, through(relay, "scram", secret, "sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	hit := 0
	for range 50 {
		if err := conn.PgConn().CancelRequest(ctx); err != nil {
			t.Fatal(err)
		}
		// The signal may still be on its way to the backend, as with the server itself;
		// the first statement takes it, if any.
		_, _ = conn.Exec(ctx, "SELECT pg_sleep(0.005)")
		if _, err := conn.Exec(ctx, "SELECT 1"); err != nil {
			hit++
		}
	}
	if hit > 0 {
		t.Errorf("%d later statements were cancelled", hit)
	}
}

// A key that nobody has is the server's to judge; it cancels nothing and is no
// error.
func TestCancelWithWrongKey(t *testing.T) {
	server := loginServer(t, testenv.PostgresOptions{})
	relay := relayLogins(t, &ClientTLS{}, upstreamOf(server, SSLDisable), "")
	ctx := bounded(t)
	conn, err := pgx.Connect(ctx, through(relay, "scram", secret, "sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	pid := conn.PgConn().PID()
	done := make(chan error, 1)
	go func() {
		time.Sleep(50 * time.Millisecond)
		done <- relayCancel(ctx, relay.upstream, &cancelKey{pid: pid, secret: []byte("KEY!")})
	}()
	if _, err := conn.Exec(ctx, "SELECT pg_sleep(0.3)"); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCancelUnreachable(t *testing.T) {
	u := fakeServer(t, "")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	u.SSLMode = SSLDisable
	if err := relayCancel(ctx, u, &cancelKey{pid: 1, secret: []byte("KEY!")}); err == nil {
		t.Error("a server that does not close is waited for without end")
	}
}

// Ctrl-C in psql.
func TestCancelFromPsql(t *testing.T) {
	testenv.Require(t, testenv.PartPsql)
	program, err := testenv.ClientProgram("psql")
	if err != nil {
		t.Fatal(err)
	}
	server := loginServer(t, testenv.PostgresOptions{})
	relay := relayLogins(t, &ClientTLS{}, upstreamOf(server, SSLDisable), "")
	cmd := exec.CommandContext(bounded(t), program, "-X", "-d", through(relay, "trusted", "", "sslmode=disable"), "-c", "SELECT pg_sleep(15)")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForSleep(t, server)
	begun := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !strings.Contains(out.String(), "canceling statement due to user request") || time.Since(begun) > 5*time.Second {
		t.Errorf("%s after %v", out.String(), time.Since(begun))
	}
}

// waitForSleep waits until a pg_sleep runs.
func waitForSleep(t *testing.T, server *testenv.Postgres) {
	t.Helper()
	ctx := bounded(t)
	conn, err := server.Conn(ctx, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for {
		var n int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
