package statement

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// secret stands in every constant that is meant for a sealed column; the
// generator puts it nowhere else.
const secret = "S3CRET"

// generator makes statements over the fixture's tables out of bytes: what a
// fuzzer finds in them is a choice at each fork.
type generator struct {
	choices []byte
	depth   int
	params  int
}

func (g *generator) pick(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := g.choices[0]
	g.choices = g.choices[1:]
	return int(c) % n
}

func (g *generator) of(forms ...string) string { return forms[g.pick(len(forms))] }

// list joins one to four parts.
func (g *generator) list(part func() string) string {
	parts := []string{part()}
	for range g.pick(4) {
		parts = append(parts, part())
	}
	return strings.Join(parts, g.of(", ", ",", " , -- ,\n "))
}

// value writes a constant or parameter meant for a sealed column of type text.
func (g *generator) value() string {
	v := g.of("'"+secret+"'", "E'"+secret+`\n'`, "$$"+secret+"$$", "$q$"+secret+"$q$", "'a''"+secret+"'",
		"N'"+secret+"'", "'"+secret+"'\n'"+secret+"'", "text '"+secret+"'", "varchar(40) '"+secret+"'", "$1", "NULL", "U&'"+secret+"'")
	switch g.pick(9) {
	case 0:
		return v + g.of("::text", "::varchar", "::character varying", " :: pg_catalog.text", "::varchar(20)", "::text::varchar")
	case 1:
		return "CAST(" + v + " AS " + g.of("text", "varchar", "character varying", "bpchar", "varchar(60)") + ")"
	case 2:
		return "(" + v + ")"
	case 3:
		return "((" + v + ")::text)"
	case 4:
		return strings.ReplaceAll(g.of("lower(%s)", "%s || %s", "(%s) || (%s || %s)", "coalesce(%s, %s)", "coalesce(NULL, %s)", "(SELECT %s)", "%s COLLATE \"C\"",
			"CASE WHEN true THEN %s END", "CASE WHEN id = 1 THEN %s ELSE %s END", "CASE WHEN %s = %s THEN %s END", "CASE %s WHEN %s THEN %s ELSE NULL END",
			"ARRAY[%s]", "ROW(%s)", "nullif(%s, %s)", "nullif(trim(%s), %s)", "trim(BOTH %s FROM %s)", "substring(%s FROM 2 FOR 3)", "left(%s, 3)::varchar(2)",
			"replace(%s, %s, %s)", "concat(%s, %s)", "initcap(%s)", "upper(upper(%s))", "CAST(%s || %s AS varchar(5))", "coalesce(nir, %s)", "(lower(%s))", "upper(%s)::text"), "%s", v)
	}
	return v
}

// sealed names a sealed column of the table p, a patient.
func (g *generator) sealed() string {
	return g.of("p.nir", "nir", "email", "p.email", "(nir)", "last_name", `"p"."nir"`, "P.Nir")
}

func (g *generator) array() string {
	return g.of("'{"+secret+","+secret+"}'", "ARRAY["+g.list(g.value)+"]", "'{"+secret+"}'::text[]",
		"ARRAY['"+secret+"', NULL]::varchar[]", "CAST(ARRAY['"+secret+"'] AS text[])", "$2", "$3::text[]")
}

