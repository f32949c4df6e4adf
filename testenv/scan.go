package testenv

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// shortestNeedle keeps chance out: four given bytes turn up in a megabyte of
// ciphertext once in 4,000 tries.
const shortestNeedle = 4

// shortestNumber keeps apart what a server writes itself: the log is full of process
// IDs, the WAL and the catalog of OIDs.
const shortestNumber = 9

// pattern is one form of a needle.
type pattern struct {
	needle int
	form   string
	bytes  []byte
}

// searcher looks for many patterns in one pass.
type searcher struct {
	patterns []pattern
	byPrefix [1 << 16][]int // by the first two bytes
	longest  int
}

func newSearcher(needles [][]byte) (*searcher, error) {
	s := &searcher{}
	for i, n := range needles {
		if len(n) < shortestNeedle {
			return nil, fmt.Errorf("needle %d has %d bytes; fewer than %d prove nothing", i, len(n), shortestNeedle)
		}
		if len(n) < shortestNumber && len(bytes.Trim(n, "0123456789")) == 0 {
			return nil, fmt.Errorf("needle %d is a number of %d digits, which a process ID may be; give at least %d", i, len(n), shortestNumber)
		}
		for _, p := range forms(i, n) {
			key := int(p.bytes[0])<<8 | int(p.bytes[1])
			s.byPrefix[key] = append(s.byPrefix[key], len(s.patterns))
			s.patterns = append(s.patterns, p)
			s.longest = max(s.longest, len(p.bytes))
		}
	}
	return s, nil
}

// copyEscapes are those of COPY's text format, which pg_dump writes (manual,
// COPY, "Text Format").
var copyEscapes = strings.NewReplacer(
	`\`, `\\`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`)

// logIndents is how the server's log continues a message on another line.
var logIndents = strings.NewReplacer("\n", "\n\t")

// forms returns the ways in which a server's files may spell a needle.
func forms(index int, needle []byte) []pattern {
	text := string(needle)
	quoted := strings.ReplaceAll(text, "'", "''")
	digits := hex.EncodeToString(needle)
	spelled := []struct{ form, text string }{
		{"as it is", text},
		{"hex", digits},
		{"hex", strings.ToUpper(digits)},
		{"COPY text", copyEscapes.Replace(text)},
		{"literal", quoted},
		{"escape literal", strings.ReplaceAll(quoted, `\`, `\\`)},
		{"log line", logIndents.Replace(text)},
		{"literal in a log line", logIndents.Replace(quoted)},
	}
	if j, err := jsonString(text); err == nil && utf8.Valid(needle) {
		spelled = append(spelled, struct{ form, text string }{"JSON", j},
			struct{ form, text string }{"JSON in COPY text", copyEscapes.Replace(j)})
	}
	var out []pattern
	seen := make(map[string]bool)
	for _, s := range spelled {
		if !seen[s.text] {
			seen[s.text] = true
			out = append(out, pattern{needle: index, form: s.form, bytes: []byte(s.text)})
		}
	}
	return out
}

// jsonString spells text inside a JSON string as jsonb's output does.
func jsonString(text string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return "", err
	}
	quoted := strings.TrimSuffix(b.String(), "\n")
	return quoted[1 : len(quoted)-1], nil
}

// scan reads r to its end and reports each place where a pattern begins.
func (s *searcher) scan(r io.Reader, report func(p pattern, offset int64)) error {
	if len(s.patterns) == 0 {
		return nil
	}
	buf := make([]byte, 0, 1<<20+s.longest)
	var base int64 // offset of buf[0]
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		// What begins in the last bytes may go on in the next piece.
		end := len(buf)
		if !last {
			end -= s.longest - 1
		}
		for i := s.next(buf, 0, end); i < end; i = s.next(buf, i+1, end) {
			for _, k := range s.byPrefix[int(buf[i])<<8|int(buf[i+1])] {
				if bytes.HasPrefix(buf[i:], s.patterns[k].bytes) {
					report(s.patterns[k], base+int64(i))
				}
			}
		}
		if last {
			return nil
		}
		base += int64(end)
		buf = buf[:copy(buf, buf[end:])]
	}
}

// next returns the first place from i on where a pattern may begin, or end. It
// looks at every byte of a server, so the race detector is kept out of it.
//
//go:norace
func (s *searcher) next(buf []byte, i, end int) int {
	for ; i < end && i+1 < len(buf); i++ {
		if s.byPrefix[int(buf[i])<<8|int(buf[i+1])] != nil {
			return i
		}
	}
	return end
}
