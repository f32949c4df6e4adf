package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// computed are expressions that pgveil computes for sealed columns. Those with
// parameters are tried with each of the lists.
var computed = []struct {
	sql    string
	params [][]any
	oids   []uint32
}{
	{sql: `nullif(trim('  Zxqw%é '), '')`},
	{sql: `nullif(trim('   '), '')`},
	{sql: `coalesce(NULL, NULL, 'Zxqw1')`},
	{sql: `coalesce(NULL, NULL)`},
	{sql: `'Zxqw' || 'a' || 'é'`},
	{sql: `'Zxqw' || NULL`},
	{sql: `'Zxqw' || 5`},
	{sql: `-5 || 'Zxqw'`},
	{sql: `('Zxqw' || ('b' || 'c'))`},
	{sql: `concat('Zxqw', NULL, 5, 'b')`},
	{sql: `upper('Zxqwabc')`},
	{sql: `lower('Zxqw ABC 12')`},
	{sql: `trim(BOTH 'é ' FROM 'é é Zxqw éé')`},
	{sql: `trim(LEADING FROM '  Zxqw ') || '|'`},
	{sql: `trim(TRAILING 'x ' FROM 'Zxqw x x')`},
	{sql: `ltrim('xxZxqw', 'xy') || rtrim('a  ') || btrim('  b ')`},
	{sql: `trim('' FROM ' Zxqw ')`},
	{sql: `substring('Zxqw😀éabc' FROM 2 FOR 3)`},
	{sql: `substring('Zxqw😀éabc' FROM 3)`},
	{sql: `substr('Zxqwabc', -1, 4)`},
	{sql: `substr('Zxqwabc', 0)`},
	{sql: `substr('Zxqwabc', 10)`},
	{sql: `substr('Zxqwabc', 2, 0)`},
	{sql: `substr('Zxqwabc', 2, -1)`},
	{sql: `substr('Zxqwabc', 2147483647, 2147483647)`},
	{sql: `substr('Zxqwabc', -2147483648, 2147483647)`},
	{sql: `left('Zxqwéabc', 3) || left('Zxqwabc', -3) || left('Zxqw', 0) || left('Zxqw', -5)`},
	{sql: `right('Zxqwéabc', 3) || right('Zxqwabc', -3) || right('Zxqw', 9) || right('Zxqw', -9)`},
	{sql: `replace('Zxqwabcab', 'ab', 'é')`},
	{sql: `replace('Zxqwabc', '', 'y')`},
	{sql: `CASE WHEN true THEN 'Zxqwa' ELSE 'Zxqwb' END`},
	{sql: `CASE WHEN NULL THEN 'Zxqwa' END`},
	{sql: `CASE 'a' WHEN 'b' THEN 'Zxqw1' WHEN 'a' THEN 'Zxqw2' END`},
	{sql: `CASE WHEN 'a' = 'b' OR NOT ('' IS NULL AND 'x' <> 'y') THEN 'Zxqw1' ELSE 'Zxqw2' END`},
	{sql: `'Zxqwabcdef'::text::varchar(3)`},
	{sql: `CAST('Zxqwabcdef'::varchar(5) AS text) || '|'`},
	{sql: `'Zxqw '::char(5) || '|'`},
	{sql: `upper('Zxqw  '::bpchar) || '|'`},
	{sql: `E'Zxqw\ta\u00e9' || $$it's$$ || 'it''s'`},
	{sql: `5::text || 'Zxqw'`},
	{sql: `('1' || '5')::int::text`},
	{sql: `12.50::numeric(5,1)::text`},
	{sql: `('2020-01' || '-05')::date::text`},
	{sql: `true::text || 'Zxqw'`},
	{sql: `'Zxqw' || '` + strings.Repeat("y", 130) + `'`},
	{sql: `lower(5)`},
	{sql: `upper($1)`, params: [][]any{{"Zxqwabc"}, {nil}, {""}}},
	{sql: `upper($1)`, params: [][]any{{"Zxqwabc"}, {nil}}, oids: []uint32{1043}},
	{sql: `upper($1)`, params: [][]any{{"Zxqwabc"}, {nil}}, oids: []uint32{25}},
	{sql: `lower($1)`, params: [][]any{{"5"}}, oids: []uint32{23}},
	{sql: `coalesce($1, 'Zxqw')`, params: [][]any{{"Zxqwabc"}, {nil}, {""}}},
	{sql: `coalesce($1, $2)`, params: [][]any{{nil, "Zxqw"}, {"Zxqwa", "Zxqwb"}, {nil, nil}}},
	{sql: `coalesce($2, $1, 'Zxqw')`, params: [][]any{{nil, "Zxqw"}, {"Zxqwa", "Zxqwb"}, {nil, nil}}, oids: []uint32{1043, 25}},
	{sql: `nullif($1, '')`, params: [][]any{{"Zxqwabc"}, {nil}, {""}}},
	{sql: `$1 || ' ' || $2`, params: [][]any{{"Zxqw", "b"}, {nil, "b"}}},
	{sql: `CASE WHEN $1 = '' THEN NULL ELSE $1 END`, params: [][]any{{"Zxqwabc"}, {nil}, {""}}},
	{sql: `CASE WHEN $1 IS NULL THEN 'Zxqw' ELSE $2 END`, params: [][]any{{"Zxqwabc", "Zxqw"}, {nil, "b"}}},
	{sql: `$1::text::varchar(4)`, params: [][]any{{"Zxqwabc"}, {nil}}},
	{sql: `$1::int::text || 'Zxqw'`, params: [][]any{{"42"}, {nil}, {"x"}}},
	{sql: `$1 || 'Zxqw'`, params: [][]any{{"42"}}, oids: []uint32{20}},
	{sql: `concat($1, 'Zxqw', $2)`, params: [][]any{{"42", nil}}, oids: []uint32{25, 23}},
	{sql: `trim($1)`, params: [][]any{{strings.Repeat(" ", 30) + "Zxqw "}}},
	{sql: `substring($1 FROM 2 FOR 2)`, params: [][]any{{"Zxqwabc"}}},
}

