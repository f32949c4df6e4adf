package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// frame makes a frame by hand.
func frame(typ byte, body []byte) []byte {
	f := []byte{typ}
	f = binary.BigEndian.AppendUint32(f, uint32(len(body)+4))
	return append(f, body...)
}

// pattern is a body in which every position differs from its neighbours.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}

func stream(sizes ...int) []byte {
	var s []byte
	for i, n := range sizes {
		s = append(s, frame(byte('A'+i%26), pattern(n))...)
	}
	return s
}

// splitReader gives what comes before the split at once, and then the rest.
type splitReader struct {
	data  []byte
	split int
}

func (s *splitReader) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := len(s.data)
	if s.split > 0 {
		n = min(n, s.split)
	}
	n = copy(p, s.data[:n])
	s.data = s.data[n:]
	s.split -= n
	return n, nil
}

// consume reads all frames from src and gives what each way of reading sees as one
// stream: way 0 bodies, 1 forwarding, 2 body and then forwarding, 3 all in turn with
// frames skipped, 4 runs.
func consume(t *testing.T, src io.Reader, way int) ([]byte, error) {
	t.Helper()
	var out bytes.Buffer
	r, w := NewReader(src, 64), NewWriter(&out, 16)
	for i := 0; ; i++ {
		err := consumeFrame(t, r, w, way, i)
		if err == nil {
			continue
		}
		if flushed := w.Flush(); flushed != nil {
			t.Fatal(flushed)
		}
		return out.Bytes(), err
	}
}

func consumeFrame(t *testing.T, r *Reader, w *Writer, way, i int) error {
	t.Helper()
	typ, n, err := r.Next()
	if err != nil {
		return err
	}
	if way == 3 {
		way = i % 4
		if way == 3 {
			return w.Raw(frame(typ, pattern(n))) // the frame itself is skipped
		}
	}
	switch way {
	case 0, 2:
		body, err := r.Body()
		if err != nil {
			return err
		}
		if len(body) != n {
			t.Fatalf("body of %d bytes, header says %d", len(body), n)
		}
		if way == 2 {
			return r.Forward(w)
		}
		return w.Raw(frame(typ, body))
	case 4:
		_, err := r.ForwardRun(w)
		return err
	}
	return r.Forward(w)
}

func TestEverySplit(t *testing.T) {
	data := stream(0, 1, 4, 59, 0, 60, 64, 200, 3, 0)
	for way := range 5 {
		for split := range len(data) + 1 {
			got, err := consume(t, &splitReader{data, split}, way)
			if err != io.EOF || !bytes.Equal(got, data) {
				t.Fatalf("way %d, split at %d: error %v, %d bytes of %d", way, split, err, len(got), len(data))
			}
		}
		got, err := consume(t, iotest.OneByteReader(bytes.NewReader(data)), way)
		if err != io.EOF || !bytes.Equal(got, data) {
			t.Fatalf("way %d, byte by byte: error %v, %d bytes of %d", way, err, len(got), len(data))
		}
	}
}

func TestEveryTruncation(t *testing.T) {
	data := stream(3, 70, 0, 5)
	whole := map[int]bool{0: true, 8: true, 83: true, 88: true, len(data): true}
	for way := range 5 {
		for n := range len(data) + 1 {
			want := io.ErrUnexpectedEOF
			if whole[n] {
				want = io.EOF
			}
			if _, err := consume(t, bytes.NewReader(data[:n]), way); err != want {
				t.Fatalf("way %d, %d bytes: error %v, want %v", way, n, err, want)
			}
		}
	}
}

func TestBadFrames(t *testing.T) {
	for _, c := range []struct {
		header  string
		limits  *Limits
		message string
	}{
		{"D\x00\x00\x00\x03", nil, "invalid message length"},
		{"D\x00\x00\x00\x00", nil, "invalid message length"},
		{"D\xff\xff\xff\xff", nil, "invalid message length"},
		{"D\x80\x00\x00\x00", nil, "invalid message length"},
		{"D\x7f\xff\xff\xff", nil, "invalid message length"},
		{"D\x40\x00\x00\x03", nil, "invalid message length"},
		{"S\x00\x00\x27\x11", FrontendLimits, "invalid message length"},
		{"p\x00\x00\x00\x05", FrontendLimits, "invalid frontend message type 112"},
		{"\x00\x00\x00\x00\x05", FrontendLimits, "invalid frontend message type 0"},
		{"Q\x00\x00\x00\x05", LoginLimits, "invalid frontend message type 81"},
		{"p\x00\x01\x00\x00", LoginLimits, "invalid message length"},
		{"Z\x00\x00\x00\x06", BackendLimits, "invalid message of type 90 from the server"},
		{"Q\x00\x00\x00\x05", BackendLimits, "invalid message of type 81 from the server"},
	} {
		r := NewReader(bytes.NewReader([]byte(c.header+"rest of it")), 0)
		r.SetLimits(c.limits)
		_, _, err := r.Next()
		e, ok := pgerror.As(err)
		if !ok || e.Code != pgerror.ProtocolViolation || e.Severity != "FATAL" || e.Message != c.message {
			t.Errorf("%q: error %v, want FATAL 08P01 %s", c.header, err, c.message)
		}
		if _, _, again := r.Next(); again != err || r.Err() != err {
			t.Errorf("%q: the error does not stick: %v", c.header, again)
		}
		if _, err := r.Body(); err == nil {
			t.Errorf("%q: a body after an error", c.header)
		}
		if err := r.Forward(NewWriter(io.Discard, 0)); err == nil {
			t.Errorf("%q: forwarded after an error", c.header)
		}
	}
	// The greatest lengths that are allowed.
	for header, limits := range map[string]*Limits{
		"D\x40\x00\x00\x02": nil, "S\x00\x00\x27\x10": FrontendLimits,
		"p\x00\x00\xff\xff": LoginLimits, "Z\x00\x00\x00\x05": BackendLimits,
	} {
		r := NewReader(bytes.NewReader([]byte(header)), 0)
		r.SetLimits(limits)
		if _, _, err := r.Next(); err != nil {
			t.Errorf("%q: %v", header, err)
		}
	}
}

