package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/pgveil/pgveil/schema"
)

// TestAttackChangeBehindAlone: what stands in one message behind a command that looks like one
// that cannot run in a transaction is guarded.
func TestAttackChangeBehindAlone(t *testing.T) {
	s := guardStack(t)
	ctx := t.Context()
	direct, err := s.Postgres.Conn(ctx, s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(context.WithoutCancel(ctx))
	const gate = 770077
	if _, err := direct.Exec(ctx, `INSERT INTO lab.patient VALUES (2, '2', 'before', 'kept'); SELECT pg_advisory_lock(770077)`); err != nil {
		t.Fatal(err)
	}
	c := s.Connect(t, "biologist")
	j := seal(t, s)
	awaitShadows(t, s)

	wrote := make(chan error, 1)
	go func() {
		_, err := c.PgConn().Exec(ctx, `CREATE TABLE lab.concurrently (id int); SELECT pg_advisory_xact_lock(770077); INSERT INTO lab.patient VALUES (1, '100000000000001', 'behind another command', 'kept')`).ReadAll()
		wrote <- err
	}()
	await := func(key int64) (done bool) {
		t.Helper()
		for range 3000 {
			var waits bool
			if err := direct.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND (classid::bigint << 32 | objid::bigint) = $1)`, key).Scan(&waits); err != nil {
				t.Fatal(err)
			}
			if waits {
				return false
			}
			select {
			case err := <-j.done:
				j.done <- err
				return true
			case err := <-wrote:
				t.Fatalf("the statement did not wait: %v", err)
			case <-time.After(10 * time.Millisecond):
			}
		}
		t.Fatal("nobody waits")
		return false
	}
	await(gate)
	close(j.resume)
	if await(schema.SwapLock) {
		t.Error("the columns were swapped while a statement was about to write them")
	}
	if _, err := direct.Exec(ctx, `SELECT pg_advisory_unlock(770077)`); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Errorf("insert: %v", err)
	}
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
	var note string
	if err := c.QueryRow(ctx, `SELECT note FROM lab.patient WHERE nir = $1`, "100000000000001").Scan(&note); err != nil || note != "behind another command" {
		t.Errorf("%q, %v", note, err)
	}
}
