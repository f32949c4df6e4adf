package proxy_test

import "testing"

// TestTruth: a sealed boolean stands where a condition does.
func TestTruth(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		{sql: `INSERT INTO lab.every (id, d_bool, d_text) VALUES (1, true, 'a'), (2, false, 'b'), (3, NULL, 'c'), (4, 'yes', NULL)`},
		{sql: `SELECT id FROM lab.every WHERE d_bool ORDER BY id`},
		{sql: `SELECT id FROM lab.every e WHERE e.d_bool ORDER BY id`},
		{sql: `SELECT id FROM lab.every WHERE lab.every.d_bool ORDER BY id`},
		{sql: `SELECT id FROM lab.every WHERE "d_bool" ORDER BY id`},
		{sql: `SELECT id FROM lab.every WHERE NOT(d_bool)ORDER BY id`},
		{sql: `SELECT id FROM lab.every WHERE NOT d_bool AND id = $1`, params: []any{"2"}},
		{sql: `SELECT id FROM lab.every WHERE ((d_bool)) OR d_text = 'b' ORDER BY id`},
		{sql: `SELECT id FROM lab.every WHERE d_bool IS TRUE OR d_bool IS UNKNOWN ORDER BY id`},
		{sql: `SELECT id FROM lab.every WHERE d_bool IS NOT TRUE ORDER BY id`},
		{sql: `SELECT id FROM lab.every WHERE d_bool IS NOT FALSE AND d_bool IS NOT UNKNOWN ORDER BY id`},
		{sql: `SELECT id, NOT d_bool, d_bool IS FALSE, d_bool AND true, d_bool = false FROM lab.every ORDER BY id`},
		{sql: `SELECT id, CASE WHEN d_bool THEN 'yes' WHEN NOT d_bool THEN 'no' ELSE '?' END, CASE d_bool WHEN true THEN 1 END FROM lab.every ORDER BY id`},
		{sql: `SELECT count(*) FILTER (WHERE d_bool), count(*) FILTER (WHERE NOT d_bool) FROM lab.every`},
		{sql: `SELECT a.id, b.id FROM lab.every a JOIN lab.every b ON a.d_bool AND NOT b.d_bool ORDER BY 1, 2`},
		{sql: `SELECT a.id, b.id FROM lab.every a LEFT JOIN (SELECT id, d_bool AS x FROM lab.every) b ON x ORDER BY 1, 2`},
		{sql: `WITH c AS (SELECT id, d_bool AS ok FROM lab.every) SELECT id FROM c WHERE ok ORDER BY id`},
		{sql: `SELECT d_bool FROM lab.every GROUP BY d_bool HAVING d_bool`},
		{sql: `UPDATE lab.every SET d_text = CASE WHEN d_bool THEN 'Marker-A' ELSE 'Marker-B' END WHERE d_bool RETURNING id, d_text, NOT d_bool`},
		{sql: `INSERT INTO lab.every (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET d_text = 'Marker-C' WHERE every.d_bool RETURNING id`},
		{sql: `DELETE FROM lab.every WHERE NOT d_bool RETURNING id`},
		{sql: `DELETE FROM lab.every USING (VALUES (1), (4)) v(i) WHERE d_bool AND id = i`},
		{sql: `SELECT id FROM lab.every WHERE d_text`, refused: "in WHERE"},
	})
	p.sealed(t, "Marker-")
}
