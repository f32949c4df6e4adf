package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	purgedName      = "purged"
	purgedTemporary = "purged.new"
)

// Purged is the signed note of what was purged of a log: all records up to Last. The last
// note counts, and says what those before it said, too.
type Purged struct {
	Chain    string  `json:"chain"`
	Through  string  `json:"through"` // last segment that was purged
	Last     uint64  `json:"last"`    // its last record
	LastMAC  encoded `json:"last_mac"`
	Segments int     `json:"segments"` // that this purge removed
	Records  int     `json:"records"`
	Until    string  `json:"until"` // the latest time of a record
	Kept     string  `json:"kept"`  // the rule by which it was purged
	At       string  `json:"at"`
	By       string  `json:"by"` // user of the operating system, and host

	Signature encoded `json:"signature,omitempty"`
}

// signed is what the signature covers.
func (p *Purged) signed() []byte {
	return fmt.Appendf(nil, "pgveil audit purge v1\n%s\n%s\n%d\n%s\n%d\n%d\n%s\n%q\n%s\n%q\n",
		p.Chain, p.Through, p.Last, base64.RawStdEncoding.EncodeToString(p.LastMAC), p.Segments, p.Records, p.Until, p.Kept, p.At, p.By)
}

// PurgeOptions is what Purge needs.
type PurgeOptions struct {
	VerifyOptions
	Signer Signer
	// Before is the moment: segments all of whose records are older are purged.
	Before time.Time
	Kept   string // the rule, for the note
	By     string // who purges
	DryRun bool   // nothing is changed
}

// Purge verifies a log and removes the oldest of its segments, up to the first that has a
// record which is to be kept, or no signed checkpoint, and never the last. Before that it
// leaves a signed note in the directory, with which the rest of the log verifies. The note
// is nil where nothing is old enough. A log with problems is left as it is. It may run
// while the log is being written.
func Purge(o PurgeOptions) (*Purged, *Report, error) {
	type ended struct {
		last    time.Time
		records int
	}
	ends := make(map[string]*ended)
	o.Each = func(r *Recorded) {
		if ends[r.File] == nil {
			ends[r.File] = &ended{}
		}
		if r.Time.After(ends[r.File].last) { // the clock may have been set back
			ends[r.File].last = r.Time
		}
		ends[r.File].records++
	}
	w := newWalker(&o.VerifyOptions)
	w.follows = make(map[string]*header)
	if err := w.run(); err != nil {
		return nil, nil, fmt.Errorf("cannot read the audit log: %w", err)
	}
	if !w.report.OK() {
		return nil, &w.report, nil
	}
	note := &Purged{Kept: o.Kept, By: o.By, At: string(appendTime(nil, time.Now()))}
	for n := w.from; ; n++ {
		name := segmentName(n)
		end, next := ends[name], w.follows[name]
		if end == nil || next == nil || !end.last.Before(o.Before) || w.unsigned[name] != nil {
			break
		}
		note.Chain, note.Through, note.Last, note.LastMAC = next.Chain, name, next.Previous.Seq, next.Previous.LastMAC
		note.Segments++
		note.Records += end.records
		note.Until = string(appendTime(nil, end.last))
	}
	if note.Segments == 0 {
		return nil, &w.report, nil
	}
	if o.DryRun {
		return note, &w.report, nil
	}
	var err error
	if note.Signature, err = o.Signer.Sign(note.signed()); err != nil {
		return nil, nil, err
	}
	if err := leavePurged(o.Dir, note); err != nil {
		return nil, nil, fmt.Errorf("cannot write the note of the purge, nothing is purged: %w", err)
	}
	return note, &w.report, removePurged(o.Dir, note)
}

// leavePurged puts the note behind those that are there, durably.
func leavePurged(dir string, note *Purged) error {
	data, err := os.ReadFile(filepath.Join(dir, purgedName))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	line, err := json.Marshal(note)
	if err != nil {
		return err
	}
	temporary := filepath.Join(dir, purgedTemporary)
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(append(data, line...), '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(dir, purgedName)); err != nil {
		return err
	}
	return syncDir(dir)
}

// removePurged removes what a note says is purged, the oldest first.
func removePurged(dir string, note *Purged) error {
	numbers, _, err := listSegments(dir)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n > segmentNumber(note.Through) {
			break
		}
		if err := os.Remove(filepath.Join(dir, segmentName(n))); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// readPurged reads the last note of what was purged, nil where there is none.
func readPurged(dir string) (*Purged, error) {
	data, err := os.ReadFile(filepath.Join(dir, purgedName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data = bytes.TrimRight(data, "\n")
	note := new(Purged)
	d := json.NewDecoder(bytes.NewReader(data[bytes.LastIndexByte(data, '\n')+1:]))
	d.DisallowUnknownFields()
	if d.Decode(note) != nil || segmentNumber(note.Through) == 0 {
		return &Purged{}, nil
	}
	return note, nil
}

// beginPurged has the log begin behind what was purged of it, if a valid note says so.
func (w *walker) beginPurged() error {
	if w.first != "" || w.o.Verifier == nil {
		return nil
	}
	note, err := readPurged(w.o.Dir)
	if note == nil || err != nil {
		return err
	}
	if w.o.Verifier.Verify(note.Signature, note.signed()) != nil {
		w.problem(Signature, purgedName, 0, "the signature of the last note is not valid")
		return nil
	}
	w.first, w.purged = segmentName(segmentNumber(note.Through)+1), note
	w.note("records up to %d, of %s, were purged %s by %s: kept for %s", note.Last, note.Until, note.At, note.By, note.Kept)
	return nil
}

// followsPurged compares the first segment with the note of what was before it.
func (w *walker) followsPurged(l *line, h *header) {
	if p := h.Previous; h.Chain != w.purged.Chain || p.Segment != w.purged.Through || p.Seq != w.purged.Last || !bytes.Equal(p.LastMAC, w.purged.LastMAC) {
		w.problem(Foreign, w.segment.name, l.number, "the segment does not follow what the note of the purge says")
	}
}
