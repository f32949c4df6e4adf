package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

func TestRecordsOfAStatement(t *testing.T) {
	dir := logDir(t)
	l := mustOpen(t, options(dir))
	do(t, l, "s1")
	l.Refused(sample("s2"), "42501")
	mustClose(t, l)

	lines := readLines(t, filepath.Join(dir, "pgveil-000001.jsonl"))
	var kinds []string
	for i, line := range lines {
		var record map[string]any
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if record["seq"] != float64(i+1) {
			t.Errorf("line %d has seq %v", i+1, record["seq"])
		}
		at, err := time.Parse("2006-01-02T15:04:05.000000Z", record["time"].(string))
		if err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("line %d has time %v", i+1, record["time"])
		}
		kinds = append(kinds, record["kind"].(string))
	}
	if got, want := strings.Join(kinds, " "), "segment start intent outcome refused stop checkpoint"; got != want {
		t.Fatalf("records are %s; want %s", got, want)
	}
	const intent = `"kind":"intent","session":"s1","session_user":"app","role":"biologist","roles":["biologist","lab"],` +
		`"client":"192.0.2.7:51234","tls":"CN=app","application":"labo","database":"lab","backend":4711,` +
		`"statement":"SELECT nir FROM lab.patient WHERE nir = ?","fingerprint":"01020300000000000000000000000000",` +
		`"columns":[{"column":"lab.patient.nir","verdict":"decrypt","how":"read"},{"column":"lab.patient.nir","verdict":"decrypt","how":"search"}],"mac":"`
	if !bytes.Contains(lines[2], []byte(intent)) {
		t.Errorf("intent is %s", lines[2])
	}
	if !bytes.Contains(lines[3], []byte(`"kind":"outcome","intent":3,"rows":1,"opened":2,"duration_us":1500,"ended":"ok","mac":"`)) {
		t.Errorf("outcome is %s", lines[3])
	}
	if !bytes.Contains(lines[4], []byte(`"sqlstate":"42501"`)) {
		t.Errorf("refusal is %s", lines[4])
	}
	r := verify(t, dir)
	wantOK(t, r)
	if r.Records != 7 || r.Segments != 1 || r.Kinds["intent"] != 1 || len(r.Unfinished) != 0 || len(r.Notes) != 0 {
		t.Errorf("report is %+v", r)
	}
}

func TestClientTextCannotBreakALine(t *testing.T) {
	dir := logDir(t)
	l := mustOpen(t, options(dir))
	hostile := "a\"}\n{\"seq\":9,\"mac\":\"x\"}\x00\x1b[31m\u202e\xff\xfe\u2028é😀\U000e0001"
	r := sample("s")
	r.Application = hostile
	r.Statement = strings.Repeat("é", maxStatement)
	r.Session = strings.Repeat("\x80", 3*maxName)
	i := l.Begin(r)
	if err := i.Wait(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	lines := readLines(t, filepath.Join(dir, "pgveil-000001.jsonl"))
	var got struct {
		Application, Statement, Session string
		Bytes                           int `json:"statement_bytes"`
	}
	if err := json.Unmarshal(lines[2], &got); err != nil {
		t.Fatal(err)
	}
	if want := strings.ToValidUTF8(hostile, "\ufffd"); got.Application != strings.ReplaceAll(want, "\ufffd", "\ufffd\ufffd") {
		t.Errorf("application is %q", got.Application)
	}
	for _, b := range []string{"\x1b", "\u202e", "\u2028", "\x00", "\U000e0001"} {
		if bytes.Contains(lines[2], []byte(b)) {
			t.Errorf("%q is in the line as it is", b)
		}
	}
	if len(got.Statement) > maxStatement+3 || !strings.HasSuffix(got.Statement, "é…") || got.Bytes != 2*maxStatement {
		t.Errorf("statement has %d bytes, statement_bytes %d", len(got.Statement), got.Bytes)
	}
	if !utf8.Valid(lines[2]) || len(got.Session) > 3*maxName+3 {
		t.Errorf("session has %d bytes", len(got.Session))
	}
	wantOK(t, verify(t, dir))
}

func TestIntentIsOnDiskAfterWait(t *testing.T) {
	dir := logDir(t)
	l := mustOpen(t, options(dir))
	for n := range 20 {
		session := fmt.Sprintf("session-%d", n)
		if err := l.Begin(sample(session)).Wait(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "pgveil-000001.jsonl"))
		if err != nil || !bytes.Contains(data, []byte(`"session":"`+session+`"`)) {
			t.Fatalf("%s is not in the file: %v", session, err)
		}
		r := verify(t, dir) // while the log is open
		wantOK(t, r)
		if len(r.Unfinished) != n+1 || r.Unfinished[n].Session != session || r.Unfinished[n].Role != "biologist" {
			t.Fatalf("unfinished: %+v", r.Unfinished)
		}
	}
}

