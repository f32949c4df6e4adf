package proxy_test

import "testing"

// TestWindow: window functions that give the value of another row.
func TestWindow(t *testing.T) {
	p := startPair(t)
	steps := []step{
		{sql: `INSERT INTO lab.every (id, d_bool, d_text, d_char, d_varchar, r_text, r_numeric, d_date, r_jsonb) VALUES
			(1, true, 'Marker-A', 'x', 'é', 'Marker-B', 1.50, '1942-03-05', '{"a": 1}'), (2, false, 'Marker-C', '', 'y', NULL, 2, NULL, NULL), (3, NULL, NULL, NULL, 'y', 'Marker-D', NULL, '1942-03-06', '[]')`},
	}
	for _, column := range []string{"d_bool", "d_text", "d_char", "d_varchar", "r_text", "r_numeric", "d_date", "r_jsonb"} {
		steps = append(steps,
			step{sql: `SELECT id, array_agg(` + column + `) OVER (ORDER BY id), first_value(` + column + `) OVER (ORDER BY id DESC), pg_catalog.last_value(` + column + `) OVER (PARTITION BY id), nth_value(` + column + `, 2) OVER () FROM lab.every ORDER BY id`},
			step{sql: `SELECT id, lag(` + column + `) OVER w, lead(` + column + `, $1) OVER w AS next FROM lab.every WINDOW w AS (PARTITION BY d_varchar ORDER BY id) ORDER BY id`, params: []any{"2"}},
			step{sql: `SELECT * FROM (SELECT id, lag(` + column + `) OVER (ORDER BY id) AS x FROM lab.every) s WHERE x IS NOT NULL ORDER BY id`},
		)
	}
	p.run(t, append(steps,
		step{sql: `SELECT x FROM (SELECT lag(d_text) OVER (ORDER BY id) AS x FROM lab.every) s WHERE x = 'Marker-C'`},
		step{sql: `SELECT lag(d_text) OVER (ORDER BY id) = d_text FROM lab.every`},
		step{sql: `SELECT lag(d_text, 1, 'none') OVER (ORDER BY id) FROM lab.every`, refused: "function lag()"},
		step{sql: `SELECT lag(id, d_int4) OVER (ORDER BY id) FROM lab.every`, refused: "function lag()"},
		step{sql: `SELECT lag(d_text) OVER (ORDER BY d_text) FROM lab.every`, refused: "ORDER BY"},
		step{sql: `SELECT max(d_text) OVER () FROM lab.every`, refused: "function max()"},
		step{sql: `SELECT first_value(d_text) FROM lab.every`, refused: "function first_value()"},
	))
	p.sealed(t, "Marker-")
}
