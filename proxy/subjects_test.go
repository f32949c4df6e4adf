package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/testenv/stack"
)

// subjectSchema is the schema of the tests with subjects.
func subjectSchema() string {
	s := strings.Replace(stack.Schema, "lab.patient:\n", "lab.patient:\n        subject: nir\n", 1)
	return strings.Replace(s, "lab.result:\n", "lab.result:\n        subject: nir\n", 1)
}

// statements gives the statements of the log whose text has a mark, once each has its
// outcome.
func statements(t *testing.T, s *stack.Stack, mark string) []*audit.Statement {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var found []*audit.Statement
		ended := true
		all := audit.Statements{Each: func(of *audit.Statement) {
			if strings.Contains(of.Statement, mark) {
				found = append(found, of)
				ended = ended && of.Outcome != nil
			}
		}}
		r, err := audit.Verify(audit.VerifyOptions{Dir: s.AuditDir, MAC: s.MAC, Verifier: s.Signer, Each: all.Take})
		if err != nil || !r.OK() {
			t.Fatal(err, r.Problems)
		}
		all.Finish()
		if ended && len(found) > 0 {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("no outcome of %s: %d found", mark, len(found))
		}
	}
}

// TestSubjects: records tell by tags whose values a statement has opened, and by whose
// identifier it searches, in every way in which values leave.
func TestSubjects(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Schema: subjectSchema()})
	fill(t, s)
	column := s.File.Databases[s.Database].Column("lab", "patient", "nir")
	tag := func(nir string) string {
		t.Helper()
		tag, err := proxy.SubjectTag(s.Subjects, column, nir)
		if err != nil {
			t.Fatal(err)
		}
		return tag.String()
	}
	one, two := tag(nir1), tag(nir2)
	if one == two {
		t.Fatal("two patients have one tag")
	}
	biologist, researcher := s.Connect(t, "biologist"), s.Connect(t, "researcher")
	if _, err := biologist.Exec(ctx, `DECLARE held CURSOR WITH HOLD FOR SELECT nir AS q19 FROM lab.patient ORDER BY id`); err != nil {
		t.Fatal(err)
	}
	both := []string{one, two}
	for n, test := range []struct {
		conn           *pgx.Conn
		sql            string // %s is a name of its own
		params         []any  // extended protocol
		opened, sought []string
		unnamed        int64
	}{
		{conn: biologist, sql: `SELECT nir AS %s FROM lab.patient`, opened: both},
		{conn: biologist, sql: `SELECT r.outcome AS %s, r.nir FROM lab.result r`, opened: both},
		{conn: biologist, sql: `SELECT p.nir AS %s, r.nir FROM lab.patient p JOIN lab.result r USING (nir)`, opened: both},
		{conn: biologist, sql: `SELECT last_name AS %s FROM lab.patient`, opened: both},
		{conn: biologist, sql: `SELECT last_name AS %s FROM lab.patient WHERE id = $1`, params: []any{2}, opened: []string{two}},
		{conn: biologist, sql: `SELECT last_name AS %s FROM (SELECT last_name FROM lab.patient) p`, unnamed: 2},
		{conn: biologist, sql: `SELECT email AS %s FROM lab.patient GROUP BY email`, unnamed: 2},
		{conn: biologist, sql: `DELETE FROM lab.result WHERE id = 9 RETURNING outcome AS %s`},
		{conn: biologist, sql: `UPDATE lab.patient SET city = 'Nice' WHERE id = 2 RETURNING last_name AS %s`, opened: []string{two}},
		{conn: biologist, sql: `SELECT id AS %s FROM lab.patient WHERE nir = '` + nir1 + `'`, sought: []string{one}},
		{conn: biologist, sql: `SELECT last_name AS %s FROM lab.patient WHERE nir = '` + nir1 + `'`, opened: []string{one}, sought: []string{one}},
		{conn: biologist, sql: `SELECT nir AS %s FROM lab.patient WHERE nir = $1`, params: []any{nir2}, opened: []string{two}, sought: []string{two}},
		{conn: biologist, sql: `SELECT nir AS %s FROM lab.patient WHERE nir = ANY ($1)`, params: []any{[]string{nir1, nir2}}, opened: both, sought: both},
		{conn: biologist, sql: `SELECT nir AS %s FROM lab.patient WHERE id = $1 AND nir <> '` + nir2 + `'`, params: []any{1}, opened: []string{one}, sought: []string{two}},
		{conn: biologist, sql: `SELECT array_agg(nir) AS %s FROM lab.patient`, opened: both},
		{conn: biologist, sql: `SELECT row_to_json(p) AS %s FROM lab.patient p WHERE id = 2`, opened: []string{two}},
		{conn: biologist, sql: `UPDATE lab.patient SET city = 'Nice' WHERE id = 1 RETURNING nir AS %s`, opened: []string{one}},
		{conn: biologist, sql: `SELECT count(DISTINCT nir) AS %s FROM lab.patient WHERE nir IN ('` + nir1 + `')`, sought: []string{one}},
		{conn: biologist, sql: `SELECT nir AS %s FROM lab.patient WHERE id = 3`},
		{conn: biologist, sql: `FETCH ALL FROM held --%s`, opened: both},
		// The identifier is hidden from the role, and the row is about a patient all the same.
		{conn: researcher, sql: `SELECT birth_date AS %s, nir FROM lab.patient`, opened: both},
		{conn: researcher, sql: `SELECT outcome AS %s FROM lab.result`, opened: both},
	} {
		name := fmt.Sprintf("q%d", n)
		sql, mode := fmt.Sprintf(test.sql, name), pgx.QueryExecModeSimpleProtocol
		if test.params != nil {
			mode = pgx.QueryExecModeCacheDescribe
		}
		rows, err := test.conn.Query(ctx, sql, append([]any{mode}, test.params...)...)
		if err != nil {
			t.Fatal(sql, err)
		}
		for rows.Next() {
		}
		if err := rows.Err(); err != nil {
			t.Fatal(sql, err)
		}
		found := statements(t, s, name)
		of := found[len(found)-1]
		wantTags(t, sql+": opened", of.Tags(), test.opened)
		wantTags(t, sql+": searched", of.Searched, test.sought)
		if of.Outcome.Unnamed != test.unnamed || of.Outcome.Subjects != int64(len(test.opened)) {
			t.Errorf("%s: %d unnamed, %d subjects", sql, of.Outcome.Unnamed, of.Outcome.Subjects)
		}
	}
	for sql, want := range map[string][]string{`COPY lab.patient (nir, id) TO STDOUT`: both, `COPY (SELECT nir, last_name FROM lab.patient) TO STDOUT (FORMAT binary)`: both} {
		if _, err := biologist.PgConn().CopyTo(ctx, discard{}, sql); err != nil {
			t.Fatal(err)
		}
		found := statements(t, s, strings.Fields(sql)[1])
		of := found[len(found)-1]
		wantTags(t, sql, of.Tags(), want)
	}
	if _, err := biologist.PgConn().CopyTo(ctx, discard{}, `COPY lab.patient (last_name) TO STDOUT`); err != nil {
		t.Fatal(err)
	}
	if found := statements(t, s, `COPY lab.patient (last_name)`); found[0].Outcome.Unnamed != 2 {
		t.Errorf("COPY without the subject: %d unnamed", found[0].Outcome.Unnamed)
	}
	if log := auditText(t, s); strings.Contains(log, nir1) || strings.Contains(log, nir2) {
		t.Error("the audit log holds an identifier")
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func wantTags(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestManySubjects: a statement that opens the values of more subjects than a record has
// room for loses none, and one that searches by as many neither.
func TestManySubjects(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Schema: subjectSchema()})
	conn := s.Connect(t, "biologist")
	const patients = 2*audit.MaxTags + 100
	var insert strings.Builder
	var nirs, want []string
	column := s.File.Databases[s.Database].Column("lab", "patient", "nir")
	for id := range patients {
		nir := fmt.Sprintf("1850578%08d", id)
		tag, err := proxy.SubjectTag(s.Subjects, column, nir)
		if err != nil {
			t.Fatal(err)
		}
		nirs, want = append(nirs, nir), append(want, tag.String())
		fmt.Fprintf(&insert, ", (%d, '%s')", id, nir)
	}
	if _, err := conn.Exec(ctx, "INSERT INTO lab.patient (id, nir) VALUES "+insert.String()[2:]); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(ctx, `SELECT nir AS many FROM lab.patient, generate_series(1, 2) WHERE nir = ANY ($1)`, nirs)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	of := statements(t, s, "many")[0]
	wantTags(t, "opened", of.Tags(), want)
	wantTags(t, "searched", of.Searched, want)
	if of.Outcome.Subjects != patients || len(of.Outcome.Tags) > audit.MaxTags || of.Outcome.Rows != 2*patients {
		t.Errorf("%d subjects, %d tags in the outcome, %d rows", of.Outcome.Subjects, len(of.Outcome.Tags), of.Outcome.Rows)
	}
}
