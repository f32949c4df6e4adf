package proxy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// keyedStatements makes random statements on lab.result, and the same on lab.twin, which has
// nothing tagged.
type keyedStatements struct{ *rand.Rand }

func (r keyedStatements) pick(list ...string) string { return list[r.IntN(len(list))] }

func (r keyedStatements) id() string { return strconv.Itoa(1 + r.IntN(12)) }

// laboratory is one of those with keys, most of the time, in one of many spellings.
func (r keyedStatements) laboratory() string {
	n := r.pick("1", "42", "43", "42", "43", "1", "44")
	return fmt.Sprintf(r.pick("%s", "%s", "'%s'", "'0%s'", "' %s '", "%s::int", "'%s'::integer", "CAST(%s AS bigint)", "%s.0", "%s.4", "+%s", "- -%s", "'+%s'::int4", "%se0", "%s::numeric", "'%s'::smallint", "(%s)"), n)
}

func (r keyedStatements) outcome() string {
	return r.pick("'positif'", "'négatif'", "NULL", "'x'::text", "upper('y')", "'a' || 'b'", "''", "E'\\'q'", "DEFAULT")
}

func (r keyedStatements) measured() string {
	return r.pick("1.5", "'2.25'", "NULL", "7", "-3.999", "DEFAULT")
}

func (r keyedStatements) value() string { return strings.ReplaceAll(r.outcome(), "DEFAULT", "NULL") }

func (r keyedStatements) number() string { return strings.ReplaceAll(r.measured(), "DEFAULT", "NULL") }

// statement has %s where the table's name is.
func (r keyedStatements) statement() string {
	rows := func(row func() string) string {
		list := []string{row()}
		for r.IntN(3) > 0 && len(list) < 5 {
			list = append(list, row())
		}
		return strings.Join(list, ", ")
	}
	full := func() string {
		return "(" + r.id() + ", " + r.laboratory() + ", " + r.outcome() + ", " + r.measured() + ")"
	}
	where := func() string {
		return r.pick("WHERE id = "+r.id(), "WHERE id < "+r.id(), "WHERE laboratory_id = "+r.laboratory(), "", "WHERE comment IS NULL", "WHERE outcome IS NULL")
	}
	set := func() string {
		return r.pick("outcome = "+r.outcome(), "measured = "+r.measured(), "outcome = "+r.outcome()+", measured = "+r.measured(), "(outcome, measured) = ("+r.value()+", "+r.number()+")",
			"laboratory_id = "+r.laboratory()+", outcome = "+r.outcome()+", measured = "+r.measured(), "laboratory_id = "+r.laboratory(), "laboratory_id = "+r.laboratory()+", outcome = "+r.outcome(),
			"comment = 'c'", "outcome = outcome", "outcome = outcome, laboratory_id = laboratory_id", "measured = NULL", "laboratory_id = laboratory_id + 0, outcome = 'p'", "comment = "+r.id()+", outcome = 'late'")
	}
	excluded := func() string {
		return r.pick("outcome = excluded.outcome", "outcome = excluded.outcome, measured = excluded.measured, laboratory_id = excluded.laboratory_id", "outcome = "+r.outcome(), "comment = 'again'",
			"outcome = excluded.outcome, laboratory_id = excluded.laboratory_id", "measured = "+r.measured()+", outcome = "+r.outcome(), "laboratory_id = excluded.laboratory_id")
	}
	switch r.IntN(14) {
	case 0, 1:
		return "INSERT INTO %s (id, laboratory_id, outcome, measured) VALUES " + rows(full)
	case 2:
		return "INSERT INTO %s (outcome, id, laboratory_id) VALUES " + rows(func() string { return "(" + r.outcome() + ", " + r.id() + ", " + r.laboratory() + ")" })
	case 3:
		return "INSERT INTO %s VALUES " + rows(full)
	case 4:
		return "INSERT INTO %s (id, outcome) VALUES (" + r.id() + ", " + r.outcome() + ")"
	case 5, 6:
		return "INSERT INTO %s (id, laboratory_id, outcome, measured) VALUES " + rows(full) + r.pick(" ON CONFLICT (id) DO UPDATE SET ", " ON CONFLICT (id, laboratory_id) DO UPDATE SET ", " ON CONFLICT ON CONSTRAINT %[2]s_pkey DO UPDATE SET ") + excluded()
	case 7:
		return "INSERT INTO %s (id, laboratory_id, outcome, measured) SELECT " + r.id() + ", " + r.laboratory() + ", " + r.value() + ", " + r.number() + r.pick("", " WHERE true", " WHERE NOT EXISTS (SELECT 1 FROM %[1]s WHERE id = 3)")
	case 8:
		return "INSERT INTO %s (id, laboratory_id, outcome) SELECT id + 20, laboratory_id, outcome FROM %[1]s " + where()
	case 9, 10:
		return "UPDATE %s SET " + set() + " " + where()
	case 11:
		return "UPDATE %s AS r SET " + set() + " FROM (VALUES (" + r.id() + ", 'v'), (" + r.id() + ", 'w')) AS v (n, t) WHERE r.id = v.n"
	case 12:
		return "MERGE INTO %s AS r USING (VALUES (" + r.id() + ", " + r.laboratory() + "), (" + r.id() + ", 42)) AS v (n, l) ON r.id = v.n " +
			"WHEN MATCHED THEN " + r.pick("UPDATE SET "+set(), "DELETE", "DO NOTHING") + " WHEN NOT MATCHED THEN " +
			r.pick("INSERT (id, laboratory_id, outcome) VALUES (v.n, v.l, 'm')", "INSERT (id, laboratory_id, outcome) VALUES (v.n, "+r.laboratory()+", "+r.outcome()+")", "DO NOTHING")
	default:
		return r.pick("DELETE FROM %s "+where(), "WITH gone AS (DELETE FROM %s "+where()+" RETURNING id, laboratory_id) INSERT INTO %[1]s (id, laboratory_id, outcome) SELECT id, laboratory_id, NULL FROM gone",
			"WITH new AS (INSERT INTO %s (id, laboratory_id, outcome) VALUES "+"("+r.id()+", "+r.laboratory()+", 'w') RETURNING id) SELECT id FROM new")
	}
}

