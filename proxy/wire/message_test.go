package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// malformed are bodies that each decoder must refuse, with what PostgreSQL says.
func TestMalformed(t *testing.T) {
	const (
		short  = "insufficient data left in message"
		format = "invalid message format"
		str    = "invalid string in message"
	)
	decoders := map[string]func([]byte) error{
		"Query":     func(b []byte) error { _, err := DecodeQuery(b); return err },
		"Parse":     func(b []byte) error { _, err := DecodeParse(b); return err },
		"Bind":      func(b []byte) error { _, err := DecodeBind(b); return err },
		"Describe":  func(b []byte) error { _, err := DecodeDescribe(b); return err },
		"Close":     func(b []byte) error { _, err := DecodeClose(b); return err },
		"Execute":   func(b []byte) error { _, err := DecodeExecute(b); return err },
		"Function":  func(b []byte) error { _, err := DecodeFunctionCall(b); return err },
		"DataRow":   func(b []byte) error { _, err := DecodeDataRow(b); return err },
		"Row":       func(b []byte) error { _, err := DecodeRowDescription(b); return err },
		"Parameter": func(b []byte) error { _, err := DecodeParameterDescription(b); return err },
		"Ready":     func(b []byte) error { _, err := DecodeReadyForQuery(b); return err },
		"Tag":       func(b []byte) error { _, err := DecodeCommandComplete(b); return err },
		"Error":     func(b []byte) error { _, err := DecodeErrorResponse(b); return err },
		"Status":    func(b []byte) error { _, _, err := DecodeParameterStatus(b); return err },
		"Key":       func(b []byte) error { _, _, err := DecodeBackendKeyData(b); return err },
		"Auth":      func(b []byte) error { _, _, err := DecodeAuthentication(b); return err },
		"Mechs":     func(b []byte) error { _, err := DecodeMechanisms(b); return err },
		"SASL":      func(b []byte) error { _, err := DecodeSASLInitialResponse(b); return err },
		"Code":      func(b []byte) error { _, _, err := DecodeStartupCode(b); return err },
	}
	for _, c := range []struct{ decoder, body, message string }{
		{"Query", "", str},
		{"Query", "SELECT 1", str},
		{"Query", "SELECT 1\x00;", format},
		{"Parse", "n\x00s\x00", short},
		{"Parse", "n\x00s\x00\x00", short},
		{"Parse", "n\x00s", str},
		{"Parse", "n\x00s\x00\x00\x01\x00\x00\x00", short},
		{"Parse", "n\x00s\x00\xff\xff\x00\x00\x00\x17", short},
		{"Parse", "n\x00s\x00\x00\x00x", format},
		{"Bind", "p\x00s\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00", short}, // length -2
		{"Bind", "p\x00s\x00\x00\x00\x00\x01\x7f\xff\xff\xff\x00\x00", short},
		{"Bind", "p\x00s\x00\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00", short},
		{"Bind", "p\x00s\x00\x00\x00\xff\xff", short},
		{"Bind", "p\x00s\x00\xff\xff\x00\x00", short},
		{"Bind", "p\x00s\x00\x00\x00\x00\x00", short},
		{"Bind", "p\x00s\x00\x00\x00\x00\x00\x00\x00\x00", format},
		{"Bind", "p\x00s\x00\x00\x02\x00\x00\x00\x01\x00\x01\xff\xff\xff\xff\x00\x00", "bind message has 2 parameter formats but 1 parameters"},
		{"Describe", "Xn\x00", "invalid DESCRIBE message subtype 88"},
		{"Describe", "S", str},
		{"Describe", "", short},
		{"Describe", "Sn\x00\x00", format},
		{"Close", "\xffn\x00", "invalid CLOSE message subtype 255"},
		{"Execute", "p\x00\x00\x00\x00", short},
		{"Execute", "p", str},
		{"Execute", "p\x00\x00\x00\x00\x00\x00", format},
		{"Function", "\x00\x00\x00", short},
		{"Function", "\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00", short},
		{"Function", "\x00\x00\x00\x01\x00\x00\x00\x00\x00", short},
		{"Function", "\x00\x00\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00", "function call message contains 2 argument formats but 0 arguments"},
		{"DataRow", "", short},
		{"DataRow", "\x00\x01", short},
		{"DataRow", "\x00\x01\xff\xff\xff\xfe", short},
		{"DataRow", "\x00\x01\x80\x00\x00\x00", short},
		{"DataRow", "\x00\x01\x00\x00\x00\x01", short},
		{"DataRow", "\x00\x00\x00", format},
		{"Row", "\x00\x01n\x00" + strings.Repeat("\x00", 17), short},
		{"Row", "\x00\x01n", str},
		{"Row", "\xff\xff", str},
		{"Row", "\x00\x00\x00", format},
		{"Parameter", "\x00\x01\x00\x00\x00", short},
		{"Parameter", "\x00\x00\x00", format},
		{"Ready", "", short},
		{"Ready", "x", format},
		{"Ready", "II", format},
		{"Tag", "SELECT 1", str},
		{"Error", "", short},
		{"Error", "M", str},
		{"Error", "Mtext\x00", short},
		{"Error", "Mtext\x00\x00\x00", format},
		{"Status", "a\x00b", str},
		{"Key", "\x00\x00\x00\x01\x00\x00\x00", "invalid length of cancel request key"},
		{"Key", strings.Repeat("k", 4+257), "invalid length of cancel request key"},
		{"Key", "\x00\x00", short},
		{"Auth", "\x00\x00", short},
		{"Auth", "\x00\x00\x00\x05abc", format},
		{"Auth", "\x00\x00\x00\x00a", format},
		{"Mechs", "SCRAM", str},
		{"Mechs", "", str},
		{"Mechs", "A\x00\x00\x00", format},
		{"SASL", "SCRAM-SHA-256\x00\x00\x00\x00\x05n,,", short},
		{"SASL", "SCRAM-SHA-256\x00\xff\xff\xff\xfe", short},
		{"SASL", "SCRAM-SHA-256\x00\xff\xff\xff\xffx", format},
		{"Code", "\x00\x03\x00", short},
	} {
		err := decoders[c.decoder]([]byte(c.body))
		e, ok := pgerror.As(err)
		if !ok || e.Code != pgerror.ProtocolViolation || e.Message != c.message {
			t.Errorf("%s %q: error %v, want %s", c.decoder, c.body, err, c.message)
		}
	}
}

