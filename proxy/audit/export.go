package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Checkpoint is a signed statement about a segment: about its whole, or about its
// beginning up to a record. Kept on another machine it shows what nothing within the
// log's directory can: that the log was cut short, or written anew by somebody who holds
// the MAC key.
type Checkpoint = checkpoint

// Checkpoints reads a whole log as Verify does and gives its checkpoints, and with a
// signer one more, of all that was read beyond them. Nothing is signed where the report
// has problems.
func Checkpoints(o VerifyOptions, signer Signer) ([]*Checkpoint, *Report, error) {
	w := newWalker(&o)
	w.collects = true
	if err := w.run(); err != nil {
		return nil, nil, fmt.Errorf("cannot read the audit log: %w", err)
	}
	list := w.collected
	if w.report.OK() && signer != nil && !w.end.closed && w.end.seq > 0 {
		c, err := w.end.checkpoint(signer)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, c)
	}
	return list, &w.report, nil
}

// WriteCheckpoints writes checkpoints as ReadCheckpoints reads them: JSON, one a line.
func WriteCheckpoints(out io.Writer, list []*Checkpoint) error {
	e := json.NewEncoder(out)
	for _, c := range list {
		if err := e.Encode(c); err != nil {
			return err
		}
	}
	return nil
}

// maxCheckpoint bounds a line of a file of checkpoints, in bytes.
const maxCheckpoint = 64 << 10

// ReadCheckpoints reads what WriteCheckpoints has written, several times over perhaps.
func ReadCheckpoints(in io.Reader) ([]*Checkpoint, error) {
	var list []*Checkpoint
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxCheckpoint)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		c := new(Checkpoint)
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		if d.Decode(c) != nil || segmentNumber(c.Segment) == 0 {
			return nil, fmt.Errorf("line %d is no checkpoint", n)
		}
		list = append(list, c)
	}
	return list, lines.Err()
}

// String names what a checkpoint is of.
func (c *checkpoint) String() string {
	return fmt.Sprintf("records %d to %d of %s", c.First, c.Last, c.Segment)
}

// demanded are the checkpoints that a log has to fit, by segment and size.
type demanded map[string]map[int64][]*checkpoint

// demand prepares the checkpoints that the log has to fit.
func (w *walker) demand() {
	w.demanded = make(demanded)
	for _, c := range w.o.Checkpoints {
		if w.demanded[c.Segment] == nil {
			w.demanded[c.Segment] = make(map[int64][]*checkpoint)
		}
		w.demanded[c.Segment][c.Size] = append(w.demanded[c.Segment][c.Size], c)
	}
}

// checkpointsName stands for the file of exported checkpoints in problems.
const checkpointsName = "checkpoints"

// fits takes those demanded checkpoints off the list that the log, up to the line at hand,
// is what they were signed for.
func (w *walker) fits() {
	at := w.demanded[w.segment.name]
	if at == nil || at[w.end.size] == nil {
		return
	}
	is := w.end.summary()
	var left []*checkpoint
	for _, c := range at[w.end.size] {
		if !c.same(is) {
			left = append(left, c)
		}
	}
	at[w.end.size] = left
}

// unfit reports the demanded checkpoints that the log has nowhere fitted, and those whose
// signature is not valid.
func (w *walker) unfit() {
	archived := 0
	for i, c := range w.o.Checkpoints {
		if w.o.Verifier.Verify(c.Signature, c.signed()) != nil {
			w.problem(Signature, checkpointsName, i+1, "the signature of the checkpoint of %s is not valid", c)
			continue
		}
		for _, left := range w.demanded[c.Segment][c.Size] {
			switch {
			case left != c:
			case w.archived(c.Segment):
				archived++
			default:
				w.problem(Unanchored, c.Segment, 0, "the log does not have %s as they were when their checkpoint was signed", c)
			}
		}
	}
	if archived > 0 {
		w.note("%d checkpoints are of segments before the first that was read", archived)
	}
}
