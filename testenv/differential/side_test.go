package differential

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// How a statement is sent.
const (
	simple   = iota // Query
	params          // Parse, Bind, Describe, Execute, Sync
	prepared        // the same with a Describe of the statement in between
)

// call is a statement as it is sent to both sides.
type call struct {
	rendering
	protocol int
	binary   []bool   // by parameter
	declared []uint32 // types of the parameters in Parse
	results  []int16  // formats
	data     string   // of a COPY
}

// answer is what a side said.
type answer struct {
	results []result
	params  []uint32 // types, as the server describes them
	err     *pgconn.PgError
	broken  error // the connection's end
	status  byte
}

type result struct {
	fields []string
	rows   []string
	tag    string
}

// side is a session.
type side struct {
	conn   *pgconn.PgConn
	tables map[uint32]string // by OID
	types  *pgtype.Map
}

func openSide(ctx context.Context, dsn string) (*side, error) {
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	s := &side{conn: conn, types: pgtype.NewMap(), tables: make(map[uint32]string)}
	found, err := conn.Exec(ctx, "SELECT oid, oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'v', 'p')").ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range found[0].Rows {
		var oid uint32
		if _, err := fmt.Sscan(string(row[0]), &oid); err != nil {
			return nil, err
		}
		s.tables[oid] = string(row[1])
	}
	return s, nil
}

// run sends a statement and reads everything it gives.
func (s *side) run(ctx context.Context, c *call) (a *answer) {
	a = &answer{}
	defer func() { a.status = s.conn.TxStatus() }()
	if c.protocol == copyOut || c.protocol == copyIn {
		s.runCopy(ctx, a, c)
		return a
	}
	if c.protocol == simple {
		reader := s.conn.Exec(ctx, c.sql)
		for reader.NextResult() {
			a.read(s, reader.ResultReader())
		}
		a.fail(reader.Close())
		return a
	}
	types := c.declared
	if c.protocol == prepared {
		described, err := s.conn.Prepare(ctx, "", c.sql, c.declared)
		if err != nil {
			a.fail(err)
			return a
		}
		types, a.params = described.ParamOIDs, described.ParamOIDs
	}
	values, formats := s.bind(c, types)
	if c.protocol == prepared {
		a.read(s, s.conn.ExecPrepared(ctx, "", values, formats, c.results))
	} else {
		a.read(s, s.conn.ExecParams(ctx, c.sql, values, c.declared, formats, c.results))
	}
	return a
}

// bind writes the parameters, in binary where it is asked for and possible.
func (s *side) bind(c *call, types []uint32) (values [][]byte, formats []int16) {
	for i, h := range c.params {
		var value []byte
		var format int16
		if !h.null {
			value = []byte(h.value)
		}
		if !h.null && c.binary[i] && i < len(types) && types[i] != 0 {
			var v any
			if t, ok := s.types.TypeForOID(types[i]); ok && s.types.Scan(types[i], pgtype.TextFormatCode, value, &v) == nil {
				if b, err := s.types.Encode(t.OID, pgtype.BinaryFormatCode, v, nil); err == nil && b != nil {
					value, format = b, pgtype.BinaryFormatCode
				}
			}
		}
		values, formats = append(values, value), append(formats, format)
	}
	return values, formats
}

func (a *answer) read(s *side, r *pgconn.ResultReader) {
	var one result
	for _, f := range r.FieldDescriptions() {
		one.fields = append(one.fields, fmt.Sprintf("%s of %s.%d type %d size %d modifier %d format %d", f.Name, s.tables[f.TableOID],
			f.TableAttributeNumber, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format))
	}
	for r.NextRow() {
		var b strings.Builder
		for _, v := range r.Values() {
			if v == nil {
				b.WriteString("NULL|")
			} else {
				fmt.Fprintf(&b, "%q|", v)
			}
		}
		one.rows = append(one.rows, b.String())
	}
	tag, err := r.Close()
	one.tag = tag.String()
	if err != nil {
		a.fail(err)
		return
	}
	a.results = append(a.results, one)
}

func (a *answer) fail(err error) {
	if err == nil {
		return
	}
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Severity == "ERROR" {
		a.err = e
	} else if a.err == nil {
		a.broken = err
	}
}

// hide leaves out of an answer what rows it has.
func (a *answer) hide() {
	for i := range a.results {
		a.results[i].rows = nil
	}
}

// refused says that pgveil, and not the server, does not run the statement.
func (a *answer) refused() bool { return a.err != nil && a.err.Code == "0A000" && a.err.Routine == "" }

// compare tells in what two answers differ: the kind of difference, and both in full.
func compare(veil, twin *answer, ordered bool) (kind, detail string) {
	switch {
	case veil.broken != nil || twin.broken != nil:
		return "a connection broke", fmt.Sprintf("%v | %v", veil.broken, twin.broken)
	case (veil.err == nil) != (twin.err == nil), veil.err != nil && veil.err.Code != twin.err.Code:
		return fmt.Sprintf("error %s instead of %s", state(veil.err), state(twin.err)), fmt.Sprintf("%v | %v", veil.err, twin.err)
	case veil.status != twin.status:
		return fmt.Sprintf("transaction state %c instead of %c", veil.status, twin.status), ""
	case veil.err == nil && !slices.Equal(veil.params, twin.params):
		return "types of parameters", fmt.Sprintf("%v | %v", veil.params, twin.params)
	case len(veil.results) != len(twin.results):
		return "number of results", fmt.Sprintf("%d | %d", len(veil.results), len(twin.results))
	}
	for i := range veil.results {
		a, b := &veil.results[i], &twin.results[i]
		switch {
		case !slices.Equal(a.fields, b.fields):
			return "description of the rows", difference(a.fields, b.fields)
		case a.tag != b.tag:
			return "command tag", a.tag + " | " + b.tag
		}
		if !ordered {
			slices.Sort(a.rows)
			slices.Sort(b.rows)
		}
		if !slices.Equal(a.rows, b.rows) {
			return "rows", difference(a.rows, b.rows)
		}
	}
	return "", ""
}

func state(e *pgconn.PgError) string {
	if e == nil {
		return "none"
	}
	return e.Code
}

// difference shows the first lines in which two lists differ.
func difference(a, b []string) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d lines | %d lines: %.300q | %.300q", len(a), len(b), a, b)
	}
	for i := range a {
		if cmp.Compare(a[i], b[i]) != 0 {
			return a[i] + "\n        | " + b[i]
		}
	}
	return ""
}
