package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestBudgetCancelled cancels statements at random while patients are counted and records are written:
// every row that a client got was counted and recorded, sessions are in step afterwards, and what was
// taken ahead of what was seen is given back.
func TestBudgetCancelled(t *testing.T) {
	const sessions, statements, limit = 4, 40, 640 // of which 10 are taken ahead
	s := startBudget(t, fmt.Sprintf("{patients_per_day: %d}", limit))
	var seen sync.Map
	var cut, whole, rows [sessions]int
	var clients sync.WaitGroup
	for n := range sessions {
		conn := s.Connect(t, "biologist", fmt.Sprintf("application_name=cancelled%d", n))
		random := rand.New(rand.NewPCG(uint64(n), 7))
		clients.Go(func() {
			for i := range statements {
				mode := []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement}[i%2]
				from := random.IntN(budgetPatients)
				done := make(chan struct{})
				var cancelling sync.WaitGroup
				cancelling.Go(func() {
					select {
					case <-done:
					case <-time.After(time.Duration(random.IntN(9000)) * time.Microsecond):
					}
					if err := conn.PgConn().CancelRequest(context.Background()); err != nil {
						t.Error(err)
					}
				})
				result, err := conn.Query(context.Background(), `SELECT nir, pg_sleep(0.0002) FROM lab.patient WHERE id >= $1 ORDER BY id`, mode, from)
				if err == nil {
					for result.Next() {
						rows[n]++
						seen.Store(string(result.RawValues()[0]), true)
					}
					err = result.Err()
				}
				switch code(err) {
				case "":
					whole[n]++
				case "57014":
					cut[n]++
				default:
					t.Errorf("%v", err)
				}
				close(done)
				cancelling.Wait()
				// The cancel may come as late as this.
				for {
					var next int
					err := conn.QueryRow(context.Background(), `SELECT 1 + $1::int`, pgx.QueryExecModeExec, i).Scan(&next)
					if err == nil && next == i+1 {
						break
					}
					if code(err) != "57014" {
						t.Errorf("afterwards: %d, %v", next, err)
						break
					}
				}
			}
		})
	}
	clients.Wait()
	if slices.Max(cut[:]) == 0 || slices.Max(whole[:]) == 0 {
		t.Errorf("the test shows nothing: %v statements were cut and %v were not", cut, whole)
	}
	patients := int64(0)
	seen.Range(func(any, any) bool { patients++; return true })
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		used := usedOf(t, s)
		if used >= patients && used <= budgetPatients {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d patients are counted, %d were seen, and there are %d", used, patients, budgetPatients)
		}
	}
	s.Stop()
	if err := s.Audit.Close(); err != nil {
		t.Fatal(err)
	}
	recorded := recordedRows(t, s)
	for n := range sessions {
		if got := recorded[fmt.Sprintf("cancelled%d", n)]; got < rows[n] {
			t.Errorf("session %d has got %d rows, and %d are recorded", n, rows[n], got)
		}
	}
}

// recordedRows gives how many rows the audit log has, by application_name.
func recordedRows(t *testing.T, s *stack.Stack) map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.AuditDir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	rows, of := make(map[string]int), make(map[int64]string)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(data), "\n") {
			var r struct {
				Seq, Intent int64
				Rows        int
				Application string
			}
			if json.Unmarshal([]byte(line), &r) != nil {
				continue
			}
			of[r.Seq] = r.Application
			rows[of[r.Intent]] += r.Rows
		}
	}
	return rows
}