// TestComputed stores each expression in columns of several types, and searches for
// it: pgveil must answer what a server does that has the columns in the clear.
func TestComputed(t *testing.T) {
	p := startPair(t)
	id := 0
	for _, column := range []string{"r_text", "d_text", "d_varchar", "d_char", "d_date", "d_int4"} {
		for _, e := range computed {
			lists := e.params
			if lists == nil {
				lists = [][]any{nil}
			}
			if column != "d_text" && column != "d_char" {
				lists = lists[:1]
			}
			for _, params := range lists {
				id++
				steps := []step{
					{sql: fmt.Sprintf("INSERT INTO lab.every (id, %s) VALUES (%d, %s) RETURNING id, %[1]s", column, id, e.sql), params: params, oids: e.oids},
				}
				if column == "d_text" || column == "d_char" {
					steps = append(steps,
						step{sql: fmt.Sprintf("SELECT id FROM lab.every WHERE %s = %s ORDER BY id", column, e.sql), params: params, oids: e.oids},
						step{sql: fmt.Sprintf("UPDATE lab.every SET %s = %s WHERE id = %d AND %[1]s IS NULL", column, e.sql, id), params: params, oids: e.oids})
				}
				p.run(t, steps)
			}
		}
	}
	t.Logf("%d inserts", id)
	p.run(t, []step{
		{sql: "SELECT id, plain, r_text, d_text, d_varchar, d_char, d_date, d_int4 FROM lab.every ORDER BY id"},
		{sql: "INSERT INTO lab.every (id, d_date, d_int4) VALUES (10001, ('2020-01' || '-05')::date, nullif('5', '')::int), (10002, coalesce(NULL, date '2020-01-01'), ('1' || '7')::int)"},
		{sql: "INSERT INTO lab.every (id, d_date, d_int4) VALUES ($1, nullif($2, '')::date, coalesce($3, 7)) RETURNING d_date, d_int4", params: []any{"10003", "1999-12-31", nil}},
		{sql: "INSERT INTO lab.every (id, r_numeric, d_timestamp) VALUES (10004, ('1.' || '55')::numeric(5,1), '2020-01-01 00:00:00.55'::timestamp(1)) RETURNING r_numeric, d_timestamp"},
		{sql: "INSERT INTO lab.every (id, plain, d_text, r_text) VALUES ($1, $2, upper($2), $2)", params: []any{"10005", "open"}, oids: []uint32{23, 25}},
		{sql: "INSERT INTO lab.every (id, r_text) VALUES (10006, upper('Zxqwé'))", refused: "ASCII"},
		{sql: "INSERT INTO lab.every (id, r_text) VALUES (10006, upper($1))", params: []any{"Zxqwé"}, refused: "ASCII"},
		{sql: "INSERT INTO lab.every (id, r_text) VALUES (10006, upper($1) || length($1))", params: []any{"Zxqw"}, refused: "cannot assign"},
		{sql: "INSERT INTO lab.every (id, plain, r_text) VALUES (10006, lower($1), upper($1))", params: []any{"Zxqw"}, refused: "cannot be used in the clear"},
		{sql: "INSERT INTO lab.every (id, d_text) VALUES (10006, concat($1, 'x'))", params: []any{"Zxqw"}},
		{sql: "INSERT INTO lab.every (id, d_text) VALUES (10006, coalesce($1, 'Zxqw'))", params: []any{"5"}, oids: []uint32{23}},
		{sql: "INSERT INTO lab.every (id, r_text) VALUES (10006, left('Zxqw', 'x'))", refused: "left()"},
		{sql: "INSERT INTO lab.every (id, d_date) VALUES (10006, $1)", params: []any{"5"}, oids: []uint32{23}},
		{sql: "SELECT id FROM lab.every WHERE d_date = $1", params: []any{"5"}, oids: []uint32{23}},
		{sql: "SELECT id FROM lab.every WHERE d_text = upper($1) AND $2 = plain", params: []any{"Zxqw", "open"}},
		{sql: "SELECT id FROM lab.every WHERE d_int2 IN ($1, 1942)", params: []any{"70000"}},
		{sql: "SELECT id FROM lab.every WHERE d_int2 IN ($1, 1942)", params: []any{"7000000000"}},
		{sql: "SELECT id FROM lab.every WHERE d_int2 IN ($1, 1942)", params: []any{"70000"}, oids: []uint32{21}},
	})
	p.sealed(t, "Zxqw", "ZXQW")
}

