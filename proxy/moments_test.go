package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv/stack"
)

// one gives the only value of a query, or its error's code.
func one(conn *pgconn.PgConn, simple bool, sql string, args ...string) string {
	ctx := context.Background()
	var result *pgconn.Result
	if simple {
		results, err := conn.Exec(ctx, sql).ReadAll()
		if err != nil {
			return err.(*pgconn.PgError).Code
		}
		result = results[len(results)-1]
	} else if result = conn.ExecParams(ctx, sql, queryCase{args: args}.params(), nil, nil, nil).Read(); result.Err != nil {
		return result.Err.(*pgconn.PgError).Code
	}
	if len(result.Rows) != 1 || len(result.Rows[0]) != 1 {
		return result.CommandTag.String()
	}
	return string(result.Rows[0][0])
}

// TestMoments stores now() and its like in sealed columns: what is read back is what the
// server itself gives within the same transaction.
func TestMoments(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	conn := s.Connect(t, "biologist").PgConn()
	one(conn, true, `INSERT INTO lab.every (id) VALUES (1), (2)`)
	for _, zone := range []string{"UTC", "Pacific/Kiritimati", "America/St_Johns"} {
		for _, style := range []string{"ISO, MDY", "German, DMY", "SQL, DMY", "Postgres, MDY"} {
			one(conn, true, fmt.Sprintf(`SET TimeZone TO '%s'; SET DateStyle TO '%s'`, zone, style))
			for _, c := range []struct{ column, as, expression string }{
				{"r_timestamptz", "timestamptz", "now()"},
				{"r_timestamptz", "timestamptz", "pg_catalog.now()"},
				{"d_timestamptz", "timestamptz", "transaction_timestamp()"},
				{"r_timestamptz", "timestamptz", "CURRENT_TIMESTAMP"},
				{"r_timestamptz", "timestamptz", "CURRENT_TIMESTAMP(1)"},
				{"r_timestamptz", "timestamptz", "CURRENT_TIMESTAMP(0)"},
				{"r_timestamptz", "timestamptz", "now()::timestamptz(3)"},
				{"d_timestamp", "timestamp", "now()"},
				{"d_timestamp", "timestamp", "LOCALTIMESTAMP"},
				{"r_timestamp", "timestamp", "LOCALTIMESTAMP(2)"},
				{"d_timestamp", "timestamp", "(now())::timestamp(1)"},
				{"d_timestamp", "timestamp", "CURRENT_TIMESTAMP"},
				{"d_date", "date", "CURRENT_DATE"},
				{"r_date", "date", "now()"},
				{"d_date", "date", "now()::date"},
				{"d_date", "date", "CAST(LOCALTIMESTAMP AS date)"},
				{"d_date", "date", "LOCALTIMESTAMP"},
				{"r_text", "text", "now()::text"},
				{"r_text", "text", "CURRENT_DATE::text || '!'"},
				{"d_text", "text", "concat('at ', LOCALTIMESTAMP::text)"},
				{"d_text", "text", "coalesce(NULL, CURRENT_TIMESTAMP(0)::text)"},
				{"d_date", "date", "coalesce(NULL, CURRENT_DATE)"},
				{"d_date", "date", "CASE WHEN 'a' = 'b' THEN date '2000-01-01' ELSE current_date END"},
			} {
				for _, simple := range []bool{true, false} {
					conn.Exec(t.Context(), "BEGIN").Close()
					set := one(conn, simple, fmt.Sprintf(`UPDATE lab.every SET %s = %s WHERE id = 1`, c.column, c.expression))
					got := one(conn, simple, fmt.Sprintf(`SELECT %s FROM lab.every WHERE id = 1`, c.column))
					want := one(conn, simple, fmt.Sprintf(`SELECT (%s)::%s`, c.expression, c.as))
					if got != want || set != "UPDATE 1" {
						t.Errorf("%s, %s, %s = %s (simple %t): %s, %q, the server gives %q", zone, style, c.column, c.expression, simple, set, got, want)
					}
					if strings.HasPrefix(c.column, "d_") && c.column != "d_timestamp" {
						found := one(conn, simple, fmt.Sprintf(`SELECT id FROM lab.every WHERE %s = %s`, c.column, strings.ReplaceAll(c.expression+"::"+c.as, "LOCALTIMESTAMP::date::date", "LOCALTIMESTAMP::date")))
						if found != "1" {
							t.Errorf("%s, %s, WHERE %s = %s (simple %t): %q", zone, style, c.column, c.expression, simple, found)
						}
					}
					conn.Exec(t.Context(), "ROLLBACK").Close()
				}
			}
		}
	}
}

