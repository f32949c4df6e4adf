package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// walker reads a log from its first segment to its last, following the chain.
type walker struct {
	o          *VerifyOptions
	first      string // segment that may continue what is not there
	report     Report
	head       *head
	headFound  bool
	regions    map[string]region      // what later segments say is abandoned
	end        cursor                 // after the last record of the chain
	previous   cursor                 // where the segment before ended
	unsigned   map[string]*checkpoint // ended segments whose checkpoint was not seen yet, without it
	listed     []*checkpoint          // what the last segment's first record names as such, less what was seen since
	collects   bool                   // the checkpoints
	collected  []*checkpoint
	signedTo   uint64 // highest number of a record that a checkpoint covers
	demanded   demanded
	follows    map[string]*header // by the segment that each follows; nil: nobody asks
	purged     *Purged            // what is before the first segment, nil if that is nothing
	from       int                // number of the first segment that is read
	torn       []region           // what a crash left, in reading order
	unfinished map[uint64]Unfinished
	anchored   []bool
	segment    *openSegment
	resuming   bool // the process that reads has the lock and is about to go on
}

// openSegment is the segment being read.
type openSegment struct {
	name     string
	number   int
	problems int // of the whole log before it
	index    *index
}

func newWalker(o *VerifyOptions) *walker {
	w := &walker{
		o: o, first: o.First, regions: map[string]region{},
		unsigned: map[string]*checkpoint{}, unfinished: map[uint64]Unfinished{}, anchored: make([]bool, len(o.Anchors)),
	}
	w.report.Kinds = map[string]int{}
	w.report.Problems, w.report.Notes, w.report.Unfinished = []Problem{}, []string{}, []Unfinished{}
	return w
}

func (w *walker) maxProblems() int {
	if w.o.MaxProblems > 0 {
		return w.o.MaxProblems
	}
	return 1000
}

func (w *walker) problem(kind ProblemKind, file string, number int, format string, args ...any) {
	if len(w.report.Problems) >= w.maxProblems() {
		w.report.MoreProblems++
		return
	}
	w.report.Problems = append(w.report.Problems, Problem{Kind: kind, File: file, Line: number, Text: fmt.Sprintf(format, args...)})
}

func (w *walker) problems() int { return len(w.report.Problems) + w.report.MoreProblems }

func (w *walker) note(format string, args ...any) {
	w.report.Notes = append(w.report.Notes, fmt.Sprintf(format, args...))
}

// run reads the log. The error is one of reading.
func (w *walker) run() error {
	// The head first: whatever it names has to be in what is read after it.
	h, headErr := readHead(w.o.Dir, w.o.MAC)
	if headErr != nil && headErr != errHead && !errors.Is(headErr, os.ErrNotExist) {
		return headErr
	}
	w.head = h
	w.demand()
	numbers, others, err := listSegments(w.o.Dir)
	if err != nil {
		return err
	}
	for _, name := range others {
		w.note("%s is no part of the log", name)
	}
	if len(numbers) == 0 && h == nil && headErr != errHead {
		w.problem(Missing, w.o.Dir, 0, "there is no audit log")
		return nil
	}
	switch {
	case headErr == errHead:
		w.problem(Head, headName, 0, "it is not authentic")
	case headErr != nil && w.o.Copy:
		w.note("a copy does not tell whether its end is there: compare the last record with the log's, an anchor or an exported checkpoint")
	case headErr != nil:
		w.problem(Head, headName, 0, "it is not there: nothing tells whether the end of the log is")
	}
	if err := w.beginPurged(); err != nil {
		return err
	}
	numbers = w.fromFirst(numbers)
	if err := w.readHeaders(numbers); err != nil {
		return err
	}
	for i, n := range numbers {
		if i > 0 && n != numbers[i-1]+1 && !w.uncopied(numbers[i-1]+1, n) {
			w.problem(Missing, segmentName(n), 0, "the segments before it, from %s on, are not there", segmentName(numbers[i-1]+1))
		}
		if err := w.readSegment(n); err != nil {
			return err
		}
	}
	return w.finish()
}

// uncopied reports whether a copy lacks segments because nothing in them was acknowledged.
func (w *walker) uncopied(from, to int) bool {
	for n := from; n < to; n++ {
		if r, ok := w.regions[segmentName(n)]; !w.o.Copy || !ok || r.Offset > 0 {
			return false
		}
	}
	return true
}

// fromFirst leaves out the segments before the one to begin with.
func (w *walker) fromFirst(numbers []int) []int {
	if w.first == "" {
		return numbers
	}
	for i, n := range numbers {
		if segmentName(n) == w.first {
			return numbers[i:]
		}
	}
	w.problem(Missing, w.first, 0, "it is not there")
	return nil
}

