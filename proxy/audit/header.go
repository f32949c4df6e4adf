package audit

import (
	"bytes"
	"encoding/json"
	"slices"
)

// header takes a segment's first line.
func (w *walker) header(l *line, first bool) {
	name := w.segment.name
	h, err := w.authentic(l)
	if h == nil {
		if l.err == nil && l.record.Kind != kindSegment {
			w.problem(Missing, name, l.number, "the segment's first record is not there")
			w.take(l)
			return
		}
		w.problem(Changed, name, l.number, "it should be the segment's first record, but %s", err)
		if l.err != nil {
			return
		}
		if second, ok := w.indexed().second(w.o.MAC, l); ok {
			l.record.Seq = second - 1
		}
		w.jump(l)
		return
	}
	if h.Format != format {
		w.problem(Foreign, name, l.number, "the log has format %d, which this version cannot read", h.Format)
	}
	if h.Segment != name {
		w.problem(Moved, name, l.number, "the file holds the segment %s", h.Segment)
	}
	switch {
	case h.Previous == nil:
		w.chainStart(l, h, first)
	case first && w.first != name:
		w.problem(Missing, name, l.number, "the segments before it are not there; if they were moved to an archive, verify from %s on", name)
	case !first:
		w.continues(l, h)
	case w.purged != nil:
		w.followsPurged(l, h)
	}
	if w.follows != nil && h.Previous != nil {
		w.follows[h.Previous.Segment] = h
	}
	w.listed = h.Unsigned
	w.end.chain = h.Chain
	w.end.first = l.record.Seq
	w.accept(l)
}

// chainStart takes the first record of a chain.
func (w *walker) chainStart(l *line, h *header, first bool) {
	for _, u := range w.unfinished {
		w.addUnfinished(u)
	}
	clear(w.unfinished)
	switch {
	case h.Broken == nil && !first:
		w.problem(Foreign, w.segment.name, l.number, "the segment begins another log")
	case h.Broken != nil && first:
		w.note("%s began a new chain beside a broken one: %s", w.segment.name, h.Broken.Problem)
	case h.Broken != nil:
		w.problem(Break, w.segment.name, l.number, "here a new chain was begun beside the broken one: %s", h.Broken.Problem)
	}
	clear(w.unsigned)
}

// continues compares what a segment says about the one before with what was read.
func (w *walker) continues(l *line, h *header) {
	p, was := h.Previous, &w.previous
	name := w.segment.name
	switch {
	case h.Chain != was.chain && was.chain != "":
		w.problem(Foreign, name, l.number, "the segment belongs to another log")
	case p.Seq > was.seq:
		w.problem(Missing, name, l.number, "records %d to %d, which were before it, are not there", was.seq+1, p.Seq)
	case p.Seq < was.seq || !bytes.Equal(p.LastMAC, was.mac):
		w.problem(Foreign, name, l.number, "the segment follows record %d, but %s ends with record %d", p.Seq, segmentName(was.segment), was.seq)
	case p.Segment != segmentName(was.segment) || p.Closed != was.closed || p.Size != was.size:
		w.problem(Changed, name, l.number, "the segment follows %s, which is not as it was then", p.Segment)
	}
}

// checkpoint takes a checkpoint: the last record of a segment, or one of an earlier
// segment, which did not end with its own.
func (w *walker) checkpoint(l *line) {
	c := new(checkpoint)
	if json.Unmarshal(l.raw, c) != nil {
		w.problem(Signature, w.segment.name, l.number, "the checkpoint cannot be read")
		return
	}
	if w.o.Verifier != nil && w.o.Verifier.Verify(c.Signature, c.signed()) != nil {
		w.problem(Signature, w.segment.name, l.number, "the signature of the checkpoint is not valid")
	}
	if w.collects {
		w.collected = append(w.collected, c)
	}
	w.listed = slices.DeleteFunc(w.listed, func(listed *checkpoint) bool { return listed.Segment == c.Segment })
	of, known := w.unsigned[c.Segment]
	switch {
	case c.Segment == w.segment.name:
		w.end.closed = true
		of = w.end.summary()
	case known:
		delete(w.unsigned, c.Segment)
	case w.archived(c.Segment):
		return
	default:
		w.problem(Signature, w.segment.name, l.number, "the checkpoint is one of %s", c.Segment)
		return
	}
	if !c.same(of) && w.problems() == w.segment.problems {
		w.problem(Signature, w.segment.name, l.number, "the checkpoint was signed for other content of %s", c.Segment)
	}
	w.signedTo = max(w.signedTo, c.Last)
}

// archived tells whether a segment is before the first that is read.
func (w *walker) archived(name string) bool {
	n := segmentNumber(name)
	return n > 0 && n < w.from
}
