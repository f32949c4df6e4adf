package proxy_test

import "testing"

// TestSigns: a minus sign before a number with a cast is computed as the server does, and
// bytea can be cast to bytea.
func TestSigns(t *testing.T) {
	_, through, direct := queryPair(t)
	sameInAllModes(t, through, direct, []queryCase{
		{`SELECT id FROM lab.every WHERE d_int2 = -5::int2`, nil},
		{`SELECT id FROM lab.every WHERE d_int2 = -5::int4 OR d_int4 IN (-7::int4, 7)`, nil},
		{`SELECT id FROM lab.every WHERE d_int4 = - -7::int4 AND d_int8 = -(-7)::int8`, nil},
		{`UPDATE lab.every SET r_int4 = -42::int4, r_numeric = -4.250::numeric, d_int8 = -5000000000::int8 RETURNING r_int4, r_numeric, d_int8`, nil},
		{`UPDATE lab.every SET r_numeric = -'NaN'::numeric, d_int4 = -'12'::int4, r_int4 = -(0::int4) WHERE id = 1 RETURNING r_numeric, d_int4, r_int4`, nil},
		{`UPDATE lab.every SET d_int4 = -2147483648 WHERE id = 1 RETURNING d_int4`, nil},
		{`UPDATE lab.every SET d_int4 = (-2147483648)::int4 WHERE id = 1 RETURNING d_int4`, nil},
		{`UPDATE lab.every SET r_int4 = -$1::int4, d_int8 = -$2::int8 WHERE id = 1 RETURNING r_int4, d_int8`, []string{"-9", "5"}},
		{`SELECT coalesce(d_bytea::bytea, '\x00'), CASE WHEN id > 1 THEN CAST(d_bytea AS bytea) END AS b FROM lab.every WHERE d_bytea::bytea = '\x5a'`, nil},
	})
	// The server, too, finds that 2147483648 is no integer before it looks at the sign.
	const sql = `UPDATE lab.every SET d_int4 = -2147483648::int4`
	if got, want := queryAnswer(t, through, queryCase{sql: sql}, "simple"), queryAnswer(t, direct, queryCase{sql: sql}, "simple"); got[:5] != "22003" || want[:5] != "22003" {
		t.Errorf("%s: %s, directly %s", sql, got, want)
	}
}
