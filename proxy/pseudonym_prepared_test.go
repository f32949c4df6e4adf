package proxy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestPseudonymPrepared: a value in the text of a prepared statement is not a patient's number to a role that
// sees pseudonyms, whoever has prepared it, nor a pseudonym of before a renewal: the statement is prepared again, by drivers
// unnoticed, or refused.
func TestPseudonymPrepared(t *testing.T) {
	ctx := context.Background()
	s := pseudonymStack(t)
	if err := s.Postgres.ExecIn(ctx, stack.Database, `CREATE ROLE alice LOGIN NOINHERIT PASSWORD '`+stack.Password+`' IN ROLE biologist, researcher, secretary`); err != nil {
		t.Fatal(err)
	}
	conn := s.Connect(t, "alice")
	check := func(sql, want string) {
		t.Helper()
		if got := show(t, conn, sql); got != want {
			t.Errorf("%s: %q, not %q", sql, got, want)
		}
	}
	extended := func(what, name, want string, args ...any) {
		t.Helper()
		rows, err := conn.Query(ctx, name, args...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if text := strings.Join(got, " "); err != nil || text != want {
			t.Errorf("%s, %s: %q, not %q, %v", what, name, text, want, err)
		}
	}
	prepare := func(name, sql string) {
		t.Helper()
		check(fmt.Sprintf("PREPARE sql_%s AS %s", name, sql), "")
		if _, err := conn.Prepare(ctx, name, sql); err != nil {
			t.Fatal(err)
		}
	}
	find := `SELECT nir FROM lab.shown WHERE nir = '%s' AND id > 0`

	check(`SET ROLE biologist`, "")
	prepare("find", fmt.Sprintf(find, patient1))
	prepare("list", `SELECT nir FROM lab.shown WHERE id = 1`)
	prepare("given", `SELECT nir FROM lab.shown WHERE nir = $1 AND id > 0`)
	check(`PREPARE sql_store AS INSERT INTO lab.result (id, nir) VALUES (50, '`+patient2+`') RETURNING nir`, "")
	check(`EXECUTE sql_find`, patient1)
	extended("biologist", "find", patient1)

	check(`SET ROLE researcher`, "")
	mine := pseudonymOf(t, conn, "nir", 1)
	check(`EXECUTE sql_find`, "0A000")
	check(`EXPLAIN EXECUTE sql_find`, "0A000")
	check(`EXECUTE sql_store`, "0A000")
	check(`EXECUTE sql_list`, mine)
	check(`EXECUTE sql_given('`+patient1+`')`, "")
	check(`EXECUTE sql_given('`+mine+`')`, mine)
	extended("researcher", "find", "")
	extended("researcher", "list", mine)
	extended("researcher", "given", "", patient1)
	extended("researcher", "given", mine, mine)

	check(`SET ROLE biologist`, "")
	check(`EXECUTE sql_find`, patient1)
	extended("biologist again", "find", patient1)

	check(`SET ROLE researcher`, "")
	prepare("mine", fmt.Sprintf(find, mine))
	check(`EXECUTE sql_mine`, mine)
	extended("by its pseudonym", "mine", mine)
	check(`SET ROLE secretary`, "")
	check(`EXECUTE sql_mine`, "0A000")
	extended("of another project", "mine", "")
	check(`SET ROLE researcher`, "")
	extended("by its pseudonym again", "mine", mine)

	s.Reload(t, strings.Replace(pseudonymSchema, "{key: cohort-keys}", "{key: cohort-keys, epoch: 2}", 1))
	check(`EXECUTE sql_mine`, "0A000")
	extended("after a renewal", "mine", "")
	after := pseudonymOf(t, conn, "nir", 1)
	extended("after a renewal", "given", after, after)
	if after == mine {
		t.Error("the pseudonym was not renewed")
	}
}
