package copydata

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// stars replaces values by hex behind a mark, and back.
func stars(dst []byte, _ int, value []byte) ([]byte, bool, error) {
	return fmt.Appendf(dst, `\x%x`, value), false, nil
}

func unstars(dst []byte, _ int, value []byte) ([]byte, bool, error) {
	if !bytes.HasPrefix(value, []byte(`\x`)) {
		return dst, false, pgerror.New("XX001", "not sealed: %s", value)
	}
	dst, err := hex.AppendDecode(dst, value[2:])
	return dst, false, err
}

func config(f Format, change Change, names ...string) Config {
	c := Config{In: true, Relation: "t", Version: 15, MaxRow: 1 << 20, Change: change}
	c.Options = Options{Format: f, Delimiter: "\t", Null: `\N`}
	if f == CSV {
		c.Options = Options{Format: f, Delimiter: ",", Quote: `"`, Escape: `"`}
	}
	for _, name := range names {
		c.Columns = append(c.Columns, Column{Name: strings.TrimPrefix(name, "*"), Change: name[0] == '*'})
	}
	return c
}

// rewrite runs data through a stream in pieces of n bytes; 0 is all at once.
func rewrite(t testing.TB, c Config, data []byte, n int) ([]byte, error) {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		n = max(1, len(data))
	}
	var out []byte
	for len(data) > 0 {
		k := min(n, len(data))
		piece := bytes.Clone(data[:k]) // a stream must keep nothing of it
		if out, err = s.Write(out, piece); err != nil {
			return out, err
		}
		for i := range piece {
			piece[i] = 0xAA
		}
		data = data[k:]
	}
	return s.Close(out)
}

