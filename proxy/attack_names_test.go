package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	store     = `INSERT INTO lab.twin (id, nir) SELECT 1, $1` // in the clear: NOT an attack by itself
	storeSeal = `UPDATE lab.patient SET last_name = $1 WHERE id = 2`
	readSeal  = `SELECT last_name FROM lab.patient`
	findSeal  = `SELECT id FROM lab.patient WHERE nir = $1`
)

// use runs a statement with the secret as its parameter.
func use(name string) messages { return messages{bind("", name, "%s"), execute("", 0), sync_} }

// read runs a statement without parameters.
func read(name string) messages { return messages{bind("", name), execute("", 0), sync_} }

func burst(parts ...messages) messages {
	var all messages
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// TestAttackNames: pgveil and the server must agree, whatever fails or is skipped,
// which statement or portal a name means.
func TestAttackNames(t *testing.T) {
	long := strings.Repeat("n", 63)
	bad := parse("bad", `SELECT nonsense FROM nowhere`)
	runAttacks(t, attackStack(t), []attack{
		// Statements.
		{"duplicate, pipelined", "", []messages{{parse("s", storeSeal), sync_}, burst(messages{parse("s", `SELECT $1::text`), sync_}, use("s"))}},
		{"duplicate, read, pipelined", "", []messages{{parse("s", readSeal), sync_}, burst(messages{parse("s", `SELECT 1`), sync_}, read("s"))}},
		{"duplicate, EXECUTE", "", []messages{{parse("s", storeSeal), sync_}, {parse("s", `SELECT 1`), sync_}, {query(`EXECUTE s('%s')`)}}},
		{"duplicate, read, EXECUTE", "", []messages{{parse("s", readSeal), sync_}, {parse("s", `SELECT 1`), sync_}, {query(`EXECUTE s`)}}},
		{"refused duplicate, EXECUTE", "", []messages{{parse("s", storeSeal), sync_}, {parse("s", `SELECT upper(last_name) FROM lab.patient`), sync_}, {query(`EXECUTE s('%s')`)}}},
		{"skipped Close", "", []messages{{parse("s", storeSeal), sync_}, {bad, closing('S', "s"), sync_}, use("s")}},
		{"skipped Close, pipelined", "", []messages{{parse("s", storeSeal), sync_}, burst(messages{bad, closing('S', "s"), sync_}, use("s"))}},
		{"skipped Close, read", "", []messages{{parse("s", readSeal), sync_}, {bad, closing('S', "s"), sync_}, read("s")}},
		{"skipped Parse, unnamed", "", []messages{{parse("", storeSeal), sync_}, burst(messages{bind("", "nosuch"), parse("", `SELECT $1::text`), sync_}, use(""))}},
		{"skipped Parse, unnamed, read", "", []messages{{parse("", readSeal), sync_}, burst(messages{bind("", "nosuch"), parse("", `SELECT 1`), sync_}, read(""))}},
		{"refused Parse, unnamed", "", []messages{{parse("", storeSeal), sync_}, {parse("", `SELECT upper(last_name) FROM lab.patient`), sync_}, use("")}},
		{"failed Parse, unnamed", "", []messages{{parse("", storeSeal), sync_}, burst(messages{parse("", `SELECT nonsense`), sync_}, use(""))}},
		{"name of 64 bytes, bound by 63", "", []messages{{parse(long+"x", storeSeal), sync_}, use(long)}},
		{"name of 64 bytes, bound by another", "", []messages{{parse(long+"x", storeSeal), sync_}, use(long + "y")}},
		{"name of 64 bytes, read", "", []messages{{parse(long+"x", readSeal), sync_}, read(long)}},
		{"name of 64 bytes, EXECUTE", "", []messages{{parse(long+"x", storeSeal), sync_}, {query(`EXECUTE ` + long + `('%s')`)}}},
		{"name in another encoding", "", []messages{{parse("\u00e9", storeSeal), sync_}, {query(`SET client_encoding TO LATIN1`)}, use("\xe9")}},
		{"EXECUTE", "", []messages{{parse("s", storeSeal), sync_}, {query(`EXECUTE s('%s')`)}}},
		{"EXECUTE, quoted", "", []messages{{parse("S 1", storeSeal), sync_}, {query(`EXECUTE "S 1"('%s')`)}}},
		{"EXECUTE, Unicode name", "", []messages{{parse("s", storeSeal), sync_}, {query(`EXECUTE U&"\0073"('%s')`)}}},
		{"EXPLAIN ANALYZE EXECUTE", "", []messages{{parse("s", storeSeal), sync_}, {query(`EXPLAIN ANALYZE EXECUTE s('%s')`)}}},
		{"CREATE TABLE AS EXECUTE", "", []messages{{parse("s", findSeal), sync_}, {query(`CREATE TABLE lab.copy1 AS EXECUTE s('%s')`)}}},
		{"CREATE TEMP TABLE AS EXECUTE", "", []messages{{parse("s", findSeal), sync_}, {query(`CREATE TEMP TABLE copy2 AS EXECUTE s('%s')`)}}},
		{"DO EXECUTE", "", []messages{{parse("s", storeSeal), sync_}, {query(`DO $$ BEGIN EXECUTE 'EXECUTE s(''%s'')'; END $$`)}}},
		{"query_to_xml EXECUTE", "", []messages{{parse("s", readSeal), sync_}, {query(`SELECT query_to_xml('EXECUTE s', true, true, '')`)}}},
		{"in a skipped sequence, EXECUTE", "", []messages{{parse("s", storeSeal), sync_}, {bad, parse("s", `SELECT 1`), sync_}, {query(`EXECUTE s('%s')`)}}},
		{"DEALLOCATE and again", "", []messages{{parse("s", `SELECT $1::text`), sync_}, {query(`DEALLOCATE s`)}, {parse("s", storeSeal), sync_}, use("s")}},
		{"DEALLOCATE ALL and again", "", []messages{{parse("s", `SELECT $1::text`), sync_}, {query(`DEALLOCATE ALL`)}, {parse("s", storeSeal), sync_}, use("s")}},
		{"rolled back DISCARD", "", []messages{{parse("s", storeSeal), sync_}, {query(`BEGIN; DEALLOCATE s; ROLLBACK`)}, use("s")}},
		{"Parse within a failed transaction", "", []messages{{parse("s", storeSeal), sync_}, {query(`BEGIN`)}, {query(`SELECT 1/0`)}, {closing('S', "s"), sync_}, {query(`ROLLBACK`)}, use("s")}},
		{"a parameter that is none", "", []messages{{parse("s", `SELECT id FROM lab.patient WHERE nir = $0`), sync_}, use("s"), {parse("", `SELECT id FROM lab.patient WHERE nir = $70000`), sync_}, use("")}},
		{"a Parse in COPY", "", []messages{{parse("s", storeSeal), sync_}, burst(messages{query(`COPY lab.plain FROM STDIN`), parse("s", `SELECT $1::text`), &pgproto3.CopyFail{Message: "x"}}, use("s"))}},

		// Portals.
		{"duplicate portal", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), parse("u", `SELECT 1`), bind("p", "r"), sync_}, {query(`SAVEPOINT a`)}, {bind("p", "u"), sync_}, {query(`ROLLBACK TO a`)}, {execute("p", 0), sync_}}},
		{"duplicate portal, FETCH", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), parse("u", `SELECT 1`), bind("p", "r"), sync_}, {query(`SAVEPOINT a`)}, {bind("p", "u"), sync_}, {query(`ROLLBACK TO a`)}, {query(`FETCH ALL FROM p`)}}},
		{"skipped Close of a portal", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind("p", "r"), sync_}, {query(`SAVEPOINT a`)}, {bad, closing('P', "p"), sync_}, {query(`ROLLBACK TO a`)}, {execute("p", 0), sync_}}},
		{"skipped Bind of a portal", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), parse("u", `SELECT 1`), bind("p", "r"), sync_}, {query(`SAVEPOINT a`)}, {bad, bind("p", "u"), sync_}, {query(`ROLLBACK TO a`)}, {execute("p", 0), sync_}}},
		{"refused Bind of a portal", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), parse("w", `UPDATE lab.patient SET birth_date = $1`), bind("p", "r"), sync_}, {query(`SAVEPOINT a`)}, {bind("p", "w", "nonsense"), sync_}, {query(`ROLLBACK TO a`)}, {execute("p", 0), sync_}}},
		{"portal of 64 bytes", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind(long+"x", "r"), sync_}, {execute(long+"y", 0), sync_}}},
		{"portal of 64 bytes, FETCH", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind(long+"x", "r"), sync_}, {query(`FETCH ALL FROM ` + long)}}},
		{"portal, FETCH", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind("p", "r"), sync_}, {query(`FETCH ALL IN p`)}}},
		{"portal, FETCH in DO", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind("p", "r"), sync_}, {query(`DO $$ DECLARE c refcursor := 'p'; x bytea; BEGIN FETCH c INTO x; RAISE NOTICE '%', x; END $$`)}}},
		{"portal, cursor_to_xml", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind("p", "r"), sync_}, {query(`SELECT cursor_to_xml('p', 10, true, true, '')`)}}},
		{"portal in another encoding", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind("\u00e9", "r"), sync_}, {query(`SET client_encoding TO LATIN1`)}, {execute("\xe9", 0), sync_}}},
		{"portal of an earlier transaction", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind("p", "r"), sync_}, burst(messages{query(`COMMIT`), query(`BEGIN`), bind("p", "r"), sync_}), {execute("p", 0), sync_}}},
		{"portal, statement closed", "", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind("p", "r"), closing('S', "r"), parse("r", `SELECT 1`), sync_}, {execute("p", 1), sync_}, {execute("p", 0), sync_}}},
	})
}
