package proxy_test

import "testing"

// arrayQueries make arrays of sealed values and take them apart by position.
var arrayQueries = []queryCase{
	{`SELECT ARRAY[nir, 'x', email] FROM lab.patient ORDER BY id`, nil},
	{`SELECT ARRAY[nir], ARRAY[nir, nir], ARRAY[email, nir] FROM lab.patient ORDER BY id`, nil},
	{`SELECT ARRAY[last_name, $1, NULL], ARRAY[birth_date], ARRAY[birth_date, '2001-01-01'] FROM lab.patient ORDER BY id`, []string{"param  "}},
	{`SELECT (ARRAY[nir, email])[2], (ARRAY[nir, 'x '])[1], (ARRAY[nir, 'x '])[2], (ARRAY[birth_date])[id], (ARRAY[last_name])[5] FROM lab.patient ORDER BY id`, nil},
	{`SELECT (array_agg(nir ORDER BY id))[1], (array_agg(last_name ORDER BY id))[2:3], (array_agg(birth_date ORDER BY id))[:2] FROM lab.patient`, nil},
	{`SELECT a[1], a[1:2][1], a[1][1], array_length(a, 1), cardinality(a), array_upper(a, 1), array_ndims(a), array_dims(a) FROM (SELECT array_agg(nir ORDER BY id) AS a FROM lab.patient) s`, nil},
	{`SELECT id FROM lab.patient p WHERE (SELECT array_agg(nir ORDER BY id) FROM lab.result r WHERE r.patient = p.id)[1] = $1`, []string{"185057800608436"}},
	{`SELECT id FROM lab.patient WHERE (ARRAY[email, 'x'])[1] = 'anne@exemple.fr'`, nil},
	{`SELECT p.id, r.id FROM lab.patient p, lab.result r WHERE '185057800608436' = ANY (ARRAY[p.nir, r.nir])`, nil},
	{`SELECT p.id, r.id FROM lab.patient p, lab.result r WHERE p.nir <> ALL (ARRAY[r.nir])`, nil},
	{`SELECT unnest(array_agg(nir)) FROM lab.patient`, nil},
	{`SELECT unnest(ARRAY[email, last_name]) FROM lab.patient`, nil},
	{`SELECT u.n, u.i FROM (SELECT array_agg(nir ORDER BY id) AS a FROM lab.patient) s, unnest(s.a) WITH ORDINALITY u (n, i) WHERE u.n IS NOT NULL`, nil},
	{`SELECT r.id, u FROM lab.result r, LATERAL unnest(ARRAY[r.nir, 'none']) u WHERE r.id = 4`, nil},
	{`SELECT r.id, u FROM lab.result r, LATERAL unnest(ARRAY[r.nir]) u WHERE u = '9'`, nil},
	{`SELECT unnest FROM unnest(ARRAY(SELECT birth_date FROM lab.patient))`, nil},
	{`SELECT u, count(*) FROM (SELECT array_agg(nir) AS a FROM lab.result) s, unnest(s.a) u GROUP BY u`, nil},
	{`SELECT ARRAY[nir]::text[], ARRAY[birth_date]::text[], to_json((ARRAY[last_name])[1]) FROM lab.patient ORDER BY id`, nil},
	{`SELECT (ARRAY[d_int4, 7])[1], ARRAY[r_numeric, 1.50], ARRAY[r_bool, true], ARRAY[d_uuid], ARRAY[r_jsonb] FROM lab.every ORDER BY id`, nil},
	{`SELECT ARRAY[note, 'x'], (ARRAY[id, 2])[1], u FROM lab.plain, unnest(ARRAY[note]) u`, nil},
	{`SELECT nir[1] FROM lab.plain`, nil},
	{`SELECT ARRAY[id, nir] FROM lab.plain`, nil},
}

// TestArrays: arrays that are written out are those of the same query on tables in the
// clear, and so are their elements.
func TestArrays(t *testing.T) {
	s, through, direct := queryPair(t)
	sameInAllModes(t, through, direct, arrayQueries)
	for sql, want := range map[string]string{
		`SELECT ARRAY[nir, '1'], (ARRAY[last_name])[1] FROM lab.patient WHERE id = 1`:              `{1**************,***************}|Lefèvre`,
		`SELECT (array_agg(nir))[1] FROM lab.patient WHERE id = 1`:                                 `1**************`,
		`SELECT u FROM lab.patient, unnest(ARRAY[nir]) u WHERE id = 1`:                             `1**************`,
		`SELECT (ARRAY[outcome])[1] FROM lab.result`:                                               `42501`,
		`SELECT cardinality(array_agg(outcome)) FROM lab.result`:                                   `42501`,
		`SELECT id FROM lab.result WHERE (ARRAY[outcome])[1] = 'positif'`:                          `0A000`,
		`SELECT id FROM lab.patient WHERE (ARRAY[last_name])[1] = 'Lefèvre'`:                       `0A000`,
		`SELECT id FROM lab.patient WHERE ARRAY[nir] = ARRAY['` + nir1 + `']`:                      `0A000`,
		`SELECT id FROM lab.patient WHERE ARRAY[nir] @> ARRAY['` + nir1 + `'::bpchar]`:             `0A000`,
		`SELECT id FROM lab.patient, unnest(ARRAY[last_name]) u WHERE u LIKE 'L%'`:                 `0A000`,
		`SELECT array_to_string(ARRAY[last_name], ',') FROM lab.patient`:                           `0A000`,
		`SELECT length((ARRAY[last_name])[1]) FROM lab.patient`:                                    `0A000`,
		`SELECT ARRAY[last_name, city] FROM lab.patient`:                                           `0A000`,
		`INSERT INTO lab.plain (id, note) SELECT id, (ARRAY[last_name])[1] FROM lab.patient`:       `0A000`,
		`INSERT INTO lab.plain (id, note) SELECT p.id, u FROM lab.patient p, unnest(ARRAY[nir]) u`: `0A000`,
		`UPDATE lab.patient SET city = (SELECT unnest(array_agg(nir)) FROM lab.patient LIMIT 1)`:   `0A000`,
		`CREATE TABLE lab.copied AS SELECT unnest(ARRAY[nir]) AS n FROM lab.patient`:               `0A000`,
		`CREATE TABLE lab.copied AS SELECT ARRAY[nir] AS n FROM lab.patient`:                       `0A000`,
		`SELECT id FROM lab.patient ORDER BY ARRAY[nir]`:                                           `0A000`,
		`SELECT id FROM lab.patient GROUP BY id, (ARRAY[last_name])[1]`:                            `0A000`,
	} {
		if got := show(t, s.Connect(t, "secretary"), sql); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
		}
	}
}
