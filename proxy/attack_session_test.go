package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestAttackSession: what the session's settings make of a text, and where names
// lead, must be known before it is sent. other.patient is not tagged, lab.patient is.
func TestAttackSession(t *testing.T) {
	const (
		insert = `INSERT INTO patient (id, nir) VALUES (999, '%s')`
		other  = `SET search_path TO other`
		prime  = `SELECT count(nir) FROM lab.patient` // pgveil learns the session's state
	)
	off := messages{query(`SET standard_conforming_strings TO off`)}
	escaped := messages{query(`SET client_encoding TO GBK; SET backslash_quote TO on`)}
	call := func(oid uint32, args ...string) pgproto3.FrontendMessage {
		f := &pgproto3.FunctionCall{Function: oid}
		for _, a := range args {
			f.Arguments = append(f.Arguments, []byte(a))
		}
		return f
	}
	const setConfig, tableToXML, queryToXML, cursorToXML = 2078, 2923, 2924, 2925
	runAttacks(t, attackStack(t), []attack{
		// How a text is read.
		{"backslash in a plain string, read", "", []messages{off, {query(`SELECT '\' || ', last_name FROM lab.patient --'`)}}},
		{"backslash in a plain string, write", "", []messages{off, {query(`SELECT '\' || '; UPDATE lab.patient SET last_name = upper($$%s$$)::bytea --'`)}}},
		{"backslash in a plain string, one burst", "", []messages{burst(off, messages{query(`SELECT '\' || ', last_name FROM lab.patient --'`)})}},
		{"backslash in a plain string, Parse", "", []messages{off, {parse("", `SELECT '\' || ', last_name FROM lab.patient --'`), bind("", ""), execute("", 0), sync_}}},
		{"backslash in a plain string, set_config", "", []messages{{query(`SELECT set_config('standard_conforming_strings', 'off', false)`)}, {query(`SELECT '\' || ', last_name FROM lab.patient --'`)}}},
		{"backslash in a plain string, function call", "", []messages{{call(setConfig, "standard_conforming_strings", "off", "f")}, {query(`SELECT '\' || ', last_name FROM lab.patient --'`)}}},
		{"backslash in a character", "", []messages{escaped, {query("SELECT E'\xe4\xb8\xad\\', last_name FROM lab.patient --'")}}},
		{"backslash in a character, within the options", "", []messages{{query(`SELECT set_config('client_encoding', 'GBK', false)`)}, {query("SELECT E'\xe4\xb8\xad\\', last_name FROM lab.patient --'")}}},
		{"dollar in a character", "", []messages{escaped, {query("SELECT $\xe4\xb8\xad$x$\xe4\xb8\xad$, last_name FROM lab.patient")}}},
		{"escaped output in an error", "", []messages{{query(`SET bytea_output TO escape`)}, {query(`UPDATE lab.patient SET nir = '185057800608436'`)}}},
		{"failing row", "", []messages{{query(`UPDATE lab.patient SET id = NULL`)}, {query(`SET bytea_output TO escape`)}, {query(`UPDATE lab.patient SET id = NULL`)}}},

		// Where names lead.
		{"function that sets search_path", "", []messages{{query(other)}, {query(prime)}, {query(`SELECT other.lead('lab')`)}, {query(insert)}}},
		{"the same, unqualified", "", []messages{{query(other)}, {query(prime)}, {query(`SELECT lead('lab')`)}, {query(insert)}}},
		{"the same, quoted", "", []messages{{query(other)}, {query(prime)}, {query(`SELECT "lead"('lab')`)}, {query(insert)}}},
		{"the same, in FROM", "", []messages{{query(other)}, {query(prime)}, {query(`SELECT * FROM lead('lab')`)}, {query(insert)}}},
		{"the same, called by a tagged query", "", []messages{{query(other)}, {query(prime)}, {query(`SELECT id, other.lead('lab') FROM lab.patient`)}, {query(insert)}}},
		{"the same, before it in a message", "", []messages{{query(other)}, {query(prime)}, {query(`SELECT other.lead('lab'); ` + insert)}}},
		{"the same, extended", "", []messages{{query(other)}, {query(prime)}, {parse("", `SELECT other.lead($1)`), bind("", "", "lab"), execute("", 0), sync_}, {query(insert)}}},
		{"the same, by FETCH", "", []messages{{query(other)}, {query(`BEGIN`)}, {query(`DECLARE c CURSOR FOR SELECT other.lead('lab')`)}, {query(prime)}, {query(`FETCH c`)}, {query(insert)}}},
		{"set_config by FETCH", "", []messages{{query(other)}, {query(`BEGIN`)}, {query(`DECLARE c CURSOR FOR SELECT set_config('search_path', 'lab', false)`)}, {query(prime)}, {query(`FETCH c`)}, {query(insert)}}},
		{"set_config by MOVE", "", []messages{{query(other)}, {query(`BEGIN`)}, {query(`DECLARE c CURSOR FOR SELECT set_config('search_path', 'lab', false)`)}, {query(prime)}, {query(`MOVE c`)}, {query(insert)}}},
		{"set_config by FETCH of a portal", "", []messages{{query(other)}, {query(`BEGIN`)}, {parse("", `SELECT set_config('search_path', 'lab', false)`), bind("c", ""), sync_}, {query(prime)}, {query(`FETCH c`)}, {query(insert)}}},
		{"set_config by an unknown portal", "", []messages{{query(other)}, {query(`BEGIN`)}, {query(`DECLARE c CURSOR FOR SELECT set_config('search_path', 'lab', false)`)}, {query(prime)}, {execute("c", 0), sync_}, {query(insert)}}},
		{"set_config by EXECUTE", "", []messages{{query(other)}, {query(`PREPARE s AS SELECT set_config('search_path', 'lab', false)`)}, {query(prime)}, {query(`EXECUTE s`)}, {query(insert)}}},
		{"set_config by Bind to PREPARE", "", []messages{{query(other)}, {query(`PREPARE s AS SELECT set_config('search_path', 'lab', false)`)}, {query(prime)}, {bind("", "s"), execute("", 0), sync_}, {query(insert)}}},
		{"trigger that sets search_path", "", []messages{{query(other)}, {query(prime)}, {query(`INSERT INTO other.paths VALUES ('lab')`)}, {query(insert)}}},
		{"COPY to such a trigger", "", []messages{{query(other)}, {query(prime)}, {query(`COPY other.paths FROM STDIN`), &pgproto3.CopyData{Data: []byte("lab\n")}, &pgproto3.CopyDone{}}, {query(insert)}}},
		{"SET LOCAL, COMMIT pipelined", "", []messages{{query(`SET search_path TO lab`)}, {query(`BEGIN; SET LOCAL search_path TO other`)}, {query(prime)}, {query(`COMMIT`), query(insert)}}},
		{"SET LOCAL, COMMIT in the same message", "", []messages{{query(`SET search_path TO lab`)}, {query(`BEGIN; SET LOCAL search_path TO other`)}, {query(prime)}, {query(`COMMIT; ` + insert)}}},
		{"SET LOCAL, END in the same message, a role", "", []messages{{query(`SET search_path TO lab`)}, {query(`BEGIN; SET LOCAL search_path TO other; SAVEPOINT x`)}, {query(prime)}, {query(`RELEASE x; END; ` + insert)}}},
		{"SET LOCAL, ROLLBACK pipelined", "", []messages{{query(`SET search_path TO lab`)}, {query(`BEGIN; SET LOCAL search_path TO other`)}, {query(prime)}, {query(`ROLLBACK`), query(insert)}}},
		{"SET LOCAL, END by the extended protocol", "", []messages{{query(`SET search_path TO lab`)}, {query(`BEGIN; SET LOCAL search_path TO other`)}, {query(prime)}, {parse("", `END`), bind("", ""), execute("", 0), sync_, query(insert)}}},
		{"SET LOCAL, COMMIT AND CHAIN", "", []messages{{query(`SET search_path TO lab`)}, {query(`BEGIN; SET LOCAL search_path TO other`)}, {query(prime)}, {query(`COMMIT AND CHAIN`)}, {query(insert)}}},
		{"SET LOCAL after a late answer", "", []messages{{query(`SET search_path TO lab`)}, {query(`SELECT pg_sleep(0.1)`), query(`BEGIN`), query(`SET LOCAL search_path TO other`)}, {query(prime)}, {query(`COMMIT`)}, {query(insert)}}},
		{"SET in a sequence that fails", "", []messages{{query(`SET search_path TO lab`)}, {parse("", other), bind("", ""), execute("", 0), parse("", prime), parse("", `SELECT 1/0`), bind("", ""), execute("", 0), sync_, query(insert)}}},
		{"SET in a sequence that fails, later", "", []messages{{query(`SET search_path TO lab`)}, {parse("", other), bind("", ""), execute("", 0), parse("", prime), parse("", `SELECT 1/0`), bind("", ""), execute("", 0), sync_}, {query(insert)}}},
		{"SET after BEGIN in one message", "", []messages{{query(`SET search_path TO lab`)}, {query(`BEGIN; SET search_path TO other`)}, {query(prime)}, {query(`ROLLBACK`)}, {query(insert)}}},
		{"ROLLBACK TO", "", []messages{{query(`SET search_path TO lab`)}, {query(`BEGIN; SAVEPOINT a; SET search_path TO other`)}, {query(prime)}, {query(`ROLLBACK TO a`)}, {query(insert)}}},
		{"Parse under another path, Bind", "", []messages{{query(other)}, {parse("s", `INSERT INTO patient (id, nir) VALUES (999, $1)`), sync_}, {query(`SET search_path TO lab`)}, use("s")}},
		{"Parse under another path, EXECUTE", "", []messages{{query(other)}, {parse("s", `INSERT INTO patient (id, nir) VALUES (999, $1)`), sync_}, {query(`SET search_path TO lab`)}, {query(`EXECUTE s('%s')`)}}},
		{"PREPARE under another path, Bind", "", []messages{{query(other)}, {query(`PREPARE s AS INSERT INTO patient (id, nir) VALUES (999, $1)`)}, {query(`SET search_path TO lab`)}, use("s")}},
		{"a temporary table goes with its transaction", "", []messages{{query(`SET search_path TO lab`)}, {query(`BEGIN; CREATE TEMP TABLE patient (id int, nir text) ON COMMIT DROP`)}, {query(prime)}, {query(`COMMIT`), query(insert)}}},
		{"an alias of the schema", "", []messages{{query(`CREATE SCHEMA IF NOT EXISTS "LAB"`)}, {query(`INSERT INTO LAB.patient (id, last_name) VALUES (999, upper('%s')::bytea)`)}}},

		// Reading past the analysis.
		{"function call table_to_xml", "", []messages{{query(`SELECT 1`)}, {call(tableToXML, "lab.patient", "t", "t", "")}}},
		{"function call query_to_xml", "", []messages{{call(queryToXML, "SELECT last_name FROM lab.patient", "t", "t", "")}}},
		{"function call cursor_to_xml", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind("p", "r"), sync_}, {call(cursorToXML, "p", "\x00\x00\x00\x05", "t", "t", "")}}},
		{"query_to_xml of a name in pieces", "", []messages{{query(`SELECT query_to_xml('SELECT last_name FROM lab.pat' || 'ient', true, true, '')`)}}},
		{"query_to_xml of a parameter", "", []messages{{parse("", `SELECT query_to_xml($1, true, true, '')`), bind("", "", "SELECT last_name FROM lab.patient"), execute("", 0), sync_}}},
		{"query_to_xml of a column", "", []messages{{query(`SELECT query_to_xml(q, true, true, '') FROM (SELECT 'SELECT last_name FROM lab.pat' || chr(105) || 'ent' AS q) x`)}}},
		{"query_to_xml in mixed case", "", []messages{{query(`SELECT Query_To_XML('TABLE lab.PATIENT', true, true, '')`)}}},
		{"table_to_xml of an OID", "", []messages{{query(`SELECT table_to_xml(oid, true, true, '') FROM pg_class WHERE relname LIKE 'pati%%t' AND relkind = 'r'`)}}},
		{"statistics", "", []messages{{query(`ANALYZE`)}, {query(`SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE schemaname = 'lab'`)}}},
		{"a quoted name in an unread string", "", []messages{{query(`SELECT ts_stat(E'SELECT last_name FROM lab.pa\x74ient')`)}}},
	})
}

