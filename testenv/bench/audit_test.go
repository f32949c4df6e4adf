package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// auditClients read at once in BenchmarkAudit.
const auditClients = 32

// BenchmarkAudit prints what the durable record of each statement that opens values
// costs, as the ratio to a pgveil that records nothing, in interleaved measurements of
// this run. Statements of many clients share a sync. What the disk alone takes from a machine whose
// cores all are busy is shown by the pgveil that records nothing beside a process that syncs as often as the
// other does, and as much.
func BenchmarkAudit(b *testing.B) {
	testenv.Require(b, testenv.PartPgbench)
	defer proxy.Ballast()() // as pgveil serve does
	r := newResults("transactions per second")
	const name = "point read by sealed NIR, 3 columns, 32 clients"
	const off, beside = "pgveil, no audit", "no audit, beside syncs"
	var each [2]*ways
	var loads [2]load
	for i := range each {
		s := stack.Start(b, stack.Options{Postgres: serverOptions, NoAudit: i == 1})
		each[i] = &ways{Stack: s, addr: map[string]string{direct: s.Postgres.Addr(), veil: s.Addr}}
		sql := fmt.Sprintf("SELECT nir, last_name, birth_date FROM lab.patient WHERE nir = '%s';\n", each[i].fill(b))
		loads[i] = load{name: name, options: []string{"-c", strconv.Itoa(auditClients)}, through: sql, around: sql, ways: []string{veil}}
	}
	for range b.N {
		for range *rounds {
			before, size := each[0].Audit.Flushes(), auditSize(b, each[0].AuditDir)
			r.add(name, veil, each[0].once(b, loads[0], veil, b.TempDir()))
			syncs := int64(each[0].Audit.Flushes().Count - before.Count)
			r.add(name, off, each[1].once(b, loads[1], veil, b.TempDir()))
			stop := besideSyncs(b, (auditSize(b, each[0].AuditDir)-size)/syncs, time.Duration(*seconds)*time.Second/time.Duration(syncs))
			r.add(name, beside, each[1].once(b, loads[1], veil, b.TempDir()))
			stop()
		}
	}
	fmt.Printf("\nMedians of %d interleaved measurements of %d s; a sync takes %v here.\n", *rounds, *seconds, syncTime(b))
	f := each[0].Audit.Flushes()
	fmt.Printf("%.1f records share a sync; writing them takes %v.\n", float64(f.Records)/float64(f.Count), f.Sum/time.Duration(f.Count))
	r.print()
	r.goals([]goal{
		{"durable audit to none, 32 clients", 0.8, ratio(name, veil, name, off)},
		{"the same, beside as many syncs", 0.8, ratio(name, veil, name, beside)},
	})
	r.write(b, "audit")
}

// auditSize is how much has been written to an audit log, in bytes.
func auditSize(b *testing.B, dir string) (size int64) {
	b.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "pgveil-*.jsonl"))
	if err != nil || len(segments) == 0 {
		b.Fatal("no segment: ", err)
	}
	for _, segment := range segments {
		info, err := os.Stat(segment)
		if err != nil {
			b.Fatal(err)
		}
		size += info.Size()
	}
	return size
}