// TestKeyByRandom: random statements leave what they leave in a twin, and each value under the key of
// its row. PGVEIL_SEED begins at another seed.
func TestKeyByRandom(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	k := startKeyed(t)
	for _, sql := range []string{
		`CREATE TABLE lab.twin (id bigint PRIMARY KEY, laboratory_id integer NOT NULL DEFAULT 1, outcome text, measured numeric(10,2), comment text, UNIQUE (id, laboratory_id))`,
		`GRANT ALL ON lab.twin TO PUBLIC`,
	} {
		if err := k.Postgres.ExecIn(ctx, k.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(20261123)
	if s, err := strconv.ParseUint(os.Getenv("PGVEIL_SEED"), 10, 64); err == nil {
		seed = s
	}
	statements := 600
	if n, err := strconv.Atoi(os.Getenv("PGVEIL_STATEMENTS")); err == nil {
		statements = n
	}
	r := keyedStatements{rand.New(rand.NewPCG(seed, 1))}
	conn := k.Connect(t, "biologist")
	ran := map[string]int{}
	for i := range statements {
		sql := r.statement()
		on := func(table string) error {
			text := strings.ReplaceAll(strings.ReplaceAll(sql, "%[1]s", "lab."+table), "%[2]s", table)
			text = strings.Replace(text, "%s", "lab."+table, 1)
			mode := pgx.QueryExecModeSimpleProtocol
			if i%2 == 0 {
				mode = pgx.QueryExecModeDescribeExec
			}
			_, err := conn.Exec(ctx, text, mode)
			return err
		}
		refused := on("result")
		code := sqlstate(refused)
		ran[code]++
		switch code {
		case "0A000", "55000", "23514": // refused, there is no key, or none for the row that the server has found
			continue
		}
		if twin := sqlstate(on("twin")); twin != code {
			t.Fatalf("seed %d, statement %d: %s\n%v; the twin: %s", seed, i, sql, refused, twin)
		}
		if got, want := k.contents(t, conn, "result"), k.contents(t, conn, "twin"); got != want {
			t.Fatalf("seed %d, statement %d: %s\nleaves\n%s\nand in the twin\n%s", seed, i, sql, got, want)
		}
		for _, column := range []string{"outcome", "measured"} {
			if got, want := k.sealedBy(t, "lab.result", column), k.keysOfRows(t, column); got != want {
				t.Fatalf("seed %d, statement %d: %s\nseals %s by\n%s\nand the rows are of\n%s", seed, i, sql, column, got, want)
			}
		}
	}
	t.Logf("by SQLSTATE: %v", ran)
	if ran[""] < statements/4 {
		t.Errorf("only %d of %d statements ran", ran[""], statements)
	}
}

func (k *keyedStack) contents(t *testing.T, conn *pgx.Conn, table string) string {
	t.Helper()
	rows, err := conn.PgConn().Exec(context.Background(), "SELECT id, laboratory_id, outcome, measured, comment FROM lab."+table+" ORDER BY id").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, row := range rows[0].Rows {
		for _, value := range row {
			if value == nil {
				b.WriteString("NULL ")
			} else {
				fmt.Fprintf(&b, "%q ", value)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// keysOfRows is sealedBy as the rows' laboratories ask for.
func (k *keyedStack) keysOfRows(t *testing.T, column string) string {
	t.Helper()
	rows, err := k.seen.Query(context.Background(), "SELECT id::text || ':' || CASE WHEN "+column+" IS NULL THEN 'NULL' ELSE laboratory_id::text END FROM lab.result ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// TestKeyByPipelined: executions of one prepared statement that are on their way together each seal
// by their own row.
func TestKeyByPipelined(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	k := startKeyed(t)
	conn := k.Connect(t, "biologist")
	var batch pgx.Batch
	for i := range 300 {
		batch.Queue(`INSERT INTO lab.result (id, laboratory_id, outcome, measured) VALUES ($1, $2, $3, $4)`, i, []int{1, 42, 43}[i*7%3], fmt.Sprint("result ", i), fmt.Sprint(i))
	}
	if err := conn.SendBatch(ctx, &batch).Close(); err != nil {
		t.Fatal(err)
	}
	for _, column := range []string{"outcome", "measured"} {
		if got, want := k.sealedBy(t, "lab.result", column), k.keysOfRows(t, column); got != want || strings.Count(got, ":") != 300 {
			t.Errorf("%s is sealed by\n%s\nand the rows are of\n%s", column, got, want)
		}
	}
	var wrong int
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM lab.result r WHERE outcome IS NULL OR measured IS NULL`).Scan(&wrong); err != nil || wrong != 0 {
		t.Error(wrong, err)
	}
	rows, err := conn.Query(ctx, `SELECT id, outcome FROM lab.result`)
	if err != nil {
		t.Fatal(err)
	}
	var id int
	var outcome string
	if _, err := pgx.ForEachRow(rows, []any{&id, &outcome}, func() error {
		if outcome != fmt.Sprint("result ", id) {
			return fmt.Errorf("row %d has %q", id, outcome)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
