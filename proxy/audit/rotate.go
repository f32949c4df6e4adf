package audit

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// rotate closes the segment and begins the next.
func (l *Log) rotate() {
	if l.options.SignLater {
		l.closeUnsigned()
	} else {
		l.endSegment()
	}
	if l.writer.file != nil {
		return
	}
	if l.Err() != nil {
		return
	}
	if err := l.beginSegment("", nil); err != nil {
		l.fail(nil, err)
	}
}

// endSegment writes the segment's checkpoint and closes the file. When that cannot
// be done the log has failed.
func (l *Log) endSegment() {
	c, err := l.writer.at.checkpoint(l.options.Signer)
	if err != nil {
		l.fail(nil, err)
		return
	}
	l.putCheckpoint(c)
}

// putCheckpoint ends the segment with its checkpoint. When that cannot be done the log has
// failed.
func (l *Log) putCheckpoint(c *checkpoint) {
	w := &l.writer
	rest, err := appendContent(nil, c)
	if err == nil {
		err = l.commit([]*entry{{at: time.Now(), kind: kindCheckpoint, rest: rest}})
	}
	if err == nil {
		err = w.head.sync()
	}
	if err != nil {
		l.fail(nil, err)
		return
	}
	w.headDirty = time.Time{}
	w.at.closed = true
	err = w.file.Close()
	w.file = nil
	l.announce(c, w.at.anchor())
	if err != nil {
		l.fail(nil, err)
	}
}

// announce gives the operator's log what proves later that the segment was there.
func (l *Log) announce(c *checkpoint, a Anchor) {
	l.options.Log.Info("audit checkpoint", "segment", c.Segment, "first", c.First, "last", c.Last,
		"sha256", hex.EncodeToString(c.SHA256), "anchor", a.String())
}

// beginSegment makes the next segment, with a record of kind why after its header
// (none when it is empty), and moves there. After an error nothing has changed.
func (l *Log) beginSegment(why string, content any) error {
	w := &l.writer
	before := &w.at
	at := cursor{
		chain: before.chain, segment: w.number + 1, first: before.seq + 1,
		seq: before.seq, mac: before.mac, hash: newHash(),
	}
	h := header{Format: format, Chain: at.chain, Segment: segmentName(at.segment), Abandoned: w.abandoned, Broken: w.broken}
	h.Unsigned = slices.Clone(w.unsigned)
	var late, ended *checkpoint
	if before.segment > 0 {
		h.Previous = &position{
			Segment: segmentName(before.segment), Seq: before.seq, LastMAC: before.mac,
			Size: before.size, Closed: before.closed,
		}
		switch {
		case before.closed:
		case l.options.SignLater:
			ended = before.summary()
			h.Unsigned = append(h.Unsigned, ended)
		default:
			var err error
			if late, err = before.checkpoint(l.options.Signer); err != nil {
				return err
			}
		}
	}
	if err := l.putSegment(&at, h, late, why, content); err != nil {
		return err
	}
	if ended != nil {
		l.signLater(ended)
	}
	return nil
}

// putSegment writes the first records of a segment: its header, the checkpoint of
// the one before if that could not be written there, and one more.
func (l *Log) putSegment(at *cursor, h header, late *checkpoint, why string, content any) error {
	w := &l.writer
	var data []byte
	add := func(kind string, content any) error {
		rest, err := appendContent(nil, content)
		if err != nil {
			return err
		}
		data, err = l.encode(data, at, &entry{at: time.Now(), kind: kind, rest: rest})
		return err
	}
	err := add(kindSegment, h)
	if err == nil && late != nil {
		err = add(kindCheckpoint, late)
	}
	if err == nil && why != "" {
		err = add(why, content)
	}
	if err != nil {
		return err
	}
	at.size = int64(len(data))
	at.hash.Write(data)
	head, err := encodeHead(at, l.options.MAC)
	if err != nil {
		return err
	}
	path := filepath.Join(l.options.Dir, h.Segment)
	file, err := l.options.create(path)
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err == nil {
		err = file.Datasync(false)
	}
	if err != nil {
		// Nothing in it was acknowledged, and nothing names it.
		return errors.Join(err, file.Close(), os.Remove(path))
	}
	// The new segment may be named by the head from here on: it stays.
	w.file, w.at, w.number, w.abandoned, w.begun, w.content = file, *at, at.segment, nil, time.Now(), at.seq
	w.base, w.unsigned = at.size, h.Unsigned
	w.broken = nil
	err = w.head.put(head)
	if err == nil {
		err = w.head.sync()
	}
	if err != nil {
		w.abandoned = []region{{Segment: h.Segment, Offset: at.size}}
		_ = file.Close()
		w.file = nil
		return err
	}
	w.headDirty = time.Time{}
	l.copyOut(data)
	if late != nil {
		l.announce(late, w.at.anchor())
	}
	return nil
}

// replaceHead puts a new file in the place of the head, for the case that it was
// the head that could not be written.
func (w *writer) replaceHead(o *Options) error {
	data, err := encodeHead(&w.at, o.MAC)
	if err != nil {
		return err
	}
	head, err := createHead(o.Dir, data)
	if err != nil {
		return err
	}
	if w.head != nil {
		_ = w.head.close()
	}
	w.head, w.headDirty = head, time.Time{}
	return nil
}
