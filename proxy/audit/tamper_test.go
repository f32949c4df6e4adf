package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goodLog makes a log of three segments; the last one is closed too.
func goodLog(t testing.TB) string {
	dir := logDir(t)
	for n := range 3 {
		l := mustOpen(t, options(dir))
		for k := range 3 {
			do(t, l, fmt.Sprintf("%d-%d", n, k))
		}
		l.Refused(sample("r"), "42501")
		mustClose(t, l)
	}
	wantOK(t, verify(t, dir))
	return dir
}

// TestEveryLineTampered changes each line of each segment in each way.
func TestEveryLineTampered(t *testing.T) {
	good := goodLog(t)
	ways := []struct {
		name  string
		from  int // from the end: lines that the way needs after the one it changes
		apply func(lines [][]byte, i int) [][]byte
		kinds []ProblemKind
	}{
		{"content changed", 0, func(lines [][]byte, i int) [][]byte {
			lines[i] = bytes.Replace(lines[i], []byte(`"time":"20`), []byte(`"time":"21`), 1)
			return lines
		}, []ProblemKind{Changed}},
		{"number changed", 0, func(lines [][]byte, i int) [][]byte {
			lines[i] = bytes.Replace(lines[i], []byte(`"seq":`), []byte(`"seq":7`), 1)
			return lines
		}, []ProblemKind{Changed, Foreign}},
		{"MAC changed", 0, func(lines [][]byte, i int) [][]byte {
			at := len(lines[i]) - 20
			lines[i] = bytes.Clone(lines[i])
			lines[i][at] ^= 3 // stays a letter or digit of base64, or becomes none
			return lines
		}, []ProblemKind{Changed, Foreign}},
		{"blank added", 0, func(lines [][]byte, i int) [][]byte {
			lines[i] = append([]byte(" "), lines[i]...)
			return lines
		}, []ProblemKind{Changed}},
		{"carriage return added", 0, func(lines [][]byte, i int) [][]byte {
			lines[i] = append(bytes.TrimSuffix(lines[i], []byte("\n")), "\r\n"...)
			return lines
		}, []ProblemKind{Changed, Foreign}},
		{"newline removed", 0, func(lines [][]byte, i int) [][]byte {
			lines[i] = bytes.TrimSuffix(lines[i], []byte("\n"))
			return lines
		}, []ProblemKind{Changed, Foreign, Truncated}},
		{"removed", 0, func(lines [][]byte, i int) [][]byte {
			return slices.Delete(lines, i, i+1)
		}, []ProblemKind{Missing, Truncated}},
		{"this and the next removed", 1, func(lines [][]byte, i int) [][]byte {
			return slices.Delete(lines, i, i+2)
		}, []ProblemKind{Missing, Truncated}},
		{"this and all after removed", 0, func(lines [][]byte, i int) [][]byte {
			return lines[:i]
		}, []ProblemKind{Missing, Truncated}},
		{"swapped with the next", 1, func(lines [][]byte, i int) [][]byte {
			lines[i], lines[i+1] = lines[i+1], lines[i]
			return lines
		}, []ProblemKind{Moved, Missing, Repeated}},
		{"doubled", 0, func(lines [][]byte, i int) [][]byte {
			return slices.Insert(lines, i, lines[i])
		}, []ProblemKind{Repeated, Foreign}},
		{"copied to the end", 0, func(lines [][]byte, i int) [][]byte {
			return append(lines, lines[i])
		}, []ProblemKind{Foreign}},
		{"copied to the second line", 0, func(lines [][]byte, i int) [][]byte {
			return slices.Insert(lines, 1, lines[i])
		}, []ProblemKind{Repeated}},
		{"text inserted", 0, func(lines [][]byte, i int) [][]byte {
			return slices.Insert(lines, i, []byte("not a record\n"))
		}, nil},
		{"empty line inserted", 0, func(lines [][]byte, i int) [][]byte {
			return slices.Insert(lines, i, []byte("\n"))
		}, nil},
		{"record of another key inserted", 0, func(lines [][]byte, i int) [][]byte {
			body, _, err := splitMAC(bytes.TrimSuffix(lines[i], []byte("\n")))
			if err != nil {
				t.Fatal(err)
			}
			forged, _, _ := appendMAC(bytes.Clone(body), 0, testMAC("another key"), nil)
			return slices.Insert(lines, i, forged)
		}, nil},
		{"zeros", 0, func(lines [][]byte, i int) [][]byte {
			lines[i] = append(make([]byte, len(lines[i])-1), '\n')
			return lines
		}, nil},
	}
	for _, file := range []string{"pgveil-000001.jsonl", "pgveil-000002.jsonl", "pgveil-000003.jsonl"} {
		original := readLines(t, filepath.Join(good, file))
		for _, way := range ways {
			t.Run(file+"/"+strings.ReplaceAll(way.name, " ", "-"), func(t *testing.T) {
				dir := copyDir(t, good)
				for i := range len(original) - way.from {
					remove(t, dir, file)
					lines := way.apply(slices.Clone(original), i)
					writeLines(t, filepath.Join(dir, file), lines)
					t.Run(fmt.Sprint(i+1), func(t *testing.T) {
						checkTampered(t, dir, file, way.name, i+1, len(original), way.kinds)
					})
				}
			})
		}
	}
}

