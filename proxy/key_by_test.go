package proxy_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv/stack"
)

const keyBySchema = `
version: 1
keys:
  results: randomized
  yearly: randomized
databases:
  laboratory:
    tables:
      lab.result:
        access: {biologist: decrypt}
        columns:
          outcome: {type: text, encryption: randomized, key: results, key_by: laboratory_id, erased: "[erased]"}
          measured: {type: "numeric(10,2)", encryption: randomized, key: results, key_by: laboratory_id}
      lab.visit:
        access: {biologist: decrypt}
        columns:
          note: {type: text, encryption: randomized, key: yearly, key_by: {column: seen_on, by: year}}
`

var keyByTables = []string{
	`CREATE SCHEMA lab`,
	`CREATE TABLE lab.result (id bigint PRIMARY KEY, laboratory_id integer NOT NULL DEFAULT 1, outcome bytea, measured bytea, comment text, UNIQUE (id, laboratory_id))`,
	`CREATE TABLE lab.visit (id bigint PRIMARY KEY, seen_on date, note bytea)`,
	`CREATE VIEW lab.report AS SELECT id, laboratory_id AS lab_id, outcome FROM lab.result`,
	`GRANT USAGE ON SCHEMA lab TO PUBLIC`,
	`GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`,
}

var keyByMembers = []string{"results.by.1", "results.by.42", "results.by.43", "yearly.by.2025", "yearly.by.2026"}

// keyedStack is a stack with keys by value whose sealers are exchanged.
type keyedStack struct {
	*stack.Stack
	live []*keys.LiveSealer
	ids  map[uint32]string // of the keys, whose keyset they are of
	seen *pgx.Conn         // to the server directly
}

func startKeyed(t *testing.T) *keyedStack {
	t.Helper()
	k := &keyedStack{ids: make(map[uint32]string)}
	k.Stack = stack.Start(t, stack.Options{Schema: keyBySchema, Tables: keyByTables, Members: keyByMembers, Sealer: func(_ *schema.Column, sealer proxy.Sealer) proxy.Sealer {
		l := keys.NewLiveSealer(sealer.(*keys.Sealer))
		k.live = append(k.live, l)
		return l
	}})
	for name, ring := range k.Keys {
		k.ids[ring.Info().Keys[0].ID] = name
	}
	k.seen = k.Direct(t, "biologist")
	return k
}

