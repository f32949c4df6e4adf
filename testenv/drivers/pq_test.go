package drivers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
)

func runPq(t *testing.T, p *pair) {
	p.both(t, func(ctx context.Context, s side) ([]line, error) {
		r := &recorder{}
		for i, settings := range []string{"binary_parameters=no", "binary_parameters=yes"} {
			db, err := sql.Open("postgres", s.dsn("timezone=Europe/Paris", settings))
			if err != nil {
				return r.lines, err
			}
			db.SetMaxOpenConns(1)
			r.prefix = settings + ": "
			x := &pqRun{recorder: r, db: db, base: 1000 * (i + 1)}
			x.values(ctx)
			x.search(ctx)
			x.errors(ctx)
			x.transactions(ctx)
			x.prepared(ctx)
			x.copies(ctx)
			x.listen(ctx, s)
			x.cancel(ctx)
			if err := db.Close(); err != nil {
				return r.lines, err
			}
		}
		return r.lines, nil
	})
}

type pqRun struct {
	*recorder
	db   *sql.DB
	base int
}

// sqlQuerier is a sql.DB, sql.Tx, sql.Conn or, without SQL, a sql.Stmt.
type sqlQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// rows records all that database/sql says of a query.
func (x *pqRun) rows(ctx context.Context, name string, q sqlQuerier, query string, args ...any) {
	rows, err := q.QueryContext(ctx, query, args...)
	out, err := collectSQL(rows, err)
	x.step(name, out, err)
}

func collectSQL(rows *sql.Rows, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var sets []any
	for {
		types, err := rows.ColumnTypes()
		if err != nil {
			return nil, err
		}
		var described []string
		for _, c := range types {
			length, variable := c.Length()
			precision, scale, decimal := c.DecimalSize()
			described = append(described, fmt.Sprint(c.Name(), " ", c.DatabaseTypeName(), " ", c.ScanType(), " ", length, variable, precision, scale, decimal))
		}
		var all [][]string
		for rows.Next() {
			values, into := make([]any, len(types)), make([]any, len(types))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				return sets, err
			}
			all = append(all, showAll(values))
		}
		sets = append(sets, map[string]any{"fields": described, "rows": all})
		if !rows.NextResultSet() {
			return sets, rows.Err()
		}
	}
}

type sqlExecer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (x *pqRun) exec(ctx context.Context, name string, q sqlExecer, query string, args ...any) {
	result, err := q.ExecContext(ctx, query, args...)
	x.result(name, result, err)
}

func (x *pqRun) result(name string, result sql.Result, err error) {
	var n int64
	if err == nil {
		n, err = result.RowsAffected()
	}
	x.step(name, n, err)
}

// pqRows are the rows of pgx with what lib/pq takes.
func pqRows(base int) [][]any {
	rows := pgxRows(base, "pq")
	for _, row := range rows {
		for i, v := range row {
			switch i {
			case 14: // numeric
				row[i] = []any{"1234.5678", "NaN", nil}[len(rows)-3+(row[0].(int)-base-1)]
			case 25, 26: // uuid
				if v != nil {
					row[i] = fmt.Sprintf("%x-%x-%x-%x-%x", uuidA.Bytes[:4], uuidA.Bytes[4:6], uuidA.Bytes[6:8], uuidA.Bytes[8:10], uuidA.Bytes[10:])
				}
			}
		}
	}
	return rows
}

func (x *pqRun) between() string {
	return fmt.Sprintf(" AND id BETWEEN %d AND %d ORDER BY id", x.base, x.base+999)
}