func TestStartupParams(t *testing.T) {
	for body, want := range map[string]string{
		"\x00":              "",
		"user\x00a\x00\x00": "user=a",
		"user\x00a\x00user\x00b\x00c\x00\x00\x00": "user=a user=b c=",
		"":                       "error",
		"user\x00a\x00":          "error",
		"user\x00a":              "error",
		"user\x00\x00":           "error",
		"user\x00a\x00\x00\x00":  "error",
		"user\x00a\x00\x00b\x00": "error",
	} {
		params, err := DecodeStartupParams([]byte(body))
		var parts []string
		for _, p := range params {
			parts = append(parts, p.Name+"="+p.Value)
		}
		got := strings.Join(parts, " ")
		if e, ok := pgerror.As(err); ok {
			got = "error"
			if e.Severity != "FATAL" || e.Code != pgerror.ProtocolViolation {
				t.Error(e)
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", body, got, want)
		}
	}
}

func TestValues(t *testing.T) {
	row, err := DecodeDataRow([]byte("\x00\x04\x00\x00\x00\x02ab\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01\xff"))
	if err != nil || row.Len() != 4 {
		t.Fatal(err)
	}
	type value struct {
		text, raw string
		null      bool
	}
	want := []value{{"ab", "\x00\x00\x00\x02ab", false}, {"", "\xff\xff\xff\xff", true}, {"", "\x00\x00\x00\x00", false}, {"\xff", "\x00\x00\x00\x01\xff", false}}
	i := 0
	for row.Next() {
		got := value{string(row.Value()), string(row.Raw()), row.Null()}
		if got != want[i] || row.Null() != (row.Value() == nil) {
			t.Errorf("value %d: %+v, want %+v", i, got, want[i])
		}
		i++
	}
	if i != 4 || row.Len() != 0 || row.Next() {
		t.Errorf("%d values", i)
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		codes string
		want  [3]int16
	}{
		{"", [3]int16{0, 0, 0}},
		{"\x00\x01", [3]int16{1, 1, 1}},
		{"\x00\x01\x00\x00\x00\x01", [3]int16{1, 0, 1}},
		{"\x00\x01\x00\x01", [3]int16{1, 1, 0}},
	} {
		for i, want := range c.want {
			if got := Formats(c.codes).Of(i); got != want {
				t.Errorf("%q: format of %d is %d", c.codes, i, got)
			}
		}
	}
	oids := OIDs("\x00\x00\x00\x17")
	if oids.At(0) != 23 || oids.At(1) != 0 || oids.At(-1) != 0 {
		t.Error("OIDs")
	}
}

func TestTagRows(t *testing.T) {
	for tag, want := range map[string]int64{
		"SELECT 3": 3, "INSERT 0 12": 12, "UPDATE 0": 0, "CREATE TABLE": 0, "": 0, "SELECT": 0, "FETCH 7": 7,
		"SELECT 99999999999999999999999": 0, "SELECT -1": 0,
	} {
		if got := TagRows([]byte(tag)); got != want {
			t.Errorf("%q: %d, want %d", tag, got, want)
		}
	}
}

// built gives the body of the one message that write makes.
func built(t testing.TB, typ byte, write func(*Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, 0)
	if err := write(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if out.Bytes()[0] != typ {
		t.Fatalf("type %q, want %q", out.Bytes()[0], typ)
	}
	return out.Bytes()[headerSize:]
}

func TestErrorResponse(t *testing.T) {
	e := &pgerror.Error{Code: "22P02", Message: "bad\x00rest", Detail: "d", Hint: "h", Position: 7, Schema: "s", Table: "t", Column: "c"}
	body := built(t, 'E', func(w *Writer) error { return WriteErrorResponse(w, e) })
	want := "SERROR\x00VERROR\x00C22P02\x00Mbad\x00Dd\x00Hh\x00P7\x00ss\x00tt\x00cc\x00\x00"
	if string(body) != want {
		t.Errorf("%q, want %q", body, want)
	}
	fields, err := DecodeErrorResponse(body)
	if err != nil || fields.Position() != 7 || string(fields.Get(FieldCode)) != "22P02" || fields.Get(FieldWhere) != nil {
		t.Errorf("decoded %v, position %d", err, fields.Position())
	}
	body = built(t, 'E', func(w *Writer) error { return WriteErrorResponse(w, pgerror.New("08P01", "m").Fatal()) })
	if string(body) != "SFATAL\x00VFATAL\x00C08P01\x00Mm\x00\x00" {
		t.Errorf("%q", body)
	}
}

func TestErrorPosition(t *testing.T) {
	for _, bad := range []string{"P-1\x00\x00", "Px\x00\x00", "P99999999999999999999\x00\x00", "\x00"} {
		fields, err := DecodeErrorResponse([]byte(bad))
		if err != nil || fields.Position() != 0 {
			t.Errorf("%q: %v, position %d", bad, err, fields.Position())
		}
	}
}
