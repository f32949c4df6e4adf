package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv/stack"
)

const (
	nir1 = "185057800608436"
	nir2 = "278037512345642"
)

// fill stores two patients and their results through pgveil.
func fill(t *testing.T, s *stack.Stack) {
	t.Helper()
	conn := s.Connect(t, "biologist")
	for _, sql := range []string{
		`INSERT INTO lab.patient (id, nir, email, last_name, birth_date, city) VALUES
			(1, '` + nir1 + `', 'anne@exemple.fr', 'Lefèvre', '1985-05-17', 'Paris'),
			(2, '` + nir2 + `', NULL, 'Bernard', '1978-03-01', 'Lyon')`,
		`INSERT INTO lab.result (id, patient, nir, outcome, document) VALUES
			(1, 1, '` + nir1 + `', 'positif', '{"ct": 21.5}'), (2, 2, '` + nir2 + `', 'négatif', NULL)`,
		`INSERT INTO lab.plain VALUES (1, 'a note', 'not sealed')`,
	} {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// show runs a query in the simple protocol and gives its rows as text, or its error.
func show(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	results, err := conn.PgConn().Exec(context.Background(), sql).ReadAll()
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var lines []string
	for _, result := range results {
		for _, row := range result.Rows {
			var cells []string
			for _, value := range row {
				if value == nil {
					cells = append(cells, "NULL")
				} else {
					cells = append(cells, string(value))
				}
			}
			lines = append(lines, strings.Join(cells, "|"))
		}
	}
	return strings.Join(lines, "\n")
}

// TestVerdicts: every role sees what the schema file says, in reads and predicates.
func TestVerdicts(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	for _, c := range []struct{ role, sql, want string }{
		{"biologist", `SELECT nir, last_name, birth_date FROM lab.patient ORDER BY id`, nir1 + "|Lefèvre|1985-05-17\n" + nir2 + "|Bernard|1978-03-01"},
		{"secretary", `SELECT nir, last_name, birth_date FROM lab.patient ORDER BY id`, "1**************|Lefèvre|1985-05-17\n2**************|Bernard|1978-03-01"},
		{"researcher", `SELECT nir, last_name, birth_date FROM lab.patient ORDER BY id`, "NULL|NULL|1985-01-01\nNULL|NULL|1978-01-01"},
		{"researcher", `SELECT email FROM lab.patient`, "42501"},
		{"secretary", `SELECT outcome FROM lab.result`, "42501"},
		{"secretary", `SELECT count(*) FROM lab.result`, "2"},
		{"biologist", `SELECT id FROM lab.patient WHERE nir = '` + nir1 + `'`, "1"},
		{"secretary", `SELECT id FROM lab.patient WHERE nir = '` + nir1 + `'`, "1"},
		{"researcher", `SELECT id FROM lab.patient WHERE nir = '` + nir1 + `'`, "42501"},
		{"researcher", `SELECT count(*) FROM lab.patient WHERE nir IS NULL`, "42501"},
		{"researcher", `SELECT count(*) FROM lab.patient GROUP BY nir`, "42501"},
		{"researcher", `SELECT count(*) FROM lab.patient p JOIN lab.result r ON p.nir = r.nir`, "42501"},
		{"biologist", `SELECT p.id FROM lab.patient p JOIN lab.result r ON p.nir = r.nir ORDER BY 1`, "1\n2"},
		{"biologist", `SELECT p.id FROM lab.patient p JOIN lab.result r USING (nir) WHERE nir IN ('` + nir2 + `', 'x')`, "2"},
		{"researcher", `INSERT INTO lab.patient (id, nir) VALUES (9, '` + nir1 + `')`, "42501"},
		{"researcher", `SELECT city FROM lab.patient ORDER BY id`, "Paris\nLyon"},
		{"biologist", `SELECT * FROM lab.positive ORDER BY outcome`, "0A000"},
		{"biologist", `SELECT * FROM lab.positive WHERE nir = '` + nir1 + `'`, nir1 + "|Lefèvre|positif"},
		{"secretary", `SELECT last_name FROM lab.positive WHERE nir = '` + nir1 + `'`, "Lefèvre"},
		{"secretary", `SELECT outcome FROM lab.positive`, "42501"},
	} {
		if got := show(t, s.Connect(t, c.role), c.sql); got != c.want {
			t.Errorf("%s: %s\ngot  %q\nwant %q", c.role, c.sql, got, c.want)
		}
	}
}

// TestMembership: verdicts follow membership and SET ROLE; being a superuser gives
// none.
func TestMembership(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	for _, sql := range []string{
		`CREATE ROLE alice LOGIN PASSWORD '` + stack.Password + `'`, `GRANT biologist TO alice`, `GRANT secretary TO alice`,
		`CREATE ROLE bob LOGIN NOINHERIT PASSWORD '` + stack.Password + `'`, `GRANT biologist TO bob`,
		`CREATE ROLE root LOGIN SUPERUSER PASSWORD '` + stack.Password + `'`,
	} {
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	const read = `SELECT nir FROM lab.patient WHERE id = 1`
	alice, bob, root := s.Connect(t, "alice"), s.Connect(t, "bob"), s.Connect(t, "root")
	for _, step := range []struct {
		who       string
		conn      *pgx.Conn
		sql, want string
	}{
		{"alice", alice, read, nir1},
		{"alice", alice, `SET ROLE secretary`, ""},
		{"alice", alice, read, "1**************"},
		{"alice", alice, `RESET ROLE`, ""},
		{"alice", alice, read, nir1},
		{"alice", alice, `BEGIN; SET LOCAL ROLE secretary`, ""},
		{"alice", alice, read, "1**************"},
		{"alice", alice, `ROLLBACK`, ""},
		{"alice", alice, read, nir1},
		{"alice", alice, `SELECT set_config('role', 'secretary', false)`, "secretary"},
		{"alice", alice, read, "1**************"},
		{"bob", bob, read, "42501"},
		{"bob", bob, `SET ROLE biologist`, ""},
		{"bob", bob, read, nir1},
		{"root", root, read, "42501"},
		{"root", root, `SET ROLE biologist`, ""},
		{"root", root, read, "42501"},
		{"root", root, `RESET ROLE; SET SESSION AUTHORIZATION biologist`, ""},
		{"root", root, read, "42501"},
	} {
		if got := show(t, step.conn, step.sql); got != step.want {
			t.Errorf("%s: %s: got %q, want %q", step.who, step.sql, got, step.want)
		}
	}
}

// TestRefusalFailsTransaction: after a refusal the transaction is as the server
// leaves it after an error of its own.
func TestRefusalFailsTransaction(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	conn := s.Connect(t, "biologist")
	const refused = `SELECT upper(last_name) FROM lab.patient`
	for _, step := range []struct{ sql, want, status string }{
		{refused, "0A000", "I"},
		{`BEGIN`, "", "T"},
		{`INSERT INTO lab.plain VALUES (2, 'lost', NULL)`, "", "T"},
		{refused, "0A000", "E"},
		{refused, "25P02", "E"},
		{`SELECT nir FROM lab.patient`, "25P02", "E"},
		{`COMMIT`, "", "I"},
		{`SELECT count(*) FROM lab.plain`, "1", "I"},
		{`INSERT INTO lab.plain VALUES (3, 'lost', NULL); ` + refused, "0A000", "I"},
		{`SELECT count(*) FROM lab.plain`, "1", "I"},
		{`BEGIN; SAVEPOINT a`, "", "T"},
		{refused, "0A000", "E"},
		{`ROLLBACK TO a`, "", "T"},
		{`SELECT nir FROM lab.patient WHERE id = 2`, nir2, "T"},
		{`COMMIT`, "", "I"},
	} {
		if got := show(t, conn, step.sql); got != step.want {
			t.Errorf("%s: got %q, want %q", step.sql, got, step.want)
		}
		if got := string(conn.PgConn().TxStatus()); got != step.status {
			t.Errorf("%s: transaction status %s, want %s", step.sql, got, step.status)
		}
	}
}

// TestTampered: a value that doesn't open ends its statement, is audited, fails the
// transaction, and leaves the connection usable.
func TestTampered(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	tamper(t, s)
	for _, sql := range []string{
		// A value is moved from another column.
		`ALTER TABLE lab.result DROP CONSTRAINT pgveil_outcome`,
		`UPDATE lab.result SET outcome = (SELECT last_name FROM lab.patient WHERE id = 2) WHERE id = 2`,
	} {
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	conn := s.Connect(t, "biologist")
	for _, step := range []struct{ sql, want, status string }{
		{`SELECT last_name FROM lab.patient WHERE id = 1`, "XX001", "I"},
		{`SELECT last_name FROM lab.patient WHERE id = 2`, "Bernard", "I"},
		{`SELECT outcome FROM lab.result WHERE id = 2`, "XX001", "I"},
		{`BEGIN`, "", "T"},
		{`SELECT last_name FROM lab.patient ORDER BY id DESC`, "XX001", "E"},
		{`SELECT 1`, "25P02", "E"},
		{`ROLLBACK`, "", "I"},
		{`SELECT outcome FROM lab.result WHERE id = 1`, "positif", "I"},
	} {
		if got := show(t, conn, step.sql); got != step.want {
			t.Errorf("%s: got %q, want %q", step.sql, got, step.want)
		}
		if got := string(conn.PgConn().TxStatus()); got != step.status {
			t.Errorf("%s: transaction status %s, want %s", step.sql, got, step.status)
		}
	}
	// The same in the extended protocol, within a pipeline in a transaction.
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	err = tx.QueryRow(ctx, `SELECT last_name FROM lab.patient WHERE id = $1`, 1).Scan(&name)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "XX001" {
		t.Errorf("extended: %v", err)
	}
	if got := string(conn.PgConn().TxStatus()); got != "E" {
		t.Errorf("extended: transaction status %s", got)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Error(err)
	}
	if got := show(t, conn, `SELECT 1`); got != "1" {
		t.Errorf("afterwards: %q", got)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		log := auditText(t, s)
		if strings.Count(log, `"ended":"XX001"`) == 4 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the audit log has not four outcomes XX001:\n%s", log)
		}
	}
}

func auditText(t *testing.T, s *stack.Stack) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.AuditDir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

// TestAuditBeforeRows: when the first opened row has arrived, its intent is in the
// log; no value ever is.
func TestAuditBeforeRows(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	conn := s.Connect(t, "biologist", "application_name=lims")
	for i := range 50 {
		mark := fmt.Sprintf("mark%d", i)
		rows, err := conn.Query(ctx, `SELECT last_name AS `+mark+` FROM lab.patient WHERE nir = '`+nir1+`'`, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		if log := auditText(t, s); !strings.Contains(log, mark) {
			t.Fatalf("%s: the row is here, its record is not", mark)
		}
		rows.Close()
	}
	log := auditText(t, s)
	for _, value := range []string{nir1, "Lefèvre", "Lef"} {
		if strings.Contains(log, value) {
			t.Errorf("the audit log holds %q", value)
		}
	}
	for _, want := range []string{`"role":"biologist"`, `"application":"lims"`, `"column":"lab.patient.last_name"`, `"verdict":"decrypt"`, `"how":"search"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit log lacks %s", want)
		}
	}
}

// TestBackslashes: with standard_conforming_strings off, a backslash moves the end of
// a string, and with it what is a name. Whatever way the session got there, nothing
// reaches the server that is read wrongly here.
func TestBackslashes(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	const hidden = `SELECT '\''; INSERT INTO lab.patient (id, last_name) VALUES (77, 'in clear') --'`
	for _, off := range []string{
		`SET standard_conforming_strings TO off`,
		`SELECT set_config('standard_conforming_strings', 'off', false)`,
		`DO $$ BEGIN PERFORM set_config('standard_conforming_' || 'strings', 'off', false); END $$`,
		`RESET standard_conforming_strings`, // set at startup
	} {
		dsn := s.DSN("biologist")
		if strings.HasPrefix(off, "RESET") {
			dsn = s.DSN("biologist", "options='-c standard_conforming_strings=off'")
		}
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		show(t, conn, off)
		if got := show(t, conn, hidden); got != "0A000" {
			t.Errorf("%s: %q", off, got)
		}
		if got := show(t, conn, `SELECT E'a\\b', 'c'`); got != `a\b|c` {
			t.Errorf("%s: untagged: %q", off, got)
		}
		// Without a backslash in a plain string nothing depends on the setting.
		show(t, conn, `DELETE FROM lab.patient WHERE id = 78`)
		if got := show(t, conn, `INSERT INTO lab.patient (id, nir, last_name) VALUES (78, '278', E'it''s \\ a') RETURNING nir, last_name`); got != `278            |it's \ a` {
			t.Errorf("%s: written: %q", off, got)
		}
		if got := show(t, conn, `SELECT last_name FROM lab.patient WHERE nir = ANY ('{278,279}') AND nir IN ('278', '1')`); got != `it's \ a` {
			t.Errorf("%s: searched: %q", off, got)
		}
		if got := show(t, conn, `SELECT id FROM lab.patient WHERE last_name IS NULL OR city = '\'`); got != "0A000" {
			t.Errorf("%s: a backslash: %q", off, got)
		}
		show(t, conn, `SET standard_conforming_strings TO on`)
		if got := show(t, conn, `SELECT nir, '\' FROM lab.patient WHERE id = 1`); got != nir1+`|\` {
			t.Errorf("%s: on again: %q", off, got)
		}
	}
}
