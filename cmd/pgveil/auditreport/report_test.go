package auditreport

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
)

var begin = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// hostile is a name as a client may have chosen it.
const hostile = `<script>alert(1)</script>"'>&{{.}}` + "\x1b[31m"

// sample is a summary of a month.
func sample(t *testing.T) *Summary {
	t.Helper()
	g := New(begin.AddDate(0, 0, -1), begin.AddDate(0, 1, 0))
	var glasses Glasses
	statements := audit.Statements{Each: func(s *audit.Statement) {
		glasses.Statement(s)
		g.Statement(s)
	}}
	seq := uint64(0)
	take := func(r *audit.Recorded) uint64 {
		seq++
		r.Seq = seq
		statements.Take(r)
		glasses.Record(r)
		g.Record(r)
		return seq
	}
	for day := range 30 {
		for n, role := range []string{"biologist", "secretary", "researcher", hostile} {
			at := begin.AddDate(0, 0, day).Add(time.Duration(n) * time.Hour)
			intent := take(&audit.Recorded{
				Kind: "intent", Time: at, Role: role, Client: fmt.Sprintf("192.0.2.%d:5123", n), Application: "labo " + role, EndUser: "dr." + role,
				Columns: []audit.RecordedColumn{{Column: "lab.patient.nir", Verdict: "decrypt", How: "read"}}, Searched: []string{"s"},
			})
			if day == 29 {
				continue // unfinished
			}
			take(&audit.Recorded{Kind: "subjects", Time: at, Intent: intent, Tags: []string{"a", fmt.Sprint(day % 3)}})
			ended := "ok"
			if day == 3 {
				ended = "57014"
			}
			take(&audit.Recorded{Kind: "outcome", Time: at, Intent: intent, Rows: 10, Opened: int64(10 * (n + 1) * (day%7 + 1)), Unnamed: 1, Tags: []string{"b"}, Ended: ended})
		}
	}
	take(&audit.Recorded{Kind: "refused", Time: begin, Role: hostile, Client: "192.0.2.9:1", SQLState: "42501", Columns: []audit.RecordedColumn{{Column: "lab." + hostile}}})
	take(&audit.Recorded{Kind: "shared", Time: begin, Role: "secretary", Hosts: "192.0.2.1, 192.0.2.2", Applications: hostile})
	take(&audit.Recorded{Kind: "refused", Time: begin.AddDate(1, 0, 0), Role: "later"})
	for id, reason := range []string{"reviewed", "to be reviewed " + hostile} { // before the period
		at, glass := begin.AddDate(-1, 0, 0), fmt.Sprint("GLASS", id)
		take(&audit.Recorded{
			Kind: "alert", Time: at, SessionUser: "secretary", Role: "ward", EndUser: hostile, Client: "192.0.2.1:5", BreakGlass: glass,
			About: "break_glass", Text: alert.GlassText(at.Add(time.Hour), reason),
		})
		for _, tag := range []string{"a", "b", "a"} {
			intent := take(&audit.Recorded{Kind: "intent", Time: at, Role: "ward", BreakGlass: glass})
			take(&audit.Recorded{Kind: "outcome", Time: at, Intent: intent, Opened: 2, Tags: []string{tag}, Ended: "ok"})
		}
		take(&audit.Recorded{Kind: "refused", Time: at, Role: "ward", BreakGlass: glass})
	}
	statements.Finish()
	for _, r := range []audit.Recorded{ // only the last closes
		{Kind: "command", Command: "keys destroy", BreakGlass: "GLASS1"},
		{Kind: "outcome", Command: "close", BreakGlass: "GLASS1"},
		{Kind: "command", Command: "close", BreakGlass: "GLASS2"},
		{Kind: "command", Command: "close", BreakGlass: "GLASS0", User: "dpo", Host: "desk", Reason: hostile},
	} {
		glasses.Closed(&r, "close")
	}
	if all := glasses.All(); len(all) != 2 || all[0].Closed == nil || all[0].Closed.User != "dpo" || all[0].Closed.Reason != Printable(hostile) {
		t.Errorf("%+v", all)
	}
	s := g.Finish("/var/log/pgveil", &audit.Report{Records: int(seq), Segments: 2, From: begin, To: begin.AddDate(0, 0, 29), Notes: []string{hostile}}, begin.AddDate(0, 1, 1))
	s.BreakGlass = glasses.Open()
	s.Keys = []Key{{Name: "identity", ID: 7, Type: "deterministic", Status: "enabled", Seals: true, Added: begin.AddDate(-1, 0, 0)}, {Name: "medical", ID: 9, Type: "randomized", Status: "enabled", Added: begin}}
	return s
}

