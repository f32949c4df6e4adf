package proxy_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// behindTransactions starts pgveil before a PgBouncer that pools by transaction.
func behindTransactions(t *testing.T, size int) *stack.Stack {
	t.Helper()
	return startBehindTransactions(t, size, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
}

func startBehindTransactions(t *testing.T, size int, o stack.Options) *stack.Stack {
	t.Helper()
	testenv.Require(t, testenv.PartPgBouncer)
	o.Pooler = proxy.PoolerTransaction
	o.Between = func(server *testenv.Postgres) int {
		b, err := testenv.StartPgBouncer(context.Background(), testenv.PgBouncerOptions{
			Server: server, PoolMode: "transaction", Settings: map[string]string{"default_pool_size": strconv.Itoa(size)},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Stop() })
		_, port, err := net.SplitHostPort(b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return stack.Start(t, o)
}

// TestPooledByTransaction compares conversations through pgveil and a pooler of
// transactions with a server in the clear.
func TestPooledByTransaction(t *testing.T) {
	s := behindTransactions(t, 1)
	fill(t, s)
	clear := twinOfAll(t)
	through := dialWire(t, s.DSN("biologist"))
	other := dialWire(t, s.DSN("biologist"))
	direct := dialWire(t, clear.DSN(clear.Superuser(), clear.SuperPassword(), "postgres"))
	read := `SELECT nir, last_name, birth_date FROM lab.patient WHERE nir = '` + nir1 + `'`
	byNIR := `SELECT last_name FROM lab.patient WHERE nir = $1`
	for _, test := range []struct {
		name string
		talk []messages
	}{
		{"autocommit", []messages{{query(read)}, {query(read)}}},
		{"extended", []messages{{parse("", byNIR), describe('S', ""), bind("", "", nir1), describe('P', ""), execute("", 0), sync_}, {query(read)}}},
		{"a named statement of one sequence", []messages{{parse("p", byNIR), bind("", "p", nir1), execute("", 0), bind("", "p", nir2), execute("", 0), closing('S', "p"), sync_}}},
		{"a named statement of one transaction", []messages{{query(`BEGIN`)}, {parse("p", byNIR), describe('S', "p"), sync_}, {bind("", "p", nir2), execute("", 0), sync_}, {closing('S', "p"), sync_}, {query(`COMMIT`)}}},
		{"a block", []messages{{query(`BEGIN`)}, {query(read)}, {query(`UPDATE lab.patient SET last_name = 'Durand' WHERE nir = '` + nir2 + `' RETURNING last_name`)}, {query(`ROLLBACK`)}, {query(read)}}},
		{"BEGIN in the message", []messages{{query(`BEGIN; ` + read)}, {query(read + `; COMMIT`)}, {query(`BEGIN ISOLATION LEVEL SERIALIZABLE; ` + read + `; COMMIT`)}}},
		{"a block, and what changes the session", []messages{{query(`BEGIN`)}, {query(`SELECT 1; SET LOCAL search_path TO lab; SELECT nir FROM patient WHERE id = 1; SET LOCAL search_path TO public; ` + read)}, {query(`COMMIT`)}}},
		{"several statements", []messages{{query(read + `; SELECT email FROM lab.patient WHERE id = 1; ` + read)}}},
		{"several statements, one of which fails", []messages{{query(`INSERT INTO lab.plain (id, note) VALUES (900, 'x'); ` + read + `; SELECT 1/0`)}, {query(`SELECT count(*) FROM lab.plain WHERE id = 900`)}}},
		{"a failed block", []messages{{query(`BEGIN`)}, {query(`SELECT 1/0`)}, {query(read)}, {parse("", byNIR), bind("", "", nir1), execute("", 0), sync_}, {query(`ROLLBACK`)}, {query(read)}}},
		{"a savepoint", []messages{{query(`BEGIN`)}, {query(`SAVEPOINT a`)}, {query(`SELECT nosuch FROM lab.patient`)}, {query(`ROLLBACK TO a`)}, {query(read)}, {query(`COMMIT`)}}},
		{"bad values", []messages{{query(`INSERT INTO lab.patient (id, birth_date) VALUES (9, '2024-02-31')`)}, {query(read)}}},
		{"queries in one write", []messages{{query(read), query(`SELECT 1`), query(read)}}},
		{"queries of a block in one write", []messages{{query(`BEGIN`), query(read), query(`SELECT 1/0`), query(read), query(`ROLLBACK`), query(read)}}},
		{"sequences in one write", []messages{{
			parse("", byNIR), bind("", "", nir1), execute("", 0), sync_, parse("", `SELECT 1/0`), bind("", ""), execute("", 0), parse("", byNIR), sync_,
			parse("", byNIR), bind("", "", nir2), execute("", 0), sync_,
		}}},
		{"a cursor", []messages{{query(`BEGIN`)}, {query(`DECLARE c CURSOR FOR SELECT nir, last_name FROM lab.patient ORDER BY id`)}, {query(`FETCH 1 FROM c`)}, {query(`FETCH ALL FROM c`)}, {query(`COMMIT`)}}},
		{"a suspended portal", []messages{{query(`BEGIN`)}, {parse("", `SELECT last_name FROM lab.patient ORDER BY id`), bind("c", ""), execute("c", 1), sync_}, {execute("c", 1), sync_}, {query(`COMMIT`)}}},
		{"COPY", []messages{{query(`COPY (SELECT nir, last_name FROM lab.patient ORDER BY id) TO STDOUT`)}, {query(`BEGIN`)}, {query(`COPY lab.patient (id, last_name) FROM STDIN`), data("9\tCopied\n"), copyDone}, {query(`SELECT last_name FROM lab.patient WHERE id = 9`)}, {query(`ROLLBACK`)}}},
		{"settings of a block", []messages{{query(`BEGIN`)}, {query(`SET LOCAL DateStyle TO German`)}, {query(read)}, {query(`COMMIT`)}, {query(read)}}},
	} {
		for i, in := range test.talk {
			// Somebody else has the server's process in between, where nobody holds it.
			if i == 0 {
				other.exchange(query(`SELECT email FROM lab.patient WHERE id = 2`))
			}
			got, want := through.exchange(in...), direct.exchange(in...)
			if got, want = withoutStatus(got), withoutStatus(want); got != want {
				t.Errorf("%s, %d:\n%s\ndirectly\n%s", test.name, i, got, want)
			}
		}
	}
	for _, test := range []struct {
		name, want string
		talk       []messages
	}{
		{"a statement of another transaction", "ErrorResponse ERROR 26000", []messages{{parse("q", byNIR), sync_}, {bind("", "q", "Zxqw-1"), execute("", 0), sync_}}},
		{"without parameters, too", "ErrorResponse ERROR 26000", []messages{{parse("r", `SELECT 1`), sync_}, {bind("", "r"), execute("", 0), sync_}}},
		{"EXECUTE of another transaction", "ErrorResponse ERROR 0A000", []messages{{query(`PREPARE e AS SELECT id FROM lab.patient WHERE nir = $1`)}, {query(`EXECUTE e('Zxqw-2')`)}}},
		{"what cannot run in a transaction", "ErrorResponse ERROR 25001", []messages{{query(`VACUUM lab.patient`)}}},
		{"what cannot be done on sealed values", "ErrorResponse ERROR 0A000", []messages{{query(`SELECT id FROM lab.patient WHERE last_name LIKE 'Zxqw-3%'`)}}},
	} {
		got := ""
		for _, in := range test.talk {
			got = through.exchange(in...)
		}
		if !strings.HasPrefix(got, test.want) || !strings.HasSuffix(got, "\nReadyForQuery I") || strings.Count(got, "ReadyForQuery") != 1 {
			t.Errorf("%s:\n%s", test.name, got)
		}
	}
	// What one client has left in the process is what the next one finds there.
	other.exchange(query(`SET search_path TO lab`))
	if got := through.exchange(query(`SELECT nir FROM patient WHERE nir = '` + nir1 + `'`)); !strings.Contains(got, nir1) {
		t.Errorf("the search_path of the process:\n%s", got)
	}
	s.Postgres.NoPlaintext(t, stack.Database, nir1, nir2, "Zxqw-")
}

// withoutStatus takes the reports of settings away: a pooler makes its own.
func withoutStatus(answer string) string {
	return strings.ReplaceAll(answer, "ParameterStatus\n", "")
}

// TestPooledByTransactionAtOnce has clients of two roles meet in two processes.
func TestPooledByTransactionAtOnce(t *testing.T) {
	s := behindTransactions(t, 2)
	ctx := t.Context()
	var clients sync.WaitGroup
	for i := range 8 {
		role := []string{"biologist", "secretary"}[i%2]
		conn := s.Connect(t, role, "default_query_exec_mode="+[]string{"exec", "simple_protocol"}[i/2%2])
		clients.Go(func() {
			for k := range 15 {
				id := 100*i + k
				name, nir := fmt.Sprintf("Pooled-%d", id), fmt.Sprintf("1850578%08d", id)
				if _, err := conn.Exec(ctx, `INSERT INTO lab.patient (id, nir, last_name, birth_date) VALUES ($1, $2, $3, CURRENT_DATE)`, id, nir, name); err != nil {
					t.Error(err)
					return
				}
				err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
					if _, err := tx.Exec(ctx, `UPDATE lab.patient SET last_name = $2 WHERE id = $1 AND birth_date IS NOT NULL`, id, name+"x"); err != nil {
						return err
					}
					var got string
					if err := tx.QueryRow(ctx, `SELECT last_name FROM lab.patient WHERE id = $1`, id).Scan(&got); err != nil || got != name+"x" {
						t.Errorf("%s reads %q, %v", role, got, err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				want := nir
				if role == "secretary" {
					want = "1" + strings.Repeat("*", 14)
				}
				var got string
				if err := conn.QueryRow(ctx, `SELECT nir FROM lab.patient WHERE id = $1`, id).Scan(&got); err != nil || got != want {
					t.Errorf("%s reads %q, %v", role, got, err)
				}
			}
		})
	}
	clients.Wait()
	s.Postgres.NoPlaintext(t, stack.Database, "Pooled-")
}
