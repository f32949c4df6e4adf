package drivers

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// declared is a statement whose parameter has a declared type, as JDBC's are.
type declared struct {
	name, sql string
	oids      []uint32
	formats   []int16
	values    [][]byte
}

func text(values ...string) (out [][]byte) {
	for _, v := range values {
		out = append(out, []byte(v))
	}
	return out
}

const (
	int2OID, int4OID, int8OID, textOID, varcharOID, uuidOID = 21, 23, 20, 25, 1043, 2950
	varcharArrayOID                                         = 1015
)

// parameters are ways in which the type of a parameter differs from its column's.
var parameters = []declared{
	{"varchar cast to uuid", "SELECT id FROM lab.every WHERE d_uuid = $1::uuid", []uint32{varcharOID}, nil, text("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11")},
	{"varchar in binary cast to uuid", "SELECT id FROM lab.every WHERE d_uuid = CAST($1 AS uuid)", []uint32{varcharOID}, []int16{1}, text("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11")},
	{"text cast to int", "SELECT id FROM lab.every WHERE d_int4 = $1::int4", []uint32{textOID}, nil, text(" 7 ")},
	{"text cast to date, assigned", "UPDATE lab.every SET d_date = $1::date WHERE id = 1 RETURNING d_date", []uint32{textOID}, nil, text("2024-02-29")},
	{"text cast to jsonb, assigned", "UPDATE lab.every SET r_jsonb = $1::jsonb WHERE id = 1 RETURNING r_jsonb", []uint32{varcharOID}, nil, text(`{"b":1,"a":2}`)},
	{"varchar[] cast to uuid[]", "SELECT id FROM lab.every WHERE d_uuid = ANY ($1::uuid[])", []uint32{varcharArrayOID}, nil, text("{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11,NULL}")},
	{"bad value cast", "SELECT id FROM lab.every WHERE d_uuid = $1::uuid", []uint32{varcharOID}, nil, text("zz")},
	{"cut by a cast", "UPDATE lab.every SET d_varchar = $1::varchar(20) WHERE id = 1 RETURNING d_varchar", nil, nil, text("ééééé ééééé ééééé ééééé")},
	{"cut by a cast, declared", "UPDATE lab.every SET d_varchar = $1::varchar(20) WHERE id = 1 RETURNING d_varchar", []uint32{textOID}, nil, text("abcde abcde abcde abcde")},
	{"int8 to int4", "UPDATE lab.every SET d_int4 = $1 WHERE id = 1 RETURNING d_int4", []uint32{int8OID}, nil, text("99")},
	{"int8 to int4, out of range", "UPDATE lab.every SET d_int4 = $1 WHERE id = 1 RETURNING d_int4", []uint32{int8OID}, nil, text("9999999999")},
	{"one parameter, two integer columns", "SELECT id FROM lab.every WHERE d_int2 = $1 OR d_int8 = $1 ORDER BY id", []uint32{int8OID}, []int16{1}, [][]byte{{0, 0, 0, 0, 0, 0, 0, 8}}},
	{"one parameter, two integer columns, not declared", "SELECT id FROM lab.every WHERE d_int4 = $1 OR d_int8 = $1 ORDER BY id", nil, []int16{1}, [][]byte{{0, 0, 0, 8}}},
	{"one parameter, sealed and not, not declared", "SELECT id FROM lab.every WHERE id = $1 OR d_int8 = $1 ORDER BY id", nil, []int16{1}, [][]byte{{0, 0, 0, 8}}},
	{"one parameter, not sealed after sealed, not declared", "SELECT id FROM lab.every WHERE d_int8 = $1 OR id = $1 ORDER BY id", nil, []int16{1}, [][]byte{{0, 0, 0, 0, 0, 0, 0, 8}}},
	{"text for char(n), with blanks", "SELECT id FROM lab.every WHERE d_char = $1", []uint32{textOID}, nil, text("abc  ")},
	{"too few parameters", "SELECT id FROM lab.every WHERE d_text = $1 AND id = $2", nil, nil, text("x")},
	{"too many parameters", "SELECT id FROM lab.every WHERE d_text = $1", nil, nil, text("x", "y")},
	{"a skipped parameter", "SELECT id FROM lab.every WHERE d_text = $2", []uint32{int4OID, textOID}, nil, text("1", "x")},
	{"an untyped skipped parameter", "SELECT id FROM lab.every WHERE d_text = $2", nil, nil, text("1", "x")},
	{"bad binary length", "SELECT id FROM lab.every WHERE d_int4 = $1", nil, []int16{1}, text("123")},
	{"bad format", "SELECT id FROM lab.every WHERE d_int4 = $1", nil, []int16{2}, text("7")},
	{"invalid UTF-8", "SELECT id FROM lab.every WHERE d_text = $1", nil, nil, text("a\xff")},
	{"a NUL", "SELECT id FROM lab.every WHERE d_text = $1", nil, nil, text("a\x00b")},
	{"invalid UTF-8 in binary", "UPDATE lab.every SET r_text = $1 WHERE id = 1", nil, []int16{1}, text("\xc3")},
	{"a declared type that does not fit, prepared", "SELECT id FROM lab.every WHERE d_int4 = $1", []uint32{varcharOID}, nil, nil},
	{"NULL of a type that does not fit", "UPDATE lab.every SET r_int4 = $1 WHERE id = 1 RETURNING id", []uint32{varcharOID}, nil, [][]byte{nil}},
	{"untyped strings in ARRAY are text, blanks count", "SELECT id FROM lab.every WHERE d_char = ANY (ARRAY['abc  ','x'])", nil, nil, nil},
	{"untyped strings in ARRAY are text, not dates", "SELECT id FROM lab.every WHERE d_date = ANY (ARRAY['2024-02-29'])", nil, nil, nil},
	{"a truth value as a condition", "SELECT id FROM lab.every WHERE d_bool", nil, nil, nil},
	{"date in another style", "SELECT id FROM lab.every WHERE d_date = '29.2.2024'", nil, nil, nil},
}