// TestComputedDescribed compares the types of parameters that only pgveil sees.
func TestComputedDescribed(t *testing.T) {
	ctx := context.Background()
	p := startPair(t)
	for _, sql := range []string{
		"INSERT INTO lab.every (id, d_text, d_date) VALUES ($1, upper($2) || $3, coalesce($4, date '2020-01-01'))",
		"INSERT INTO lab.every (id, d_text) SELECT $1, coalesce($2, 'x') WHERE $3 = 1",
		"UPDATE lab.every SET d_char = coalesce($2, d_char), d_date = coalesce($3, d_date), d_int4 = CASE WHEN id = $4 THEN $5 ELSE 1 END WHERE d_text = nullif($1, '')",
		"UPDATE lab.every SET d_int4 = nullif($1, '')::int, plain = $2",
		"INSERT INTO lab.every (plain, d_text) VALUES ($1, upper($1))",
		"SELECT id FROM lab.every WHERE d_int2 IN ($1, 1942) AND d_int4 IN ($2, -19426666666) AND d_int8 NOT IN ($3, 5, NULL) AND d_int2 IN ($4, 5::int8, $5) AND d_int4 IN ($6, 1.5) AND d_int2 = $7",
		"SELECT id FROM lab.every WHERE d_int2 IN ($1, NULL) OR d_int2 IN ($2, d_int2, 7) OR d_int2 IN ($3) OR d_int2 IN ($4, $5::int8) OR d_date IN ($6, '2020-01-01')",
	} {
		want, err := p.direct.Prepare(ctx, "", sql, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.through.Prepare(ctx, "", sql, nil)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		if fmt.Sprint(want.ParamOIDs) != fmt.Sprint(got.ParamOIDs) {
			t.Errorf("%s: parameters of types %v, directly %v", sql, got.ParamOIDs, want.ParamOIDs)
		}
	}
	var n int
	conn, err := p.stack.Postgres.Conn(ctx, stack.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM lab.every").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestComputedShadowed: where a database has functions or operators of its own, pgveil
// does not compute what these would.
func TestComputedShadowed(t *testing.T) {
	tables := append(slices.Clone(stack.Tables),
		`CREATE FUNCTION lab.upper(varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$`,
		`CREATE FUNCTION lab.join_text(varchar, varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$`,
		`CREATE OPERATOR public.|| (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = lab.join_text)`,
	)
	s := stack.Start(t, stack.Options{Tables: tables})
	p := &pair{stack: s, through: connectPg(t, s.DSN("biologist"))}
	p.run(t, []step{
		{sql: "INSERT INTO lab.every (id, d_text) VALUES (1, upper('Marker'::varchar))", refused: "upper()"},
		{sql: "INSERT INTO lab.every (id, d_text) VALUES (1, 'Marker' || 'x')", refused: "cannot assign an expression"},
	})
	if a := ask(p.through, step{sql: "INSERT INTO lab.every (id, d_text) VALUES (1, lower('Marker'))"}); a.err != nil {
		t.Error(a.err)
	}
}
