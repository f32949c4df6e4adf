package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

func TestWriterParts(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, 0)
	w.Message('D')
	w.Byte(1)
	w.Int16(65535)
	w.Int32(-2)
	w.OID(0xfffffffe)
	w.Bytes([]byte{9, 0})
	w.String("é")
	w.CString([]byte("b"))
	w.Value([]byte("v"))
	w.Value([]byte{})
	w.Value(nil)
	w.StartValue()
	w.SetTail(append(w.Tail(), "sealed"...))
	w.EndValue()
	if err := errors.Join(w.End(), w.Flush()); err != nil {
		t.Fatal(err)
	}
	body := "\x01\xff\xff\xff\xff\xff\xfe\xff\xff\xff\xfe\x09\x00é\x00b\x00" +
		"\x00\x00\x00\x01v\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x06sealed"
	if want := string(frame('D', []byte(body))); out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestWriterAbandon(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, 32)
	_ = w.Raw([]byte("before"))
	w.Message('D')
	w.Bytes(make([]byte, 100))
	w.Abandon()
	w.Abandon()
	_ = WriteEmpty(w, 'S')
	if err := w.Flush(); err != nil || out.String() != "before"+string(frame('S', nil)) {
		t.Errorf("%q %v", out.String(), err)
	}
}

// A frame being built survives a flush; large ones grow and the memory is given
// back.
func TestWriterFlushWhileBuilding(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, 64)
	_ = w.Raw([]byte("first"))
	w.Message('D')
	w.Bytes([]byte("ab"))
	w.StartValue()
	w.Bytes([]byte("cd"))
	if w.Buffered() != 5 {
		t.Errorf("%d bytes buffered", w.Buffered())
	}
	if err := w.Flush(); err != nil || out.String() != "first" {
		t.Fatalf("%q %v", out.String(), err)
	}
	w.Bytes(bytes.Repeat([]byte("x"), 5000))
	w.EndValue()
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	want := "first" + string(frame('D', []byte("ab\x00\x00\x13\x8acd"+strings.Repeat("x", 5000))))
	if out.String() != want { // over its size it flushes by itself
		t.Errorf("%q", out.String())
	}
	if cap(w.buf) > 4*64 {
		t.Errorf("%d bytes kept", cap(w.buf))
	}
}

// Buffers that grew moderately are kept while they are needed.
type failing struct {
	after int
	calls int
}

var errBroken = errors.New("broken")

func (f *failing) Write(p []byte) (int, error) {
	f.calls++
	if f.calls > f.after {
		return 0, errBroken
	}
	return len(p), nil
}

