package logical

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgveil/pgveil/schema/pgerror"
)

var arrayTexts = []string{
	"{}", " { } ", "{a}", "{a,b}", "  {a , b}  ", "{a b}", `{a\ }`, `{NULL,null,"NULL",nUlL,\NULL,NULLx}`, "{{a,b},{c,d}}", "{ { a , b } , { c , d } }", "{{{a}},{{b}}}", "{{{{{{a}}}}}}", `{"a\"b\\c","",""}`, `{a\,b,\{,\"}`, "{\ta\n,\v b\f}", `{"{a}","a,b"," x "}`, "{é,日本}", `{"é\é"}`, "{}  ", `{"a" , "b"}`, "{1,2,3}", `{"\n"}`,
	"", " ", "a,b", "{a,b} x", "{a", "{a,", "{a,}", "{,a}", "{,}", `{"a" b}`, `{a "b"}`, `{"a""b"}`, "{{a,b},{c}}", "{{a,b},c}", "{a,{b}}", "{{}}", "{{},{}}", `{"a}`, `{a\`, `{"a\`, "{{{{{{{a}}}}}}}", "{a}}", "{{a}", "}a{", "{a{b}", `{"a"{b}}`, "{{a},{}}", `{"":1}`, "{}x", "{{},{a}}", "{{a},{{b}}}", "{{{a}},{b}}", "{{a},b}", "{", "{{", "{{{", "}", "{\xff}", "{a\x00}", `{a,"`, "{a,\"b\"", "{{a,b},{c,d},{e}}", "{{{a,b}},{{c}}}", "{{{a,b}},{{c,d}},{{e,f},{g,h}}}",
}

// misread are arrays of uneven depth, which servers before 17 read, losing elements. We do not.
var misread = map[string]bool{"{{a},{{b}}}": true, "{{{a}},{b}}": true}

// collect gives the elements in a form that tells NULL and empty apart.
func collect(array []byte, format int16) ([]string, error) {
	elems := []string{}
	err := ArrayElements(array, format, func(elem []byte, isNull bool) error {
		if isNull != (elem == nil) && isNull {
			return errors.New("a NULL has bytes")
		}
		elems = append(elems, fmt.Sprintf("%v %q", isNull, elem))
		return nil
	})
	return elems, err
}

// serverElements gives the elements as the server sees them.
func (s *session) serverElements(in input, typ string) ([]string, error) {
	r := s.conn.ExecParams(s.t.Context(), "SELECT unnest($1::"+typ+")", [][]byte{in.value}, []uint32{in.from}, []int16{in.format}, []int16{in.format}).Read()
	elems := []string{}
	for _, row := range r.Rows {
		elems = append(elems, fmt.Sprintf("%v %q", row[0] == nil, row[0]))
	}
	return elems, r.Err
}

func TestArrayElements(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	var inputs []input
	for _, v := range arrayTexts {
		inputs = append(inputs, input{value: []byte(v), from: 1009})
		if row, err := s.query("SELECT $1", input{value: []byte(v), from: 1009}, 1); err == nil {
			inputs = append(inputs, input{value: row[0], from: 1009, format: 1})
			for n := range row[0] {
				inputs = append(inputs, input{value: row[0][:n], from: 1009, format: 1})
			}
			inputs = append(inputs, input{value: append(bytes.Clone(row[0]), 0), from: 1009, format: 1})
		}
	}
	header := func(words ...uint32) []byte {
		var b []byte
		for _, w := range words {
			b = binary.BigEndian.AppendUint32(b, w)
		}
		return b
	}
	for _, v := range [][]byte{
		header(0, 0, 25), header(0, 1, 25), header(0, 2, 25), header(1, 0, 25, 0, 1), header(7, 0, 25), header(0xffffffff, 0, 25), header(1, 0, 25, 0xffffffff, 1), header(1, 0, 25, 1, 1, 0xfffffffe), header(1, 0, 25, 1, 1, 5),
		header(1, 1, 25, 2, 1, 0xffffffff, 0), header(2, 0, 25, 1, 1, 2, 1, 0, 0), header(2, 0, 25, 0, 1, 2, 1), header(1, 0, 25, 1, 0x7fffffff, 0), header(1, 0, 25, 2, 0x7ffffffe, 0, 0),
	} {
		inputs = append(inputs, input{value: v, from: 1009, format: 1})
	}
	for _, in := range inputs {
		want, wantErr := s.serverElements(in, "text[]")
		got, err := collect(in.value, in.format)
		if wantErr == nil {
			if misread[string(in.value)] && err != nil {
				continue
			}
			if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s:\n got %q, %v\nwant %q", in, got, err, want)
			}
			continue
		}
		if !sameError(NameParameter(err, 1), asPgError(t, wantErr)) {
			t.Errorf("%s:\n got %s\nwant %s", in, describe(err), wantErr)
		}
		if len(got) > 0 {
			t.Errorf("%s: elements %q came before the error", in, got)
		}
	}
	for _, v := range []string{"[2:3]={a,b}", " [1:1]={a}", "[x]"} {
		if _, err := collect([]byte(v), 0); !isRefusal(err) {
			t.Errorf("%q is not refused: %v", v, err)
		}
	}
	stop := errors.New("stop")
	for format, v := range []string{"{a,b}", string(header(1, 0, 25, 1, 1, 0))} {
		if err := ArrayElements([]byte(v), int16(format), func([]byte, bool) error { return stop }); err != stop {
			t.Errorf("the error of the function is lost: %v", err)
		}
	}
	if _, err := collect(nil, 2); err == nil {
		t.Error("format 2 is accepted")
	}
	// A count that no array of this length can have must not be believed.
	if _, err := collect(header(2, 0, 25, 0x7fffffff, 1, 0x7fffffff, 1), 1); err == nil {
		t.Error("an impossible count is accepted")
	}
}

func TestArrayElementOID(t *testing.T) {
	t.Parallel()
	if oid, err := ArrayElementOID([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 19}); err != nil || oid != 1043 {
		t.Errorf("got %d, %v", oid, err)
	}
	if _, err := ArrayElementOID(make([]byte, 11)); err == nil {
		t.Error("a short array has an element type")
	}
}

func TestAppendByteaArray(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	large := bytes.Repeat([]byte{0, 255, '"', '\\'}, 1000)
	for _, elems := range [][][]byte{nil, {}, {nil}, {{}}, {{1, 2, 3}}, {{'{', '"', '\\', ','}, nil, {}, {0}}, {large, large}} {
		for format := range int16(2) {
			array := AppendByteaArray([]byte("x"), format, elems)[1:]
			got, err := s.serverElements(input{value: array, from: 1001, format: format}, "bytea[]")
			if err != nil {
				t.Fatalf("%q: %v", array, err)
			}
			want := []string{}
			for _, e := range elems {
				b := bytes.Clone(e)
				if e != nil && format == 0 {
					b = AppendByteaHex(nil, e)
				}
				want = append(want, fmt.Sprintf("%v %q", e == nil, b))
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("format %d: the server sees %.200q, want %.200q", format, got, want)
			}
			// pgtype, as a client has it, writes the same binary.
			if format == 1 && len(elems) > 0 {
				m := pgtype.NewMap()
				theirs, err := m.Encode(1001, 1, elems, nil)
				if err != nil || !bytes.Equal(theirs, array) {
					t.Errorf("pgtype writes %x, %v, not %x", theirs, err, array)
				}
			}
			// And our own reader sees the elements again.
			mine, err := collect(array, format)
			if err != nil || strings.Join(mine, "\n") != strings.Join(want, "\n") {
				t.Errorf("format %d: read back as %.200q, %v", format, mine, err)
			}
		}
	}
}

func asPgError(t *testing.T, err error) *pgconn.PgError {
	t.Helper()
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	return e
}

func FuzzArrayElements(f *testing.F) {
	for _, v := range arrayTexts {
		f.Add([]byte(v), false)
	}
	f.Add(AppendByteaArray(nil, 1, [][]byte{{1}, nil, {}}), true)
	f.Fuzz(func(t *testing.T, array []byte, binaryFormat bool) {
		format := int16(0)
		if binaryFormat {
			format = 1
		}
		var elems [][]byte
		err := ArrayElements(array, format, func(elem []byte, isNull bool) error {
			if isNull {
				elems = append(elems, nil)
				return nil
			}
			elems = append(elems, append([]byte{}, elem...))
			return nil
		})
		if err != nil {
			if _, ok := pgerror.As(err); !ok || len(elems) > 0 {
				t.Fatalf("%v after %d elements", err, len(elems))
			}
			return
		}
		// As an array of bytea it holds the same elements.
		i := 0
		err = ArrayElements(AppendByteaArray(nil, 1, elems), 1, func(elem []byte, isNull bool) error {
			if isNull != (elems[i] == nil) || !bytes.Equal(elem, elems[i]) {
				t.Fatalf("element %d is %q, was %q", i, elem, elems[i])
			}
			i++
			return nil
		})
		if err != nil || i != len(elems) {
			t.Fatalf("%d of %d elements, %v", i, len(elems), err)
		}
	})
}
