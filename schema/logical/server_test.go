package logical

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/schema/pgerror"
	"github.com/pgveil/pgveil/testenv"
)

// The tests of this package compare it with a real server, one for all of them.
var postgres struct {
	once   sync.Once
	server *testenv.Postgres
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if postgres.server != nil {
		if err := postgres.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// session is a connection to the server with temporary tables, one per type.
type session struct {
	t        testing.TB
	conn     *pgconn.PgConn
	settings *Settings
	tables   map[Type]string
}

// newSession connects; parameters are settings such as TimeZone.
func newSession(t testing.TB, parameters map[string]string) *session {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	postgres.once.Do(func() {
		postgres.server, postgres.err = testenv.StartPostgres(ctx, testenv.PostgresOptions{DiscardWAL: true})
	})
	if postgres.err != nil {
		t.Fatal(postgres.err)
	}
	config, err := pgconn.ParseConfig(postgres.server.DSN(testenv.SuperUser, postgres.server.SuperPassword(), "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range parameters {
		config.RuntimeParams[name] = value
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	zone := conn.ParameterStatus("TimeZone")
	floatDigits := 0
	if v := parameters["extra_float_digits"]; v != "" {
		if floatDigits, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
		floatDigits--
	}
	return &session{t: t, conn: conn, tables: map[Type]string{}, settings: &Settings{
		TimeZone:      zone,
		Location:      LoadLocation(zone),
		DateStyle:     conn.ParameterStatus("DateStyle"),
		ByteaEscape:   parameters["bytea_output"] == "escape",
		FloatDigits:   floatDigits,
		ServerVersion: postgres.server.Major(),
	}}
}

func (s *session) exec(sql string) {
	s.t.Helper()
	if _, err := s.conn.Exec(context.Background(), sql).ReadAll(); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// table gives the name of an empty temporary table with one column v of the type.
func (s *session) table(typ Type) string {
	s.t.Helper()
	if name := s.tables[typ]; name != "" {
		return name
	}
	name := fmt.Sprintf("values_%d", len(s.tables))
	s.exec(fmt.Sprintf("CREATE TEMPORARY TABLE %s (v %s)", name, typ))
	s.tables[typ] = name
	return name
}

// input is a value as a client gives it.
type input struct {
	value  []byte
	from   uint32
	format int16
}

func (in input) String() string {
	v := in.value
	if len(v) > 120 {
		v = append(append([]byte(nil), v[:120]...), "…"...)
	}
	return fmt.Sprintf("%q (from %d, format %d)", v, in.from, in.format)
}

func text(s string) input { return input{value: []byte(s)} }

// query runs a statement with one parameter and gives the columns of its only row.
func (s *session) query(sql string, in input, formats ...int16) ([][]byte, *pgconn.PgError) {
	s.t.Helper()
	value := in.value
	if value == nil {
		value = []byte{}
	}
	r := s.conn.ExecParams(context.Background(), sql, [][]byte{value}, []uint32{in.from}, []int16{in.format}, formats).Read()
	if r.Err != nil {
		var e *pgconn.PgError
		if !errors.As(r.Err, &e) {
			s.t.Fatalf("%s with %s: %v", sql, in, r.Err)
		}
		return nil, e
	}
	if len(r.Rows) != 1 {
		s.t.Fatalf("%s with %s: %d rows", sql, in, len(r.Rows))
	}
	return r.Rows[0], nil
}

// sameError reports whether our error is the one that the server gave.
func sameError(got error, want *pgconn.PgError) bool {
	e, ok := pgerror.As(got)
	if !ok {
		return false
	}
	return e.Code == want.Code && e.Message == want.Message && e.Detail == want.Detail && e.Hint == want.Hint
}

func describe(err error) string {
	if e, ok := pgerror.As(err); ok {
		return fmt.Sprintf("%s %q detail %q hint %q", e.Code, e.Message, e.Detail, e.Hint)
	}
	return fmt.Sprint(err)
}

func describePg(e *pgconn.PgError) string {
	if e == nil {
		return "success"
	}
	return fmt.Sprintf("%s %q detail %q hint %q", e.Code, e.Message, e.Detail, e.Hint)
}

// isRefusal says whether pgveil refused a value that the server may take.
func isRefusal(err error) bool {
	e, ok := pgerror.As(err)
	return ok && e.Code == pgerror.FeatureNotSupported && e.Hint != ""
}

// outcome of comparing one assignment with the server's.
type outcome uint8

const (
	agreed outcome = iota
	refused
	differed
)

// assign stores the value through the server's column and through Canonical and Append, and
// compares results and errors.
func (s *session) assign(typ Type, in input) outcome {
	s.t.Helper()
	row, want := s.query("INSERT INTO "+s.table(typ)+" VALUES ($1) RETURNING v, v", in, 0, 1)
	prefix := []byte("prefix")
	got, err := typ.Canonical(prefix, in.value, in.from, in.format, Assign, s.settings)
	if !bytes.HasPrefix(got, prefix) {
		s.t.Errorf("%s ← %s: what dst held is gone: %q", typ, in, got)
		return differed
	}
	if err != nil {
		if len(got) != len(prefix) {
			s.t.Errorf("%s ← %s: dst grew to %q with the error %v", typ, in, got, err)
		}
		err = NameParameter(NameColumn(err, "v"), 1)
		if want != nil && sameError(err, want) {
			return agreed
		}
		if isRefusal(err) {
			return refused
		}
		s.t.Errorf("%s ← %s:\n got %s\nwant %s", typ, in, describe(err), describePg(want))
		return differed
	}
	canonical := got[len(prefix):]
	if want != nil {
		s.t.Errorf("%s ← %s: got %q\nwant %s", typ, in, canonical, describePg(want))
		return differed
	}
	result := agreed
	for format, wire := range row {
		out, err := typ.Append([]byte("prefix"), canonical, int16(format), s.settings)
		if err != nil || string(out) != "prefix"+string(wire) {
			s.t.Errorf("%s ← %s: output in format %d: got %q, %v\nwant %q", typ, in, format, out, err, wire)
			result = differed
		}
		s.fixedPoint(typ, canonical, wire, int16(format))
	}
	return result
}

// fixedPoint checks that what the server sends for a value is read back as the same value.
func (s *session) fixedPoint(typ Type, canonical, wire []byte, format int16) {
	s.t.Helper()
	switch {
	case isFloat(typ.Kind) && format == 0 && string(wire) == "NaN":
		return // its text has no sign, its binary form has
	case isDatetime(typ.Kind) && format == 0 && !strings.HasPrefix(s.settings.DateStyle, "ISO"):
		return // names of zones, and orders that the server itself does not read back
	case isFloat(typ.Kind) && format == 0 && s.settings.FloatDigits < 0:
		return // digits are lost
	case (typ.Kind == Timestamp || typ.Kind == Timestamptz) && typ.Typmod >= 0 && bytes.Equal(canonical, appendStamp(nil, endOfStamps)):
		return // rounded beyond what the server's own input takes
	case typ.Kind == Date && bytes.Equal(canonical, appendDay(nil, firstDay-1)):
		return // moved by a zone beyond what the server's own input takes
	}
	back, err := typ.Canonical(nil, wire, 0, format, Assign, s.settings)
	if err != nil || !bytes.Equal(back, canonical) {
		s.t.Errorf("%s: %q in format %d is read back as %q, %v, and was %q", typ, wire, format, back, err, canonical)
	}
}

// mustParse parses a type of a test.
func mustParse(t testing.TB, name string) Type {
	t.Helper()
	typ, err := ParseType(name)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}
