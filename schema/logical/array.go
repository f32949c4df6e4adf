package logical

import (
	"encoding/binary"
	"math"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// maxArrayDims is the server's MAXDIM, maxArraySize its MaxArraySize.
const (
	maxArrayDims = 6
	maxArraySize = 134217727
)

// ArrayElements calls f for each element of an array value in the given format (0 text, 1 binary), in
// storage order; those of an array of several dimensions come one after the other, as = ANY
// takes them. The elements have the array's format; a NULL has a nil elem and isNull set. elem is valid until
// f returns.
//
// f is called only once the whole array is known to be well formed. Errors are f's own, or *pgerror.Error
// as the server words them: 22P02 for a malformed text, 22P03 and 08P01 for a malformed binary
// value, 0A000 for explicit bounds ("[2:3]={…}").
// Source: PostgreSQL manual, "Array Input and Output Syntax".
func ArrayElements(array []byte, format int16, f func(elem []byte, isNull bool) error) error {
	switch format {
	case formatText:
		return textElements(array, f)
	case formatBinary:
		if err := binaryElements(array, nil); err != nil {
			return err
		}
		return binaryElements(array, f)
	}
	return unsupportedFormat(format)
}

// ArrayElementOID gives the pg_type.oid of the elements that a binary array names, which must be the
// one of the array's type: the server's error is 42804, "wrong element type".
func ArrayElementOID(array []byte) (uint32, error) {
	if len(array) < 12 {
		return 0, insufficientData()
	}
	return binary.BigEndian.Uint32(array[8:]), nil
}

// binaryElements walks through a binary array; with a nil f it only checks it.
func binaryElements(array []byte, f func(elem []byte, isNull bool) error) error {
	if len(array) < 12 {
		return insufficientData()
	}
	be := binary.BigEndian
	dims := int32(be.Uint32(array))
	switch {
	case dims < 0:
		return pgerror.New(pgerror.InvalidBinaryRepresent, "invalid number of dimensions: %d", dims)
	case dims > maxArrayDims:
		return tooManyDims(int(dims))
	}
	if flags := be.Uint32(array[4:]); flags > 1 {
		return pgerror.New(pgerror.InvalidBinaryRepresent, "invalid array flags")
	}
	rest := array[12:]
	if len(rest) < int(dims)*8 {
		return insufficientData()
	}
	tooLarge := pgerror.New(pgerror.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", maxArraySize)
	count := int64(1)
	for i := range int(dims) {
		n := int32(be.Uint32(rest[i*8:]))
		if count *= int64(n); n < 0 || count > maxArraySize {
			return tooLarge
		}
	}
	for range dims {
		n, lower := int64(int32(be.Uint32(rest))), int64(int32(be.Uint32(rest[4:])))
		rest = rest[8:]
		if lower+n > math.MaxInt32 {
			return pgerror.New(pgerror.ProgramLimitExceeded, "array lower bound is too large: %d", lower)
		}
	}
	if dims == 0 {
		count = 0
	}
	for range count {
		if len(rest) < 4 {
			return insufficientData()
		}
		size := int32(be.Uint32(rest))
		rest = rest[4:]
		if size < -1 || int64(size) > int64(len(rest)) {
			return pgerror.New(pgerror.InvalidBinaryRepresent, "insufficient data left in message")
		}
		var elem []byte
		if size >= 0 {
			elem = rest[:size:size]
			rest = rest[size:]
		}
		if f != nil {
			if err := f(elem, size < 0); err != nil {
				return err
			}
		}
	}
	if len(rest) > 0 {
		return excessData()
	}
	return nil
}

func tooManyDims(n int) error {
	return pgerror.New(pgerror.ProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", n, maxArrayDims)
}

// arrayReader reads the text of an array.
type arrayReader struct {
	text []byte
	pos  int
	f    func(elem []byte, isNull bool) error // nil when it only checks
	buf  []byte                               // an element without its quotes and backslashes

	depth int                   // braces open
	leaf  int                   // depth of the elements, 0 until the first one
	count [maxArrayDims + 1]int // items so far at each depth
	size  [maxArrayDims + 1]int // items of the first array closed at each depth, plus one
}

func textElements(array []byte, f func(elem []byte, isNull bool) error) error {
	if err := checkUTF8(array); err != nil {
		return err
	}
	check := arrayReader{text: array}
	if err := check.read(); err != nil {
		return err
	}
	r := arrayReader{text: array, f: f, buf: check.buf}
	return r.read()
}

func (r *arrayReader) malformed(detail string, args ...any) error {
	return pgerror.New(pgerror.InvalidTextRepresent, "malformed array literal: \"%s\"", r.text).WithDetail(detail, args...)
}

// peek gives the next byte that is not blank, 0 at the end. (NUL cannot be in the text.)
func (r *arrayReader) peek() byte {
	for r.pos < len(r.text) && isSpace(r.text[r.pos]) {
		r.pos++
	}
	if r.pos == len(r.text) {
		return 0
	}
	return r.text[r.pos]
}

// unexpected is the error for the byte c where it cannot stand.
func (r *arrayReader) unexpected(c byte) error {
	switch c {
	case 0:
		return r.malformed("Unexpected end of input.")
	case '{', '}', ',':
		return r.malformed("Unexpected \"%c\" character.", c)
	}
	return r.malformed("Unexpected array element.")
}

func (r *arrayReader) read() error {
	switch r.peek() {
	case '{':
	case '[':
		return pgerror.New(pgerror.FeatureNotSupported, "an array with explicit bounds cannot be compared with a sealed column").
			WithHint("Write the array without its bounds: {…}.")
	default:
		return r.malformed("Array value must start with \"{\" or dimension information.")
	}
	if err := r.open(); err != nil {
		return err
	}
	if r.peek() == '}' {
		r.pos++
		return r.finish()
	}
	for r.depth > 0 {
		if err := r.item(); err != nil {
			return err
		}
		// After an item, arrays may close until a comma announces the next one.
		for r.depth > 0 {
			c := r.peek()
			if c == ',' {
				r.pos++
				break
			}
			if c != '}' {
				return r.unexpected(c)
			}
			r.pos++
			if err := r.close(); err != nil {
				return err
			}
		}
	}
	return r.finish()
}

func (r *arrayReader) finish() error {
	if r.peek() != 0 {
		return r.malformed("Junk after closing right brace.")
	}
	return nil
}

// open takes an opening brace.
func (r *arrayReader) open() error {
	r.pos++
	if r.depth == maxArrayDims {
		return tooManyDims(r.depth + 1)
	}
	r.depth++
	r.count[r.depth] = 0
	return nil
}

// close ends an array whose closing brace was taken: all arrays of one depth have the same size.
func (r *arrayReader) close() error {
	if size := r.size[r.depth]; size != 0 && size != r.count[r.depth]+1 {
		return r.malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
	}
	r.size[r.depth] = r.count[r.depth] + 1
	r.depth--
	return nil
}

// item reads an element, opening the arrays around it.
func (r *arrayReader) item() error {
	r.count[r.depth]++
	for r.peek() == '{' {
		if r.leaf != 0 && r.depth >= r.leaf {
			return r.unexpected('{')
		}
		if err := r.open(); err != nil {
			return err
		}
		r.count[r.depth]++
	}
	c := r.peek()
	if c == 0 || c == ',' || c == '}' {
		return r.unexpected(c)
	}
	if r.leaf == 0 {
		r.leaf = r.depth
	}
	if r.depth != r.leaf {
		return r.malformed("Unexpected array element.")
	}
	r.buf = r.buf[:0]
	if c == '"' {
		return r.quoted()
	}
	return r.unquoted()
}

func (r *arrayReader) emit(elem []byte, isNull bool) error {
	if r.f == nil {
		return nil
	}
	return r.f(elem, isNull)
}

func (r *arrayReader) quoted() error {
	r.pos++
	for ; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; c {
		case '"':
			r.pos++
			return r.emit(r.buf, false)
		case '\\':
			r.pos++
			if r.pos == len(r.text) {
				return r.unexpected(0)
			}
			r.buf = append(r.buf, r.text[r.pos])
		default:
			r.buf = append(r.buf, c)
		}
	}
	return r.unexpected(0)
}

func (r *arrayReader) unquoted() error {
	end, escaped := 0, false // the element's length without trailing blanks that are not escaped
	for ; r.pos < len(r.text); r.pos++ {
		c := r.text[r.pos]
		switch c {
		case ',', '}':
			elem := r.buf[:end]
			if !escaped && equalFoldASCII(elem, "null") {
				return r.emit(nil, true)
			}
			return r.emit(elem, false)
		case '{', '"':
			return r.unexpected(c)
		case '\\':
			escaped = true
			r.pos++
			if r.pos == len(r.text) {
				return r.unexpected(0)
			}
			r.buf = append(r.buf, r.text[r.pos])
			end = len(r.buf)
			continue
		}
		r.buf = append(r.buf, c)
		if !isSpace(c) {
			end = len(r.buf)
		}
	}
	return r.unexpected(0)
}