// sealedBy gives, of each row in the order of id, by which keyset a column is sealed on the
// server, NULL for none; a column in the clear fails the test.
func (k *keyedStack) sealedBy(t *testing.T, table, column string) string {
	t.Helper()
	var list []string
	rows, err := k.seen.Query(context.Background(), fmt.Sprintf("SELECT id, %s FROM %s ORDER BY id", column, table))
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	var value []byte
	if _, err := pgx.ForEachRow(rows, []any{&id, &value}, func() error {
		by := "NULL"
		if value != nil {
			if len(value) < 28 || value[0] != 0xfe {
				return fmt.Errorf("row %d of %s is not sealed: %x", id, table, value)
			}
			by = strings.TrimPrefix(k.ids[binary.BigEndian.Uint32(value[keys.HeaderSize+1:])], "results.by.")
		}
		list = append(list, fmt.Sprintf("%d:%s", id, by))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// TestKeyBy: whatever way a value comes in, it is sealed with the key of its row.
func TestKeyBy(t *testing.T) {
	ctx := context.Background()
	k := startKeyed(t)
	conn := k.Connect(t, "biologist")
	simple := func(sql string, args ...any) func() error {
		return func() error { _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); return err }
	}
	extended := func(sql string, args ...any) func() error {
		return func() error { _, err := conn.Exec(ctx, sql, args...); return err }
	}
	copyIn := func(sql, data string) func() error {
		return func() error { _, err := conn.PgConn().CopyFrom(ctx, strings.NewReader(data), sql); return err }
	}
	const seed = `INSERT INTO lab.result (id, laboratory_id, outcome, measured) VALUES (1, 42, 'positif', 1.5), (2, 43, 'négatif', 2.5), (3, 1, NULL, NULL); `
	for _, test := range []struct {
		what    string
		do      func() error
		outcome string // by which keysets
		text    string // of what is read, in the order of id
	}{
		{"rows of constants", simple(`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (1, 42, 'a'), (2, 43, 'b'), (3, '42', 'c'), (4, 42, NULL)`), "1:42 2:43 3:42 4:NULL", "a b c <nil>"},
		{"the key behind the value", simple(`INSERT INTO lab.result (outcome, id, laboratory_id) VALUES ('a', 1, 43), ('b', 2, 42)`), "1:43 2:42", "a b"},
		{"a cast", simple(`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (1, 43::int, 'a'::text), (2, CAST('42' AS integer), upper('b'))`), "1:43 2:42", "a B"},
		{"parameters", extended(`INSERT INTO lab.result (id, laboratory_id, outcome, measured) VALUES ($1, $2, $3, $4), ($5, $6, $7, $8)`, 1, 42, "a", "1.25", 2, 43, "b", nil), "1:42 2:43", "a b"},
		{"a constant beside the parameter of its key", extended(`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (1, $1, 'a'), (2, $2, lower('B'))`, 43, 42), "1:43 2:42", "a b"},
		{"a parameter beside a constant", extended(`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (1, 43, $1)`, "a"), "1:43", "a"},
		{"NULL as a parameter", extended(`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (1, 44, $1)`, nil), "1:NULL", "<nil>"},
		{"values of a SELECT", extended(`INSERT INTO lab.result (id, laboratory_id, outcome) SELECT 1, 42, 'a'::text WHERE NOT EXISTS (SELECT 1 FROM lab.result WHERE id = 1)`), "1:42", "a"},
		{"parameters of a SELECT", extended(`INSERT INTO lab.result (id, laboratory_id, outcome) SELECT $1::bigint, $2::integer, $3::text`, 1, 43, "a"), "1:43", "a"},
		{"COPY as text", copyIn(`COPY lab.result (id, outcome, laboratory_id, measured) FROM STDIN`, "1\ta\t42\t1.5\n2\tb\t43\t\\N\n3\tc\t42\t2\n"), "1:42 2:43 3:42", "a b c"},
		{"COPY as CSV", copyIn(`COPY lab.result (id, laboratory_id, outcome) FROM STDIN (FORMAT csv, HEADER)`, "id,lab,outcome\n1,\"42\",a\n2,43,\n"), "1:42 2:NULL", "a <nil>"},
		{"COPY in binary format", func() error {
			_, err := conn.CopyFrom(ctx, pgx.Identifier{"lab", "result"}, []string{"id", "laboratory_id", "outcome"}, pgx.CopyFromRows([][]any{{int64(1), int32(43), "a"}, {int64(2), int32(42), "b"}}))
			return err
		}, "1:43 2:42", "a b"},
		{"UPDATE by the server's row", simple(seed + `UPDATE lab.result SET outcome = 'x' WHERE id < 3`), "1:42 2:43 3:NULL", "x x <nil>"},
		{"UPDATE of all rows by parameter", func() error {
			if err := simple(seed)(); err != nil {
				return err
			}
			return extended(`UPDATE lab.result AS r SET outcome = $1, measured = $2, comment = $3 WHERE r.id > $4`, "x", "7.5", "c", 0)()
		}, "1:42 2:43 3:1", "x x x"},
		{"UPDATE by a parameter that is NULL", func() error {
			if err := simple(seed)(); err != nil {
				return err
			}
			return extended(`UPDATE lab.result SET outcome = $1 WHERE id = 1`, nil)()
		}, "1:NULL 2:43 3:NULL", "<nil> négatif <nil>"},
		{"UPDATE of the key and of all its values", simple(seed + `UPDATE lab.result SET laboratory_id = 43, outcome = 'x', measured = NULL WHERE id = 1`), "1:43 2:43 3:NULL", "x négatif <nil>"},
		{"UPDATE of a list, of the key, too", simple(seed + `UPDATE lab.result SET (laboratory_id, outcome, measured) = (43, 'x', 3) WHERE id = 1`), "1:43 2:43 3:NULL", "x négatif <nil>"},
		{"UPDATE with the value itself", simple(seed + `UPDATE lab.result SET outcome = CASE WHEN id = 1 THEN 'x' ELSE outcome END`), "1:42 2:43 3:NULL", "x négatif <nil>"},
		{"UPDATE FROM", simple(seed + `UPDATE lab.result r SET outcome = 'x' FROM (VALUES (1), (2)) v (id) WHERE r.id = v.id`), "1:42 2:43 3:NULL", "x x <nil>"},
		{"ON CONFLICT with a value", simple(seed + `INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (1, 43, 'x'), (2, 42, 'x'), (4, 43, 'y') ON CONFLICT (id) DO UPDATE SET outcome = 'z'`), "1:42 2:43 3:NULL 4:43", "z z <nil> y"},
		{"ON CONFLICT with the excluded row", simple(seed + `INSERT INTO lab.result (id, laboratory_id, outcome, measured) VALUES (1, 43, 'x', 1) ON CONFLICT (id) DO UPDATE SET laboratory_id = excluded.laboratory_id, outcome = excluded.outcome, measured = excluded.measured`), "1:43 2:43 3:NULL", "x négatif <nil>"},
		{"ON CONFLICT by the key, too", extended(`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES ($1, $2, $3) ON CONFLICT (id, laboratory_id) DO UPDATE SET outcome = excluded.outcome`, 1, 42, "x"), "1:42", "x"},
		{"MERGE", simple(seed + `MERGE INTO lab.result r USING (VALUES (2), (9)) v (id) ON r.id = v.id WHEN MATCHED THEN UPDATE SET outcome = 'x' WHEN NOT MATCHED THEN INSERT (id, laboratory_id, outcome) VALUES (v.id, 42, 'y')`), "1:42 2:43 3:NULL 9:42", "positif x <nil> y"},
	} {
		t.Run(test.what, func(t *testing.T) {
			if _, err := conn.Exec(ctx, `TRUNCATE lab.result`); err != nil {
				t.Fatal(err)
			}
			if err := test.do(); err != nil {
				t.Fatal(err)
			}
			if got := k.sealedBy(t, "lab.result", "outcome"); got != test.outcome {
				t.Errorf("sealed by %s, want %s", got, test.outcome)
			}
			rows, err := conn.Query(ctx, `SELECT outcome FROM lab.result ORDER BY id`)
			if err != nil {
				t.Fatal(err)
			}
			read, err := pgx.CollectRows(rows, pgx.RowTo[*string])
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, s := range read {
				if s == nil {
					texts = append(texts, "<nil>")
				} else {
					texts = append(texts, *s)
				}
			}
			if got := strings.Join(texts, " "); got != test.text {
				t.Errorf("read %q, want %q", got, test.text)
			}
		})
	}
	t.Run("by year", func(t *testing.T) {
		if err := extended(`INSERT INTO lab.visit (id, seen_on, note) VALUES (1, '2025-12-31', 'a'), (2, $1, 'b'), (3, date '2026-07-01', $2)`, "2026-01-01", "c")(); err != nil {
			t.Fatal(err)
		}
		if err := simple(`UPDATE lab.visit SET note = 'x' WHERE id <> 2`)(); err != nil {
			t.Fatal(err)
		}
		if got, want := k.sealedBy(t, "lab.visit", "note"), "1:yearly.by.2025 2:yearly.by.2026 3:yearly.by.2026"; got != want {
			t.Errorf("sealed by %s, want %s", got, want)
		}
	})
}

// TestKeyByRefused: where the key of the row is not known nothing is sent, and the error says what
// to do.
func TestKeyByRefused(t *testing.T) {
	ctx := context.Background()
	k := startKeyed(t)
	conn := k.Connect(t, "biologist")
	if _, err := conn.Exec(ctx, `INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (1, 42, 'positif')`); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string][2]string{
		`INSERT INTO lab.result (id, outcome) VALUES (2, 'x')`:                                                                              {"0A000", "the server would choose it"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) OVERRIDING USER VALUE VALUES (2, 42, 'x')`:                                     {"0A000", "does not say it here"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (2, true, 'x')`:                                                         {"42804", "is of type integer but expression is of type boolean"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (2, DEFAULT, 'x')`:                                                      {"0A000", "the server would compute it"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (2, (SELECT 42), 'x')`:                                                  {"0A000", "the server would compute it"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (2, 40 + 2, 'x')`:                                                       {"0A000", "the server would compute it"},
		`INSERT INTO lab.result SELECT id + 9, 43, outcome FROM lab.result`:                                                                 {"0A000", "from another row"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) SELECT v.id, v.l, v.o FROM (VALUES (2, 42, 'x')) v (id, l, o)`:                 {"0A000", "list or of a subquery"},
		`WITH v (o) AS (VALUES ('x')) INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (2, 42, (SELECT o FROM v))`:                {"0A000", "list or of a subquery"},
		`UPDATE lab.result SET laboratory_id = 43`:                                                                                          {"0A000", "picks the key of"},
		`UPDATE lab.result SET laboratory_id = 43, outcome = 'x'`:                                                                           {"0A000", "picks the key of"},
		`UPDATE lab.result SET laboratory_id = 43, outcome = outcome, measured = 1`:                                                         {"0A000", "from another row"},
		`UPDATE lab.result SET laboratory_id = id, outcome = 'x', measured = NULL`:                                                          {"0A000", "the server would compute it"},
		`UPDATE lab.result r SET outcome = o.outcome FROM lab.result o WHERE o.id = r.id`:                                                   {"0A000", "from another row"},
		`UPDATE lab.result SET outcome = (SELECT 'x'::text FROM lab.result r LIMIT 1)`:                                                      {"0A000", "the server would choose it"},
		`UPDATE lab.report SET outcome = 'x'`:                                                                                               {"0A000", "a change of a view"},
		`UPDATE lab.report SET lab_id = 43`:                                                                                                 {"0A000", "a change of a view"},
		`INSERT INTO lab.report (id, lab_id, outcome) VALUES (2, 42, 'x')`:                                                                  {"0A000", "does not say it here"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (1, 43, 'x') ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome`: {"0A000", "from another row"},
		`INSERT INTO lab.result (id, laboratory_id) VALUES (1, 43) ON CONFLICT (id) DO UPDATE SET laboratory_id = 43`:                       {"0A000", "picks the key of"},
		`MERGE INTO lab.result r USING (VALUES (1, 43, 'x')) v (id, l, o) ON r.id = v.id WHEN MATCHED THEN UPDATE SET outcome = v.o`:        {"0A000", "list or of a subquery"},
		`ALTER TABLE lab.result ALTER COLUMN outcome SET DEFAULT 'x'`:                                                                       {"0A000", "does not say it here"},
		`PREPARE p (bigint, integer, text) AS INSERT INTO lab.result (id, laboratory_id, outcome) VALUES ($1, $2, $3)`:                      {"0A000", "a statement that EXECUTE runs"},
		`COPY lab.result (id, outcome) FROM STDIN`:                                                                                          {"0A000", "without laboratory_id"},
		`COPY lab.result (id, outcome, laboratory_id) FROM STDIN (FORMAT binary)`:                                                           {"0A000", "in binary format before laboratory_id"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (2, 44, 'x')`:                                                           {"55000", "there is no key for laboratory_id 44"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (2, NULL, 'x')`:                                                         {"55000", "it is NULL"},
		`INSERT INTO lab.visit (id, seen_on, note) VALUES (2, 'infinity', 'x')`:                                                             {"55000", "no date of the years"},
		`INSERT INTO lab.result (id, laboratory_id, outcome) VALUES (2, 'no', 'x')`:                                                         {"22P02", "invalid input syntax"},
	} {
		_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		e, ok := err.(*pgconn.PgError)
		if !ok || e.Code != want[0] || !strings.Contains(e.Message, want[1]) || e.Code != "22P02" && e.Hint == "" && e.Code == "0A000" {
			t.Errorf("%s:\n\t%v", sql, err)
		}
	}
	if got := k.sealedBy(t, "lab.result", "outcome"); got != "1:42" {
		t.Errorf("there is %s afterwards", got)
	}
}