func (x *pqRun) values(ctx context.Context) {
	for i, row := range pqRows(x.base) {
		x.exec(ctx, fmt.Sprintf("insert row %d", i+1), x.db, "INSERT INTO lab.every ("+everyColumns+") VALUES ("+placeholders(len(row))+")", row...)
	}
	x.rows(ctx, "insert several", x.db, "INSERT INTO lab.every (id, d_text, r_int4, d_date) VALUES ($1, $2, $3, $4), ($5, $6, 5, NULL), ($7, 'lit''eral', DEFAULT, $8) RETURNING id, d_text, r_int4, d_date, plain",
		x.base+10, "ten", 10, day, x.base+11, nil, x.base+12, "2024-02-29")
	x.rows(ctx, "select by id", x.db, "SELECT * FROM lab.every WHERE id = $1", x.base+1)
	x.rows(ctx, "select all", x.db, "SELECT "+everyColumns+" FROM lab.every WHERE true"+x.between())
	x.rows(ctx, "several statements", x.db, fmt.Sprintf("SELECT 1 AS one; SELECT id, d_text FROM lab.every WHERE id = %d; SELECT note FROM lab.plain", x.base+1))
	var id int
	var text sql.NullString
	var when sql.NullTime
	err := x.db.QueryRowContext(ctx, "SELECT id, r_text, r_timestamptz FROM lab.every WHERE id = $1", x.base+3).Scan(&id, &text, &when)
	x.step("scan", []any{id, text, when}, err)
	x.rows(ctx, "update", x.db, "UPDATE lab.every SET d_text = $1, d_date = NULL, plain = $2 WHERE d_text = $3 RETURNING id, d_text, d_date, plain", "changed", "open", "ten")
	x.exec(ctx, "same parameter for tagged and untagged", x.db, "UPDATE lab.every SET d_text = $1, plain = $1 WHERE id = $2", "no secret", x.base+12)
	x.rows(ctx, "delete", x.db, "DELETE FROM lab.every WHERE d_text = $1 RETURNING *", "changed")
	x.rows(ctx, "count", x.db, "SELECT count(*), count(d_text), count(DISTINCT d_text) FROM lab.every")
}

func (x *pqRun) search(ctx context.Context) {
	for _, c := range []struct {
		column      string
		value, many any
	}{
		{"d_text", "Zéphyrine-pq", pq.Array([]string{"Zéphyrine-pq", "ten", "no,\"body"})},
		{"d_varchar", "it's", pq.Array([]string{"it's", ""})},
		{"d_char", "é", pq.Array([]string{"é", "x"})},
		{"d_int2", 7, pq.Array([]int64{7, -1})},
		{"d_int4", -42, pq.Array([]int32{-42, 0})},
		{"d_int8", 8, pq.Array([]int64{8, -8})},
		{"d_bool", true, pq.Array([]bool{true})},
		{"d_date", day, pq.Array([]string{"1942-03-05", "0001-01-01"})},
		{"d_timestamp", moment, pq.Array([]string{moment.Format("2006-01-02 15:04:05.999999")})},
		{"d_timestamptz", moment, pq.Array([]string{moment.Format(time.RFC3339Nano)})},
		{"d_uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", pq.Array([]string{"a0eebc999c0b4ef8bb6d6bb9bd380a11"})},
		{"d_bytea", []byte("bytes-Zéphyrine-pq"), pq.Array([][]byte{[]byte("bytes-Zéphyrine-pq"), {0}})},
	} {
		x.rows(ctx, c.column+" = $1", x.db, "SELECT id, "+c.column+" FROM lab.every WHERE "+c.column+" = $1"+x.between(), c.value)
		x.rows(ctx, "$1 = "+c.column, x.db, "SELECT id FROM lab.every WHERE $1 = "+c.column+x.between(), c.value)
		x.rows(ctx, c.column+" <> $1", x.db, "SELECT id FROM lab.every WHERE "+c.column+" <> $1"+x.between(), c.value)
		x.rows(ctx, c.column+" IN", x.db, "SELECT id FROM lab.every WHERE "+c.column+" IN ($1, $2)"+x.between(), c.value, c.value)
		x.rows(ctx, c.column+" = ANY", x.db, "SELECT id FROM lab.every WHERE "+c.column+" = ANY($1)"+x.between(), c.many)
	}
	x.rows(ctx, "= NULL", x.db, "SELECT id FROM lab.every WHERE d_text = $1"+x.between(), nil)
}