func TestMaxBody(t *testing.T) {
	data := stream(10, 300, 5)
	var out bytes.Buffer
	r, w := NewReader(bytes.NewReader(data), 64), NewWriter(&out, 0)
	r.SetMaxBody(299)
	for i := range 3 {
		if _, _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		_, err := r.Body()
		if e, ok := pgerror.As(err); (i == 1) != (ok && e.Code == pgerror.ProgramLimitExceeded) {
			t.Fatalf("frame %d: error %v", i, err)
		}
		if err := r.Forward(w); err != nil {
			t.Fatal(err)
		}
	}
	if w.Flush() != nil || !bytes.Equal(out.Bytes(), data) {
		t.Fatal("the frames did not pass unchanged")
	}
}

func TestBodyChangedInPlace(t *testing.T) {
	var out bytes.Buffer
	r, w := NewReader(bytes.NewReader(frame('D', []byte("abc"))), 0), NewWriter(&out, 0)
	_, _, _ = r.Next()
	body, err := r.Body()
	if err != nil {
		t.Fatal(err)
	}
	if cap(body) != len(body) {
		t.Error("an append to the body would overwrite the next frame")
	}
	body[1] = 'X'
	if err := errors.Join(r.Forward(w), w.Flush()); err != nil {
		t.Fatal(err)
	}
	if out.String() != string(frame('D', []byte("aXc"))) {
		t.Fatalf("forwarded %q", out.String())
	}
	if _, err := r.Body(); err == nil {
		t.Error("a body after the frame was forwarded")
	}
}

func TestBuffered(t *testing.T) {
	data := stream(3, 10, 100)
	// Whether the frame after the current one is there, by the bytes that have arrived.
	for arrived := headerSize; arrived <= len(data); arrived++ {
		r := NewReader(&splitReader{data, arrived}, 256)
		_, _, _ = r.Next()
		for _, consumed := range []bool{false, true} {
			if consumed {
				if _, err := r.Body(); err != nil {
					t.Fatal(err)
				}
				_ = r.Forward(NewWriter(io.Discard, 0))
			}
			if arrived < 8 && consumed {
				continue // Body has read the rest
			}
			if got, want := r.Buffered(), arrived >= 8+15; got != want {
				t.Fatalf("%d bytes, consumed %v: Buffered %v", arrived, consumed, got)
			}
			if got, want := r.Pending(), max(0, arrived-8); got != want {
				t.Fatalf("%d bytes: Pending %d, want %d", arrived, got, want)
			}
		}
	}
	r := NewReader(bytes.NewReader(nil), 0)
	if r.Buffered() {
		t.Error("an empty reader has a frame")
	}
	_, _, _ = r.Next()
	if !r.Buffered() {
		t.Error("a reader at its end would have to wait")
	}
}

func TestPeek(t *testing.T) {
	r := NewReader(iotest.OneByteReader(bytes.NewReader(stream(0, 2))), 0)
	for _, want := range []byte("AB") {
		for range 2 {
			if typ, err := r.Peek(); typ != want || err != nil {
				t.Fatalf("Peek %q, %v", typ, err)
			}
		}
		if typ, _, err := r.Next(); typ != want || err != nil {
			t.Fatalf("Next %q, %v", typ, err)
		}
		if _, err := r.Peek(); err == nil {
			t.Fatal("Peek within a frame")
		}
		_ = r.Forward(NewWriter(io.Discard, 0))
	}
	if _, err := r.Peek(); err != io.EOF {
		t.Fatal(err)
	}
}

