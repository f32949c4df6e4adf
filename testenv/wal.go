package testenv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// WAL page headers (src/include/access/xlog_internal.h): XLogPageHeaderData
// takes 24 bytes, XLogLongPageHeaderData 40, and bit 1 of xlp_info, the 16 bits
// at offset 2, tells the second from the first. pgveil's platforms are
// little-endian.
const (
	walShortHeader = 24
	walLongHeader  = 40
	walLongFlag    = 0x0002
)

var walSegment = regexp.MustCompile(`^[0-9A-F]{24}$`)

// walReader reads the segments of pg_wal in order, without the page headers, so
// that a record which crosses a page or a segment is in one piece.
type walReader struct {
	files    []string
	pageSize int
	starts   []walStart

	file   *os.File
	page   []byte // buffer of one page
	rest   []byte // of the page, not yet given out
	offset int64  // given out so far
}

// walStart says where a segment begins in what the reader gives out.
type walStart struct {
	offset int64
	file   string
}

func newWALReader(dir string, pageSize int) (*walReader, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	r := &walReader{pageSize: pageSize, page: make([]byte, pageSize)}
	for _, e := range entries {
		if walSegment.MatchString(e.Name()) {
			r.files = append(r.files, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(r.files)
	return r, nil
}

func (r *walReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		if err := r.nextPage(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	r.offset += int64(n)
	return n, nil
}

func (r *walReader) nextPage() error {
	if r.file == nil {
		if len(r.files) == 0 {
			return io.EOF
		}
		f, err := os.Open(r.files[0])
		if err != nil {
			return err
		}
		r.starts = append(r.starts, walStart{r.offset, r.files[0]})
		r.file, r.files = f, r.files[1:]
	}
	_, err := io.ReadFull(r.file, r.page)
	if errors.Is(err, io.EOF) {
		err = r.file.Close()
		r.file = nil
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.file.Name(), err)
	}
	header := walShortHeader
	if binary.LittleEndian.Uint16(r.page[2:])&walLongFlag != 0 {
		header = walLongHeader
	}
	r.rest = r.page[header:]
	return nil
}

// locate returns the segment that holds an offset of what the reader gave out.
func (r *walReader) locate(offset int64) string {
	file := ""
	for _, s := range r.starts {
		if s.offset <= offset {
			file = s.file
		}
	}
	return file
}

// Close closes the segment being read.
func (r *walReader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
