package statement

import (
	"slices"
	"testing"
)

// TestBare: where the server gives a constant its column's type, its sealed value needs no cast. In
// all other places it would be text.
func TestBare(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	env := &Env{SearchPath: defaultPath}
	for _, c := range []struct {
		sql  string
		bare []bool
	}{
		{`INSERT INTO lab.patient (id, nir, last_name) VALUES (1, 'a', 'b')`, []bool{true, true}},
		{`INSERT INTO lab.patient (id, nir) VALUES (1, 'a'), (2, ('b')::text), (3, varchar 'c')`, []bool{true, true, true}},
		{`INSERT INTO lab.patient (nir) VALUES ('a') ON CONFLICT (id) DO UPDATE SET last_name = 'b' WHERE patient.nir = 'c'`, []bool{true, true, false}},
		{`INSERT INTO lab.patient (nir) SELECT 'a'`, []bool{false}},
		{`INSERT INTO lab.patient (id, nir) VALUES (1, 'a') LIMIT 1`, []bool{false}},
		{`INSERT INTO lab.patient (nir) SELECT 'a' UNION ALL SELECT 'b'`, []bool{false, false}},
		{`INSERT INTO lab.patient (nir) VALUES (CASE WHEN true THEN 'a' END)`, []bool{false}},
		{`INSERT INTO lab.patient (nir) VALUES (COALESCE('a', 'b'))`, []bool{false}},
		{`UPDATE lab.patient SET nir = 'a', (last_name) = ROW('b') WHERE nir = 'c'`, []bool{true, true, false}},
		{`UPDATE lab.patient SET nir = (SELECT 'a')`, []bool{false}},
		{`UPDATE lab.patient SET (nir, last_name) = (SELECT 'a', 'b')`, []bool{false, false}},
		{`SELECT id FROM lab.patient WHERE nir IN ('a', 'b')`, []bool{false, false}},
	} {
		text := new(Lexer).Lex([]byte(c.sql))
		plan, err := a.Plan(text, env)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		var e Edits
		if err := plan.Edits(text, &e); err != nil {
			t.Fatal(c.sql, err)
		}
		var bare []bool
		for i := range e.Values {
			bare = append(bare, e.Values[i].Bare)
		}
		if !slices.Equal(bare, c.bare) {
			t.Errorf("%s: %v, not %v", c.sql, bare, c.bare)
		}
	}
}
