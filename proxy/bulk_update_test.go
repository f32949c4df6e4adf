package proxy_test

import "testing"

// TestBulkUpdate: Django's bulk_update gives each row its value in a CASE and casts that
// to the column's type.
func TestBulkUpdate(t *testing.T) {
	p := startPair(t)
	set := func(column, cast, one, other string) step {
		return step{sql: "UPDATE lab.every SET " + column + " = CAST(CASE WHEN (id = 1) THEN " + one + " WHEN (id = 2) THEN " + other + " ELSE NULL END AS " + cast + ") WHERE id IN (1, 2) RETURNING id, " + column}
	}
	p.run(t, []step{
		{sql: "INSERT INTO lab.every (id) VALUES (1), (2), (3)"},
		set("d_text", "text", "'Marker-A'", "NULL"),
		set("r_text", "varchar(3)", "'Marker-B'", "'é'"),
		set("d_varchar", "varchar(8)", "'Marker-C'", "'Marker-D'"),
		set("d_varchar", "text", "'Marker-C-and-much-more-than-the-column-takes-and-much-more-than-that'", "'x'"),
		set("d_char", "char(5)", "'Mark '", "'Marker-E'"),
		set("d_int2", "smallint", "5", "-7"),
		set("d_int4", "integer", "'194203051'", "NULL"),
		set("d_int4", "integer", "'x'", "NULL"),
		set("d_int8", "bigint", "194203051", "-7"),
		set("r_numeric", "numeric(12, 3)", "'1942.03055'", "'5'"),
		set("r_numeric", "numeric(12, 3)", "1942.03055", "5.5"),
		set("r_double", "double precision", "'1.5'", "'-0'"),
		set("d_bool", "boolean", "true", "false"),
		set("d_bool", "boolean", "'yes'", "'f'"),
		set("d_date", "date", "'1942-03-05'", "'5 Mar 1943'"),
		set("d_date", "date", "'1942-03-35'", "NULL"),
		set("d_date", "text", "'1942-03-05'", "NULL"),
		set("r_timestamptz", "timestamp with time zone", "'1942-03-05 01:02:03+02'", "NULL"),
		set("d_uuid", "uuid", "'0187b4d1-2a4b-4c3e-9f00-00000000abcd'", "NULL"),
		set("r_jsonb", "jsonb", `'{"b": "Marker-F", "a": 1}'`, "'null'"),
		{sql: "UPDATE lab.every SET d_text = CASE WHEN id = 1 THEN 'Marker-G' END::text, r_text = COALESCE(NULL, CASE WHEN id = 2 THEN 'Marker-H' END)::varchar(80)"},
		{sql: "INSERT INTO lab.every (id, d_text) SELECT 10 + id, CAST(CASE WHEN id = 1 THEN 'Marker-I' ELSE 'Marker-J' END AS text) FROM lab.every WHERE id < 3"},
		{sql: "UPDATE lab.every SET d_text = CAST(CASE WHEN id = 1 THEN d_varchar ELSE 'Marker-K' END AS text)", refused: "cannot assign"},
		{sql: "UPDATE lab.every SET d_text = CAST(CASE WHEN id = 1 THEN $1 ELSE 'Marker-K' END AS text)", params: []any{"Marker-L"}, refused: "cannot assign"},
		{sql: "UPDATE lab.every SET d_text = CAST(CASE WHEN id = 1 THEN upper('Marker-L') ELSE 'Marker-K' END AS text)", refused: "cannot assign"},
		{sql: "UPDATE lab.every SET d_text = CAST(CASE WHEN id = 1 THEN 'Marker-L'::varchar(3) ELSE 'Marker-K' END AS varchar(2))", refused: "cannot assign"},
		{sql: "UPDATE lab.every SET d_int4 = CAST(CASE WHEN id = 1 THEN '1' ELSE 2 END AS integer)", refused: "cannot assign"},
		{sql: "UPDATE lab.every SET r_numeric = CAST(CASE WHEN id = 1 THEN 1.55555 END AS numeric(12, 4))", refused: "a cast to numeric(12,4)"},
		{sql: "SELECT id, d_text, r_text, d_varchar, d_char, d_int2, d_int4, d_int8, r_numeric, r_double, d_bool, d_date, r_timestamptz, d_uuid, r_jsonb FROM lab.every ORDER BY id"},
	})
	p.sealed(t, "Marker-", "1942-03-0", "0187b4d1-2a4b")
}