// condition writes a truth value about p.
func (g *generator) condition() string {
	if g.depth++; g.depth > 8 {
		return "true"
	}
	defer func() { g.depth-- }()
	switch g.pick(16) {
	case 0:
		return g.sealed() + g.of(" = ", " <> ", "!=", "=") + g.value()
	case 1:
		return g.value() + g.of(" = ", " <> ") + g.sealed()
	case 2:
		return g.sealed() + g.of(" IN (", " NOT IN (") + g.list(g.value) + ")"
	case 3:
		return g.sealed() + g.of(" = ANY (", " <> ALL (", " = SOME(") + g.array() + ")"
	case 4:
		return g.sealed() + g.of(" IS DISTINCT FROM ", " IS NOT DISTINCT FROM ") + g.value()
	case 5:
		return g.of("sex = 'plain'", "id IN (1, 2, 3)", "p.doctor = $4", "sex LIKE 'plain%'", "id BETWEEN 1 AND 2", "sex IS NULL", "'plain' = lower(sex)")
	case 6:
		return g.condition() + g.of(" AND ", " OR ") + g.condition()
	case 7:
		return "NOT (" + g.condition() + ")"
	case 8:
		return "EXISTS (SELECT 1 FROM patient p WHERE " + g.condition() + ")"
	case 9:
		return "id IN (SELECT id FROM lab.patient AS p WHERE " + g.condition() + ")"
	case 10:
		return "nir IN (SELECT patient_nir FROM result WHERE outcome = '" + secret + "')"
	case 11:
		return "(id, nir) " + g.of("= (1, ", "<> (1, ", "IN ((1, ") + g.value() + g.of(")", "))")
	case 12:
		return g.sealed() + g.of(" LIKE '", " < '", " || '", " ~ '") + secret + "'" + g.of("", " = 'plain'")
	case 13:
		return "lower(" + g.sealed() + ") = '" + secret + "'"
	case 14:
		return "CASE WHEN " + g.condition() + " THEN true ELSE nir = '" + secret + "' END"
	}
	return g.sealed() + " IS NULL"
}

// source writes something with the columns id, n and s, of which n is meant for a sealed
// column.
func (g *generator) source() string {
	row := func() string { return "(1, " + g.value() + ", 'plain')" }
	return g.of("(VALUES "+g.list(row)+") v (id, n, s)", "(SELECT 1 AS id, "+g.value()+" AS n, 'plain' AS s) v",
		"(SELECT * FROM (VALUES "+g.list(row)+") w (id, n, s)) v", "(SELECT 1 AS id, "+g.value()+" AS n, 'plain' AS s UNION ALL SELECT 2, "+g.value()+", 'plain') v")
}

// statement writes a whole statement.
func (g *generator) statement() string {
	switch g.pick(10) {
	case 8:
		return "UPDATE patient p SET " + g.of("nir", "email", "last_name") + " = v.n" + g.of("", ", sex = v.s", ", email = v.n") + " FROM " + g.source() + " WHERE " +
			g.of("p.id = v.id", "p.nir = v.n", "v.n IS NOT NULL", "lower(v.n) = 'plain'", "p.sex = v.s AND v.n IS DISTINCT FROM p.nir")
	case 9:
		return "MERGE INTO patient p USING " + g.source() + " ON " + g.of("p.id = v.id", "p.nir = v.n", "p.email = v.n") +
			" WHEN MATCHED AND p.nir = " + g.value() + " THEN UPDATE SET last_name = " + g.value() + " WHEN NOT MATCHED THEN INSERT (id, nir, sex) VALUES (v.id, v.n, " +
			g.of("'plain'", "v.s", "v.n") + ")"
	case 5:
		return "INSERT INTO patient (id, nir, sex, last_name) SELECT " + g.of("", "DISTINCT ") + "1, " + g.value() + ", 'plain', " + g.value() +
			g.of(" FROM visit p", " FROM patient p WHERE "+g.condition(), " UNION ALL SELECT 1, "+g.value()+", 'plain', "+g.value(), " LIMIT 1")
	case 6:
		return "INSERT INTO patient AS p (id, nir) VALUES (1, " + g.value() + ") ON CONFLICT (id) DO UPDATE SET " +
			g.of("nir = ", "last_name = ", "sex = 'plain', email = ", "(sex, nir) = ('plain', ", "(sex, nir) = (SELECT 'plain', ") + g.value() + g.of("", ")") +
			g.of("", " WHERE p.nir = "+g.value())
	case 7:
		return "WITH x AS (INSERT INTO patient (id, nir) VALUES (1, " + g.value() + ") RETURNING id) UPDATE patient p SET email = " + g.value() + " FROM x WHERE " + g.condition()
	case 0:
		return "UPDATE patient p SET " + g.of("nir = ", "last_name = ", "sex = 'plain', email = ", "(sex, nir) = ('plain', ") + g.value() +
			g.of("", ")") + " WHERE " + g.condition() + g.of("", " RETURNING *")
	case 1:
		return "DELETE FROM lab.patient p WHERE " + g.condition()
	case 2:
		row := func() string { return "(1, " + g.value() + ", 'plain', " + g.value() + ")" }
		return "INSERT INTO patient (id, nir, sex, last_name) VALUES " + g.list(row) + g.of("", " RETURNING nir", " ON CONFLICT DO NOTHING")
	case 3:
		return "SELECT " + g.of("*", "p.*", "nir", "count(*)", "id, nir = '"+secret+"'") + " FROM " +
			g.of("patient p", "(SELECT * FROM patient) p", "lab.patient AS p", "patient p JOIN visit v ON v.patient_id = p.id AND "+g.condition(), "v_patient p") +
			" WHERE " + g.condition()
	}
	return "SELECT 'plain', 1; " + "SELECT p.* FROM patient p WHERE " + g.condition()
}

