package bench

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/lab"
	"github.com/pgveil/pgveil/testenv/stack"
)

var (
	seconds = flag.Int("seconds", 3, "length of one measurement")
	only    = flag.String("only", "", "measure only the workloads whose name contains this")
	rounds  = flag.Int("rounds", 5, "measurements of each way, of which the median counts")
)

// bulk is how many rows the large read has.
const bulk = 100_000

// serverOptions keep checkpoints and reads of the server's files out of the measurements.
var serverOptions = testenv.PostgresOptions{
	DiscardWAL: true, Settings: map[string]string{"max_wal_size": "4GB", "shared_buffers": "512MB"},
}

// load is one workload of pgbench.
type load struct {
	name    string
	options []string
	through string // script through pgveil; "" for pgbench's own select-only
	around  string // script for the ways that go round pgveil
	rows    int    // of one transaction, where rows per second are what counts
	record  bool   // compare also with a relay that makes a record of each statement durable
}

// way is one way to the server.
type way struct {
	name string
	addr string
	veil bool
}

// BenchmarkThroughput prints the table of make bench.
func BenchmarkThroughput(b *testing.B) {
	testenv.Require(b, testenv.PartPgbench, testenv.PartPgBouncer)
	ctx := context.Background()
	defer proxy.Ballast()() // as pgveil serve does
	s := stack.Start(b, stack.Options{Postgres: serverOptions})
	nir := fill(b, s)
	relay, err := testenv.StartRelay(s.Postgres.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer relay.Stop()
	recording, err := testenv.StartRecordingRelay(s.Postgres.Addr(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := recording.Stop(); err != nil {
			b.Error(err)
		}
	}()
	bouncer, err := testenv.StartPgBouncer(ctx, testenv.PgBouncerOptions{Server: s.Postgres})
	if err != nil {
		b.Fatal(err)
	}
	defer bouncer.Stop()
	ways := []way{
		{"direct", s.Postgres.Addr(), false},
		{"relay", relay.Addr(), false},
		{"pgbouncer", bouncer.Addr(), false},
		{"pgveil", s.Addr, true},
		{"record", recording.Addr(), false},
	}
	point := "SELECT nir, last_name, birth_date FROM lab.patient WHERE nir = '%s';\n"
	clearPoint := fmt.Sprintf(strings.ReplaceAll(point, "lab.patient", "clear.patient"), nir)
	randomized := "SELECT id, last_name, birth_date FROM lab.patient;\n"
	both := "SELECT id, nir, last_name FROM lab.patient;\n"
	loads := []load{
		{name: "select-only, simple, 1 client", options: []string{"-S", "-M", "simple", "-c", "1"}},
		{name: "select-only, simple, 8 clients", options: []string{"-S", "-M", "simple", "-c", "8"}},
		{name: "select-only, prepared, 1 client", options: []string{"-S", "-M", "prepared", "-c", "1"}},
		{name: "select-only, prepared, 8 clients", options: []string{"-S", "-M", "prepared", "-c", "8"}},
		{name: "point read by sealed NIR, 3 sealed columns, 1 client", options: []string{"-c", "1"}, through: fmt.Sprintf(point, nir), around: clearPoint, record: true},
		{name: "point read by sealed NIR, 3 sealed columns, 8 clients", options: []string{"-c", "8"}, through: fmt.Sprintf(point, nir), around: clearPoint, record: true},
		{name: "100,000 rows, 2 randomized columns", options: []string{"-c", "1"}, through: randomized, around: randomized, rows: bulk},
		{name: "100,000 rows, 1 deterministic, 1 randomized", options: []string{"-c", "1"}, through: both, around: both, rows: bulk},
		{name: "the same, around pgveil from the twin in the clear", options: []string{"-c", "1"}, through: both, around: strings.ReplaceAll(both, "lab.patient", "clear.patient"), rows: bulk},
	}
	fmt.Printf("\nEvery ratio compares medians of %d interleaved measurements of %d s in this run.\n", *rounds, *seconds)
	fmt.Println("Around pgveil a point read goes to a twin of the table in the clear; a large read to the same table, and gives ciphertext.")
	fmt.Printf("Every statement that opens a value waits for the audit log's disk: %v here, with nobody else at it.\n", syncTime(b).Round(time.Microsecond))
	fmt.Println("/record is the ratio to a relay that does the same for each message of a client: all that can be had of this disk.")
	fmt.Printf("%-54s %12s %12s %12s %12s  %8s %8s %8s %8s\n", "", "direct", "relay", "pgbouncer", "pgveil", "/direct", "/relay", "/pgboun.", "/record")
	for range b.N {
		for _, l := range loads {
			if !strings.Contains(l.name, *only) {
				continue
			}
			measured := make([][]float64, len(ways))
			for range *rounds {
				for i, w := range ways {
					if w.name == "record" && !l.record {
						continue
					}
					measured[i] = append(measured[i], pgbench(b, s, w, l))
				}
			}
			rate := make([]float64, len(ways))
			for i := range measured {
				if len(measured[i]) == 0 {
					continue
				}
				slices.Sort(measured[i])
				rate[i] = measured[i][len(measured[i])/2]
				if l.rows > 0 {
					rate[i] *= float64(l.rows)
				}
			}
			unit := "tps"
			if l.rows > 0 {
				unit = "rows/s"
			}
			record := ""
			if l.record {
				record = strconv.FormatFloat(rate[3]/rate[4], 'f', 2, 64)
			}
			fmt.Printf("%-54s %12.0f %12.0f %12.0f %12.0f  %8.2f %8.2f %8.2f %8s  %s\n", l.name, rate[0], rate[1], rate[2], rate[3],
				rate[3]/rate[0], rate[3]/rate[1], rate[3]/rate[2], record, unit)
		}
	}
}

// fill makes pgbench's tables, the sealed patients (through pgveil) and their twin in
// the clear; it gives the NIR of one of them.
func fill(b *testing.B, s *stack.Stack) string {
	b.Helper()
	ctx := context.Background()
	for _, ddl := range []string{
		`CREATE SCHEMA clear`,
		`CREATE TABLE clear.patient (id int PRIMARY KEY, nir char(15) UNIQUE, email varchar(120), last_name varchar(80), birth_date date, city text)`,
		`GRANT ALL ON SCHEMA clear, public TO biologist`,
		`GRANT ALL ON ALL TABLES IN SCHEMA clear TO biologist`,
	} {
		if err := s.Postgres.ExecIn(ctx, stack.Database, ddl); err != nil {
			b.Fatal(err)
		}
	}
	run(b, s.Postgres.Addr(), "-i", "-q", "-s", "5")
	conn := s.Connect(b, "biologist")
	var insert strings.Builder
	nir, written := "", 0
	flush := func() {
		if insert.Len() == 0 {
			return
		}
		for _, table := range []string{"lab.patient", "clear.patient"} {
			sql := "INSERT INTO " + table + " (id, nir, last_name, birth_date) VALUES " + insert.String()
			if err := conn.PgConn().Exec(ctx, sql).Close(); err != nil {
				b.Fatal(err)
			}
		}
		insert.Reset()
	}
	laboratory, err := lab.New(1, bulk, 0)
	if err != nil {
		b.Fatal(err)
	}
	for patient := range laboratory.Patients() {
		if insert.Len() > 0 {
			insert.WriteByte(',')
		}
		nir = patient.NIR
		fmt.Fprintf(&insert, "(%d,'%s','%s','%s')", patient.ID, patient.NIR, strings.ReplaceAll(patient.LastName, "'", "''"), patient.BirthDate.Format(time.DateOnly))
		if written++; written%1000 == 0 {
			flush()
		}
	}
	flush()
	if err := s.Postgres.ExecIn(ctx, stack.Database, "VACUUM ANALYZE"); err != nil {
		b.Fatal(err)
	}
	return nir
}

// syncTime is the median time in which the disk of the audit log takes a record.
func syncTime(b *testing.B) time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "sync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	times := make([]time.Duration, 200)
	for i := range times {
		began := time.Now()
		if _, err := f.Write(make([]byte, testenv.RecordSize)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

var tps = regexp.MustCompile(`tps = ([0-9.]+) \(without`)

// pgbench measures one way once, in transactions per second.
func pgbench(b *testing.B, s *stack.Stack, w way, l load) float64 {
	b.Helper()
	args := append([]string{"-n", "-T", strconv.Itoa(*seconds), "-j", "1"}, l.options...)
	if l.around != "" {
		script := l.around
		if w.veil {
			script = l.through
		}
		file := filepath.Join(b.TempDir(), "script.sql")
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			b.Fatal(err)
		}
		args = append(args, "-f", file)
	}
	out := run(b, w.addr, args...)
	m := tps.FindStringSubmatch(out)
	if m == nil {
		b.Fatalf("pgbench printed no tps:\n%s", out)
	}
	rate, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

func run(b *testing.B, addr string, args ...string) string {
	b.Helper()
	program, err := testenv.ClientProgram("pgbench")
	if err != nil {
		b.Fatal(err)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER=biologist", "PGPASSWORD="+stack.Password, "PGDATABASE="+stack.Database)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("pgbench %v: %v\n%s", args, err, out)
	}
	return string(out)
}
