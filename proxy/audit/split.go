package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// SplitLines makes of the lines of a copy, in the order of the log, the segments that they were in, in an empty
// directory: for [Verify] with VerifyOptions.Copy. Nothing about the lines is believed but where they begin a segment.
func SplitLines(dir string, lines io.Reader) (err error) {
	reader := &lineReader{r: bufio.NewReaderSize(lines, 64<<10), limit: -1}
	var out *bufio.Writer
	var file *os.File
	end := func() error {
		if file == nil {
			return nil
		}
		return errors.Join(out.Flush(), file.Close())
	}
	defer func() { err = errors.Join(err, end()) }()
	for {
		l, err := reader.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if l.err == nil && l.record.Kind == kindSegment {
			if err := end(); err != nil {
				return err
			}
			file = nil
			var h header
			if json.Unmarshal(l.raw, &h) != nil || segmentNumber(h.Segment) == 0 {
				return fmt.Errorf("line %d begins a segment without a name", l.number)
			}
			if file, err = os.OpenFile(filepath.Join(dir, h.Segment), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
				return fmt.Errorf("line %d begins segment %s once more, or it cannot be written: %w", l.number, h.Segment, err)
			}
			out = bufio.NewWriterSize(file, 64<<10)
		}
		if file == nil {
			return errors.New("the first line is not that of a segment: begin with a record of kind segment")
		}
		if _, err := out.Write(l.raw); err != nil {
			return err
		}
		if l.whole {
			if err := out.WriteByte('\n'); err != nil {
				return err
			}
		}
	}
}
