package proxy_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestAuditDiskSlow: while the audit log's disk does not answer, no opened row leaves: statements that open values wait, fail
// with 58030 when that takes too long, and run again once it answers; others go on. Whatever a client has got is in the log.
func TestAuditDiskSlow(t *testing.T) {
	var disk sync.Mutex
	s := stack.Start(t, stack.Options{
		AuditMAC:     func(mac audit.MAC) audit.MAC { return gatedMAC{mac, &disk} },
		AuditTimeout: 500 * time.Millisecond,
	})
	fill(t, s)
	conn, other := s.Connect(t, "biologist"), s.Connect(t, "biologist")
	modes := []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeDescribeExec}
	disk.Lock()
	for _, sql := range []string{`SELECT nir AS slow FROM lab.patient`, `UPDATE lab.patient SET city = 'Nowhere' RETURNING last_name AS slow`} {
		for _, mode := range modes {
			if rows, code := rowsOf(conn, sql, mode); rows != 0 || code != "58030" {
				t.Errorf("%s: %d rows, %q", sql, rows, code)
			}
			if rows, code := rowsOf(other, `SELECT city FROM lab.patient WHERE city <> 'Nowhere'`, mode); rows != 2 || code != "" {
				t.Errorf("what opens nothing: %d rows, %q", rows, code)
			}
		}
	}
	late := make(chan int, 1)
	go func() {
		rows, _ := rowsOf(other, `SELECT nir AS late FROM lab.patient`, pgx.QueryExecModeSimpleProtocol)
		late <- rows
	}()
	waits := false
	select {
	case rows := <-late:
		if rows != 0 {
			t.Errorf("%d rows without a record", rows)
		}
	case <-time.After(100 * time.Millisecond):
		waits = true
	}
	disk.Unlock()
	if waits {
		<-late
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		rows, code := rowsOf(conn, `SELECT nir AS after FROM lab.patient`, pgx.QueryExecModeSimpleProtocol)
		if rows == 2 && code == "" {
			break
		}
		if rows != 0 || time.Now().After(deadline) {
			t.Fatalf("after: %d rows, %q", rows, code)
		}
	}
	for _, of := range statements(t, s, "AS after") {
		if of.Outcome.Ended == "ok" && of.Outcome.Rows == 2 {
			return
		}
	}
	t.Error("what ran afterwards is not in the log")
}