// known are statements to which pgveil is known to answer otherwise than the server.
var known = []struct {
	declared
	direct, through string // SQLSTATE, or the first columns of the rows
}{
	{declared{"IN compares char(n) with char(n), blanks do not count", "SELECT id FROM lab.every WHERE d_char IN ($1, $2)", []uint32{textOID, textOID}, nil, text("abc  ", "x")}, "1", ""},
	{declared{"one parameter for columns of two types", "INSERT INTO lab.every (id, r_real) VALUES ($1, $1) RETURNING r_real", nil, []int16{1}, [][]byte{{0, 0, 0, 77}}}, "42P08", "77"},
	{declared{"a parameter of which one use has no type", "SELECT id FROM lab.every WHERE $1 IS NULL OR d_int4 = $1", nil, nil, text("7")}, "42P08", "1"},
	{declared{"a sign before a cast", "SELECT id FROM lab.every WHERE d_int4 = -7::int4", nil, nil, nil}, "", "0A000"},
}

// TestKnownDifferences: where pgveil is not the server's like, it is so in the way that
// is known, or no more.
func TestKnownDifferences(t *testing.T) {
	p := startPair(t)
	ctx := context.Background()
	var answers [2][]string
	for i, s := range p.sides() {
		conn, err := pgx.Connect(ctx, s.dsn())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, `INSERT INTO lab.every (id, d_int4, d_char) VALUES (1, 7, 'abc')`); err != nil {
			t.Fatal(err)
		}
		for _, k := range known {
			answers[i] = append(answers[i], answer(ctx, conn.PgConn(), &k.declared))
		}
	}
	for i, k := range known {
		direct, through := answers[0][i], answers[1][i]
		if direct != k.direct {
			t.Errorf("%s: directly %q, want %q", k.name, direct, k.direct)
		}
		switch through {
		case k.through:
		case direct:
			t.Logf("%s: as directly: no difference any more; its place is TestParameters", k.name)
		default:
			t.Errorf("%s: through pgveil %q, directly %q, known as %q", k.name, through, direct, k.through)
		}
	}
}

// answer gives the first columns of the rows, or the SQLSTATE of the error.
func answer(ctx context.Context, conn *pgconn.PgConn, d *declared) string {
	var e *pgconn.PgError
	result := conn.ExecParams(ctx, d.sql, d.values, d.oids, d.formats, nil).Read()
	if errors.As(result.Err, &e) {
		return e.Code
	}
	if result.Err != nil {
		return result.Err.Error()
	}
	var ids []string
	for _, row := range result.Rows {
		ids = append(ids, string(row[0]))
	}
	return strings.Join(ids, ",")
}

// TestParameters: parameters of every kind of declared type are read as the server
// reads them, and refused as it refuses them.
func TestParameters(t *testing.T) {
	p := startPair(t)
	p.both(t, func(ctx context.Context, s side) ([]line, error) {
		r := &recorder{}
		conn, err := pgx.Connect(ctx, s.dsn())
		if err != nil {
			return nil, err
		}
		defer conn.Close(ctx)
		x := &pgxRun{recorder: r, conn: conn}
		x.exec(ctx, "fill", conn, `INSERT INTO lab.every (id, d_uuid, d_int4, d_int8, d_int2, d_char, d_text, d_date, d_bool) VALUES (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 7, 8, 8, 'abc', 'x', '2024-02-29', true), (8, NULL, 8, 9, NULL, NULL, 'y', NULL, false)`)
		for _, d := range parameters {
			result := conn.PgConn().ExecParams(ctx, d.sql, d.values, d.oids, d.formats, nil).Read()
			x.results(d.name, []*pgconn.Result{result}, result.Err)
			described, err := conn.PgConn().Prepare(ctx, "s", d.sql, d.oids)
			if err != nil {
				x.step(d.name+": prepared", nil, err)
				continue
			}
			x.step(d.name+": prepared", map[string]any{"parameters": described.ParamOIDs, "fields": fields(described.Fields)}, nil)
			x.step("deallocate", nil, conn.PgConn().Deallocate(ctx, "s"))
		}
		return r.lines, nil
	})
}