// readHeaders learns from authentic first records which ends of segments are
// abandoned. That the segment with such a record is in its place is seen later.
func (w *walker) readHeaders(numbers []int) error {
	for _, n := range numbers {
		err := w.withSegment(segmentName(n), -1, func(lines *lineReader) error {
			l, err := lines.next()
			if err != nil {
				return err
			}
			h, _ := w.authentic(l)
			if h == nil {
				return nil
			}
			for _, r := range h.Abandoned {
				if _, ok := w.regions[r.Segment]; !ok {
					w.regions[r.Segment] = r
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

// withSegment opens a segment for f.
func (w *walker) withSegment(name string, limit int64, f func(*lineReader) error) error {
	file, err := os.Open(filepath.Join(w.o.Dir, name))
	if err != nil {
		return err
	}
	err = f(&lineReader{r: bufio.NewReaderSize(file, 64<<10), limit: limit})
	return errors.Join(err, file.Close())
}

// authentic gives the header of a segment's first line if it follows the record
// that it says it follows; else why not.
func (w *walker) authentic(l *line) (*header, error) {
	if l.err != nil {
		return nil, l.err
	}
	h := new(header)
	if l.record.Kind != kindSegment || json.Unmarshal(l.raw, h) != nil {
		return nil, errors.New("it is not a segment's first record")
	}
	var before []byte
	if h.Previous != nil {
		before = h.Previous.LastMAC
	}
	if !follows(w.o.MAC, before, l.body, l.mac) {
		return nil, errors.New("it is not as it was written")
	}
	return h, nil
}

// pastHead tells whether everything that was acknowledged has been read, so that
// what follows may be the work of a crash.
func (w *walker) pastHead() bool {
	if w.head == nil || w.problems() > 0 {
		return false
	}
	return w.head.Seq == 0 || w.headFound
}

// readSegment reads one segment.
func (w *walker) readSegment(number int) error {
	name, first := segmentName(number), w.end.segment == 0
	w.segment = &openSegment{name: name, number: number, problems: w.problems()}
	region, limited := w.regions[name]
	limit := int64(-1)
	if limited {
		limit = region.Offset
	}
	var size int64
	err := w.withSegment(name, limit, func(lines *lineReader) error {
		for {
			l, err := lines.next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if l.err != nil && l.torn() && w.pastHead() {
				return w.tear(l.offset)
			}
			if l.number == 1 {
				w.begin(number, first)
				w.header(l, first)
			} else {
				w.take(l)
			}
			w.end.hash.Write(l.raw)
			w.end.hash.Write([]byte{'\n'})
			size = l.end()
			w.fits()
		}
	})
	if err != nil {
		return err
	}
	told := len(w.torn) > 0 && w.torn[len(w.torn)-1].Segment == name
	switch {
	case limited:
		return w.abandoned(region)
	case size == 0 && !told && w.pastHead(): // also behind another one that a crash left so
		return w.tear(0)
	case size == 0 && !told:
		w.problem(Missing, name, 0, "it is empty")
	}
	return nil
}

// begin moves the cursor into a segment, before its first record.
func (w *walker) begin(number int, first bool) {
	if !first && !w.end.closed && w.end.hash != nil {
		w.unsigned[segmentName(w.end.segment)] = w.end.summary()
	}
	if first {
		w.from = number
	}
	w.report.Segments++
	w.previous = w.end
	w.end.segment, w.end.size, w.end.closed, w.end.hash = number, 0, false, newHash()
	w.end.first = w.end.seq + 1
	for _, r := range w.torn {
		w.problem(Foreign, r.Segment, 0, "%d bytes from offset %d on are no record, and no later segment accounts for them", r.Length, r.Offset)
	}
	w.torn = nil
}

// noteUnsigned tells of ended segments that have no checkpoint.
func (w *walker) noteUnsigned() {
	for _, name := range slices.Sorted(maps.Keys(w.unsigned)) {
		w.note("%s has no signed checkpoint: it is yet to be signed, or the process ended before it could be", name)
	}
}

// tear notes what a crash left at the end of the segment.
func (w *walker) tear(offset int64) error {
	r, err := w.regionAt(offset)
	if err != nil {
		return err
	}
	w.torn = append(w.torn, r)
	w.note("%s ends with %d bytes that are no record: they are being written, or a crash left them", r.Segment, r.Length)
	return nil
}

func (w *walker) regionAt(offset int64) (region, error) {
	r := region{Segment: w.segment.name, Offset: offset}
	file, err := os.Open(filepath.Join(w.o.Dir, r.Segment))
	if err != nil {
		return r, err
	}
	hash := newHash()
	if _, err = file.Seek(offset, io.SeekStart); err == nil {
		r.Length, err = io.Copy(hash, file)
	}
	r.SHA256 = hash.Sum(nil)
	return r, errors.Join(err, file.Close())
}

// abandoned compares the end of a segment with what a later one says it was.
func (w *walker) abandoned(said region) error {
	if w.o.Copy {
		return nil
	}
	is, err := w.regionAt(said.Offset)
	if err != nil {
		return err
	}
	if said.SHA256 != nil && (is.Length != said.Length || !bytes.Equal(is.SHA256, said.SHA256)) {
		w.problem(Changed, said.Segment, 0, "what a crash left from offset %d on is not what was found there", said.Offset)
	}
	w.note("%s ends with %d bytes that were never acknowledged", said.Segment, is.Length)
	return nil
}
