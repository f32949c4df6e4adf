package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func purge(t *testing.T, dir string, before time.Time, change ...func(*PurgeOptions)) *Purged {
	t.Helper()
	o := PurgeOptions{VerifyOptions: VerifyOptions{Dir: dir, MAC: theMAC, Verifier: theKey}, Signer: theKey, Before: before, Kept: "1 year", By: "officer@host"}
	for _, f := range change {
		f(&o)
	}
	note, r, err := Purge(o)
	if err != nil {
		t.Fatal(err)
	}
	wantOK(t, r)
	return note
}

// TestPurge: what is old is removed, the rest verifies with the signed note, grows, and is
// purged again; any tampering with that is found.
func TestPurge(t *testing.T) {
	dir := goodLog(t) // three segments
	exported := export(t, dir, nil)
	if note := purge(t, dir, time.Now().Add(-time.Hour)); note != nil {
		t.Fatalf("nothing is old, and purged was %+v", note)
	}
	later := time.Now().Add(time.Hour)
	whole := copyDir(t, dir)
	if note := purge(t, dir, later, func(o *PurgeOptions) { o.DryRun = true }); note == nil || note.Segments != 2 || verify(t, dir).Segments != 3 {
		t.Fatalf("a dry run: %+v", note)
	}
	note := purge(t, dir, later)
	if note == nil || note.Segments != 2 || note.Through != segmentName(2) {
		t.Fatalf("%+v", note)
	}
	r := verify(t, dir)
	wantOK(t, r)
	if r.Segments != 1 || !strings.Contains(strings.Join(r.Notes, ";"), "were purged") {
		t.Errorf("%d segments, %q", r.Segments, r.Notes)
	}
	wantOK(t, verify(t, dir, with(exported)))
	wantOK(t, verify(t, dir, func(o *VerifyOptions) { o.MAC, o.SignaturesOnly = nil, true }))
	if purge(t, dir, later) != nil {
		t.Error("the last segment was purged")
	}

	tampered := func(what string, do func(dir string)) {
		t.Helper()
		again := copyDir(t, dir)
		do(again)
		if verify(t, again).OK() {
			t.Errorf("%s: nothing found", what)
		}
	}
	path := func(dir string) string { return filepath.Join(dir, purgedName) }
	tampered("no note", func(dir string) { remove(t, dir, purgedName) })
	tampered("no signature", func(dir string) { writeLines(t, path(dir), [][]byte{[]byte("{}\n")}) })
	tampered("another note", func(dir string) {
		line := readLines(t, path(dir))[0]
		writeLines(t, path(dir), [][]byte{bytes.Replace(line, []byte("officer"), []byte("nobody"), 1)})
	})
	if err := os.WriteFile(path(whole), readLines(t, path(dir))[0], 0o600); err != nil {
		t.Fatal(err)
	}
	wantOK(t, verify(t, whole)) // as a crash leaves it that came before anything was removed
	remove(t, whole, segmentName(1))
	wantOK(t, verify(t, whole))

	// The log goes on, and is purged once more.
	l := mustOpen(t, options(dir))
	do(t, l, "later")
	if note := purge(t, dir, later); note == nil || note.Segments != 1 || note.Through != segmentName(3) {
		t.Errorf("while the log is open: %+v", note)
	}
	mustClose(t, l)
	r = verify(t, dir)
	wantOK(t, r)
	if r.Segments != 1 || len(readLines(t, path(dir))) != 2 {
		t.Errorf("%d segments", r.Segments)
	}
	tampered("an older note", func(dir string) { writeLines(t, path(dir), readLines(t, path(dir))[:1]) })
	mustClose(t, mustOpen(t, options(dir)))
	wantOK(t, verify(t, dir))
	tampered("a segment behind the note", func(dir string) { remove(t, dir, segmentName(4)) })
}

// TestPurgeLeavesABrokenLog: nothing is removed of a log that is not as it was written, nor
// what no checkpoint was signed for.
func TestPurgeLeavesABrokenLog(t *testing.T) {
	dir := copyDir(t, goodLog(t))
	path := filepath.Join(dir, segmentName(2))
	lines := readLines(t, path)
	lines[2] = bytes.Replace(lines[2], []byte("biologist"), []byte("secretary"), 1)
	writeLines(t, path, lines)
	note, r, err := Purge(PurgeOptions{VerifyOptions: VerifyOptions{Dir: dir, MAC: theMAC, Verifier: theKey}, Signer: theKey, Before: time.Now().Add(time.Hour)})
	if note != nil || err != nil || r.OK() {
		t.Errorf("%+v, %v", note, err)
	}
	if numbers, _, err := listSegments(dir); err != nil || len(numbers) != 3 {
		t.Errorf("%v, %v", numbers, err)
	}

	unsigned := logDir(t)
	key := &distantKey{away: os.ErrDeadlineExceeded}
	for range 3 {
		l := mustOpen(t, distant(unsigned, key))
		do(t, l, "s")
		mustClose(t, l)
	}
	if note := purge(t, unsigned, time.Now().Add(time.Hour)); note != nil {
		t.Errorf("unsigned segments are purged: %+v", note)
	}
}

// TestPurgeClockSetBack: a record counts by its own time, though older ones follow it.
func TestPurgeClockSetBack(t *testing.T) {
	dir := logDir(t)
	l := mustOpen(t, options(dir))
	do(t, l, "a")
	if err := l.enqueue(&entry{at: time.Now().Add(48 * time.Hour), kind: kindRefused, rest: appendField(sample("r").append(nil), "sqlstate", "42501", maxName)}); err != nil {
		t.Fatal(err)
	}
	do(t, l, "b")
	mustClose(t, l)
	l = mustOpen(t, options(dir))
	do(t, l, "c")
	mustClose(t, l)
	if note := purge(t, dir, time.Now().Add(24*time.Hour)); note != nil {
		t.Errorf("a record of the day after was purged: %+v", note)
	}
	if note := purge(t, dir, time.Now().Add(72*time.Hour)); note == nil || note.Segments != 1 {
		t.Errorf("%+v", note)
	}
}
