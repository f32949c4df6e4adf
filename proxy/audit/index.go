package audit

import "bytes"

// index is every record of a segment by its number, made when one is found out of
// place.
type index struct {
	records map[uint64][]indexed
}

type indexed struct {
	number    int // of the line
	body, mac []byte
}

// indexed gives the index of the segment being read. What cannot be read is left
// out: it only makes a report less precise.
func (w *walker) indexed() *index {
	if w.segment.index != nil {
		return w.segment.index
	}
	x := &index{records: map[uint64][]indexed{}}
	w.segment.index = x
	_ = w.withSegment(w.segment.name, -1, func(lines *lineReader) error {
		for {
			l, err := lines.next()
			if err != nil {
				return err
			}
			if l.err == nil {
				x.records[l.record.Seq] = append(x.records[l.record.Seq], indexed{l.number, bytes.Clone(l.body), l.mac})
			}
		}
	})
	h := &w.previous // at first before the first record, which follows nothing
	x.records[h.seq] = append(x.records[h.seq], indexed{0, nil, h.mac})
	return x
}

// genuine tells whether some line with the number before l's is what l follows.
func (x *index) genuine(key MAC, l *line) bool {
	for _, p := range x.records[l.record.Seq-1] {
		if follows(key, p.mac, l.body, l.mac) {
			return true
		}
	}
	return false
}

// precedes tells whether some line of number seq follows l.
func (x *index) precedes(key MAC, l *line, seq uint64) bool {
	for _, n := range x.records[seq] {
		if n.number != l.number && follows(key, l.mac, n.body, n.mac) {
			return true
		}
	}
	return false
}

// second gives the number of the segment's second record if it follows l.
func (x *index) second(key MAC, l *line) (uint64, bool) {
	for seq, records := range x.records {
		for _, n := range records {
			if n.number == 2 && follows(key, l.mac, n.body, n.mac) {
				return seq, true
			}
		}
	}
	return 0, false
}

// comesLater tells whether the record of number seq that follows mac stands
// somewhere below l.
func (x *index) comesLater(key MAC, l *line, seq uint64, mac []byte) bool {
	for _, n := range x.records[seq] {
		if n.number > l.number && follows(key, mac, n.body, n.mac) {
			return true
		}
	}
	return false
}

// copies counts the lines with l's number and MAC.
func (x *index) copies(l *line) int {
	count := 0
	for _, n := range x.records[l.record.Seq] {
		if bytes.Equal(n.mac, l.mac) {
			count++
		}
	}
	return count
}

// absent gives the first run of numbers in from…to that no line has.
func (x *index) absent(from, to uint64) (uint64, uint64, bool) {
	for ; from <= to; from++ {
		if len(x.records[from]) > 0 {
			continue
		}
		last := from
		for last < to && len(x.records[last+1]) == 0 {
			last++
		}
		return from, last, true
	}
	return 0, 0, false
}

// plausible tells whether a record of number seq, whose predecessor is not there,
// may be genuine: the log goes on with the next number, or has had so many.
func (x *index) plausible(w *walker, seq uint64) bool {
	return len(x.records[seq-1]) == 0 && (len(x.records[seq+1]) > 0 || w.head != nil && seq <= w.head.Seq)
}
