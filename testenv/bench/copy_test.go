package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// BenchmarkCopy compares COPY of 100,000 rows with two sealed columns through pgveil
// with COPY of the twin in the clear, directly.
func BenchmarkCopy(b *testing.B) {
	testenv.Require(b, testenv.PartPgbench)
	ctx := context.Background()
	defer proxy.Ballast()() // as pgveil serve does
	s := stack.Start(b, stack.Options{Postgres: serverOptions})
	fill(b, s)
	if err := s.Postgres.ExecIn(ctx, stack.Database, `CREATE TABLE clear.copied (id int PRIMARY KEY, nir text, last_name text, city text); GRANT ALL ON clear.copied TO biologist`); err != nil {
		b.Fatal(err)
	}
	conns := [2]*pgx.Conn{s.Direct(b, "biologist"), s.Connect(b, "biologist")}
	const list = "(id, nir, last_name, city)"
	fmt.Printf("\nMedians of %d interleaved runs; directly it is the twin in the clear.\n", *rounds)
	fmt.Printf("%-54s %12s %12s  %8s\n", "", "direct", "pgveil", "/direct")
	for range b.N {
		for _, format := range []string{"text", "csv", "binary"} {
			var data bytes.Buffer
			if _, err := conns[1].PgConn().CopyTo(ctx, &data, "COPY lab.patient "+list+" TO STDOUT (FORMAT "+format+")"); err != nil {
				b.Fatal(err)
			}
			for _, in := range []bool{false, true} {
				name := fmt.Sprintf("COPY out, %s, 100,000 rows, 2 sealed columns", format)
				if in {
					name = strings.Replace(name, "out", "in", 1)
				}
				if !strings.Contains(name, *only) {
					continue
				}
				var took [2][]time.Duration
				for range *rounds {
					for i, conn := range conns {
						took[i] = append(took[i], copyOnce(b, s, conn, i == 1, in, list, format, data.Bytes()))
					}
				}
				var rate [2]float64
				for i := range took {
					slices.Sort(took[i])
					rate[i] = bulk / took[i][len(took[i])/2].Seconds()
				}
				fmt.Printf("%-54s %12.0f %12.0f  %8.2f  rows/s\n", name, rate[0], rate[1], rate[1]/rate[0])
			}
		}
	}
}

// copyOnce measures one COPY.
func copyOnce(b *testing.B, s *stack.Stack, conn *pgx.Conn, veil, in bool, list, format string, data []byte) time.Duration {
	b.Helper()
	ctx := context.Background()
	table := "clear.patient"
	if veil {
		table = "lab.patient"
	}
	if in { // into an empty table
		table = map[bool]string{false: "clear.copied", true: "lab.every"}[veil]
		if veil {
			list = "(id, d_text, r_text, plain)"
		}
		if err := s.Postgres.ExecIn(ctx, stack.Database, "TRUNCATE "+table); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	var err error
	if in {
		_, err = conn.PgConn().CopyFrom(ctx, bytes.NewReader(data), "COPY "+table+" "+list+" FROM STDIN (FORMAT "+format+")")
	} else {
		_, err = conn.PgConn().CopyTo(ctx, io.Discard, "COPY "+table+" "+list+" TO STDOUT (FORMAT "+format+")")
	}
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