func TestConcurrentSessionsShareSegments(t *testing.T) {
	dir := logDir(t)
	o := options(dir)
	o.SegmentSize = 20 << 10
	o.Queue = 8
	l := mustOpen(t, o)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for n := range 25 {
				do(t, l, fmt.Sprintf("%d-%d", g, n))
			}
		})
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				wantOK(t, verify(t, dir))
			}
		}
	})
	wg.Wait()
	close(stop)
	reader.Wait()
	mustClose(t, l)
	r := verify(t, dir)
	wantOK(t, r)
	if r.Kinds["intent"] != 400 || r.Kinds["outcome"] != 400 || len(r.Unfinished) != 0 {
		t.Errorf("report is %+v", r)
	}
	if r.Segments < 5 || r.Kinds["checkpoint"] != r.Segments {
		t.Errorf("%d segments, %d checkpoints", r.Segments, r.Kinds["checkpoint"])
	}
	for _, n := range []string{"", "head", "pgveil-000001.jsonl"} {
		info, err := os.Stat(filepath.Join(dir, n))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q: %v, %v", n, info.Mode(), err)
		}
	}
}

func TestSegmentsAge(t *testing.T) {
	dir := logDir(t)
	o := options(dir)
	o.SegmentAge = 30 * time.Millisecond
	l := mustOpen(t, o)
	do(t, l, "s")
	deadline := time.Now().Add(5 * time.Second)
	for verify(t, dir).Segments < 2 {
		if time.Now().After(deadline) {
			t.Fatal("no second segment")
		}
		time.Sleep(5 * time.Millisecond)
	}
	// Once its outcome is written, the log is idle, and has the same segments later.
	for n := 0; ; {
		was := n
		if n = verify(t, dir).Segments; n == was {
			break
		}
		if time.Now().After(deadline.Add(5 * time.Second)) {
			t.Fatalf("an idle log has %d segments and more", n)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	dir := logDir(t)
	l := mustOpen(t, options(dir))
	if _, err := Open(options(dir)); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open: %v", err)
	}
	mustClose(t, l)
	mustClose(t, mustOpen(t, options(dir)))
	wantOK(t, verify(t, dir))
}

func TestDirectoryOfOthersIsRefused(t *testing.T) {
	dir := logDir(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(options(dir)); err == nil || !strings.Contains(err.Error(), "chmod it to 0700") {
		t.Errorf("Open: %v", err)
	}
}

func TestAfterClose(t *testing.T) {
	l := mustOpen(t, options(logDir(t)))
	i := l.Begin(sample("s"))
	if err := i.Wait(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	i.End(Outcome{Ended: "ok"})
	if err := l.Begin(sample("s")).Wait(); !errors.Is(err, ErrClosed) {
		t.Errorf("Begin after Close: %v", err)
	}
	mustClose(t, l)
}

func TestLogContinues(t *testing.T) {
	dir := logDir(t)
	for n := range 4 {
		l := mustOpen(t, options(dir))
		do(t, l, fmt.Sprint(n))
		mustClose(t, l)
	}
	r := verify(t, dir)
	wantOK(t, r)
	if r.Segments != 4 || r.Kinds["intent"] != 4 || len(r.Notes) != 0 {
		t.Errorf("report is %+v", r)
	}
}

func TestArchivedSegments(t *testing.T) {
	dir := logDir(t)
	for range 3 {
		l := mustOpen(t, options(dir))
		do(t, l, "s")
		mustClose(t, l)
	}
	if err := os.Remove(filepath.Join(dir, "pgveil-000001.jsonl")); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dir); r.OK() || r.Problems[0].Kind != Missing {
		t.Errorf("report is %+v", r)
	}
	first := func(o *VerifyOptions) { o.First = "pgveil-000002.jsonl" }
	wantOK(t, verify(t, dir, first))
	// An archive does not keep the log from going on.
	mustClose(t, mustOpen(t, options(dir)))
	wantOK(t, verify(t, dir, first))
}

func TestAnchors(t *testing.T) {
	dir := logDir(t)
	var out bytes.Buffer
	o := options(dir)
	o.Log = slog.New(slog.NewJSONHandler(&out, nil))
	l := mustOpen(t, o)
	do(t, l, "s")
	mustClose(t, l)
	old := copyDir(t, dir)
	l = mustOpen(t, o)
	do(t, l, "s")
	mustClose(t, l)
	var anchors []Anchor
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var record struct{ Msg, Anchor string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if record.Msg == "audit checkpoint" {
			a, err := ParseAnchor(record.Anchor)
			if err != nil {
				t.Fatal(err)
			}
			anchors = append(anchors, a)
		}
	}
	if len(anchors) != 2 {
		t.Fatalf("the operator's log has %d checkpoints:\n%s", len(anchors), out.String())
	}
	with := func(o *VerifyOptions) { o.Anchors = anchors }
	wantOK(t, verify(t, dir, with))
	// Put back to an older state together with its head, a log is whole in itself.
	wantOK(t, verify(t, old))
	if r := verify(t, old, with); len(r.Problems) != 1 || r.Problems[0].Kind != Unanchored {
		t.Errorf("report is %+v", r)
	}
	for _, bad := range []string{"", "7", "x:QUJD", "7:", "7:*"} {
		if _, err := ParseAnchor(bad); err == nil {
			t.Errorf("ParseAnchor(%q) succeeded", bad)
		}
	}
}
