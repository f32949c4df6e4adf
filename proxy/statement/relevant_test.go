package statement

import (
	"strings"
	"testing"
)

func watching(names ...string) func([]byte) bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return func(ident []byte) bool { return m[string(ident)] }
}

func TestMentions(t *testing.T) {
	var l Lexer
	watched := watching("patient", "Result", "order", "état", "a b", `q"q`, "name", strings.Repeat("x", 63), "a$b")
	for sql, want := range map[string]bool{
		"SELECT * FROM patient":                          true,
		"SELECT * FROM PATIENT":                          true,
		"SELECT * FROM lab.Patient p":                    true,
		`SELECT * FROM "patient"`:                        true,
		`SELECT * FROM "Patient"`:                        false,
		"SELECT * FROM result":                           false,
		`SELECT * FROM "Result"`:                         true,
		"SELECT * FROM t ORDER BY a":                     false,
		"SELECT * FROM lab.order":                        true,
		`SELECT * FROM "order"`:                          true,
		"SELECT name FROM t":                             true,
		"SELECT * FROM état":                             true,
		"SELECT * FROM éTAT":                             true,
		`SELECT * FROM "a b"`:                            true,
		`SELECT * FROM "q""q"`:                           true,
		"SELECT * FROM a$b":                              true,
		"SELECT * FROM " + strings.Repeat("X", 70):       true,
		"SELECT 'patient' FROM t -- patient":             false,
		"SELECT $$patient$$ /* patient */":               false,
		"SELECT patient_id, patients FROM t":             false,
		"INSERT INTO t VALUES ('SELECT * FROM patient')": false,
		"SELECT U&'patient'":                             false,
		"SELECT 'patient'::regclass":                     false,
		"DO 'begin perform * from patient; end'":         true,
		"DO $$ EXECUTE 'select * from PATIENT' $$":       true,
		"DO $$ EXECUTE 'select * from \"Result\"' $$":    true,
		"DO $$ EXECUTE 'select * from \"a b\"' $$":       true,
		"DO $$ EXECUTE 'select * from \"q\"\"q\"' $$":    true,
		"DO $$ x := \"y\"; select * from \"a b\" $$":     true,
		"DO $$ x := \"y; select * from \"a b\" $$":       true,
		`DO E'select * from p\x61tient'`:                 true,
		`DO E'select * from\npatient'`:                   true,
		"DO $a$ $b$patient$b$ $a$":                       true,
		"DO $a$ $patient$ x $patient$ $a$":               true,
		"DO U&'select'":                                  false,
		`DO U&'select * from p\0061tient'`:               true,
		"DO U&'\\00'":                                    true, // not readable
		"DO $$ select 1 from patients $$":                false,
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM lab.patient'": true,
		"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 FROM patient; END":     true,
		"ALTER FUNCTION f() SET x = 'patient'":                                        true,
		"SELECT 1; DO 'patient'":                                                      true,
		"DO 'x'; SELECT 'patient'":                                                    false,
		"FROBNICATE 'patient'":                                                        true,
		"SELECT query_to_xml('select * from patient', true, true, '')":                true,
		"SELECT pg_catalog.table_to_xml('lab.patient', true, true, '')":               true,
		`SELECT "query_to_xml"('select * from patient', true, true, '')`:              true,
		"SELECT query_to_xml('select * from t', true, true, '')":                      false,
		"SELECT schema_to_xml('lab', true, true, '')":                                 true,
		`SELECT "database_to_xml"(true, true, '')`:                                    true,
		"SELECT dblink('x', 'select * from ' || 'patient')":                           true,
		"BEGIN": false, "": false,

		// Odd texts: anything that may be the name.
		"SELECT 'abc":                        false,
		"SELECT 'patient":                    true,
		"SELECT 1 /* patient":                true,
		"SELECT 1 /* PATIENT":                true,
		`SELECT "patient`:                    true,
		`SELECT 'x "a b" `:                   true,
		`SELECT U&"p\0061tient"`:             true,
		`SELECT U&"abc"`:                     false,
		`SELECT ' U&"p\0061tient"`:           true,
		"SELECT 1x, patient":                 true,
		"SELECT 1patient":                    true,
		"SELECT $$ $patient$":                true,
		"SELECT ' a$b":                       true,
		"SELECT '$x$a$b$y$":                  true,
		`SELECT E'\npatient`:                 true,
		"SELECT '\x00' patient":              true,
		"SELECT patients '\x00":              false,
		"SELECT 'H\xe9l\xe8ne' FROM t":       false,
		"SELECT 'H\xe9l\xe8ne' FROM patient": true,
		"SELECT * FROM \xe9tat":              true,
		"SELECT * FROM \"\xe9tat\"":          true,
		"SELECT 'x query_to_xml(":            true,
	} {
		if got := l.Lex([]byte(sql)).Mentions(watched); got != want {
			t.Errorf("%q: %v", sql, got)
		}
	}
}

func TestMentionsWithBackslashQuotes(t *testing.T) {
	l := Lexer{BackslashQuotes: true}
	watched := watching("patient")
	for sql, want := range map[string]bool{
		`SELECT '\' FROM t; SELECT nir FROM patient --'`: true,
		`SELECT 'a\'b patient'`:                          true,
		`SELECT 'a''b patient'`:                          false,
		`SELECT E'a\'b patient'`:                         false,
	} {
		text := l.Lex([]byte(sql))
		if got := text.Mentions(watched); got != want {
			t.Errorf("%q: %v", sql, got)
		}
	}
}

func TestMentionsDoesNotAllocate(t *testing.T) {
	var l Lexer
	watched := watching("patient")
	for _, sql := range []string{
		string(pgbenchSelect), "DO $$ select * from t where a = \"b\" $$", "SELECT 'abc", "INSERT INTO t VALUES ('a'), ('b')",
	} {
		text := []byte(sql)
		l.Lex(text).Mentions(watched)
		if n := testing.AllocsPerRun(100, func() {
			if l.Lex(text).Mentions(watched) {
				t.Fatal("mentioned")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", sql, n)
		}
	}
}

// FuzzMentions checks that a name put anywhere in a text, where PostgreSQL would
// read it as one, is found.
func FuzzMentions(f *testing.F) {
	for _, sql := range lexerCorpus(f) {
		f.Add(sql, len(sql)/2)
	}
	var l Lexer
	watched := watching("zq_patient")
	f.Fuzz(func(t *testing.T, sql string, at int) {
		if len(sql) > 4096 || at < 0 || at > len(sql) {
			return
		}
		for _, name := range []string{" zq_patient ", " ZQ_Patient\n", `"zq_patient"`} {
			text := l.Lex([]byte(sql[:at] + name + sql[at:]))
			named := false
			var ident []byte
			for i, k := range text.Tokens() {
				ident = text.AppendIdent(ident[:0], i)
				named = named || k.Kind.IsName() && string(ident) == "zq_patient"
			}
			if (named || text.Odd() && !text.unicodeNames()) && !text.Mentions(watched) {
				t.Fatalf("not found in %q", text.SQL())
			}
		}
	})
}
