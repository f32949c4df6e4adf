package bench

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

var idle = flag.Int("idle", 5000, "idle connections of BenchmarkIdle")

// BenchmarkIdle prints what a connection costs that has run statements and waits: resident
// memory of pgveil's process.
func BenchmarkIdle(b *testing.B) {
	testenv.Require(b, testenv.PartPostgres)
	s := stack.Start(b, stack.Options{Postgres: testenv.PostgresOptions{
		DiscardWAL: true, Settings: map[string]string{"max_connections": fmt.Sprint(*idle + 200), "shared_buffers": "64MB"},
	}})
	p := serve(b, program(b), files(b, s))
	ctx := context.Background()
	open := func(n int) {
		for range n {
			conn, err := pgconn.Connect(ctx, p.dsn(s))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { conn.Close(ctx) })
			for _, sql := range []string{"SELECT 1", "SELECT nir, last_name FROM lab.patient WHERE id = 1"} {
				if err := conn.Exec(ctx, sql).Close(); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	open(50)                     // what is there once
	time.Sleep(15 * time.Second) // until it has been tidied up, see proxy.Tidy
	before := resident(b, p.pid, "VmRSS")
	for range b.N {
		open(*idle)
		time.Sleep(15 * time.Second)
		after := resident(b, p.pid, "VmRSS")
		fmt.Printf("\n%d idle connections: %.1f KiB of resident memory each; ready %v after its start\n",
			*idle, float64(after-before)/float64(*idle)/1024, p.ready.Round(time.Millisecond))
	}
}
