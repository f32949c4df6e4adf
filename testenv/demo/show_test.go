package main

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestShow(t *testing.T) {
	sealed := `\xfe9d1145` + strings.Repeat("ab", 40) + "91ec5c"
	a := &answer{
		fields: []pgconn.FieldDescription{{Name: "id", DataTypeOID: 20}, {Name: "nom", DataTypeOID: 25}, {Name: "x", DataTypeOID: 17}},
		rows: [][][]byte{
			{[]byte("7"), []byte("Étienne"), []byte(sealed)},
			{[]byte("1234"), nil, nil},
		},
	}
	want := []string{
		"id   │ nom     │ x",
		"─────┼─────────┼──────────────",
		`   7 │ Étienne │ \xfe9d…91ec5c`,
		"1234 │ NULL    │ NULL",
		"(2 rows)",
	}
	if got := (&screen{}).show(a, ""); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	coloured := strings.Join((&screen{colour: true}).show(a, ""), "\n")
	for _, part := range []string{"\x1b[1mnom\x1b[0m    ", "\x1b[2mNULL\x1b[0m", "\x1b[31m\\xfe9d…91ec5c\x1b[0m"} {
		if !strings.Contains(coloured, part) {
			t.Errorf("%q is not in %q", part, coloured)
		}
	}
}

func TestShowError(t *testing.T) {
	a := &answer{err: &pgconn.PgError{Severity: "ERROR", Code: "0A000", Message: "no", Position: 8, Hint: "do something else"}}
	want := "ERROR:  no\nLINE 1: SELECT é\n               ^\nHINT:  do something else\nSQLSTATE 0A000"
	if got := strings.Join((&screen{}).show(a, "SELECT é"), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 386970: "386,970", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{
		1500 * time.Millisecond: "1.5 s", 42 * time.Second: "42 s", 125 * time.Second: "2 min 05 s",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}

// The checks of the tour notice what they are for.
func TestChecksNotice(t *testing.T) {
	sc := &scene{
		role: secretary, sql: "SELECT nir",
		outputs: []output{{"lab.patient.nir", firstOnly}, {"lab.patient.email", hidden}},
		rows:    []truth{{"lab.patient.nir": "160088205250735", "lab.patient.email": "a@example.org"}},
	}
	row := func(cells ...[]byte) *answer { return &answer{rows: [][][]byte{cells}} }
	if err := sc.checkSeen(row([]byte("1**************"), nil)); err != nil {
		t.Error(err)
	}
	for name, a := range map[string]*answer{
		"not masked": row([]byte("160088205250735"), nil),
		"not hidden": row([]byte("1**************"), []byte("a@example.org")),
		"no row":     {},
		"an error":   {err: &pgconn.PgError{Code: "42501"}},
	} {
		err := sc.checkSeen(a)
		if err == nil {
			t.Errorf("%s: not noticed", name)
		} else if strings.Contains(err.Error(), "160088205250735") || strings.Contains(err.Error(), "example.org") {
			t.Errorf("%s: the message holds a value: %v", name, err)
		}
	}

	l := &laboratory{}
	if err := l.readTags(); err != nil {
		t.Fatal(err)
	}
	sealed := func(column, tail string) []byte {
		header := tagOf(l.tags, column).Header()
		return []byte(`\x` + hex.EncodeToString(append(header[:], tail...)))
	}
	const nir, email = "lab.patient.nir", "lab.patient.email"
	if err := sc.checkDirect(row(sealed(nir, "\x01\x02"), sealed(email, "\x03")), l.tags); err != nil {
		t.Error(err)
	}
	for name, a := range map[string]*answer{
		"in clear":        row([]byte("160088205250735"), sealed(email, "\x03")),
		"clear in bytea":  row(sealed(nir, "160088205250735"), sealed(email, "\x03")),
		"another column":  row(sealed(email, "\x01"), sealed(email, "\x03")),
		"NULL":            row(sealed(nir, "\x01"), nil),
		"a row too many":  {rows: [][][]byte{{nil, nil}, {nil, nil}}},
		"an error":        {err: &pgconn.PgError{Code: "42501"}},
		"an escaped text": row([]byte("160088205250735"), []byte("a@example.org")),
	} {
		if sc.checkDirect(a, l.tags) == nil {
			t.Errorf("directly, %s: not noticed", name)
		}
	}
}
