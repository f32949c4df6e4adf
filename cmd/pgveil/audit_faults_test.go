package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// auditKills is how often TestAuditKilled kills pgveil, if PGVEIL_AUDIT_KILLS does not
// say otherwise.
const auditKills = 10

// TestAuditKilled: pgveil is killed by SIGKILL at random moments while clients read
// through it. The log verifies, and every statement of which a client has received a row
// has its record.
func TestAuditKilled(t *testing.T) {
	kills := auditKills
	if s := os.Getenv("PGVEIL_AUDIT_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	v := newVeil(t)
	var received []string // statements of which a row came
	for round := range kills {
		if round > 0 {
			v.start(t)
		}
		var reading sync.WaitGroup
		var mu sync.Mutex
		first := make(chan struct{}, 1)
		for client := range 4 {
			reading.Go(func() {
				for n := range v.readUntilKilled(fmt.Sprintf("r%d_c%d", round, client)) {
					mu.Lock()
					received = append(received, n)
					mu.Unlock()
					select {
					case first <- struct{}{}:
					default:
					}
				}
			})
		}
		select { // a client is being served
		case <-first:
		case <-time.After(patience):
			t.Fatal("no client gets a row")
		}
		time.Sleep(time.Duration(rand.IntN(30_000)) * time.Microsecond) // the random moment
		v.kill()
		reading.Wait()
	}
	v.start(t)
	if out := v.run(t, "audit", "verify"); !strings.Contains(out, "the log is as it was written") {
		t.Error(out)
	}
	recorded := v.intents(t)
	for _, name := range received {
		if !recorded[name] {
			t.Errorf("a client has received rows of %s, which has no record", name)
		}
	}
	t.Logf("%d kills, %d statements whose rows were received, %d recorded", kills, len(received), len(recorded))
}

// readUntilKilled reads all patients again and again, by statements that have names of
// their own, and gives the names of those of which it has received a row.
func (v *veil) readUntilKilled(client string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		conn, err := v.dial(ctx)
		if err != nil {
			return
		}
		defer conn.Close(ctx)
		for n := 0; ; n++ {
			name := fmt.Sprintf("%s_%d", client, n)
			rows, err := conn.Query(ctx, "SELECT nir AS "+name+" FROM lab.patient", pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				return
			}
			got := false
			for rows.Next() {
				got = true
			}
			rows.Close()
			if got && !yield(name) || rows.Err() != nil {
				return
			}
		}
	}
}

// intents gives the names of the statements in the log.
func (v *veil) intents(t *testing.T) map[string]bool {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(v.dir, "audit/log/*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, segment := range segments {
		data, err := os.ReadFile(segment)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			var r struct{ Kind, Statement string }
			// A line that a crash has cut is not JSON; audit verify has its say on those.
			if json.Unmarshal(line, &r) != nil || r.Kind != "intent" {
				continue
			}
			_, rest, _ := strings.Cut(r.Statement, " AS ")
			name, _, _ := strings.Cut(rest, " ")
			names[name] = true
		}
	}
	return names
}

// TestAuditDiskFull: with no room for a record, statements that open values fail with
// 58030 and show nothing, others go on, and all do once there is room again.
func TestAuditDiskFull(t *testing.T) {
	v := newVeil(t)
	v.kill()
	dir := filepath.Join(v.dir, "audit")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k,mode=700"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		v.kill()
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	v.start(t)
	conn := v.connect(t)
	v.wantOutage(t, conn, func() {
		f, err := os.Create(filepath.Join(dir, "filler"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}, func() {
		if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAuditUnwritable: the same where the log's directory is taken away.
func TestAuditUnwritable(t *testing.T) {
	v := newVeil(t)
	log, away := filepath.Join(v.dir, "audit/log"), filepath.Join(v.dir, "audit/away")
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	v.wantOutage(t, v.connect(t), func() { move(log, away) }, func() { move(away, log) })
}

// wantOutage reads while the log cannot be written, and afterwards.
func (v *veil) wantOutage(t *testing.T, conn *pgx.Conn, begin, end func()) {
	t.Helper()
	ctx := context.Background()
	// Statements that are not the same, so that their records need room.
	read := func(n int) (string, error) {
		var nir string
		sql := fmt.Sprintf("SELECT nir AS n%d_%s FROM lab.patient WHERE id = 7", n, strings.Repeat("x", 50))
		err := conn.QueryRow(ctx, sql, pgx.QueryExecModeSimpleProtocol).Scan(&nir)
		return nir, err
	}
	if nir, err := read(0); err != nil || nir != veilNIR(7) {
		t.Fatal(nir, err)
	}
	begin()
	failed := 0
	for n := 1; failed < 5; n++ { // what has room in the last block still is written
		nir, err := read(n)
		if err == nil && n < 100 && failed == 0 {
			continue
		}
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "58030" || nir != "" {
			t.Fatalf("%q, %v", nir, err)
		}
		failed++
	}
	var n int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_catalog.pg_class WHERE relname = 'patient'").Scan(&n); err != nil || n != 1 {
		t.Errorf("what opens nothing: %d, %v", n, err)
	}
	end()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		nir, err := read(1000)
		if err == nil && nir == veilNIR(7) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the outage: %q, %v", nir, err)
		}
	}
	_ = conn.Close(ctx)
	if out := v.run(t, "audit", "verify"); !strings.Contains(out, "the log is as it was written") || !strings.Contains(out, " recovered") {
		t.Error(out)
	}
}
