package statement

import (
	"fmt"
	"strings"
	"testing"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

func TestCommands(t *testing.T) {
	const S, SC, SCW = ChangesSession, ChangesSession | ChangesCatalog, ChangesSession | ChangesCatalog | ChangesWatched
	var l Lexer
	for _, test := range []struct {
		sql     string
		verb    Verb
		name    string
		all     bool
		changes Changes
	}{
		{"SELECT 1", VerbSelect, "", false, 0},
		{"((select 1))", VerbSelect, "", false, 0},
		{"(WITH x AS (SELECT 1) SELECT 2)", VerbSelect, "", false, 0},
		{"VALUES (1)", VerbSelect, "", false, 0},
		{"TABLE t", VerbSelect, "", false, 0},
		{"WITH x AS (DELETE FROM t RETURNING a) SELECT 1", VerbSelect, "", false, 0},
		{"WITH x AS (SELECT 1) (SELECT 2)", VerbSelect, "", false, 0},
		{"WITH x AS (SELECT 1), delete AS (SELECT 2) INSERT INTO t SELECT 1", VerbInsert, "", false, 0},
		{"WITH RECURSIVE update (a) AS NOT MATERIALIZED (SELECT 1) SEARCH DEPTH FIRST BY delete, insert SET update DELETE FROM t", VerbDelete, "", false, 0},
		{"WITH x AS (SELECT 1) CYCLE a SET merge TO true DEFAULT false USING insert UPDATE t SET a = 1", VerbUpdate, "", false, 0},
		{"WITH x AS (SELECT 1) MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", VerbMerge, "", false, 0},
		{"INSERT INTO t VALUES (1)", VerbInsert, "", false, 0},
		{"SELECT * INTO u FROM t", VerbSelect, "", false, SCW},
		{"WITH x AS (SELECT 1) SELECT * INTO TEMP u FROM x", VerbSelect, "", false, SCW},
		{"WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT a FROM x", VerbSelect, "", false, 0},
		{"SELECT set_config('role', 'x', false)", VerbSelect, "", false, S},
		{`SELECT pg_catalog."set_config"('role', 'x', false)`, VerbSelect, "", false, S},
		{"UPDATE pg_settings SET setting = 'x' WHERE name = 'role'", VerbUpdate, "", false, S},
		{"SELECT query_to_xml('select 1', true, true, '')", VerbSelect, "", false, S},
		{"DECLARE c CURSOR FOR SELECT set_config('role', 'x', false)", VerbDeclare, "c", false, S},
		{"COPY (SELECT set_config('role', 'x', false)) TO STDOUT", VerbCopy, "", false, S},
		{"COPY t FROM STDIN", VerbCopy, "", false, 0},
		{"BEGIN", VerbBegin, "", false, 0},
		{"START TRANSACTION READ ONLY", VerbBegin, "", false, 0},
		{"COMMIT", VerbCommit, "", false, 0},
		{"END", VerbCommit, "", false, 0},
		{"COMMIT PREPARED 'x'", VerbCommitPrepared, "", false, SCW},
		{"ROLLBACK", VerbRollback, "", false, S},
		{"ABORT", VerbRollback, "", false, S},
		{"ROLLBACK TO SAVEPOINT x", VerbRollback, "", false, S},
		{"ROLLBACK PREPARED 'x'", VerbRollbackPrepared, "", false, SCW},
		{"SAVEPOINT x", VerbSavepoint, "", false, 0},
		{"RELEASE x", VerbRelease, "", false, 0},
		{"PREPARE TRANSACTION 'x'", VerbPrepareTransaction, "", false, S},
		{"PREPARE transaction AS SELECT 1", VerbPrepare, "transaction", false, 0},
		{"PREPARE P (int) AS SELECT 1", VerbPrepare, "p", false, 0},
		{`PREPARE "P" AS SELECT set_config('a', 'b', true)`, VerbPrepare, "P", false, S},
		{"EXECUTE p (1)", VerbExecute, "p", false, S},
		{"DEALLOCATE p", VerbDeallocate, "p", false, 0},
		{"DEALLOCATE PREPARE p", VerbDeallocate, "p", false, 0},
		{"DEALLOCATE prepare", VerbDeallocate, "prepare", false, 0},
		{"DEALLOCATE ALL", VerbDeallocate, "", true, 0},
		{"DEALLOCATE PREPARE ALL", VerbDeallocate, "", true, 0},
		{`DEALLOCATE "all"`, VerbDeallocate, "all", false, 0},
		{"CLOSE ALL", VerbClose, "", true, 0},
		{`CLOSE "a""b"`, VerbClose, `a"b`, false, 0},
		{"FETCH c", VerbFetch, "c", false, 0},
		{"FETCH BACKWARD ALL FROM c", VerbFetch, "c", false, 0},
		{"FETCH ALL IN c", VerbFetch, "c", false, 0},
		{"MOVE -1 FROM c", VerbMove, "c", false, 0},
		{"FETCH FORWARD 10 c", VerbFetch, "c", false, 0},
		{"DECLARE c BINARY SCROLL CURSOR WITH HOLD FOR SELECT 1", VerbDeclare, "c", false, 0},
		{"SET x = 1", VerbSet, "", false, S},
		{"RESET ALL", VerbReset, "", false, S},
		{"SHOW x", VerbShow, "", false, 0},
		{"DISCARD ALL", VerbDiscard, "", false, S},
		{"EXPLAIN SELECT 1", VerbExplain, "", false, 0},
		{"EXPLAIN (ANALYZE) EXECUTE p", VerbExplain, "p", false, SCW},
		{"EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", VerbExplain, "", false, SCW},
		{"EXPLAIN ANALYZE SELECT 1 INTO x", VerbExplain, "", false, SCW},
		{"CREATE TABLE x AS EXECUTE p", VerbCreate, "p", false, SCW},
		{"CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f()", VerbCreate, "", false, SC},
		{"DO $$ BEGIN END $$", VerbDo, "", false, SCW},
		{"CALL p()", VerbCall, "", false, SCW},
		{"ALTER TABLE t ADD a int", VerbAlter, "", false, SC},
		{"DROP TABLE t", VerbDrop, "", false, SC},
		{"CREATE TABLE t (a int)", VerbCreate, "", false, SC},
		{"CREATE UNLOGGED TABLE t AS SELECT 1", VerbCreate, "", false, SC},
		{"CREATE OR REPLACE TEMP RECURSIVE VIEW v (a) AS SELECT 1", VerbCreate, "", false, SC},
		{"CREATE UNIQUE INDEX ON t (a)", VerbCreate, "", false, SC},
		{"DROP MATERIALIZED VIEW v", VerbDrop, "", false, SC},
		{"ALTER SCHEMA a RENAME TO b", VerbAlter, "", false, SCW},
		{"DROP SCHEMA a CASCADE", VerbDrop, "", false, SC},
		{"CREATE FOREIGN TABLE t (a int) SERVER s", VerbCreate, "", false, SC},
		{"CREATE FOREIGN DATA WRAPPER w", VerbCreate, "", false, SCW},
		{"IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b", VerbImport, "", false, SCW},
		{"ALTER PUBLICATION p ADD TABLE t", VerbAlter, "", false, SC},
		{"CREATE POLICY p ON t USING (true)", VerbCreate, "", false, SC},
		{"CREATE STATISTICS s ON a, b FROM t", VerbCreate, "", false, SC},
		{"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", VerbCreate, "", false, SCW},
		{"GRANT a TO b", VerbGrant, "", false, SC},
		{"SECURITY LABEL ON TABLE t IS 'x'", VerbSecurityLabel, "", false, SC},
		{"LOCK t", VerbLock, "", false, 0},
		{"LISTEN x", VerbListen, "", false, 0},
		{"NOTIFY x, 'y'", VerbNotify, "", false, 0},
		{"VACUUM t", VerbVacuum, "", false, S},
		{"(DELETE FROM t)", VerbUnknown, "", false, SCW},
		{"FROBNICATE t", VerbUnknown, "", false, SCW},
		{"'x'", VerbUnknown, "", false, SCW},
		{`"select" 1`, VerbUnknown, "", false, SCW},
	} {
		for _, sql := range []string{test.sql, " ; ;" + test.sql + " ;; "} {
			text := l.Lex([]byte(sql))
			commands := text.Commands()
			if len(commands) != 1 {
				t.Errorf("%s: %d commands", sql, len(commands))
				continue
			}
			c := commands[0]
			if c.Verb != test.verb || c.Name != test.name || c.All != test.all || c.Changes != test.changes {
				t.Errorf("%s: got %v %q %v %v", sql, c.Verb, c.Name, c.All, c.Changes)
			}
			if got := sql[c.Start:c.End]; got != test.sql {
				t.Errorf("%s: the command is %q", sql, got)
			}
		}
	}
}

func TestCommandsSplit(t *testing.T) {
	var l Lexer
	for _, test := range []struct {
		sql  string
		want string // verbs
		odd  bool
	}{
		{"", "", false},
		{" ; -- x\n;", "", false},
		{"BEGIN; SELECT ';', $$;$$, \";\" /* ; */; COMMIT", "BEGIN SELECT COMMIT", false},
		{"CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); SELECT 1", "CREATE SELECT", false},
		{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN b END; END; SELECT 2", "CREATE SELECT", false},
		{"CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC END", "CREATE", false},
		{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;", "CREATE", true},
		{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT t.end; END; SELECT 1", "CREATE SELECT", true},
		{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS case; END; SELECT 1", "CREATE SELECT", true},
		{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 end; SELECT 1; END", "CREATE SELECT COMMIT", true},
		{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 case; END; SELECT 1", "CREATE", true},
		{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 end, 2; END; SELECT 1", "CREATE COMMIT SELECT", true},
		{"SELECT begin atomic; SELECT 2", "SELECT SELECT", false},
		{"SELECT 'a", "SELECT", true},
	} {
		text := l.Lex([]byte(test.sql))
		var verbs []string
		for _, c := range text.Commands() {
			verbs = append(verbs, c.Verb.String())
		}
		if got := strings.Join(verbs, " "); got != test.want || text.Odd() != test.odd {
			t.Errorf("%s: got %s, odd %v", test.sql, got, text.Odd())
		}
	}
}

// TestCommandsAgreeWithParser compares the statements and their kinds with the
// parser's on texts put together from the corpus.
func TestCommandsAgreeWithParser(t *testing.T) {
	var l Lexer
	compared := 0
	for _, sql := range append(lexerCorpus(t), "WITH a AS (SELECT 1) SELECT 2; WITH b AS (SELECT 1) DELETE FROM c; TABLE d; (VALUES (1));") {
		text := l.Lex([]byte(sql))
		folded, _ := text.Folded()
		tree, err := pg_query.Parse(string(folded))
		if err != nil || text.Odd() {
			continue
		}
		commands := text.Commands()
		if len(commands) != len(tree.Stmts) {
			t.Errorf("%d commands, %d statements: %s", len(commands), len(tree.Stmts), sql)
			continue
		}
		for i, stmt := range tree.Stmts {
			kind := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", stmt.Stmt.Node), "*pg_query.Node_"), "Stmt")
			verb := commands[i].Verb
			switch kind {
			case "Select", "Insert", "Update", "Delete", "Merge", "Copy", "Prepare", "Execute", "Deallocate":
				if strings.ToUpper(kind) != verb.String() {
					t.Errorf("%v, the parser has %s: %s", verb, kind, sql)
				}
				compared++
			case "Transaction":
				if verb != VerbBegin && verb != VerbCommit && verb != VerbRollback {
					t.Errorf("%v, the parser has %s: %s", verb, kind, sql)
				}
				compared++
			}
		}
	}
	if compared < 20 {
		t.Errorf("only %d statements compared", compared)
	}
}

func TestCommandsDoNotAllocate(t *testing.T) {
	var l Lexer
	sql := []byte("BEGIN; EXECUTE p(1); FETCH 10 FROM c; COMMIT")
	l.Lex(sql).Commands()
	if n := testing.AllocsPerRun(100, func() { l.Lex(sql).Commands() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCallsUnknown(t *testing.T) {
	var l Lexer
	known := func(ident []byte) bool { return string(ident) == "lower" || string(ident) == "count" }
	for sql, want := range map[string]bool{
		"SELECT lower(a), pg_catalog.lower(b), COUNT(*) FROM t": false,
		"SELECT \"lower\"(a)": false,
		"INSERT INTO lab.t (a, b) VALUES (1, 2) ON CONFLICT (a) DO NOTHING":  false,
		"SELECT coalesce(a, 1) FROM t WHERE a IN (1, 2) AND EXISTS (SELECT)": false,
		"SELECT f(1)":               true,
		"SELECT public.lower(1)":    true,
		"SELECT \"LOWER\"(1)":       true,
		"SELECT U&\"lower\"(1)":     true,
		"SELECT a.b.lower(1)":       true,
		"SELECT left(a, 1)":         true,
		"SELECT lower /**/ (f (1))": true,
	} {
		if got := l.Lex([]byte(sql)).CallsUnknown(known); got != want {
			t.Errorf("%s: %v", sql, got)
		}
	}
}