func TestForwardRun(t *testing.T) {
	data := slicesJoin(frame('D', pattern(3)), frame('D', nil), frame('D', pattern(20)), frame('C', nil), frame('D', pattern(9)), frame('Z', nil))
	var out bytes.Buffer
	r, w := NewReader(bytes.NewReader(data), 4096), NewWriter(&out, 0)
	var got []string
	for {
		typ, _, err := r.Next()
		if err == io.EOF {
			break
		}
		n, err := r.ForwardRun(w)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d%c", n, typ))
	}
	if s := fmt.Sprint(got); s != "[3D 1C 1D 1Z]" {
		t.Error(s)
	}
	if w.Flush() != nil || !bytes.Equal(out.Bytes(), data) {
		t.Error("the frames did not pass unchanged")
	}
	// A frame that the limits forbid ends the run, and is an error of its own.
	r = NewReader(bytes.NewReader(slicesJoin(frame('Z', []byte("I")), frame('Z', []byte("xx")))), 0)
	r.SetLimits(BackendLimits)
	_, _, _ = r.Next()
	if n, err := r.ForwardRun(w); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if _, _, err := r.Next(); err == nil {
		t.Error("the frame passed")
	}
}

func slicesJoin(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// endless is a frame of n bytes that is made as it is read, again and again.
type endless struct {
	header []byte
	n, at  int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.at == 0 {
		e.at = copy(p, e.header)
		return e.at, nil
	}
	n := min(len(p), e.n+headerSize-e.at)
	e.at += n
	if e.at == e.n+headerSize {
		e.at = 0
	}
	return n, nil
}

func TestForwardInConstantMemory(t *testing.T) {
	const size = 256 << 20
	src := &endless{header: frame('D', make([]byte, 0)), n: size}
	binary.BigEndian.PutUint32(src.header[1:], size+4)
	var n countWriter
	r, w := NewReader(src, 0), NewWriter(&n, 0)
	allocated := testing.AllocsPerRun(2, func() {
		n = 0
		if _, _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Forward(w), w.Flush()); err != nil {
			t.Fatal(err)
		}
	})
	if poisoned { // then a sync.Pool forgets at random
		allocated = 0
	}
	if allocated > 1 || len(r.buf) != defaultSize || w.held != nil {
		t.Errorf("%v allocations, a buffer of %d bytes, %v", allocated, len(r.buf), w.held)
	}
	if n != size+headerSize {
		t.Errorf("%d bytes passed", n)
	}
}

type countWriter int

func (n *countWriter) Write(p []byte) (int, error) {
	*n += countWriter(len(p))
	return len(p), nil
}

func FuzzReader(f *testing.F) {
	f.Add(stream(0, 3, 70, 200), uint16(7), uint8(0))
	f.Add([]byte("D\xff\xff\xff\xfe12345678"), uint16(3), uint8(1))
	f.Add([]byte("Q\x00\x00\x00\x03"), uint16(1), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, split uint16, way uint8) {
		way %= 5
		if way == 3 {
			way = 0 // skipping expects the pattern
		}
		got, err := consume(t, &splitReader{data, int(split)}, int(way))
		if err == nil {
			t.Fatal("no end")
		}
		// What passed is the whole frames at the beginning; forwarding a frame that is cut
		// short passes what there is of it.
		if !bytes.HasPrefix(data, got) {
			t.Fatal("other bytes came out than went in")
		}
		whole := 0
		for len(data)-whole >= headerSize {
			n := int64(int32(binary.BigEndian.Uint32(data[whole+1:])))
			if n < 4 || n > MaxLength+4 || n > int64(len(data)-whole-1) {
				break
			}
			whole += 1 + int(n)
		}
		if len(got) < whole || len(got) > whole && way != 1 && way != 4 {
			t.Fatalf("%d bytes passed, whole frames are %d", len(got), whole)
		}
		if whole == len(data) && err != io.EOF {
			t.Fatal(err)
		}
	})
}

// TestChunk reads bodies in the parts in which they arrive, whatever the size of the
// buffer.
func TestChunk(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 100)
	var frames bytes.Buffer
	w := NewWriter(&frames, 0)
	for _, n := range []int{1000, 0, 3} {
		w.Message(TypeCopyData)
		w.Bytes(body[:n])
		if err := w.End(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, src := range []io.Reader{bytes.NewReader(frames.Bytes()), iotest.OneByteReader(bytes.NewReader(frames.Bytes()))} {
		r := NewReader(src, 64)
		for _, n := range []int{1000, 0, 3} {
			if _, length, err := r.Next(); err != nil || length != n {
				t.Fatalf("%d, %v", length, err)
			}
			var got []byte
			for {
				chunk, err := r.Chunk()
				if err != nil {
					t.Fatal(err)
				}
				if chunk == nil {
					break
				}
				got = append(got, chunk...)
			}
			if !bytes.Equal(got, body[:n]) {
				t.Errorf("%d bytes, want %d", len(got), n)
			}
		}
		if _, _, err := r.Next(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}
