package statement

import (
	"slices"
	"testing"
)

// TestRowsOfJSON: values in JSON count as of one row with others only where they surely are.
func TestRowsOfJSON(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	env := &Env{SearchPath: []string{"pg_catalog", "lab"}}
	for sql, together := range map[string]bool{
		"SELECT to_json(nir), nir FROM patient":                                                                                                       true,
		"SELECT to_json(p.nir), q.nir FROM patient p, patient q":                                                                                      false,
		"WITH t AS (SELECT to_json(nir) AS j FROM patient) SELECT x.j, y.j FROM t x, t y":                                                             false,
		"SELECT to_json(p.nir), to_json(p.nir) FROM patient p UNION ALL SELECT to_json(p.nir), to_json(q.nir) FROM patient p, patient q":              false,
		"SELECT to_json(CASE WHEN true THEN p.nir ELSE q.nir END), to_json(p.nir) FROM patient p, patient q":                                          false,
		"SELECT CASE WHEN p.id > 1 THEN to_json(p.nir) ELSE to_json(q.nir) END, CASE WHEN p.id > 1 THEN to_json(q.nir) END FROM patient p, patient q": false,
	} {
		plan, _, err := planOf(t, a, env, sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		var rows []int32
		for _, o := range plan.Statements[0].Outputs {
			if o.JSON == nil {
				rows = append(rows, o.Row)
			}
			o.JSON.Values(func(v *Output) { rows = append(rows, v.Row) })
		}
		slices.Sort(rows)
		if is := len(slices.Compact(slices.Clone(rows))) == 1 && rows[0] != 0; len(rows) != 2 || is != together {
			t.Errorf("%s: rows %v", sql, rows)
		}
	}
}