// checkSecret plans a statement and reports whether it was accepted. Whatever
// is sent then must be free of what was meant for a sealed column, and hold all
// of what was not.
func checkSecret(t testing.TB, a *Analyzer, sql string) bool {
	t.Helper()
	text := new(Lexer).Lex([]byte(sql))
	env := &Env{SearchPath: defaultPath}
	plan, err := a.Plan(text, env)
	if err != nil {
		if _, ok := pgerror.As(err); !ok {
			t.Fatalf("%s\nnot a pgerror: %v", sql, err)
		}
		return false
	}
	if plan == nil {
		t.Fatalf("%s\nis not analysed", sql)
	}
	var edits Edits
	if err := plan.Edits(text, &edits); err != nil {
		if e, ok := pgerror.As(err); !ok || e.Code == pgerror.InternalError {
			t.Fatalf("%s\n%v", sql, err)
		}
		return false
	}
	sent := splicedText(text.SQL(), &edits, func(*Value, *Param) string { return "''" })
	if strings.Contains(sent, secret) || strings.Count(sent, "plain") != strings.Count(sql, "plain") {
		t.Fatalf("sent:\n%s\nfor:\n%s", sent, sql)
	}
	for i := range edits.Values {
		if v := &edits.Values[i]; !v.Null && !isSecret(v) {
			t.Fatalf("%s\nvalue %q", sql, v.Text)
		}
	}
	return true
}

// isSecret reports whether a value is made of what was meant for a sealed column.
func isSecret(v *Value) bool {
	if v.Computed == nil {
		return bytes.Contains(v.Text, []byte("S3C")) || v.Array && strings.HasPrefix(string(v.Text), "{NULL")
	}
	for _, l := range v.Computed.leaves {
		if l.text != nil && !bytes.Contains(l.text, []byte("S3C")) && len(l.text) > 4 {
			return false
		}
	}
	return true
}

// xorshift is a small random source, so that a failure can be replayed.
type xorshift uint64

func (x *xorshift) bytes(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		*x ^= *x << 13
		*x ^= *x >> 7
		*x ^= *x << 17
		out[i] = byte(*x >> 32)
	}
	return out
}

func TestNoSecretIsSent(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	random := xorshift(20240601)
	accepted := 0
	const total = 6000
	for range total {
		g := generator{choices: random.bytes(80)}
		if checkSecret(t, a, g.statement()) {
			accepted++
		}
	}
	t.Logf("%d of %d accepted", accepted, total)
	if accepted < total/5 {
		t.Errorf("only %d of %d statements were accepted", accepted, total)
	}
}

func FuzzGenerated(f *testing.F) {
	random := xorshift(1)
	for range 50 {
		f.Add(random.bytes(60))
	}
	a := NewAnalyzer(readFixture(f).catalog())
	f.Fuzz(func(t *testing.T, choices []byte) {
		g := generator{choices: choices}
		checkSecret(t, a, g.statement())
	})
}
