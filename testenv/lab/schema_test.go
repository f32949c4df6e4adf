package lab

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv"
)

// TestTablesTakeTheRows makes the tables on a real server, writes a small
// laboratory and reads it back.
func TestTablesTakeTheRows(t *testing.T) {
	testenv.Require(t, testenv.PartPostgres)
	ctx := t.Context()
	server, err := testenv.StartPostgres(ctx, testenv.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	if err := server.Exec(ctx, DDL()); err != nil {
		t.Fatal(err)
	}
	conn, err := server.Conn(ctx, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SET timezone = 'Europe/Paris'"); err != nil {
		t.Fatal(err)
	}

	const patients, results = 300, 1500
	l := newLab(t, 3, patients, results)
	tables := Tables()
	for p := range l.Patients() {
		insert(ctx, t, conn, tables[0], p.Row())
	}
	for r := range l.Results() {
		insert(ctx, t, conn, tables[1], r.Row())
	}

	var n, nirs, without int
	err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM lab.result), (SELECT count(DISTINCT nir) FROM lab.patient),
		(SELECT count(*) FROM lab.result WHERE value IS NULL)`).Scan(&n, &nirs, &without)
	if err != nil || n != results || nirs != patients || without == 0 {
		t.Errorf("%d results, %d NIR, %d without a value, %v", n, nirs, without, err)
	}
	for id := int64(1); id <= 20; id++ {
		want := l.Result(id)
		var (
			value, comment *string
			outcome        string
			sampled        time.Time
			doc            details
		)
		err := conn.QueryRow(ctx, "SELECT value::text, comment, outcome, sampled_at, document FROM lab.result WHERE id = $1", id).
			Scan(&value, &comment, &outcome, &sampled, &doc)
		if err != nil {
			t.Fatal(err)
		}
		if outcome != want.Outcome || !sampled.Equal(want.SampledAt) || !strings.Contains(string(want.Document), doc.Biologist) {
			t.Errorf("result %d: %s at %s", id, outcome, sampled)
		}
		if (value != nil) != want.Value.Valid || value != nil && !strings.HasPrefix(*value, want.Value.V) {
			t.Errorf("result %d: a value of %v, want %v", id, value, want.Value)
		}
		if (comment != nil) != want.Comment.Valid || comment != nil && *comment != want.Comment.V {
			t.Errorf("result %d: comment %v, want %v", id, comment, want.Comment)
		}
	}
}

func insert(ctx context.Context, t *testing.T, conn *pgx.Conn, table Table, row []any) {
	t.Helper()
	names := table.ColumnNames()
	if len(row) != len(names) {
		t.Fatalf("%s: %d values for %d columns", table, len(row), len(names))
	}
	params := make([]string, len(names))
	for i := range names {
		params[i] = fmt.Sprintf("$%d", i+1)
	}
	sql := "INSERT INTO " + table.String() + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(params, ", ") + ")"
	if _, err := conn.Exec(ctx, sql, row...); err != nil {
		t.Fatal(err)
	}
}

func TestTags(t *testing.T) {
	got := map[string]Encryption{}
	for _, table := range Tables() {
		for _, c := range table.Columns {
			if c.Encryption != "" {
				got[table.Name+"."+c.Name] = c.Encryption
			}
		}
	}
	want := map[string]Encryption{
		"patient.nir": Deterministic, "patient.email": Deterministic,
		"patient.last_name": Randomized, "patient.first_name": Randomized, "patient.phone": Randomized,
		"patient.address": Randomized, "patient.birth_date": Randomized,
		"result.outcome": Randomized, "result.value": Randomized, "result.comment": Randomized, "result.document": Randomized,
	}
	for column, e := range want {
		if got[column] != e {
			t.Errorf("%s is %q, want %s", column, got[column], e)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d tagged columns, want %d", len(got), len(want))
	}
}