func (x *pqRun) errors(ctx context.Context) {
	for _, c := range []struct {
		name, sql string
		args      []any
	}{
		{"too long", "INSERT INTO lab.every (id, r_varchar) VALUES ($1, $2)", []any{x.base + 90, strings.Repeat("é", 21)}},
		{"bad int", "INSERT INTO lab.every (id, d_int4) VALUES ($1, $2)", []any{x.base + 90, "abc"}},
		{"bad literal", "INSERT INTO lab.every (id, plain, d_int4) VALUES ($1, 'été', 'abc')", []any{x.base + 90}},
		{"bad literal without parameters", "INSERT INTO lab.every (id, d_int4) VALUES (1, 'abc')", nil},
		{"out of range", "UPDATE lab.every SET d_int2 = $1 WHERE id = $2", []any{70000, x.base + 1}},
		{"bad date", "SELECT id FROM lab.every WHERE d_date = $1", []any{"2023-02-29"}},
		{"numeric overflow", "INSERT INTO lab.every (id, r_numeric) VALUES ($1, $2)", []any{x.base + 90, "1234567890.5"}},
		{"bad json", "INSERT INTO lab.every (id, r_jsonb) VALUES ($1, $2)", []any{x.base + 90, "{"}},
		{"bad uuid", "SELECT id FROM lab.every WHERE d_uuid = $1", []any{"zz"}},
		{"wrong type", "SELECT id FROM lab.every WHERE id = $1 AND d_int4 = 'x'::text", []any{x.base + 1}},
		{"no such column", "SELECT d_texte FROM lab.every WHERE id = $1", []any{x.base + 1}},
		{"not unique", "INSERT INTO lab.every (id, d_text) VALUES ($1, 'again')", []any{x.base + 1}},
		{"too few parameters", "SELECT id FROM lab.every WHERE d_text = $1 AND id = $2", []any{"x"}},
	} {
		x.exec(ctx, c.name, x.db, c.sql, c.args...)
		x.rows(ctx, "after "+c.name, x.db, "SELECT id, d_text FROM lab.every WHERE id = $1", x.base+1)
	}
}

func (x *pqRun) transactions(ctx context.Context) {
	tx, err := x.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	x.step("begin", nil, err)
	x.exec(ctx, "insert in transaction", tx, "INSERT INTO lab.every (id, d_text) VALUES ($1, $2)", x.base+50, "fifty")
	x.exec(ctx, "savepoint", tx, "SAVEPOINT s")
	x.exec(ctx, "bad value", tx, "UPDATE lab.every SET d_date = $1", "hello")
	x.exec(ctx, "in failed transaction", tx, "UPDATE lab.every SET d_date = $1", "2024-01-01")
	x.exec(ctx, "rollback to savepoint", tx, "ROLLBACK TO s")
	for _, query := range []string{"SELECT id FROM lab.every WHERE d_text LIKE $1", "SELECT lower(d_text) FROM lab.every WHERE plain = $1"} {
		x.exec(ctx, "refused 0A000: "+query, tx, query, "Z%")
		x.exec(ctx, "refused 25P02: after "+query, tx, "SELECT 1")
		x.exec(ctx, "rollback to savepoint after "+query, tx, "ROLLBACK TO s")
	}
	x.step("commit", nil, tx.Commit())
	x.rows(ctx, "after commit", x.db, "SELECT d_text FROM lab.every WHERE id = $1", x.base+50)
	tx, err = x.db.BeginTx(ctx, nil)
	x.step("begin again", nil, err)
	x.exec(ctx, "update", tx, "UPDATE lab.every SET d_text = $1 WHERE id = $2", "not kept", x.base+50)
	x.step("rollback", nil, tx.Rollback())
	x.rows(ctx, "after rollback", x.db, "SELECT d_text FROM lab.every WHERE id = $1", x.base+50)
}

