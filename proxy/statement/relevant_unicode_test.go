package statement

import "testing"

// TestMentionsUnicode: U&"…" identifiers are read where they can be, and only there.
func TestMentionsUnicode(t *testing.T) {
	var l Lexer
	watched := watching("patient", "état", "p😀")
	for sql, want := range map[string]bool{
		`SELECT U&"p\0061tients" FROM t`:                             false,
		`SELECT * FROM U&"p\0061tient"`:                              true,
		`SELECT * FROM u&"p\+000061tient"`:                           true,
		`SELECT * FROM U&"patient"`:                                  true,
		`SELECT * FROM U&"p!0061tient" UESCAPE '!'`:                  true,
		`SELECT * FROM U&"p!0061tient"`:                              false,
		`SELECT * FROM U&"p\0061tient" UESCAPE '!'`:                  false,
		`SELECT * FROM U&"\00e9tat"`:                                 true,
		`SELECT * FROM U&"état"`:                                     true,
		`SELECT * FROM U&"p\d83d\de00"`:                              true,
		`SELECT * FROM U&"p\d83d"`:                                   true, // not readable
		`SELECT * FROM U&"p\006"`:                                    true, // neither
		`SELECT * FROM U&"p\0000"`:                                   true,
		`SELECT 'tricky' AS U&"\" UESCAPE '!'`:                       false,
		`SELECT U&"d!0061t\+000061" FROM t UESCAPE '!'`:              false, // a syntax error
		`SELECT 1 AS U&"a\\b", U&"c""d"`:                             false,
		`SELECT U&"query\005fto_xml"('SELECT 1', true, true, '')`:    true,
		`SELECT U&"a\0062c" FROM patient`:                            true,
		`SELECT U&"a\0062c" || 'patient' FROM t`:                     false,
		`EXECUTE U&"p\0061tients"`:                                   true, // the name of something prepared
		`DO $$ BEGIN END $$ LANGUAGE U&"plpgsq\006c"`:                true,
		`INSERT INTO U&"a\0062c" VALUES (1); SELECT 1`:               false,
		`INSERT INTO U&"a\0062c" VALUES (1); CLOSE U&"a\0062c"`:      true,
		"SELECT U&\"abc\" FROM t WHERE x = 'open":                    true,
		"SELECT U&\"abc\" FROM t WHERE x = 'patient":                 true,
		"SELECT U&\"abc\" FROM t /* \xff */":                         true, // U& in what is not UTF-8
		`SELECT U&"p\0061tient" FROM patients WHERE x = U&'d\0061t'`: true,
	} {
		if got := l.Lex([]byte(sql)).Mentions(watched); got != want {
			t.Errorf("%s: %t", sql, got)
		}
	}
}

// TestMentionsRunsSQL: what such functions are told by a constant is looked into.
func TestMentionsRunsSQL(t *testing.T) {
	var l Lexer
	watched := watching("patient")
	for sql, want := range map[string]bool{
		`SELECT ts_rewrite('a & b', 'SELECT keyword, sample FROM t')`:           false,
		`SELECT ts_rewrite('a & b', 'SELECT keyword, sample FROM t'::text)`:     false,
		`SELECT ts_rewrite('a & b', 'SELECT nir, nir FROM patient'::text)`:      true,
		`SELECT ts_rewrite('a & b', $1)`:                                        true,
		`SELECT ts_rewrite('a & b', 'SELECT nir, nir FROM ' || 'patient')`:      true,
		`SELECT ts_rewrite('a', 'b', 'c')`:                                      false,
		`SELECT ts_rewrite(ts_rewrite('a', 'b', 'c'), to_tsquery('d, e'), 'f')`: false,
		`SELECT ts_rewrite(ts_rewrite('a', q), to_tsquery('d'), 'f')`:           true,
		`SELECT ts_rewrite('a', VARIADIC x)`:                                    true,
		`SELECT ts_rewrite`:                                                     true,
		`SELECT ts_rewrite('a', 'b'`:                                            true,
		`SELECT cursor_to_xml('xc'::refcursor, 5, false, true, '')`:             false,
		`SELECT query_to_xml('SELECT 1'::text || 'patient', true, true, '')`:    true,
		`SELECT query_to_xml('SELECT * FROM patient'::text, true, true, '')`:    true,
		`SELECT table_to_xml(('t')::regclass, true, true, '')`:                  true,
	} {
		if got := l.Lex([]byte(sql)).Mentions(watched); got != want {
			t.Errorf("%s: %t", sql, got)
		}
	}
}
