package testenv

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestFindPlaintextControl stores needles in clear in every way that a value
// may get to the server, and expects each to be found wherever it went: only a
// search that finds can show that there is nothing.
func TestFindPlaintextControl(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{LogStatements: true})
	ctx := t.Context()
	if err := p.CreateDatabase(ctx, "lab"); err != nil {
		t.Fatal(err)
	}
	conn, err := p.Conn(ctx, "lab")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	everywhere := []Place{PlaceData, PlaceWAL, PlaceLog, PlaceDump}
	var needles [][]byte
	var want [][]Place
	needle := func(n string, places ...Place) string {
		needles = append(needles, []byte(n))
		want = append(want, places)
		return n
	}

	exec("CREATE TABLE t (a text, b bytea, d jsonb)")
	literal := needle("littéral-8f3a", everywhere...)
	exec(fmt.Sprintf("INSERT INTO t(a) VALUES ('%s')", literal))
	exec("INSERT INTO t(a) VALUES ($1)", needle("paramètre-77c1", everywhere...))
	exec("INSERT INTO t(b) VALUES ($1)", []byte(needle("octets\x00\xff-12de", everywhere...)))
	exec("INSERT INTO t(d) VALUES ($1)", map[string]string{"k": needle(`dit "oui" \ 4410`, everywhere...)})
	exec("INSERT INTO t(a) VALUES ($1)", needle("l'été\tà\nParis\\51", everywhere...))
	deleted := needle("effacé-90ab", PlaceWAL, PlaceLog)
	exec(fmt.Sprintf("CREATE TABLE gone AS SELECT '%s'::text AS a", deleted))
	exec("DROP TABLE gone")
	copied := needle("copié-3c3c", PlaceData, PlaceWAL, PlaceDump) // COPY data is not logged
	if _, err := conn.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a"}, pgx.CopyFromRows([][]any{{copied}})); err != nil {
		t.Fatal(err)
	}
	// 60 kB that do not compress: TOAST chunks, and a WAL record of many pages.
	long := make([]byte, 30_000)
	if _, err := rand.Read(long); err != nil {
		t.Fatal(err)
	}
	exec("INSERT INTO t(b) VALUES ($1)", long)
	needles = append(needles, long[15_000:15_012])
	want = append(want, everywhere)
	failed := needle("mauvaise date 1d1d", PlaceLog)
	if _, err := conn.Exec(ctx, fmt.Sprintf("SELECT '%s'::date", failed)); sqlState(err) != "22007" {
		t.Fatalf("bad date: %v", err)
	}
	needle("jamais écrit a0a0")

	found, err := p.FindPlaintext(ctx, "lab", needles...)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	for _, f := range found {
		got[fmt.Sprint(f.Needle, f.Place)] = true
		if strings.Contains(f.String(), string(needles[f.Needle])) {
			t.Errorf("a finding shows its needle: %s", f)
		}
	}
	for i := range needles {
		for _, place := range everywhere {
			expected := false
			for _, w := range want[i] {
				expected = expected || w == place
			}
			// What was dropped may or may not have reached a data file.
			if i == 5 && place == PlaceData {
				continue
			}
			if got[fmt.Sprint(i, place)] != expected {
				t.Errorf("needle %d (%q…) found in the %s: %v, want %v", i, needles[i][:4], place, !expected, expected)
			}
		}
	}
	var named bool
	for _, f := range found {
		named = named || f.Relation == "t" && f.Place == PlaceData
	}
	if !named {
		t.Error("no finding names the table")
	}
}

// TestFindPlaintextSurvivesCheckpoints makes the server go through many WAL
// segments: the first one must still be searched.
func TestFindPlaintextSurvivesCheckpoints(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{
		LogStatements: true,
		Settings:      map[string]string{"max_wal_size": "32MB", "min_wal_size": "32MB"},
	})
	ctx := t.Context()
	err := p.Exec(ctx, "CREATE TABLE t (a text)", "INSERT INTO t VALUES ('une aiguille 5150')", "DROP TABLE t",
		"CREATE TABLE big AS SELECT repeat(i::text, 10) FROM generate_series(1, 50000) i",
		"SELECT pg_switch_wal()", "CHECKPOINT", "INSERT INTO big VALUES ('x')", "SELECT pg_switch_wal()", "CHECKPOINT")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	found, err := p.FindPlaintext(ctx, "postgres", []byte("une aiguille 5150"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Place == PlaceWAL {
			return
		}
	}
	t.Errorf("not found in WAL: %v", found)
}

func TestFindPlaintextRefuses(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{LogStatements: true})
	for _, needles := range [][][]byte{{[]byte("abc")}, {[]byte("long enough"), nil}, {[]byte("20917")}} {
		if _, err := p.FindPlaintext(t.Context(), "postgres", needles...); err == nil {
			t.Errorf("needles %q are accepted", needles)
		}
	}
	if _, err := p.FindPlaintext(t.Context(), "no_such_database", []byte("needle")); sqlState(err) != "3D000" {
		t.Errorf("no such database: %v", err)
	}
	for _, opts := range []PostgresOptions{{}, {LogStatements: true, DiscardWAL: true}} {
		blind := &Postgres{opts: opts}
		if _, err := blind.FindPlaintext(t.Context(), "postgres", []byte("needle")); err == nil {
			t.Errorf("a server with %+v is searched", opts)
		}
	}
}

// TestSearcherPieces puts a needle across every boundary that a read may have.
func TestSearcherPieces(t *testing.T) {
	needle := []byte("aiguille")
	s, err := newSearcher([][]byte{needle, []byte("AAAA")})
	if err != nil {
		t.Fatal(err)
	}
	size := 1<<20 + s.longest
	for _, at := range []int{0, size - s.longest, size - 9, size - 8, size - 7, size - 1, size, 2*size - 20, 3*size - 8} {
		hay := bytes.Repeat([]byte{0xff}, 3*size)
		copy(hay[at:], needle)
		var offsets []int64
		err := s.scan(bytes.NewReader(hay), func(p pattern, offset int64) {
			if p.needle == 0 {
				offsets = append(offsets, offset)
			}
		})
		if err != nil || len(offsets) != 1 || offsets[0] != int64(at) {
			t.Errorf("needle at %d found at %v, %v", at, offsets, err)
		}
	}
}
