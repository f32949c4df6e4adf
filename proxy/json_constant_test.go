package proxy_test

import "testing"

// TestJSONConstant: a constant beside JSON of sealed values has none in their place, for it
// would be taken for a damaged one.
func TestJSONConstant(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		{sql: `INSERT INTO lab.every (id, d_text) VALUES (1, 'Marker-A'), (2, NULL)`},
		{sql: `SELECT COALESCE(to_json(d_text), 'null'), COALESCE(to_json(d_text), NULL) FROM lab.every ORDER BY id`},
		{sql: `SELECT COALESCE(to_json(d_text), '1') FROM lab.every`, refused: "in COALESCE"},
		{sql: `SELECT COALESCE(to_json(d_text), '"none"'::json) FROM lab.every`, refused: "in COALESCE"},
		{sql: `SELECT COALESCE(to_jsonb(d_text), '[]') FROM lab.every`, refused: "in COALESCE"},
		{sql: `SELECT COALESCE(json_agg(d_text), '[]') FROM lab.every WHERE id > 2`},
		{sql: `SELECT COALESCE(json_agg(d_text), '[null]') FROM lab.every WHERE id > 2`},
		{sql: `SELECT COALESCE(json_agg(d_text), '[null, "x"]') FROM lab.every WHERE id > 2`, refused: "in COALESCE"},
		{sql: `SELECT COALESCE(json_agg(d_text), '[') FROM lab.every WHERE id > 2`},
		{sql: `SELECT (SELECT COALESCE(jsonb_agg(jsonb_build_object('a', d_text, 'b', id)), '[{"b": 1, "c": 1e999}, {"a": null}]') FROM lab.every WHERE id > 2)`},
		{sql: `SELECT (SELECT COALESCE(jsonb_agg(jsonb_build_object('a', d_text, 'b', id)), '[{"b": 1}, {"a": 0}]') FROM lab.every WHERE id > 2)`, refused: "in COALESCE"},
		{sql: `SELECT COALESCE(json_agg(json_build_object('a', d_text)), '[{}]') FROM lab.every WHERE id > 2`},
		{sql: `SELECT COALESCE(json_agg(json_build_object('a', d_text)), '[{"b": 1}]') FROM lab.every WHERE id > 2`, refused: "in COALESCE"},
		{sql: `SELECT CASE WHEN id > 1 THEN '{"b": 1}' ELSE to_json(s) END FROM (SELECT id, d_text FROM lab.every) s ORDER BY id`},
		{sql: `SELECT CASE WHEN id > 1 THEN '{"d_text": 1}' ELSE to_json(s) END FROM (SELECT id, d_text FROM lab.every) s`, refused: "in CASE"},
		{sql: `SELECT to_json(d_text) FROM lab.every WHERE id = 1 UNION ALL SELECT '"x"'`, refused: "in UNION"},
		{sql: `SELECT to_json(d_text) FROM lab.every WHERE id = 1 UNION ALL SELECT NULL`},
	})
	p.sealed(t, "Marker-")
}

// TestDefinitionCast: a cast that vanishes from the text would be missing in what a
// definition keeps.
func TestDefinitionCast(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		{sql: `INSERT INTO lab.every (id, d_char, d_varchar, d_text) VALUES (1, 'x', 'Marker-A', 'Marker-B')`},
		{sql: `SELECT d_char::text, d_varchar::text FROM lab.every`},
		{sql: `CREATE VIEW lab.v AS SELECT d_char::text AS x FROM lab.every`, refused: "in a definition"},
		{sql: `CREATE VIEW lab.v AS SELECT CAST(d_varchar AS varchar(3)) AS x FROM lab.every`, refused: "in a definition"},
		{sql: `CREATE VIEW lab.v AS SELECT COALESCE(d_varchar::text, d_text) AS x FROM lab.every`, refused: "in a definition"},
		{sql: `CREATE VIEW lab.v AS SELECT row_to_json(s) AS x FROM (SELECT d_char::text FROM lab.every) s`, refused: "in a definition"},
		{sql: `CREATE VIEW lab.v AS WITH c AS (SELECT d_char::text AS a FROM lab.every) SELECT array_agg(a) AS x FROM c`, refused: "in a definition"},
		{sql: `CREATE MATERIALIZED VIEW lab.v AS SELECT d_varchar::text AS x FROM lab.every`, refused: "in a definition"},
		{sql: `CREATE VIEW lab.v AS SELECT d_char::char(10), d_varchar::varchar(20), d_text::text FROM lab.every`},
		{sql: `SELECT * FROM lab.v`},
		{sql: `SELECT d_char::text, d_varchar::varchar(3) FROM lab.v`},
		{sql: `DROP VIEW lab.v`},
		{sql: `CREATE VIEW lab.v AS SELECT id FROM lab.every WHERE (d_varchar)::text = 'Marker-A'::text`}, // as a dump has it
		{sql: `SELECT * FROM lab.v`},
		{sql: `DROP VIEW lab.v`},
	})
	p.sealed(t, "Marker-")
}
