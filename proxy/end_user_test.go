package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv/stack"
)

// claimed gives the claimed end user in the intent of the statement that names its
// output so.
func claimed(t *testing.T, s *stack.Stack, mark string) string {
	t.Helper()
	for line := range strings.SplitSeq(auditText(t, s), "\n") {
		var record struct {
			Kind, Statement string
			EndUser         *string `json:"claimed_end_user"`
		}
		if strings.Contains(line, mark) && json.Unmarshal([]byte(line), &record) == nil && record.Kind == "intent" {
			if record.EndUser == nil {
				return "none"
			}
			return *record.EndUser
		}
	}
	t.Fatalf("no intent of %s", mark)
	return ""
}

// Whom an application says that it acts for is in the records of what it reads from then
// on, until it says otherwise.
func TestEndUser(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{EndUser: regexp.MustCompile(`^lims \((.*)\)$`)})
	fill(t, s)
	conn := s.Connect(t, "biologist", "application_name=lims")
	marks := 0
	read := func(conn *pgx.Conn, mode pgx.QueryExecMode, want string) {
		t.Helper()
		marks++
		mark := fmt.Sprintf("mark_%d_of_the_test", marks)
		rows, err := conn.Query(ctx, `SELECT last_name AS `+mark+` FROM lab.patient WHERE nir = '`+nir1+`'`, mode)
		if err != nil {
			t.Fatal(err)
		}
		rows.Next()
		rows.Close()
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
		if got := claimed(t, s, mark); got != want {
			t.Errorf("%s: %q, want %q", mark, got, want)
		}
	}
	simple, extended := pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement
	read(conn, simple, "none")
	for _, step := range []struct{ sql, want string }{
		{`SET pgveil.end_user = 'dr.martin'`, "dr.martin"},
		{`BEGIN`, "dr.martin"},
		{`SET LOCAL pgveil.end_user = 'dr.petit'`, "dr.petit"},
		{`ROLLBACK`, "dr.martin"},
		{`BEGIN; SET pgveil.end_user TO 'dr.leroy'`, "dr.leroy"},
		{`ROLLBACK`, "dr.martin"},
		{`SELECT set_config('pgveil.end_user', 'dr.moreau', false)`, "dr.moreau"},
		{`SET application_name = 'lims (dr.garcia)'`, "dr.moreau"},
		{`SET pgveil.end_user = ''`, "dr.garcia"},
		{`SET application_name = 'lims'`, "none"},
		{`SET pgveil.end_user = E'a\u0001"b'`, "a\x01\"b"},
		{`SET pgveil.end_user = '` + strings.Repeat("x", 300) + `'`, strings.Repeat("x", 256) + "…"},
		{`RESET pgveil.end_user`, "none"},
		{`SET pgveil.end_user = 'dr.simon'`, "dr.simon"},
		{`DISCARD ALL`, "none"},
	} {
		if _, err := conn.Exec(ctx, step.sql, simple); err != nil {
			t.Fatalf("%s: %v", step.sql, err)
		}
		read(conn, simple, step.want)
		read(conn, extended, step.want)
	}
	// What follows in the same message might be recorded for somebody else.
	_, err := conn.Exec(ctx, `SET pgveil.end_user = 'dr.early'; SELECT last_name FROM lab.patient`, simple)
	if err == nil || !strings.Contains(err.Error(), "cannot follow SET in the same message") {
		t.Errorf("in one message: %v", err)
	}
	// From the start, by either.
	read(s.Connect(t, "biologist", "options='-c pgveil.end_user=dr.david'"), simple, "dr.david")
	read(s.Connect(t, "biologist", "application_name='lims (dr.roux)'"), simple, "dr.roux")
	// Prepared before, run after.
	if _, err := conn.Prepare(ctx, "reads", `SELECT last_name AS prepared_before FROM lab.patient WHERE id = $1`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, `SET pgveil.end_user = 'dr.blanc'`, simple); err != nil {
		t.Fatal(err)
	}
	var name string
	if err := conn.QueryRow(ctx, "reads", 1).Scan(&name); err != nil {
		t.Fatal(err)
	}
	if got := claimed(t, s, "prepared_before"); got != "dr.blanc" {
		t.Errorf("prepared before: %q", got)
	}
}
