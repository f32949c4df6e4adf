package audit

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/log anew")

// TestGoldenLog verifies a log that was written when the format was made: logs are
// kept for years, and every later version has to read them.
func TestGoldenLog(t *testing.T) {
	dir := filepath.Join("testdata", "log")
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, os.DirFS(goodLog(t))); err != nil {
			t.Fatal(err)
		}
	}
	r := verify(t, dir)
	wantOK(t, r)
	if r.Segments != 3 || r.Records != 33 || r.Kinds["intent"] != 9 || r.Kinds["outcome"] != 9 || r.Kinds["checkpoint"] != 3 {
		t.Errorf("report is %+v", r)
	}
	// Another process continues it.
	copied := copyDir(t, dir)
	l := mustOpen(t, options(copied))
	do(t, l, "s")
	mustClose(t, l)
	wantOK(t, verify(t, copied))
}
