package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// record is what the demo shows of a record of the audit log.
type record struct {
	Seq         uint64         `json:"seq"`
	Time        time.Time      `json:"time"`
	Kind        string         `json:"kind"`
	Role        string         `json:"role"`
	Client      string         `json:"client"`
	Application string         `json:"application"`
	Statement   string         `json:"statement"`
	Columns     []recordColumn `json:"columns"`
	Intent      uint64         `json:"intent"` // of an outcome
	Rows        int64          `json:"rows"`
	Opened      int64          `json:"opened"`
	Micros      int64          `json:"duration_us"`
	Ended       string         `json:"ended"`
	Refused     string         `json:"sqlstate"`
}

type recordColumn struct {
	Column  string `json:"column"`
	Verdict string `json:"verdict"`
	How     string `json:"how"`
}

// trail reads the audit log as it grows.
type trail struct {
	dir  string
	last uint64 // number of the last record that was read
}

// read returns the records since the last call.
func (t *trail) read() ([]record, error) {
	segments, err := filepath.Glob(filepath.Join(t.dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	slices.Sort(segments)
	var records []record
	for _, segment := range segments {
		data, err := os.ReadFile(segment)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(data) {
			if !bytes.HasSuffix(line, []byte("\n")) {
				break // is being written
			}
			var r record
			if err := json.Unmarshal(line, &r); err != nil {
				return nil, fmt.Errorf("audit log, %s: %w", filepath.Base(segment), err)
			}
			if r.Seq > t.last {
				records = append(records, r)
			}
		}
	}
	if len(records) > 0 {
		t.last = records[len(records)-1].Seq
	}
	return records, nil
}

// await reads until a statement's record is complete: refused, or an intent with
// its outcome, which follows the rows.
func (t *trail) await(ctx context.Context) ([]record, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var all []record
	for {
		more, err := t.read()
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
		if len(all) > 0 && (all[len(all)-1].Kind == "outcome" || all[len(all)-1].Kind == "refused") {
			return all, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the audit log has no record of the statement: %w", context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// text gives the record in lines for a reader.
func (r *record) text() []string {
	head := fmt.Sprintf("#%d %s %s", r.Seq, r.Time.Format("15:04:05.000"), r.Kind)
	if r.Kind == "outcome" {
		return []string{fmt.Sprintf("%s of #%d: %s, %s, %s opened, %.1f ms", head, r.Intent, r.Ended, count(r.Rows, "row"), count(r.Opened, "value"), float64(r.Micros)/1000)}
	}
	head += fmt.Sprintf(": %s from %s, %s", r.Role, r.Client, r.Application)
	if r.Refused != "" {
		head += ", " + r.Refused
	}
	lines := []string{head}
	if r.Statement != "" {
		lines = append(lines, "   "+r.Statement)
	}
	// Columns under the same verdict stand together, in the order of the record.
	var verdicts []string
	columns := make(map[string][]string)
	for _, c := range r.Columns {
		verdict := strings.TrimSpace(c.How + " " + c.Verdict)
		if c.How == "search" || c.How == "match" {
			verdict = c.How
		}
		if !slices.Contains(verdicts, verdict) {
			verdicts = append(verdicts, verdict)
		}
		columns[verdict] = append(columns[verdict], c.Column)
	}
	for _, verdict := range verdicts {
		lines = append(lines, "   "+verdict+": "+strings.Join(columns[verdict], ", "))
	}
	return lines
}
