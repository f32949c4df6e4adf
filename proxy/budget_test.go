package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv/stack"
)

const budgetPatients = 40

// startBudget starts a stack whose biologist has a budget, with patients that each have two results.
func startBudget(t *testing.T, budget string) *stack.Stack {
	t.Helper()
	text := strings.Replace(stack.Schema, "databases:\n  laboratory:\n", "databases:\n  laboratory:\n    budgets: {biologist: "+budget+"}\n", 1)
	text = strings.ReplaceAll(text, "      lab.patient:\n", "      lab.patient:\n        subject: nir\n")
	text = strings.ReplaceAll(text, "      lab.result:\n", "      lab.result:\n        subject: nir\n")
	s := stack.Start(t, stack.Options{Schema: text})
	if err := s.Postgres.ExecIn(t.Context(), s.Database, schema.BudgetDDL("pgveil")); err != nil {
		t.Fatal(err)
	}
	conn := s.Connect(t, "biologist")
	var patients, results []string
	for i := range budgetPatients {
		nir := fmt.Sprintf("1850578006%05d", i)
		patients = append(patients, fmt.Sprintf("(%d, '%s', 'Name%d')", i, nir, i))
		results = append(results, fmt.Sprintf("(%d, %d, '%s', 'positif'), (%d, %d, '%s', 'négatif')", 2*i, i, nir, 2*i+1, i, nir))
	}
	for _, sql := range []string{
		`INSERT INTO lab.patient (id, nir, last_name) VALUES ` + strings.Join(patients, ", "),
		`INSERT INTO lab.result (id, patient, nir, outcome) VALUES ` + strings.Join(results, ", "),
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// rowsOf counts the rows that a client gets, and gives the error's SQLSTATE.
func rowsOf(conn *pgx.Conn, sql string, args ...any) (n int, sqlstate string) {
	rows, err := conn.Query(context.Background(), sql, args...)
	if err == nil {
		for rows.Next() {
			n++
		}
		err = rows.Err()
	}
	return n, code(err)
}

func TestBudgetOfStatement(t *testing.T) {
	s := startBudget(t, "{rows: 10, values: 15}")
	ctx := t.Context()
	conn := s.Connect(t, "biologist")
	simple := pgx.QueryExecModeSimpleProtocol
	for _, mode := range []any{simple, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		for _, c := range []struct {
			sql  string
			rows int
			code string
		}{
			{`SELECT last_name FROM lab.patient WHERE id < 10`, 10, ""},
			{`SELECT last_name FROM lab.patient`, 10, "53400"},
			{`SELECT last_name, nir FROM lab.patient WHERE id < 7`, 7, ""},
			{`SELECT last_name, nir FROM lab.patient`, 7, "53400"},
			{`SELECT array_agg(last_name) FROM lab.patient`, 0, "53400"},
			{`SELECT id FROM lab.patient WHERE nir IS NOT NULL`, budgetPatients, ""},
			{`SELECT json_agg(p) FROM (SELECT last_name FROM lab.patient) p`, 0, "53400"},
		} {
			if n, code := rowsOf(conn, c.sql, mode); n != c.rows || code != c.code {
				t.Errorf("%v: %s: %d rows %q, want %d %q", mode, c.sql, n, code, c.rows, c.code)
			}
		}
	}
	// The transaction is failed, and the session goes on.
	if _, err := conn.Exec(ctx, `BEGIN`, simple); err != nil {
		t.Fatal(err)
	}
	if _, code := rowsOf(conn, `SELECT last_name FROM lab.patient`, simple); code != "53400" {
		t.Errorf("in a transaction: %q", code)
	}
	if _, code := rowsOf(conn, `SELECT 1`, simple); code != "25P02" {
		t.Errorf("after it: %q", code)
	}
	if _, err := conn.Exec(ctx, `ROLLBACK`, simple); err != nil {
		t.Fatal(err)
	}
	// A cursor has one budget for all that is fetched.
	if _, err := conn.Exec(ctx, `BEGIN; DECLARE c CURSOR FOR SELECT last_name FROM lab.patient`, simple); err != nil {
		t.Fatal(err)
	}
	if n, code := rowsOf(conn, `FETCH 6 FROM c`, simple); n != 6 || code != "" {
		t.Errorf("first FETCH: %d %q", n, code)
	}
	if n, code := rowsOf(conn, `FETCH 6 FROM c`, pgx.QueryExecModeExec); n != 4 || code != "53400" {
		t.Errorf("second FETCH: %d %q", n, code)
	}
	if _, err := conn.Exec(ctx, `ROLLBACK`, simple); err != nil {
		t.Fatal(err)
	}
	for _, copied := range []string{`COPY lab.patient (id, last_name) TO STDOUT`, `COPY (SELECT last_name FROM lab.patient) TO STDOUT (FORMAT csv)`, `COPY lab.patient (last_name) TO STDOUT (FORMAT binary)`} {
		var data bytes.Buffer
		_, err := conn.PgConn().CopyTo(ctx, &data, copied)
		if code(err) != "53400" || bytes.Count(data.Bytes(), []byte("Name")) != 10 {
			t.Errorf("%s: %v, %d rows", copied, err, bytes.Count(data.Bytes(), []byte("Name")))
		}
	}
	if !strings.Contains(auditText(t, s), `"ended":"53400"`) {
		t.Error("the audit log does not say that a budget was exceeded")
	}
	if got := s.Server.Stats().Exceeded; got == 0 {
		t.Error("not counted")
	}
}

// A portal has one budget for all of its Executes.
func TestBudgetOfPortal(t *testing.T) {
	s := startBudget(t, "{rows: 10}")
	p := dialWire(t, s.DSN("biologist"))
	p.exchange(query("BEGIN"))
	got := p.exchange(parse("", `SELECT last_name FROM lab.patient`), &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 6}, &pgproto3.Execute{MaxRows: 6}, &pgproto3.Sync{})
	if rows := strings.Count(got, "DataRow"); rows != 10 || !strings.Contains(got, "ErrorResponse ERROR 53400") {
		t.Errorf("%d rows: %s", rows, got)
	}
}

// Patients are told apart by the sealed value of the subject, across statements, tables and
// sessions; what nothing tells apart counts as as many as it may be.
func TestBudgetOfPatients(t *testing.T) {
	s := startBudget(t, "{patients_per_hour: 30, patients_per_day: 12}")
	conn, other := s.Connect(t, "biologist"), s.Connect(t, "biologist")
	simple := pgx.QueryExecModeSimpleProtocol
	left := 12
	for _, step := range []struct {
		sql  string
		rows int
		new  int
	}{
		{`SELECT nir, last_name FROM lab.patient WHERE id < 4`, 4, 4},
		{`SELECT nir, last_name FROM lab.patient WHERE id < 4`, 4, 0},
		{`SELECT r.nir, outcome FROM lab.result r WHERE patient < 4`, 8, 0},
		{`SELECT p.nir, last_name, r.nir, outcome FROM lab.patient p JOIN lab.result r ON p.nir = r.nir WHERE p.id < 5`, 10, 1},
		{`WITH x AS (SELECT nir, last_name FROM lab.patient WHERE id < 5) SELECT a.nir, a.last_name FROM x a`, 5, 0},
		{`SELECT nir FROM lab.patient WHERE id = 5`, 1, 1},
		{`SELECT last_name FROM lab.patient WHERE id IN (5, 6)`, 2, 1},
		{`SELECT last_name AS nir FROM lab.patient WHERE id IN (5, 6) LIMIT 1`, 1, 0},
		{`UPDATE lab.patient SET city = '' WHERE id = 6 RETURNING last_name`, 1, 0},
		{`SELECT last_name FROM (SELECT last_name FROM lab.patient WHERE id = 5) x`, 1, 1},
		{`WITH x AS (SELECT nir, last_name, id FROM lab.patient WHERE id < 2) SELECT a.nir, b.last_name FROM x a, x b WHERE a.id = 0 AND b.id = 1`, 1, 0},
		{`SELECT p.nir, (SELECT q.last_name FROM lab.patient q WHERE q.id = 1) FROM lab.patient p WHERE id = 0`, 1, 1},
		{`SELECT array_agg(nir) FROM lab.patient WHERE id < 2`, 1, 2},
	} {
		if left -= step.new; left < 0 {
			t.Fatal("the test exceeds its own budget")
		}
		for i, c := range []*pgx.Conn{conn, other} {
			if i == 1 && step.new > 0 && !strings.HasPrefix(step.sql, "SELECT nir") {
				continue
			}
			if n, code := rowsOf(c, step.sql, simple); n != step.rows || code != "" {
				t.Errorf("%s: %d rows, %q", step.sql, n, code)
			}
		}
		if used := usedOf(t, s); used != int64(12-left) {
			t.Errorf("%s: %d patients are counted, want %d", step.sql, used, 12-left)
		}
	}
	if n, code := rowsOf(conn, `SELECT nir, last_name FROM lab.patient`, simple); n != 6+left || code != "53400" {
		t.Errorf("beyond: %d rows, %q", n, code)
	}
	if n, code := rowsOf(conn, `SELECT nir, last_name FROM lab.patient WHERE id < 4`, simple); n != 4 || code != "" {
		t.Errorf("those seen before: %d rows, %q", n, code)
	}
	// Neither another role nor another session nor a restart is a way around it.
	again := s.Another(t)
	for what, c := range map[string]*pgx.Conn{"session": s.Connect(t, "biologist"), "proxy": again.Connect(t, "biologist")} {
		if n, code := rowsOf(c, `SELECT nir FROM lab.patient WHERE id > 20`, simple); n != 0 || code != "53400" {
			t.Errorf("another %s: %d rows, %q", what, n, code)
		}
	}
	// The tables hold hashes of what is sealed, and no more.
	var dump string
	err := s.Direct(t, "pgveil").QueryRow(t.Context(), `SELECT string_agg(b::text || convert_from(convert_to(encode(tag, 'escape'), 'SQL_ASCII'), 'SQL_ASCII'), ' ') FROM pgveil.budget_subject b`).Scan(&dump)
	if err != nil || strings.Contains(dump, "1850578006") {
		t.Errorf("%v %s", err, dump)
	}
}

// Without its tables nothing that the budget bounds is opened.
func TestBudgetWithoutTables(t *testing.T) {
	s := startBudget(t, "{patients_per_day: 5}")
	if err := s.Postgres.ExecIn(t.Context(), s.Database, `DROP TABLE pgveil.budget`); err != nil {
		t.Fatal(err)
	}
	conn := s.Connect(t, "biologist")
	n, code := rowsOf(conn, `SELECT nir FROM lab.patient`)
	if n != 0 || code != "58000" {
		t.Errorf("%d rows, %q", n, code)
	}
	if n, code := rowsOf(conn, `SELECT id FROM lab.patient`); n != budgetPatients || code != "" {
		t.Errorf("what opens nothing: %d rows, %q", n, code)
	}
}

// Clients of two proxies that race for one budget never get more than it allows, nor less than
// what both may have reserved.
func TestBudgetRace(t *testing.T) {
	s := startBudget(t, "{patients_per_day: 25}")
	proxies := []*stack.Stack{s, s.Another(t)}
	var seen sync.Map
	var refused atomic.Int64
	var racing sync.WaitGroup
	for i := range 16 {
		conn := proxies[i%2].Connect(t, "biologist")
		racing.Go(func() {
			for n := range budgetPatients {
				id := (n*7 + i*5) % budgetPatients
				rows, code := rowsOf(conn, fmt.Sprintf(`SELECT nir, last_name FROM lab.patient WHERE id = %d`, id), pgx.QueryExecModeSimpleProtocol)
				switch {
				case code == "53400":
					refused.Add(1)
				case code != "" || rows != 1:
					t.Errorf("%d rows, %q", rows, code)
				default:
					seen.Store(id, true)
				}
			}
		})
	}
	racing.Wait()
	patients := 0
	seen.Range(func(any, any) bool { patients++; return true })
	if patients != 25 || refused.Load() == 0 {
		t.Errorf("%d patients were seen, %d statements refused", patients, refused.Load())
	}
	if used := usedOf(t, s); used != 25 {
		t.Errorf("%d patients are counted", used)
	}
}

// usedOf gives how many patients the database has counted for the biologist in the day; an hour might end during the test.
func usedOf(t *testing.T, s *stack.Stack) (used int64) {
	t.Helper()
	conn := s.Direct(t, "pgveil")
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), `SELECT coalesce(sum(used), 0)::int8 FROM pgveil.budget WHERE role = 'biologist' AND span = 'day'`).Scan(&used); err != nil {
		t.Fatal(err)
	}
	return used
}
