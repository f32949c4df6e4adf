package proxy_test

import (
	"strings"
	"testing"
)

// TestAttackCastNumbers: a number that is cast is written as the server writes it before
// it casts, not as it stands in the text.
func TestAttackCastNumbers(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		{sql: `INSERT INTO lab.every (id, d_text) VALUES (1, 00209174638::text), (2, 209174638::text) RETURNING d_text`},
		{sql: `INSERT INTO lab.every (id, d_text) VALUES (3, CAST(-0 AS text)), (4, CAST(-007 AS text)), (5, 000::varchar(2)), (6, 0012345::varchar(3)) RETURNING d_text`},
		{sql: `INSERT INTO lab.every (id, d_char) VALUES (7, 000209174638::char(9)) RETURNING d_char`},
		{sql: `SELECT id FROM lab.every WHERE d_text = 00209174638::text OR d_text IN (0123::text, 0::text) ORDER BY id`},
		{sql: `INSERT INTO lab.every (id, r_double) VALUES (8, CAST(-0 AS float8)), (9, CAST(-0.0 AS float8)), (10, '-0'), (11, CAST(-0e3 AS float8)), (12, CAST(-0.5e-3 AS float8)) RETURNING r_double`},
		{sql: `SELECT coalesce(d_text, 00209174638::text) FROM lab.every WHERE id IN (1, 7) ORDER BY id`},
		{sql: `INSERT INTO lab.every (id, d_text) VALUES (13, right('209174638', -2147483648)), (14, right('209174638', -2147483647)) RETURNING d_text`},
		{sql: `INSERT INTO lab.every (id, d_text) VALUES (15, 0x51B5::text)`, refused: "cast to a string"},
	})
	p.sealed(t, "209174638")
}

// TestAttackChangedRole: whoever holds a cursor, a portal or a prepared statement of
// another role sees what their own role may see.
func TestAttackChangedRole(t *testing.T) {
	s := attackStack(t)
	const sel = `SELECT nir FROM lab.patient`
	first, then := query(`SET ROLE biologist`), query(`SET ROLE secretary`)
	for name, bursts := range map[string][]messages{
		"held cursor":                {{first}, {query(`BEGIN`)}, {query(`DECLARE c CURSOR WITH HOLD FOR ` + sel)}, {query(`COMMIT`)}, {then}, {query(`FETCH 1 FROM c`)}},
		"EXECUTE":                    {{first}, {query(`PREPARE c AS ` + sel)}, {then}, {query(`EXECUTE c`)}},
		"EXECUTE, pipelined":         {{first}, {query(`PREPARE c AS ` + sel)}, {then, query(`EXECUTE c`)}},
		"portal":                     {{first}, {query(`BEGIN`)}, {parse("", sel), bind("p", ""), sync_}, {then}, {execute("p", 1), sync_}},
		"portal, pipelined":          {{first}, {query(`BEGIN`)}, {parse("", sel), bind("p", ""), parse("", `SET ROLE secretary`), bind("", ""), execute("", 0), execute("p", 1), sync_}},
		"portal of FETCH":            {{first}, {query(`BEGIN`)}, {query(`DECLARE c CURSOR FOR ` + sel)}, {parse("", `FETCH 1 FROM c`), bind("p", ""), sync_}, {then}, {execute("p", 0), sync_}},
		"JSON by prepared statement": {{first}, {parse("x", `SELECT to_jsonb(p) FROM (`+sel+`) p`), sync_}, {then}, {bind("", "x"), execute("", 0), sync_}},
		"array by portal":            {{first}, {query(`BEGIN`)}, {parse("", `SELECT array_agg(nir) FROM lab.patient`), bind("p", ""), sync_}, {then}, {execute("p", 0), sync_}},
		"COPY by prepared statement": {{first}, {parse("x", `COPY (`+sel+`) TO STDOUT`), sync_}, {then}, {bind("", "x"), execute("", 0), sync_}},
	} {
		c := dialWire(t, s.DSN("alice"))
		all := ""
		for _, b := range bursts {
			all += c.everything(b)
		}
		if !strings.Contains(all, "1**************") || strings.Contains(all, nir1) || strings.Contains(all, nir2) {
			t.Errorf("%s: %s", name, all)
		}
	}
}

// TestAttackConstants: texts that differ in constants only, of which the constants decide.
func TestAttackConstants(t *testing.T) {
	s := attackStack(t)
	conn := s.Connect(t, "biologist")
	for _, c := range [][2]string{
		{`SELECT jsonb_build_object('a', nir, 'a', id) FROM lab.patient WHERE id = 1`, "0A000"},
		{`SELECT jsonb_build_object('a', nir, 'b', id) FROM lab.patient WHERE id = 1`, `{"a": "` + nir1 + `", "b": 1}`},
		{`SELECT jsonb_build_object('b', nir, 'a', id) FROM lab.patient WHERE id = 1`, `{"a": 1, "b": "` + nir1 + `"}`},
		{`SELECT nir::varchar(3), CAST(nir AS varchar(4)) FROM lab.patient WHERE id = 1`, nir1[:3] + "|" + nir1[:4]},
		{`SELECT nir::varchar(5), CAST(nir AS varchar(2)) FROM lab.patient WHERE id = 1`, nir1[:5] + "|" + nir1[:2]},
		{`UPDATE lab.patient SET last_name = left('Zxqwabc', 5) WHERE id = 2 RETURNING last_name`, "Zxqwa"},
		{`UPDATE lab.patient SET last_name = left('Zxqwabc', 6) WHERE id = 2 RETURNING last_name`, "Zxqwab"},
		{`UPDATE lab.patient SET last_name = 'Zxqwabc'::varchar(5) WHERE id = 2 RETURNING last_name`, "Zxqwa"},
		{`UPDATE lab.patient SET last_name = 'Zxqwabc'::varchar(6) WHERE id = 2 RETURNING last_name`, "Zxqwab"},
	} {
		if got := show(t, conn, c[0]); got != c[1] {
			t.Errorf("%s: %q, not %q", c[0], got, c[1])
		}
	}
	wire := dialWire(t, s.DSN("biologist"))
	for delimiter, want := range map[string]string{";": "1;" + nir1, "|": "1|" + nir1, "7": "17"} {
		said := wire.everything(messages{query(`COPY (SELECT id, nir FROM lab.patient WHERE id = 1) TO STDOUT (DELIMITER '` + delimiter + `', FORMAT csv)`)})
		if !strings.Contains(said, want) {
			t.Errorf("delimiter %s: %s", delimiter, said)
		}
	}
}

// TestAttackNullOfJSON: COALESCE tells which values are NULL, of JSON too.
func TestAttackNullOfJSON(t *testing.T) {
	conn := attackStack(t).Connect(t, "researcher")
	if got := show(t, conn, `SELECT coalesce(to_json(nir), 'null') FROM lab.patient`); got != "42501" {
		t.Errorf("%q", got)
	}
	if got := show(t, conn, `SELECT coalesce(json_agg(nir), '[]') FROM lab.patient`); got != "[null, null]" {
		t.Errorf("%q", got)
	}
}
