package audit

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestCrash cuts the log of a process that never closed it at the edges and in the
// middle of each line, after its last acknowledged record and before.
func TestCrash(t *testing.T) {
	dir := logDir(t)
	l := mustOpen(t, options(dir))
	i := l.Begin(sample("acknowledged"))
	if err := i.Wait(); err != nil {
		t.Fatal(err)
	}
	early := copyDir(t, dir)
	do(t, l, "in flight")
	i.End(Outcome{Ended: "ok"})
	path := filepath.Join(dir, segmentName(1))
	waitFor(t, "the outcomes", func() bool { return len(verify(t, dir).Unfinished) == 0 })
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	acknowledged, err := os.ReadFile(filepath.Join(early, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	head, err := os.ReadFile(filepath.Join(early, headName))
	if err != nil {
		t.Fatal(err)
	}
	var cuts []int
	for start := 0; start < len(data); {
		end := start + bytes.IndexByte(data[start:], '\n') + 1
		cuts = append(cuts, start, start+1, (start+end)/2, end-2, end-1)
		start = end
	}
	cuts = append(cuts, len(data))
	for _, zeros := range []bool{false, true} {
		for _, cut := range cuts {
			crashed := logDir(t)
			if err := os.Mkdir(crashed, 0o700); err != nil {
				t.Fatal(err)
			}
			content := data[:cut:cut]
			if zeros {
				// The size was written, a block was not.
				content = append(content, make([]byte, len(data)-cut)...)
			}
			writeLines(t, filepath.Join(crashed, segmentName(1)), [][]byte{content})
			writeLines(t, filepath.Join(crashed, headName), [][]byte{head})
			l, err := Open(options(crashed))
			if cut < len(acknowledged) {
				if err == nil {
					t.Fatalf("cut at %d: an acknowledged record is gone and Open goes on", cut)
				}
				continue
			}
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			do(t, l, "after")
			mustClose(t, l)
			r := verify(t, crashed)
			wantOK(t, r)
			whole := bytes.Count(data[:cut], []byte("\n"))
			if want := whole + 7; r.Records != want { // segment checkpoint start intent outcome stop checkpoint
				t.Fatalf("cut at %d: %d records; want %d", cut, r.Records, want)
			}
			torn := len(content) != bytes.LastIndexByte(content, '\n')+1
			if mentioned := strings.Contains(fmt.Sprint(r.Notes), "never acknowledged"); mentioned != torn {
				t.Fatalf("cut at %d: notes are %q", cut, r.Notes)
			}
			if torn {
				// What the crash left is part of what the log vouches for.
				name := filepath.Join(crashed, segmentName(1))
				writeLines(t, name, [][]byte{content, []byte("x")})
				if r := verify(t, crashed); r.OK() {
					t.Fatalf("cut at %d: a change of the torn end is not found", cut)
				}
			}
		}
	}
}

// TestCrashWhileBeginning leaves what a crash leaves before the first record of a
// segment is complete.
func TestCrashWhileBeginning(t *testing.T) {
	t.Run("first segment", func(t *testing.T) {
		for _, content := range []string{"", "{\"seq\":1,", "\x00\x00\x00"} {
			dir := logDir(t)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			data, err := encodeHead(&cursor{chain: "c"}, theMAC)
			if err != nil {
				t.Fatal(err)
			}
			writeLines(t, filepath.Join(dir, headName), [][]byte{data})
			writeLines(t, filepath.Join(dir, segmentName(1)), [][]byte{[]byte(content)})
			l := mustOpen(t, options(dir))
			do(t, l, "s")
			mustClose(t, l)
			wantOK(t, verify(t, dir))
		}
	})
	t.Run("only the head", func(t *testing.T) {
		dir := logDir(t)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		data, err := encodeHead(&cursor{chain: "c"}, theMAC)
		if err != nil {
			t.Fatal(err)
		}
		writeLines(t, filepath.Join(dir, headName), [][]byte{data})
		mustClose(t, mustOpen(t, options(dir)))
		wantOK(t, verify(t, dir))
	})
	t.Run("later segments", func(t *testing.T) {
		dir := logDir(t)
		mustClose(t, mustOpen(t, options(dir)))
		for n, content := range []string{"", "", "\x00"} {
			writeLines(t, filepath.Join(dir, segmentName(2+n)), [][]byte{[]byte(content)})
			if n == 1 {
				mustClose(t, mustOpen(t, options(copyDir(t, dir)))) // two in a row
				continue
			}
			wantOK(t, verify(t, dir))
		}
		l := mustOpen(t, options(dir))
		do(t, l, "s")
		mustClose(t, l)
		r := verify(t, dir)
		wantOK(t, r)
		if r.Segments != 2 || r.Kinds["intent"] != 1 {
			t.Errorf("report is %+v", r)
		}
		if err := os.Remove(filepath.Join(dir, segmentName(3))); err != nil {
			t.Fatal(err)
		}
		if verify(t, dir).OK() {
			t.Error("a removed file is not missed")
		}
	})
}

// TestKilled kills a process that writes, many times, and looks for everything
// that was acknowledged.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("PGVEIL_TEST_AUDIT_DIR"); dir != "" {
		writeUntilKilled(dir)
		return
	}
	dir := logDir(t)
	acknowledged := map[string]bool{}
	for round := range 5 {
		c := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		c.Env = append(os.Environ(), "PGVEIL_TEST_AUDIT_DIR="+dir, fmt.Sprintf("PGVEIL_TEST_ROUND=%d", round))
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		for s := bufio.NewScanner(out); s.Scan(); {
			once.Do(func() {
				time.AfterFunc(time.Duration(1+17*round)*time.Millisecond, func() { _ = c.Process.Kill() })
			})
			if name, ok := strings.CutPrefix(s.Text(), "durable "); ok {
				acknowledged[name] = true
			}
		}
		if err := c.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
	}
	if len(acknowledged) < 10 {
		t.Fatalf("only %d intents", len(acknowledged))
	}
	l := mustOpen(t, options(dir))
	mustClose(t, l)
	r := verify(t, dir)
	wantOK(t, r)
	var all []byte
	numbers, _, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		data, err := os.ReadFile(filepath.Join(dir, segmentName(n)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	for name := range acknowledged {
		if !bytes.Contains(all, []byte(`"session":"`+name+`"`)) {
			t.Errorf("%s was acknowledged and is not in the log", name)
		}
	}
}

func writeUntilKilled(dir string) {
	o := options(dir)
	o.SegmentSize = 8 << 10
	l, err := Open(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("r%s-%d-%d", os.Getenv("PGVEIL_TEST_ROUND"), g, n)
				i := l.Begin(sample(name))
				if i.Wait() != nil {
					os.Exit(1)
				}
				fmt.Println("durable " + name)
				i.End(Outcome{Ended: "ok"})
			}
		})
	}
	wg.Wait()
}
