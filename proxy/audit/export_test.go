package audit

import (
	"bufio"
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// export gives the checkpoints of a log as a file has them.
func export(t *testing.T, dir string, signer Signer) []*Checkpoint {
	t.Helper()
	list, r, err := Checkpoints(VerifyOptions{Dir: dir, MAC: theMAC, Verifier: theKey}, signer)
	if err != nil {
		t.Fatal(err)
	}
	wantOK(t, r)
	var file bytes.Buffer
	if err := WriteCheckpoints(&file, list); err != nil {
		t.Fatal(err)
	}
	if list, err = ReadCheckpoints(&file); err != nil {
		t.Fatal(err)
	}
	return list
}

func with(list []*Checkpoint) func(*VerifyOptions) {
	return func(o *VerifyOptions) { o.Checkpoints = list }
}

// rewrite writes a log anew, with the MAC key but without the one that signs, as if
// every record had been what change makes of it; nil leaves it out.
func rewrite(t *testing.T, dir string, change func(segment string, line []byte) []byte) {
	t.Helper()
	numbers, _, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	at, seq := cursor{}, uint64(0)
	for _, n := range numbers {
		path := filepath.Join(dir, segmentName(n))
		var out []byte
		last, size := at.mac, at.size
		for i, old := range readLines(t, path) {
			body, _, err := splitMAC(bytes.TrimSuffix(old, []byte("\n")))
			if err != nil {
				t.Fatal(err)
			}
			if body = change(segmentName(n), bytes.Clone(body)); body == nil {
				continue
			}
			seq++
			_, rest, _ := bytes.Cut(body, []byte(","))
			body = slices.Concat([]byte(`{"seq":`), appendNumber(nil, "x", int64(seq))[len(`,"x":`):], []byte(","), rest)
			if i == 0 && at.segment > 0 { // what it says of the segment before
				from, to := bytes.Index(body, []byte(`"previous":`)), bytes.Index(body, []byte(`"closed":`))
				text, err := appendContent(nil, position{Segment: segmentName(at.segment), Seq: seq - 1, LastMAC: last, Size: size})
				if err != nil {
					t.Fatal(err)
				}
				_, tail, _ := bytes.Cut(body[to:], []byte("}"))
				text = append([]byte(`"previous":{`), text[1:]...)
				body = slices.Concat(body[:from], text, []byte("}"), tail)
			}
			start := len(out)
			if out, at.mac, err = appendMAC(append(out, body...), start, theMAC, at.mac); err != nil {
				t.Fatal(err)
			}
		}
		at.segment, at.seq, at.size = n, seq, int64(len(out))
		if n == numbers[0] {
			at.chain = headerOf(t, out).Chain
		}
		writeLines(t, path, [][]byte{out})
	}
	data, err := encodeHead(&at, theMAC)
	if err != nil {
		t.Fatal(err)
	}
	writeLines(t, filepath.Join(dir, headName), [][]byte{data})
}

func headerOf(t *testing.T, segment []byte) *header {
	t.Helper()
	lines := &lineReader{r: bufio.NewReader(bytes.NewReader(segment)), limit: -1}
	l, err := lines.next()
	if err != nil {
		t.Fatal(err)
	}
	w := newWalker(&VerifyOptions{MAC: theMAC})
	h, err := w.authentic(l)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestRewrittenWithTheMACKey: whoever holds the MAC key can write another log that is
// whole in itself, but for its signatures; left out, they are missed only where
// checkpoints were exported.
func TestRewrittenWithTheMACKey(t *testing.T) {
	good := goodLog(t)
	exported := export(t, good, theKey)
	if len(exported) != 3 {
		t.Fatalf("%d checkpoints", len(exported))
	}
	wantOK(t, verify(t, good, with(exported)))
	other := func(_ string, body []byte) []byte {
		return bytes.Replace(body, []byte("biologist"), []byte("secretary"), -1)
	}
	kept := copyDir(t, good)
	rewrite(t, kept, other)
	if r := verify(t, kept); r.OK() || r.Problems[0].Kind != Signature {
		t.Errorf("with the old signatures: %v", r.Problems)
	}
	bare := copyDir(t, good)
	rewrite(t, bare, func(segment string, body []byte) []byte {
		if bytes.Contains(body, []byte(`"kind":"checkpoint"`)) {
			return nil
		}
		return other(segment, body)
	})
	if r := verify(t, bare); !r.OK() || unsigned(r) != 2 {
		t.Errorf("without signatures: %v, %q", r.Problems, r.Notes)
	}
	r := verify(t, bare, with(exported))
	if len(r.Problems) != 3 || r.Problems[0].Kind != Unanchored || r.Problems[0].File != segmentName(1) {
		t.Errorf("with exported checkpoints: %v", r.Problems)
	}
}

// TestRolledBackWhole: an older state of the log, its head with it, is whole in itself. The
// checkpoint of a live log, which was exported since, shows that it is not all.
func TestRolledBackWhole(t *testing.T) {
	dir := logDir(t)
	l := mustOpen(t, options(dir))
	do(t, l, "early")
	early := copyDir(t, dir)
	do(t, l, "late")
	waitFor(t, "the outcomes", func() bool { return len(verify(t, dir).Unfinished) == 0 })
	exported := export(t, dir, theKey)
	if len(exported) != 1 || exported[0].Last != uint64(verify(t, dir).Records) {
		t.Fatalf("exported %v", exported)
	}
	do(t, l, "later")
	mustClose(t, l)
	wantOK(t, verify(t, dir, with(exported)))
	wantOK(t, verify(t, early))
	if r := verify(t, early, with(exported)); len(r.Problems) != 1 || r.Problems[0].Kind != Unanchored {
		t.Errorf("an older state: %v", r.Problems)
	}
	// Those that came to an archive are no problem.
	again := mustOpen(t, options(dir))
	mustClose(t, again)
	remove(t, dir, segmentName(1))
	wantOK(t, verify(t, dir, with(exported), func(o *VerifyOptions) { o.First = segmentName(2) }))
}

// TestSignaturesOnly: whoever has the public keys alone finds what was changed before the
// last checkpoint, and learns what none covers.
func TestSignaturesOnly(t *testing.T) {
	alone := func(o *VerifyOptions) { o.MAC, o.SignaturesOnly = nil, true }
	dir := copyDir(t, goodLog(t))
	r := verify(t, dir, alone)
	wantOK(t, r)
	if notes := strings.Join(r.Notes, "; "); !strings.Contains(notes, "are not signed yet") {
		t.Errorf("the last checkpoint itself: %s", notes)
	}
	for _, file := range []string{segmentName(1), segmentName(3)} {
		original := readLines(t, filepath.Join(dir, file))
		for i := range len(original) - 1 {
			lines := slices.Clone(original)
			lines[i] = bytes.Replace(lines[i], []byte(`"time":"20`), []byte(`"time":"21`), 1)
			writeLines(t, filepath.Join(dir, file), lines)
			if r := verify(t, dir, alone); r.OK() || r.Problems[0].Kind != Signature {
				t.Errorf("%s:%d: %v", file, i+1, r.Problems)
			}
			writeLines(t, filepath.Join(dir, file), slices.Delete(slices.Clone(original), i, i+1))
			if verify(t, dir, alone).OK() {
				t.Errorf("%s:%d: removed, and nothing found", file, i+1)
			}
		}
		writeLines(t, filepath.Join(dir, file), original)
	}
	remove(t, dir, segmentName(2))
	if verify(t, dir, alone).OK() {
		t.Error("a removed segment is not missed")
	}
}

// TestCheckpointsOfABrokenLog: nothing is signed of a log with problems, a forged checkpoint
// is one, and what is none is refused.
func TestCheckpointsOfABrokenLog(t *testing.T) {
	dir := copyDir(t, goodLog(t))
	exported := export(t, dir, nil)
	forged := *exported[1]
	forged.Last++
	if r := verify(t, dir, with([]*Checkpoint{exported[0], &forged})); len(r.Problems) != 1 || r.Problems[0].Kind != Signature || r.Problems[0].Line != 2 {
		t.Errorf("a forged checkpoint: %v", r.Problems)
	}
	path := filepath.Join(dir, segmentName(3))
	lines := readLines(t, path)
	writeLines(t, path, lines[:len(lines)-2])
	failing := &distantKey{away: errors.New("asked to sign a broken log")}
	if _, r, err := Checkpoints(VerifyOptions{Dir: dir, MAC: theMAC, Verifier: theKey}, failing); err != nil || r.OK() {
		t.Errorf("%v, %v", r, err)
	}
	for _, text := range []string{"{}", "x", `{"segment":"pgveil-000001.jsonl","more":1}`} {
		if _, err := ReadCheckpoints(strings.NewReader(text)); err == nil {
			t.Errorf("%s is taken for a checkpoint", text)
		}
	}
}