func (x *pqRun) prepared(ctx context.Context) {
	insert, err := x.db.PrepareContext(ctx, "INSERT INTO lab.every (id, d_text, r_jsonb, d_bytea) VALUES ($1, $2, $3, $4)")
	x.step("prepare insert", nil, err)
	read, err := x.db.PrepareContext(ctx, "SELECT id, d_text, r_jsonb, d_bytea FROM lab.every WHERE d_text = $1 AND id > $2 ORDER BY id")
	x.step("prepare read", nil, err)
	if insert == nil || read == nil {
		return
	}
	for i := range 4 {
		result, err := insert.ExecContext(ctx, x.base+60+i, "Ünïque-北京-pq", `{"a": "é"}`, []byte{0, byte(i)})
		x.result("run insert", result, err)
		rows, err := read.QueryContext(ctx, "Ünïque-北京-pq", x.base)
		out, err := collectSQL(rows, err)
		x.step("run read", out, err)
	}
	result, err := insert.ExecContext(ctx, x.base+70, "x", `{`, nil)
	x.result("run bad insert", result, err)
	rows, err := read.QueryContext(ctx, "Ünïque-北京-pq", "abc")
	out, err := collectSQL(rows, err)
	x.step("run bad read", out, err)
	x.step("close", nil, errors.Join(insert.Close(), read.Close()))
	_, err = x.db.PrepareContext(ctx, "SELECT d_nothing FROM lab.every WHERE d_text = $1")
	x.step("prepare bad", nil, err)
	x.rows(ctx, "after prepared", x.db, "SELECT d_text FROM lab.every WHERE id = $1", x.base+60)
}

func (x *pqRun) copies(ctx context.Context) {
	copyIn := func(name, target string, rows [][]any) {
		tx, err := x.db.BeginTx(ctx, nil)
		if err != nil {
			x.step(name, nil, err)
			return
		}
		defer func() { x.step(name+": rollback", nil, tx.Rollback()) }()
		statement, err := tx.PrepareContext(ctx, "COPY "+target+" FROM STDIN")
		if err != nil {
			x.step(name, nil, err)
			return
		}
		for _, row := range rows {
			if _, err := statement.ExecContext(ctx, row...); err != nil {
				x.step(name+": row", nil, err)
			}
		}
		result, err := statement.ExecContext(ctx)
		x.result(name, result, err)
		if err := statement.Close(); err != nil {
			x.step(name+": close", nil, err)
		}
		if err == nil {
			x.rows(ctx, name+": rows", tx, "SELECT id, note, nir FROM lab.plain ORDER BY id")
		}
	}
	copyIn("copy", "lab.plain (id, note, nir)", [][]any{{1, "é\t\\", nil}, {2, nil, "x"}})
	copyIn("bad copy", "lab.plain (id, note)", [][]any{{"x", "y"}})
	copyIn("copy to tagged", "lab.every (id, d_text, r_int4)", [][]any{{x.base + 70, "Zéphyrine-pq", 7}, {x.base + 71, nil, nil}})
	copyIn("bad copy to tagged", "lab.every (id, r_int4)", [][]any{{x.base + 72, "seven"}})
	x.rows(ctx, "after copies", x.db, "SELECT d_text FROM lab.every WHERE id = $1", x.base+1)
}

func (x *pqRun) listen(ctx context.Context, s side) {
	listener := pq.NewListener(s.dsn(), 10*time.Millisecond, time.Second, nil)
	defer listener.Close()
	x.step("listen", nil, listener.Listen("pq_channel"))
	x.exec(ctx, "notify", x.db, "SELECT pg_notify('pq_channel', $1)", "été")
	for {
		select {
		case n := <-listener.Notify:
			if n == nil {
				continue // connected again
			}
			x.step("notification", []string{n.Channel, n.Extra}, nil)
			x.step("ping", nil, listener.Ping())
			return
		case <-time.After(10 * time.Second):
			x.step("notification", "none", nil)
			return
		}
	}
}

func (x *pqRun) cancel(ctx context.Context) {
	conn, err := x.db.Conn(ctx)
	if err != nil {
		x.step("conn", nil, err)
		return
	}
	defer conn.Close()
	short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
	defer stop()
	started := time.Now()
	_, err = conn.ExecContext(short, "SELECT d_text, pg_sleep(30) FROM lab.every WHERE id = $1", x.base+1)
	var e *pq.Error
	x.step("cancel", []any{errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Code == "57014", time.Since(started) < 10*time.Second}, nil)
}