func TestWriterErrorSticks(t *testing.T) {
	dst := &failing{after: 1}
	w := NewWriter(dst, 16)
	for i, f := range []func() error{
		func() error { return w.Raw(make([]byte, 100)) },
		func() error { _ = WriteEmpty(w, 'S'); return w.Flush() },
		func() error { return w.Raw(make([]byte, 3)) },
		func() error { return w.Raw(make([]byte, 100)) },
		func() error { return WriteEmpty(w, 'S') },
		w.Flush,
	} {
		want := errBroken
		if i == 0 {
			want = nil
		}
		if err := f(); err != want {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if dst.calls != 2 || w.Err() != errBroken {
		t.Errorf("%d writes, %v", dst.calls, w.Err())
	}
}

// What would come out as other messages than were meant must not come out.
func TestWriterMisuse(t *testing.T) {
	for name, f := range map[string]func(w *Writer){
		"NUL in a string":          func(w *Writer) { _ = WriteQuery(w, "a\x00b") },
		"NUL in bytes":             func(w *Writer) { _ = WriteParse(w, []byte("\x00"), "") },
		"message within a message": func(w *Writer) { w.Message('A'); _ = WriteEmpty(w, 'S') },
		"raw within a message":     func(w *Writer) { w.Message('A'); _ = w.Raw([]byte("x")) },
		"end without a message":    func(w *Writer) { _ = w.End() },
	} {
		var out bytes.Buffer
		w := NewWriter(&out, 0)
		f(w)
		if e, ok := pgerror.As(w.Flush()); !ok || e.Code != pgerror.InternalError || out.Len() > 0 {
			t.Errorf("%s: error %v, %d bytes written", name, w.Err(), out.Len())
		}
	}
}

func TestMessageTooLong(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, 0)
	if w.most != MaxLength {
		t.Fatal(w.most)
	}
	w.most = 100 // a gigabyte is more than a test should take
	for n := 100; n <= 101; n++ {
		w.Message('D')
		w.Bytes(make([]byte, n))
		if e, ok := pgerror.As(w.End()); ok != (n == 101) || ok && e.Code != pgerror.ProgramLimitExceeded {
			t.Fatalf("%d bytes: %v", n, w.Err())
		}
	}
}

func TestNoAllocation(t *testing.T) {
	var row bytes.Buffer
	w := NewWriter(&row, 0)
	StartDataRow(w, 3)
	w.Value([]byte("1"))
	w.Null()
	w.Value([]byte("three"))
	_ = w.End()
	_ = WriteBind(w, "p", "s", 1)
	_ = WriteParse(w, "s", "SELECT 1", 23)
	StartRowDescription(w, 1)
	WriteField(w, Field{Name: []byte("n"), TypeOID: 23})
	_ = w.End()
	_ = WriteErrorResponse(w, pgerror.New("42601", "m"))
	_ = w.Flush()
	src := &repeat{data: row.Bytes()}
	r, dst := NewReader(src, 0), NewWriter(io.Discard, 0)
	allocated := testing.AllocsPerRun(1000, func() {
		typ, _, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		body, err := r.Body()
		if err != nil {
			t.Fatal(err)
		}
		switch typ {
		case TypeDataRow:
			values, err := DecodeDataRow(body)
			if err != nil {
				t.Fatal(err)
			}
			StartDataRow(dst, values.Len())
			for values.Next() {
				dst.Bytes(values.Raw())
			}
			_ = dst.End()
		case TypeBind:
			m, err := DecodeBind(body)
			if err != nil || string(m.Statement) != "s" {
				t.Fatal(err)
			}
		case TypeParse:
			m, err := DecodeParse(body)
			if err != nil || m.OIDs.At(0) != 23 {
				t.Fatal(err)
			}
		case TypeRowDescription:
			fields, err := DecodeRowDescription(body)
			if err != nil || !fields.Next() || fields.Field().TypeOID != 23 {
				t.Fatal(err)
			}
		}
		if err := r.Forward(dst); err != nil {
			t.Fatal(err)
		}
	})
	if allocated != 0 {
		t.Errorf("%v allocations per frame", allocated)
	}
}

// repeat gives the same bytes again and again.
type repeat struct {
	data []byte
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c := copy(p[n:], r.data[r.at:])
		n += c
		r.at = (r.at + c) % len(r.data)
	}
	return n, nil
}

func BenchmarkForward(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
		run  bool
	}{{"DataRow100", 100, false}, {"DataRow100Run", 100, true}, {"DataRow1000", 1000, false}, {"DataRow1MB", 1 << 20, false}} {
		b.Run(c.name, func(b *testing.B) {
			r, w := NewReader(&repeat{data: frame('D', make([]byte, c.size))}, 0), NewWriter(io.Discard, 0)
			r.SetLimits(BackendLimits)
			b.SetBytes(int64(c.size + headerSize))
			b.ReportAllocs()
			for i := 0; i < b.N; {
				if _, _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
				n, err := 1, error(nil)
				if c.run {
					n, err = r.ForwardRun(w)
				} else {
					err = r.Forward(w)
				}
				if err != nil {
					b.Fatal(err)
				}
				i += n
			}
		})
	}
}

func BenchmarkDecodeDataRow(b *testing.B) {
	var out bytes.Buffer
	w := NewWriter(&out, 0)
	StartDataRow(w, 8)
	for range 8 {
		w.Value(make([]byte, 12))
	}
	_ = w.End()
	_ = w.Flush()
	body := out.Bytes()[headerSize:]
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for range b.N {
		values, err := DecodeDataRow(body)
		if err != nil {
			b.Fatal(err)
		}
		for values.Next() {
			_ = values.Value()
		}
	}
}