// TestAttackPrepare: EXECUTE runs what PREPARE has prepared, or nothing: under another
// search_path the server finds another table.
func TestAttackPrepare(t *testing.T) {
	s := attackStack(t)
	const other, lab, first = "other", "lab", "lab, other"
	leads := map[string]string{other: other, lab: lab, first: lab}
	for path, meant := range leads {
		for i, sql := range []string{
			`PREPARE s AS UPDATE patient SET nir = $1 WHERE id = -1`,
			`PREPARE s AS UPDATE lab.patient SET nir = $1 WHERE id = -1`,
			`PREPARE s AS SELECT 1 FROM patient WHERE nir = $1`,
		} {
			conn := s.Connect(t, "biologist")
			show(t, conn, `SET search_path TO `+path)
			if got := show(t, conn, sql); got != "" {
				t.Errorf("search_path %s: %s: %q", path, sql, got)
			}
			for now, means := range leads {
				want := ""
				if i != 1 && means != meant {
					want = "0A000"
				}
				show(t, conn, `SET search_path TO `+now)
				if got := show(t, conn, `EXECUTE s('Quasimodo')`); got != want {
					t.Errorf("search_path %s, then %s: %s: %q, want %q", path, now, sql, got, want)
				}
			}
		}
	}
}

// TestAttackFunctionCall: of the functions of pg_catalog those that run SQL, read
// tables or change the session are refused, as are all others.
func TestAttackFunctionCall(t *testing.T) {
	s := attackStack(t)
	var oids []uint32
	rows, err := s.Direct(t, "biologist").Query(context.Background(), `SELECT oid FROM pg_proc WHERE proname = 'lead' AND pronamespace = 'other'::regnamespace
		OR proname ~ '^(query|table|cursor|schema|database)_to_xml' OR proname IN ('ts_stat', 'ts_rewrite', 'set_config')`)
	if err != nil {
		t.Fatal(err)
	}
	if oids, err = pgx.CollectRows(rows, pgx.RowTo[uint32]); err != nil || len(oids) < 19 {
		t.Fatalf("%d functions, %v", len(oids), err)
	}
	c := dialWire(t, s.DSN("biologist"))
	for _, oid := range oids {
		if got := c.everything(messages{&pgproto3.FunctionCall{Function: oid}}); oid != 3684 && !strings.Contains(got, "0A000") {
			t.Errorf("function %d: %s", oid, got)
		}
	}
}

// TestAttackRedefined: a view that reaches a tagged table since a statement over it
// was prepared.
func TestAttackRedefined(t *testing.T) {
	ctx := context.Background()
	s := attackStack(t)
	change := func(sql string) {
		t.Helper()
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
		if err := s.Server.Check(ctx); err != nil {
			t.Fatal(err)
		}
	}
	change(`CREATE VIEW lab.shown AS SELECT id, NULL::bytea AS x FROM lab.plain; GRANT SELECT ON lab.shown TO biologist`)
	c := dialWire(t, s.DSN("biologist"))
	c.everything(messages{parse("s", `SELECT x FROM lab.shown`), parse("u", `SELECT note FROM lab.plain`), sync_})
	if got := c.everything(read("s")); !strings.Contains(got, "DataRow") {
		t.Errorf("before: %s", got)
	}
	change(`CREATE OR REPLACE VIEW lab.shown AS SELECT id, last_name AS x FROM lab.patient`)
	if got := c.everything(read("s")); !strings.Contains(got, "0A000") || strings.Contains(got, "DataRow") {
		t.Errorf("afterwards: %s", got)
	}
	if got := c.everything(read("u")); !strings.Contains(got, "a note") {
		t.Errorf("of another table: %s", got)
	}
}