func TestSummary(t *testing.T) {
	s := sample(t)
	if len(s.Roles) != 4 || s.Roles[0].Role != Printable(hostile) || s.Roles[3].Role != "biologist" || s.Every != "day" || len(s.Opened) != 29 {
		t.Fatalf("%d roles, every %s, %d buckets", len(s.Roles), s.Every, len(s.Opened))
	}
	r := s.Roles[3]
	var sum int64
	for _, b := range s.Opened {
		sum += b.Opened["biologist"]
	}
	if r.Statements != 30 || r.Rows != 290 || r.Opened != sum || r.Subjects != 5 || r.Searched != 1 || r.Unnamed != 29 || r.Failed != 1 || r.Unfinished != 1 || r.Refused != 0 {
		t.Errorf("biologist: %+v", r)
	}
	if len(s.BreakGlass) != 1 {
		t.Fatalf("%+v", s.BreakGlass)
	}
	want := Glass{
		ID: "GLASS1", Time: begin.AddDate(-1, 0, 0), SessionUser: "secretary", Role: "ward", EndUser: Printable(hostile), Client: "192.0.2.1:5",
		Until: begin.AddDate(-1, 0, 0).Add(time.Hour), Reason: "to be reviewed " + Printable(hostile), Statements: 3, Opened: 6, Subjects: 2, Refused: 1,
	}
	got := *s.BreakGlass[0]
	if got.subjects = nil; !reflect.DeepEqual(got, want) {
		t.Errorf("break-glass: %+v, want %+v", got, want)
	}
	if len(s.Refusals) != 1 || len(s.Alerts) != 1 || s.Roles[0].Refused != 1 {
		t.Errorf("refusals %v, alerts %v", s.Refusals, s.Alerts)
	}
	var text bytes.Buffer
	if err := s.Text(&text); err != nil || strings.ContainsRune(text.String(), '\x1b') {
		t.Errorf("%v\n%q", err, &text)
	}
	for _, want := range []string{"Audit report, from 2026-02-28", "as it was written", `biologist +30 +290 +1130 +5 `, `identity +7 .* 397 days`} {
		if !regexp.MustCompile(want).Match(text.Bytes()) {
			t.Errorf("the text has no %s:\n%s", want, &text)
		}
	}
	data, err := json.Marshal(s)
	var again Summary
	if err != nil || json.Unmarshal(data, &again) != nil || again.Roles[3].Opened != r.Opened {
		t.Errorf("JSON: %v", err)
	}
}

// TestPage: the page is well formed whatever names it holds, loads nothing, and says in
// words what it draws.
func TestPage(t *testing.T) {
	var out bytes.Buffer
	s := sample(t)
	if err := s.HTML(&out); err != nil {
		t.Fatal(err)
	}
	if name := os.Getenv("PGVEIL_REPORT_PAGE"); name != "" { // to look at it
		if err := os.WriteFile(name, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := out.String()
	for _, bad := range []string{"<script", "\x1b", "ZgotmplZ", "@import", "url(", "<link", "<img", "<iframe"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, at := range regexp.MustCompile(`(?i)(src|href|action|data|xlink:href)=`).FindAllString(text, -1) {
		t.Errorf("the page refers to something: %s", at)
	}
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.Entity, d.AutoClose = false, xml.HTMLEntity, []string{"meta"}
	var stack []string
	charts, described, words := 0, 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			stack = append(stack, e.Name.Local)
			switch e.Name.Local {
			case "svg":
				charts++
				for _, a := range e.Attr {
					if a.Name.Local == "aria-labelledby" {
						for id := range strings.FieldsSeq(a.Value) {
							if strings.Contains(text, `id="`+id+`"`) {
								described++
							}
						}
					}
				}
			case "rect":
				words++
			}
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("<%s %s>", e.Name.Local, a.Name.Local)
				}
			}
		case xml.EndElement:
			if len(stack) == 0 || stack[len(stack)-1] != e.Name.Local {
				t.Fatalf("</%s> closes %v", e.Name.Local, stack)
			}
			stack = stack[:len(stack)-1]
		}
	}
	if charts != 4 || described != 2*charts || words < 4*29+4+1+2 || len(stack) > 0 {
		t.Errorf("%d charts, %d descriptions, %d bars, open: %v", charts, described, words, stack)
	}
	for _, want := range []string{"Content-Security-Policy", `lang="en"`, "alert(1)", "<title>2026-03-01, biologist: 10</title>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

// TestPageOfABrokenLog: a report of a log with problems says so first, one of an empty
// period is whole.
func TestPageOfABrokenLog(t *testing.T) {
	s := New(time.Time{}, time.Time{}).Finish("audit", &audit.Report{Problems: []audit.Problem{{Kind: audit.Changed, File: "pgveil-000001.jsonl", Line: 3, Text: "changed"}}}, begin)
	var out bytes.Buffer
	if err := s.HTML(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, `role="alert"`) || !strings.Contains(text, "NOT as it was written") || !strings.Contains(text, "Nobody opened anything") {
		t.Error(text)
	}
}

// TestBuckets: the spans of a chart follow the length of the period, without gaps.
func TestBuckets(t *testing.T) {
	for _, test := range []struct {
		apart time.Duration
		every string
		count int
	}{{5 * time.Hour, "hour", 6}, {10 * 24 * time.Hour, "day", 11}, {300 * 24 * time.Hour, "month", 10}} {
		g := New(time.Time{}, time.Time{})
		for _, at := range []time.Time{begin, begin.Add(test.apart)} {
			g.Statement(&audit.Statement{Recorded: &audit.Recorded{Time: at, Role: "a"}, Outcome: &audit.Recorded{Opened: 3, Ended: "ok"}})
		}
		s := g.Finish("", &audit.Report{}, begin)
		if s.Every != test.every || len(s.Opened) != test.count || s.Opened[0].Opened["a"] != 3 || s.Opened[test.count-1].Opened["a"] != 3 {
			t.Errorf("%v: %s, %d buckets", test.apart, s.Every, len(s.Opened))
		}
	}
}
