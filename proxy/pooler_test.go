package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// startPooler starts PgBouncer with a pool of two, so that clients meet in it.
func startPooler(t *testing.T, server *testenv.Postgres, mode string, port int) *testenv.PgBouncer {
	t.Helper()
	testenv.Require(t, testenv.PartPgBouncer)
	b, err := testenv.StartPgBouncer(context.Background(), testenv.PgBouncerOptions{
		Server: server, ServerPort: port, PoolMode: mode,
		Settings: map[string]string{"default_pool_size": map[string]string{"session": "20", "transaction": "2"}[mode]},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Stop() })
	return b
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// TestInFrontOfPooler: pgveil, then PgBouncer, then the server. One that pools by
// session or by transaction works when pgveil is told of it; nothing tagged passes one that does not,
// or that pgveil knows nothing of, whatever it is told.
func TestInFrontOfPooler(t *testing.T) {
	for _, test := range []struct {
		mode, told string
		works      bool
	}{{"session", "session", true}, {"session", "", false}, {"transaction", "", false}, {"transaction", "session", false}, {"transaction", "transaction", true}, {"session", "transaction", true}} {
		t.Run(test.mode+" told "+test.told, func(t *testing.T) {
			t.Parallel()
			s := stack.Start(t, stack.Options{Pooler: test.told, Postgres: testenv.PostgresOptions{LogStatements: true}, Between: func(server *testenv.Postgres) int {
				b := startPooler(t, server, test.mode, 0)
				_, port, _ := strings.Cut(b.Addr(), ":")
				var n int
				fmt.Sscan(port, &n)
				return n
			}})
			// One takes the other's process where it can.
			first, second := s.Connect(t, "biologist", "default_query_exec_mode=simple_protocol"), s.Connect(t, "biologist", "default_query_exec_mode=simple_protocol")
			var refused error
			for i := range 8 {
				holder, other := first, second
				if i%2 == 1 {
					holder, other = second, first
				}
				for k, conn := range []*pgx.Conn{holder, other} {
					if _, err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO lab.patient (id, nir, last_name) VALUES (%d, '28505780060%04d', 'Pooled-Zéphyrine')", 2*i+k, 2*i+k)); err != nil {
						refused = err
					}
					if _, err := conn.Exec(t.Context(), "SET DateStyle TO ISO"); err != nil { // what is known may have changed
						t.Fatal(err)
					}
					if k == 0 { // holds its process while the other asks for one
						if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
							t.Fatal(err)
						}
					} else if _, err := holder.Exec(t.Context(), "COMMIT"); err != nil {
						t.Fatal(err)
					}
				}
			}
			var name string
			err := first.QueryRow(t.Context(), "SELECT last_name FROM lab.patient WHERE nir = '285057800600000'").Scan(&name)
			if test.works {
				if refused != nil || err != nil || name != "Pooled-Zéphyrine" {
					t.Errorf("%v, %v, %q", refused, err, name)
				}
			} else if code(refused) != "0A000" || !strings.Contains(refused.Error(), "tagged columns cannot be used") {
				t.Errorf("not refused: %v", refused)
			}
			s.Postgres.NoPlaintext(t, stack.Database, "Pooled-Zéphyrine", "285057800600000")
		})
	}
}

// TestBehindPooler: clients, then PgBouncer, then pgveil. Sessions of pgveil's are
// shared by clients, each with settings of its own.
func TestBehindPooler(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			b := startPooler(t, s.Postgres, mode, s.Port)
			styles := []string{"ISO, MDY", "German, DMY", "SQL, DMY"}
			born := []string{"1985-05-07", "07.05.1985", "07/05/1985"}
			var clients sync.WaitGroup
			for i := range 6 {
				role := []string{"biologist", "secretary"}[i%2]
				clients.Go(func() {
					config, err := pgx.ParseConfig(b.DSN(role, stack.Password, stack.Database))
					if err != nil {
						t.Error(err)
						return
					}
					config.DefaultQueryExecMode = pgx.QueryExecModeExec
					config.RuntimeParams["datestyle"] = styles[i%3]
					conn, err := pgx.ConnectConfig(context.Background(), config)
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close(context.Background())
					id := 100*len(mode) + i
					nir := fmt.Sprintf("1850578%08d", id)
					exec := func(sql string) {
						if _, err := conn.Exec(context.Background(), sql); err != nil {
							t.Errorf("%s: %v", sql, err)
						}
					}
					exec(fmt.Sprintf("INSERT INTO lab.patient (id, nir, last_name, birth_date) VALUES (%d, '%s', 'L%d', '1985-05-07')", id, nir, id))
					for range 10 {
						exec("BEGIN")
						rows, err := conn.PgConn().Exec(context.Background(), "SELECT nir, last_name, birth_date FROM lab.patient WHERE nir = '"+nir+"'").ReadAll()
						if err != nil || len(rows) != 1 || len(rows[0].Rows) != 1 {
							t.Errorf("%v, %v", rows, err)
							return
						}
						want := nir
						if role == "secretary" {
							want = "1" + strings.Repeat("*", 14)
						}
						row := rows[0].Rows[0]
						if got := fmt.Sprintf("%s %s %s", row[0], row[1], row[2]); got != fmt.Sprintf("%s L%d %s", want, id, born[i%3]) {
							t.Errorf("%s of %s reads %q", role, styles[i%3], got)
						}
						exec("COMMIT")
					}
				})
			}
			clients.Wait()
		})
	}
}

// TestServerRestarts: sessions end as they do without pgveil, new ones work, and what
// has changed in between is known.
func TestServerRestarts(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := s.Connect(t, "biologist")
	if _, err := conn.Exec(t.Context(), "INSERT INTO lab.patient (id, nir, last_name) VALUES (1, '1', 'a')"); err != nil {
		t.Fatal(err)
	}
	if err := s.Postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Exec(t.Context(), "SELECT nir FROM lab.patient")
	if got := code(err); got != "57P01" && got != "08006" && (got != "" || err == nil || !conn.IsClosed()) {
		t.Errorf("a session outlives its server: %v", err)
	}
	if err := s.Postgres.ExecIn(t.Context(), stack.Database, "ALTER TABLE lab.patient RENAME COLUMN city TO town"); err != nil {
		t.Fatal(err)
	}
	ending, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	again := s.Connect(t, "biologist")
	var name string
	if err := again.QueryRow(ending, "SELECT last_name FROM lab.patient WHERE nir = '1' AND town IS NULL").Scan(&name); err != nil || name != "a" {
		t.Errorf("after the restart: %q, %v", name, err)
	}
}