// TestMomentsBound: each Bind of a statement that was prepared once has its own now(); it is
// that of the transaction.
func TestMomentsBound(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	conn := s.Connect(t, "biologist")
	ctx := t.Context()
	if _, err := conn.Exec(ctx, `INSERT INTO lab.every (id) VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for range 3 {
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var stored, now string
		// pgx prepares these once.
		if err := tx.QueryRow(ctx, `UPDATE lab.every SET r_timestamptz = now(), d_date = CURRENT_DATE, d_text = $2 WHERE id = $1 RETURNING r_timestamptz::text`, 1, "x").Scan(&stored); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRow(ctx, `SELECT now()::text`).Scan(&now); err != nil || stored != now {
			t.Errorf("%q, %q, %v", stored, now, err)
		}
		seen[stored] = true
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("three transactions at %v", seen)
	}
	var id int
	if err := conn.QueryRow(ctx, `SELECT id FROM lab.every WHERE d_date IN (CURRENT_DATE - 0, CURRENT_DATE)`).Scan(&id); err == nil {
		t.Error("arithmetic")
	}
	c := dialWire(t, s.DSN("biologist"))
	got := c.exchange(parse("", `INSERT INTO lab.every (id, r_timestamptz) VALUES (7, now())`), describe('S', ""), bind("", ""), execute("", 0), bind("", ""), execute("", 0), sync_)
	if want := "ParseComplete\nParameterDescription []\nNoData\nBindComplete\nCommandComplete INSERT 0 1\nBindComplete\nErrorResponse ERROR 23505"; !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s", got)
	}
	for _, sql := range []string{
		`PREPARE p AS INSERT INTO lab.every (id, r_timestamptz) VALUES (8, now())`,
		`CREATE VIEW lab.today AS SELECT id FROM lab.every WHERE d_date = CURRENT_DATE`,
		`ALTER TABLE lab.every ALTER d_date SET DEFAULT CURRENT_DATE`,
		`UPDATE lab.every SET r_timestamptz = clock_timestamp()`,
		`SELECT id FROM lab.every WHERE d_date = current_date + 1`,
	} {
		if got := c.exchange(query(sql)); !strings.Contains(got, "0A000") {
			t.Errorf("%s: %s", sql, got)
		}
	}
	const copied = `COPY (SELECT id FROM lab.every WHERE d_date = CURRENT_DATE) TO STDOUT`
	if got := c.exchange(parse("", copied), bind("", ""), execute("", 0), sync_); !strings.HasPrefix(got, "ErrorResponse ERROR 0A000") {
		t.Errorf("COPY in the extended protocol: %s", got)
	}
	if got := c.exchange(query(copied)); !strings.HasSuffix(got, "ReadyForQuery I") || strings.Contains(got, "ErrorResponse") {
		t.Errorf("COPY: %s", got)
	}
	if got := c.exchange(query(`BEGIN`), query(`SELECT 1/0`), query(`UPDATE lab.every SET r_timestamptz = now()`), query(`ROLLBACK`)); strings.Count(got, "25P02") != 1 {
		t.Errorf("in a failed transaction: %s", got)
	}
}

// TestMomentsOfTransactions: each transaction of one message has its own moment, which is that
// of an untagged column in the same statement, too.
func TestMomentsOfTransactions(t *testing.T) {
	s := stack.Start(t, stack.Options{Tables: append(slices.Clone(stack.Tables), `ALTER TABLE lab.every ADD COLUMN untagged timestamptz`)})
	conn := s.Connect(t, "biologist").PgConn()
	for i, sql := range []string{
		`INSERT INTO lab.every (id, r_timestamptz, untagged) VALUES (1, now(), now()); COMMIT; INSERT INTO lab.every (id, r_timestamptz, untagged) VALUES (2, now(), now())`,
		`BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO lab.every (id, r_timestamptz, untagged) VALUES (1, now(), now()); COMMIT; INSERT INTO lab.every (id, r_timestamptz, untagged) VALUES (2, now(), now())`,
		`BEGIN; INSERT INTO lab.every (id, r_timestamptz, untagged) VALUES (1, now(), now()); COMMIT; BEGIN; INSERT INTO lab.every (id, r_timestamptz, untagged) VALUES (2, now(), now()); COMMIT`,
	} {
		if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		result := conn.ExecParams(t.Context(), `SELECT untagged::text, r_timestamptz::text FROM lab.every ORDER BY id`, nil, nil, nil, nil).Read()
		if result.Err != nil || len(result.Rows) != 2 {
			t.Fatalf("%d: %v, %d rows", i, result.Err, len(result.Rows))
		}
		for _, row := range result.Rows {
			if string(row[0]) != string(row[1]) {
				t.Errorf("%d: %s, sealed %s", i, row[0], row[1])
			}
		}
		if string(result.Rows[0][0]) == string(result.Rows[1][0]) {
			t.Errorf("%d: both at %s", i, result.Rows[0][0])
		}
		one(conn, true, `DELETE FROM lab.every`)
	}
}
