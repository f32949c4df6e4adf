package apply_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

var rows = flag.Int("rows", 1_000_000, "rows that BenchmarkSeal seals")

// BenchmarkSeal seals a randomized and a deterministic column of a table, and once more after
// a rotation of both keys, and compares that with an UPDATE of the same rows in one statement. It prints the memory of the job, too.
func BenchmarkSeal(b *testing.B) {
	for range b.N {
		s := stack.Start(b, stack.Options{})
		ctx := context.Background()
		for _, sql := range []string{
			clearTables[0], clearTables[1], clearTables[2], clearTables[3],
			`CREATE TABLE lab.patient (id int PRIMARY KEY, nir char(15) UNIQUE, email varchar(120), last_name varchar(80), birth_date date, city text)`,
			`CREATE TABLE lab.result (id int PRIMARY KEY, nir char(15), outcome varchar(20), document jsonb)`,
			`CREATE TABLE lab.every AS SELECT NULL::text AS r_text`,
			fmt.Sprintf(`INSERT INTO lab.patient SELECT g, '1' || lpad(g::text, 14, '0'), NULL, 'Quasimodo' || g, NULL, 'Paris' FROM generate_series(1, %d) g`, *rows),
			`CREATE TABLE plain AS TABLE lab.patient`, `ALTER TABLE plain ADD PRIMARY KEY (id)`, `VACUUM ANALYZE`, `CHECKPOINT`,
		} {
			if err := s.Postgres.ExecIn(ctx, s.Database, sql); err != nil {
				b.Fatal(err)
			}
		}
		conn, err := s.Postgres.Conn(ctx, s.Database)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if _, err := conn.Exec(ctx, `UPDATE plain SET city = last_name`); err != nil {
			b.Fatal(err)
		}
		plain := time.Since(began)
		// Of the other columns there is nothing to seal here.
		db := s.File.Databases[s.Database]
		db.Columns = slices.DeleteFunc(db.Columns, func(c *schema.Column) bool { return c.Table != "patient" || c.Name != "nir" && c.Name != "last_name" })
		o := options(s)
		o.Batch = 1000
		for _, what := range []string{"sealed", "sealed anew with other keys"} {
			var most uint64
			var filled time.Time
			o.Progress = func(p apply.Progress) {
				if p.State == apply.StateVerify && filled.IsZero() {
					filled = time.Now()
				}
				if p.Rows%100_000 == 0 {
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
			}
			began = time.Now()
			if _, err := run(ctx, conn, s, o); err != nil {
				b.Fatal(err)
			}
			whole := time.Since(began)
			swapped := filled.Sub(began)
			fmt.Printf("%d rows, 2 columns, %s: swapped after %v, in all %v, with every value opened (%.0f rows/s); a plain UPDATE took %v (%.0f rows/s): %.2f of its rate; heap at most %d kB\n",
				*rows, what, swapped.Round(time.Millisecond), whole.Round(time.Millisecond), float64(*rows)/whole.Seconds(),
				plain.Round(time.Millisecond), float64(*rows)/plain.Seconds(), plain.Seconds()/whole.Seconds(), most>>10)
			for _, key := range []string{"identity", "medical"} {
				id, err := s.Store.AddKey(ctx, key)
				if err == nil {
					err = s.Store.Promote(ctx, key, id)
				}
				if err != nil {
					b.Fatal(err)
				}
				ring, err := s.Store.Open(ctx, key)
				if err != nil {
					b.Fatal(err)
				}
				s.SetKey(ring)
			}
		}
		conn.Close(ctx)
	}
}