func checkTampered(t *testing.T, dir, file, way string, line, lines int, kinds []ProblemKind) {
	r := verify(t, dir)
	if r.OK() {
		t.Fatal("nothing found")
	}
	p := r.Problems[0]
	next := strings.Contains(way, "removed") && p.File > file && (p.Line <= 1)
	wanted := line
	switch way {
	case "copied to the end":
		wanted = lines + 1
	case "copied to the second line":
		wanted = 2
	}
	if !next && (p.File != file || p.Line != 0 && p.Line != wanted && p.Line != wanted+1) {
		t.Errorf("first problem is %s; want one at %s:%d", p, file, wanted)
	}
	if len(kinds) > 0 && !slices.Contains(kinds, p.Kind) {
		t.Errorf("first problem is [%s] %s; want kind %v", p.Kind, p, kinds)
	}
	if len(r.Problems) > 4 {
		t.Errorf("one change makes %d problems: %v", len(r.Problems), r.Problems)
	}
	if file == "pgveil-000003.jsonl" {
		l, err := Open(options(dir))
		if err == nil {
			_ = l.Close()
			t.Error("Open continues the log")
		}
	}
}

func TestSegmentsTampered(t *testing.T) {
	good := goodLog(t)
	seg := segmentName
	rename := func(t *testing.T, dir, from, to string) {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	other := goodLog(t) // another log under the same keys
	tests := []struct {
		name string
		do   func(t *testing.T, dir string)
		kind ProblemKind
		file string
		// whether Open, which reads only the end of the log, finds it too
		open bool
	}{
		{"first removed", func(t *testing.T, dir string) { remove(t, dir, seg(1)) }, Missing, seg(2), false},
		{"middle removed", func(t *testing.T, dir string) { remove(t, dir, seg(2)) }, Missing, seg(3), false},
		{"last removed", func(t *testing.T, dir string) { remove(t, dir, seg(3)) }, Truncated, seg(2), true},
		{"all removed", func(t *testing.T, dir string) { remove(t, dir, seg(1), seg(2), seg(3)) }, Truncated, headName, true},
		{"everything removed", func(t *testing.T, dir string) { remove(t, dir, seg(1), seg(2), seg(3), headName) }, Missing, "", false},
		{"swapped", func(t *testing.T, dir string) {
			rename(t, dir, seg(2), "x")
			rename(t, dir, seg(3), seg(2))
			rename(t, dir, "x", seg(3))
		}, Moved, seg(2), true},
		{"closed up", func(t *testing.T, dir string) {
			remove(t, dir, seg(2))
			rename(t, dir, seg(3), seg(2))
		}, Moved, seg(2), true},
		{"emptied", func(t *testing.T, dir string) { writeLines(t, filepath.Join(dir, seg(2)), nil) }, Missing, seg(2), false},
		{"last emptied", func(t *testing.T, dir string) { writeLines(t, filepath.Join(dir, seg(3)), nil) }, Missing, seg(3), true},
		{"copy added", func(t *testing.T, dir string) {
			writeLines(t, filepath.Join(dir, seg(4)), readLines(t, filepath.Join(dir, seg(3))))
		}, Moved, seg(4), true},
		{"another log's segment added", func(t *testing.T, dir string) {
			// It follows nothing in this log, whatever number it has.
			writeLines(t, filepath.Join(dir, seg(4)), readLines(t, filepath.Join(other, seg(3))))
		}, Moved, seg(4), true},
		{"middle of another log", func(t *testing.T, dir string) {
			writeLines(t, filepath.Join(dir, seg(2)), readLines(t, filepath.Join(other, seg(2))))
		}, Foreign, seg(2), false},
		{"last of another log", func(t *testing.T, dir string) {
			writeLines(t, filepath.Join(dir, seg(3)), readLines(t, filepath.Join(other, seg(3))))
		}, Foreign, seg(3), true},
		{"whole of another log", func(t *testing.T, dir string) {
			for n := 1; n <= 3; n++ {
				writeLines(t, filepath.Join(dir, seg(n)), readLines(t, filepath.Join(other, seg(n))))
			}
		}, Head, headName, true},
		{"foreign file added", func(t *testing.T, dir string) {
			writeLines(t, filepath.Join(dir, seg(4)), [][]byte{[]byte("{}\n")})
		}, Changed, seg(4), true},
		{"head removed", func(t *testing.T, dir string) { remove(t, dir, headName) }, Head, headName, true},
		{"head emptied", func(t *testing.T, dir string) { writeLines(t, filepath.Join(dir, headName), nil) }, Head, headName, true},
		{"head changed", func(t *testing.T, dir string) {
			path := filepath.Join(dir, headName)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			writeLines(t, path, [][]byte{bytes.Replace(data, []byte(`"seq":`), []byte(`"seq":1`), 1)[:headSize]})
		}, Head, headName, true},
		{"head of another log", func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(other, headName))
			if err != nil {
				t.Fatal(err)
			}
			writeLines(t, filepath.Join(dir, headName), [][]byte{data})
		}, Head, headName, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := copyDir(t, good)
			test.do(t, dir)
			r := verify(t, dir)
			if r.OK() {
				t.Fatal("nothing found")
			}
			if p := r.Problems[0]; p.Kind != test.kind || test.file != "" && p.File != test.file {
				t.Errorf("first problem is [%s] %s; want [%s] %s", p.Kind, p, test.kind, test.file)
			}
			l, err := Open(options(dir))
			if err == nil {
				_ = l.Close()
			}
			if broken := errors.As(err, new(*BrokenError)); broken != test.open {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHeadRolledBack puts back each older head that was there.
func TestHeadRolledBack(t *testing.T) {
	dir := logDir(t)
	var heads [][]byte
	keep := func() {
		data, err := os.ReadFile(filepath.Join(dir, headName))
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, data)
	}
	for range 2 {
		l := mustOpen(t, options(dir))
		for range 3 {
			do(t, l, "s")
			keep()
		}
		mustClose(t, l)
	}
	wantOK(t, verify(t, dir))
	for i, data := range heads {
		writeLines(t, filepath.Join(dir, headName), [][]byte{data})
		r := verify(t, dir)
		if len(r.Problems) != 1 || r.Problems[0].Kind != Head {
			t.Errorf("head %d: %+v", i, r.Problems)
		}
	}
	// It takes nothing away, and the next process puts it right.
	mustClose(t, mustOpen(t, options(dir)))
	wantOK(t, verify(t, dir))
}

func TestWrongKeys(t *testing.T) {
	good := goodLog(t)
	r := verify(t, good, func(o *VerifyOptions) { o.MAC = testMAC("another") })
	if r.OK() || r.Records != 0 {
		t.Errorf("another MAC key: %d records, %d problems", r.Records, len(r.Problems))
	}
	r = verify(t, good, func(o *VerifyOptions) { o.Verifier = testKey(append(bytes.Clone(theKey[:63]), theKey[63]^1)) })
	if len(r.Problems) != 3 || r.Problems[0].Kind != Signature {
		t.Errorf("another signature key: %v", r.Problems)
	}
	o := options(copyDir(t, good))
	o.MAC = testMAC("another")
	if _, err := Open(o); err == nil {
		t.Error("Open with another MAC key")
	}
}

func TestNewChainBesideABrokenOne(t *testing.T) {
	good := goodLog(t)
	dir := copyDir(t, good)
	path := filepath.Join(dir, segmentName(3))
	lines := readLines(t, path)
	lines[4] = bytes.Replace(lines[4], []byte("biologist"), []byte("secretary"), 1)
	writeLines(t, path, lines)
	o := options(dir)
	_, err := Open(o)
	if err == nil || !strings.Contains(err.Error(), "pgveil-000003.jsonl:5: ") {
		t.Fatalf("Open: %v", err)
	}
	o.NewChain = true
	l := mustOpen(t, o)
	do(t, l, "s")
	mustClose(t, l)
	l = mustOpen(t, options(dir)) // goes on without the option
	mustClose(t, l)
	r := verify(t, dir)
	if len(r.Problems) != 2 || r.Problems[0].Line != 5 || r.Problems[1].Kind != Break || r.Problems[1].File != segmentName(4) {
		t.Errorf("problems: %v", r.Problems)
	}
	wantOK(t, verify(t, dir, func(o *VerifyOptions) { o.First = segmentName(4) }))

	// On a log that holds, the option changes nothing.
	dir = copyDir(t, good)
	o.Dir = dir
	mustClose(t, mustOpen(t, o))
	wantOK(t, verify(t, dir))
}