func TestLines(t *testing.T) {
	for _, test := range []struct {
		name  string
		c     Config
		in    string
		want  string
		error string // message and context
	}{
		{"text", config(Text, stars, "id", "*n", "note"), "1\tabc\tx\n2\t\\N\ty\n3\t\t\\\\\n", "1\t\\\\x616263\tx\n2\t\\N\ty\n3\t\\\\x\t\\\\\n", ""},
		{"text escapes", config(Text, stars, "*n"), "\\t\\x41\\101\\q\\\\\\\n\n", "\\\\x094141715c0a\n", ""},
		{"text carriage returns", config(Text, stars, "*n", "m"), "a\tb\r\nc\td\r\n", "\\\\x61\tb\r\n\\\\x63\td\r\n", ""},
		{"text CR only", config(Text, stars, "*n"), "a\rb\rc", "\\\\x61\r\\\\x62\r\\\\x63", ""},
		{"text without the last newline", config(Text, stars, "id", "*n"), "1\ta\n2\tb", "1\t\\\\x61\n2\t\\\\x62", ""},
		{"text, a backslash at the end", config(Text, stars, "*n"), "a\\", "\\\\x61", ""},
		{"text marker", config(Text, stars, "*n"), "a\n\\.\nsecret\n", "\\\\x61\n\\.\n", ""},
		{"text marker in a line", config(Text, stars, "*n"), "a\nb\\.\nsecret\n", "\\\\x61\n\\\\x62\n\\.\n", ""},
		{"text extra", config(Text, stars, "id", "*n"), "1\ta\n2\tb\tc\n", "1\t\\\\x61\n", "extra data after last expected column|COPY t, line 2: \"2\tb\tc\""},
		{"text missing", config(Text, stars, "id", "*n"), "1\n", "", "missing data for column \"n\"|COPY t, line 1: \"1\""},
		{"text mixed", config(Text, stars, "*n"), "a\nb\r\n", "\\\\x61\n", "literal carriage return found in data|COPY t, line 2"},
		{"text marker corrupt", config(Text, stars, "*n"), "\\.x\n", "", "end-of-copy marker corrupt|COPY t, line 1"},
		{"csv", config(CSV, stars, "id", "*n"), "1,abc\n2,\n3,\"\"\n4,\"a \"\"b\"\"\n,c\"\n", "1,\"\\x616263\"\n2,\n3,\"\\x\"\n4,\"\\x61202262220a2c63\"\n", ""},
		{"csv marker", config(CSV, stars, "*n"), "a\n\\.\nsecret\n", "\"\\x61\"\n\\.\n", ""},
		{"csv marker is data", config(CSV, stars, "*n"), "\\.a\n", "\"\\x5c2e61\"\n", ""},
		{"csv unterminated", config(CSV, stars, "*n"), "\"a\nb\n", "", "unterminated CSV quoted field|COPY t, line 1: \"\"a\nb\n\""},
		{"csv lines within quotes count", config(CSV, stars, "*n"), "a\n\"b\nb\"\nc,d\n", "\"\\x61\"\n\"\\x620a62\"\n", "extra data after last expected column|COPY t, line 4: \"c,d\""},
	} {
		for n := range len(test.in) + 1 {
			got, err := rewrite(t, test.c, []byte(test.in), n)
			said := ""
			if e, ok := pgerror.As(err); ok {
				said = e.Message + "|" + e.Where
			}
			if string(got) != test.want || said != test.error {
				t.Errorf("%s in pieces of %d: %q, %s, want %q, %s", test.name, n, got, said, test.want, test.error)
				break
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	c := config(CSV, stars, "id", "*n")
	c.Header = HeaderLine
	if got, err := rewrite(t, c, []byte("7,secret\n1,a\n"), 0); string(got) != "\n1,\"\\x61\"\n" || err != nil {
		t.Errorf("a header goes on as %q, %v", got, err)
	}
	c.Header = HeaderMatch
	if got, err := rewrite(t, c, []byte("id,\"n\"\n1,a\n"), 1); string(got) != "id,\"n\"\n1,\"\\x61\"\n" || err != nil {
		t.Errorf("a header that matches goes on as %q, %v", got, err)
	}
	for header, want := range map[string]string{
		"id\n":         "wrong number of fields in header line: got 1, expected 2",
		"id,n,a,b,c\n": "wrong number of fields in header line: got 5, expected 2",
		"id,secret\n":  `column name mismatch in header line field 2: got "secret", expected "n"`,
		"id,\n":        `column name mismatch in header line field 2: got null value (""), expected "n"`,
	} {
		got, err := rewrite(t, c, []byte(header+"1,a\n"), 0)
		if e, ok := pgerror.As(err); !ok || e.Message != want || len(got) > 0 {
			t.Errorf("%q: %q, %v, want %s", header, got, err, want)
		}
	}
}

func TestForce(t *testing.T) {
	c := config(CSV, stars, "*a", "*b", "*c")
	c.Columns[1].ForceNotNull, c.Columns[2].ForceNull = true, true
	if got, err := rewrite(t, c, []byte(",,\"\"\n"), 0); string(got) != ",\"\\x\",\"\"\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestOut has the server's rows opened.
func TestOut(t *testing.T) {
	hide := func(dst []byte, _ int, _ []byte) ([]byte, bool, error) { return dst, true, nil }
	for _, test := range []struct {
		c        Config
		in, want string
	}{
		{config(Text, unstars, "id", "*n"), "1\t\\\\x09415c\n2\t\\N\n", "1\t\\tA\\\\\n2\t\\N\n"},
		{config(Text, hide, "*n", "id"), "\\\\x41\t1\n", "\\N\t1\n"},
		{config(CSV, unstars, "*n", "id"), "\\x41,1\n,2\n\\x,3\n\\x2c22,4\n", "A,1\n,2\n\"\",3\n\",\"\"\",4\n"},
		{config(CSV, unstars, "*n"), "\\x5c2e\n", "\"\\.\"\n"},
	} {
		test.c.In = false
		for n := range len(test.in) + 1 {
			if got, err := rewrite(t, test.c, []byte(test.in), n); string(got) != test.want || err != nil {
				t.Errorf("%q gives %q, %v, want %q", test.in, got, err, test.want)
			}
		}
	}
}

func TestBinary(t *testing.T) {
	field := func(s string) string { return string([]byte{0, 0, 0, byte(len(s))}) + s }
	head := signature + "\x00\x00\x00\x00" + "\x00\x00\x00\x03ext"
	null := "\xff\xff\xff\xff"
	in := head + "\x00\x02" + field("id") + field("abc") + "\x00\x02" + null + null + "\x00\x02" + field("") + field("") + "\xff\xff"
	want := head + "\x00\x02" + field("id") + field(`\x616263`) + "\x00\x02" + null + null + "\x00\x02" + field("") + field(`\x`) + "\xff\xff"
	c := config(Binary, stars, "id", "*n")
	for n := range len(in) + 1 {
		if got, err := rewrite(t, c, []byte(in), n); string(got) != want || err != nil {
			t.Fatalf("in pieces of %d: %q, %v", n, got, err)
		}
	}
	back := config(Binary, unstars, "id", "*n")
	back.In = false
	if got, err := rewrite(t, back, []byte(want), 5); string(got) != in || err != nil {
		t.Errorf("back: %q, %v", got, err)
	}
	c.MaxRow = 10
	for data, want := range map[string]string{
		"PGCOPY\n\xff\r\n\x01" + head[11:]:                   "COPY file signature not recognized|",
		head + "\x00\x03":                                    "row field count is 3, expected 2|COPY t, line 1",
		head + "\x00\x02" + field("id") + "\xff\xff\xff\xfe": "invalid field size|COPY t, line 1, column n",
		head + "\x00\x02" + null + "\x00\x00\x00\x0b":        "a field of COPY is over pgveil's limit of 10 bytes|COPY t, line 1, column n",
		head + "\xff\xff\x00":                                "received copy data after EOF marker|COPY t, line 1",
	} {
		_, err := rewrite(t, c, []byte(data), 0)
		if e, ok := pgerror.As(err); !ok || e.Message+"|"+e.Where != want {
			t.Errorf("%q: %v, want %s", data, err, want)
		}
	}
}

// TestLimit refuses a row that grows without end, and forgets a large one.
func TestLimit(t *testing.T) {
	c := config(Text, stars, "*n")
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	piece := bytes.Repeat([]byte("x"), 64<<10)
	for range 17 {
		if _, err = s.Write(nil, piece); err != nil {
			break
		}
	}
	if e, ok := pgerror.As(err); !ok || e.Code != pgerror.ProgramLimitExceeded || !strings.Contains(e.Where, "line 1") {
		t.Errorf("a row of 1 MiB over the limit: %v", err)
	}
}

func TestNoAllocations(t *testing.T) {
	c := config(CSV, func(dst []byte, _ int, value []byte) ([]byte, bool, error) { return append(dst, value...), false, nil }, "id", "*n", "note")
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	rows := []byte(strings.Repeat("1,\"some \"\"value\",note\n", 100))
	dst := make([]byte, 0, 64<<10)
	if n := testing.AllocsPerRun(50, func() {
		if _, err := s.Write(dst, rows); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per 100 rows", n)
	}
}

func pgerrorOf(err error) (string, bool) {
	e, ok := pgerror.As(err)
	if !ok {
		return "", false
	}
	return e.Code + " " + e.Message + " | " + e.Hint + " | " + e.Where, true
}
