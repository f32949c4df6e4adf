package drivers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// pgxModes are all ways in which pgx runs a query.
var pgxModes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

func runPgx(t *testing.T, p *pair) {
	p.both(t, func(ctx context.Context, s side) ([]line, error) {
		r := &recorder{}
		for i, mode := range pgxModes {
			conn, err := pgxConnect(ctx, s, mode)
			if err != nil {
				return r.lines, err
			}
			x := &pgxRun{recorder: r, conn: conn, base: 1000 * (i + 1)}
			r.prefix = mode.String() + ": "
			x.values(ctx)
			x.search(ctx)
			x.change(ctx)
			x.errors(ctx)
			x.transactions(ctx)
			x.batches(ctx)
			if err := conn.Close(ctx); err != nil {
				return r.lines, err
			}
		}
		r.prefix = ""
		conn, err := pgxConnect(ctx, s, pgx.QueryExecModeCacheStatement)
		if err != nil {
			return r.lines, err
		}
		defer conn.Close(ctx)
		x := &pgxRun{recorder: r, conn: conn, base: 9000}
		x.prepared(ctx)
		x.copies(ctx)
		x.pipeline(ctx)
		x.messages(ctx)
		x.largeObjects(ctx)
		x.notifications(ctx, s)
		x.cancel(ctx, s)
		return r.lines, nil
	})
}

func pgxConnect(ctx context.Context, s side, mode pgx.QueryExecMode) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(s.dsn("timezone=Europe/Paris"))
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = mode
	return pgx.ConnectConfig(ctx, config)
}

type pgxRun struct {
	*recorder
	conn *pgx.Conn
	base int // of the ids of this run
}

// everyColumns are the tagged columns of lab.every in the order of pgxRows.
const everyColumns = `id, plain, r_text, d_text, r_varchar, d_varchar, r_char, d_char, r_int2, d_int2, r_int4, d_int4, r_int8, d_int8, r_numeric, r_real, r_double, r_bool, d_bool, r_date, d_date, r_timestamp, d_timestamp, r_timestamptz, d_timestamptz, r_uuid, d_uuid, r_jsonb, r_bytea, d_bytea`

func numeric(text string) pgtype.Numeric {
	var n pgtype.Numeric
	if err := n.Scan(text); err != nil {
		panic(err)
	}
	return n
}

func uuid(text string) pgtype.UUID {
	var u pgtype.UUID
	if err := u.Scan(text); err != nil {
		panic(err)
	}
	return u
}

var (
	day    = time.Date(1942, 3, 5, 0, 0, 0, 0, time.UTC)
	moment = time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)
	uuidA  = uuid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
	uuidB  = uuid("b1ffcd99-9c0b-4ef8-bb6d-6bb9bd380a22")
)

// pgxRows are two rows of Go values, a typical and an extreme one, and one of NULLs.
func pgxRows(base int, driver string) [][]any {
	marker, other := "Zéphyrine-"+driver, "Ünïque-北京-"+driver
	nulls := make([]any, strings.Count(everyColumns, ",")+1)
	nulls[0] = base + 3
	return [][]any{
		{
			base + 1, "first", marker, marker, "Ünïque-北京", "it's", "abc", "é", int16(-32768), int16(7), int32(42), int32(-42), int64(9223372036854775807), int64(8),
			numeric("1234.5678"), float32(1.5), 0.1, true, false, day, day, moment, moment, moment, moment, uuidA, uuidB, `{"b": 1, "a": [1, 2.50, "` + marker + `"]}`, []byte("\xde\xad\x00\xff"), []byte("bytes-" + marker),
		},
		{
			base + 2, "", "", other, `back\slash "q" 'q'`, "", "0123456789", "", int16(0), int16(-1), int32(2147483647), int32(0), int64(-9223372036854775808), int64(-8),
			numeric("NaN"), float32(-1e20), -1e300, false, true, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
			time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), moment, time.Date(2500, 7, 1, 12, 0, 0, 0, time.UTC), moment, uuidB, uuidA, "null",
			[]byte{},
			[]byte{0},
		},
		nulls,
	}
}

func placeholders(n int) string {
	marks := make([]string, n)
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	return strings.Join(marks, ", ")
}

// between limits a query to this run's rows.
func (x *pgxRun) between() string { return fmt.Sprintf("id BETWEEN %d AND %d", x.base, x.base+999) }

func (x *pgxRun) values(ctx context.Context) {
	for i, row := range pgxRows(x.base, "pgx") {
		x.exec(ctx, fmt.Sprintf("insert row %d", i+1), x.conn, "INSERT INTO lab.every ("+everyColumns+") VALUES ("+placeholders(len(row))+")", row...)
	}
	x.rows(ctx, "insert several", x.conn, "INSERT INTO lab.every (id, d_text, r_int4, d_date, r_jsonb) VALUES ($1, $2, $3, $4, $5), ($6, $7, 5, NULL, $8), ($9, 'lit''eral', DEFAULT, $10, '[]') RETURNING id, d_text, r_int4, d_date, r_jsonb, plain",
		x.base+10, "ten", int32(10), day, `{"k": "v"}`, x.base+11, nil, "[1]", x.base+12, day)
	x.rows(ctx, "select by id", x.conn, "SELECT * FROM lab.every WHERE id = $1", x.base+1)
	x.rows(ctx, "select all", x.conn, "SELECT "+everyColumns+" FROM lab.every WHERE "+x.between()+" ORDER BY id")
	x.rows(ctx, "select none", x.conn, "SELECT d_uuid FROM lab.every WHERE id = $1", -1)
	x.rows(ctx, "select untagged", x.conn, "SELECT id, plain FROM lab.every WHERE "+x.between()+" ORDER BY id")
	var id, small int
	var text *string
	var when time.Time
	err := x.conn.QueryRow(ctx, "SELECT e.id, e.d_int2, e.r_text, e.r_timestamptz FROM lab.every AS e WHERE id = $1", x.base+2).Scan(&id, &small, &text, &when)
	x.step("scan", []any{id, small, text, when.UTC()}, err)
}

func (x *pgxRun) search(ctx context.Context) {
	for _, c := range []struct {
		column string
		value  any
		many   any
	}{
		{"d_text", "Zéphyrine-pgx", []string{"Zéphyrine-pgx", "ten", "nobody"}},
		{"d_varchar", "it's", []string{"it's", ""}},
		{"d_char", "é", []string{"é   ", "x"}},
		{"d_int2", int16(7), []int16{7, -1}},
		{"d_int4", int32(-42), []int32{-42, 0}},
		{"d_int8", int64(8), []int64{8, -8}},
		{"d_bool", true, []bool{true}},
		{"d_date", day, []time.Time{day, moment.Truncate(24 * time.Hour)}},
		{"d_timestamp", moment, []time.Time{moment}},
		{"d_timestamptz", moment, []time.Time{moment, day}},
		{"d_uuid", uuidB, []pgtype.UUID{uuidB, uuidA}},
		{"d_bytea", []byte("bytes-Zéphyrine-pgx"), [][]byte{[]byte("bytes-Zéphyrine-pgx"), {0}}},
	} {
		where := " AND " + x.between() + " ORDER BY id"
		x.rows(ctx, c.column+" = $1", x.conn, "SELECT id, "+c.column+" FROM lab.every WHERE "+c.column+" = $1"+where, c.value)
		x.rows(ctx, "$1 = "+c.column, x.conn, "SELECT id FROM lab.every WHERE $1 = "+c.column+where, c.value)
		x.rows(ctx, c.column+" <> $1", x.conn, "SELECT id FROM lab.every WHERE "+c.column+" <> $1"+where, c.value)
		x.rows(ctx, c.column+" IN", x.conn, "SELECT id FROM lab.every WHERE "+c.column+" IN ($1, $2)"+where, c.value, c.value)
		x.rows(ctx, c.column+" = ANY", x.conn, "SELECT id FROM lab.every WHERE "+c.column+" = ANY($1)"+where, c.many)
	}
	x.rows(ctx, "= NULL", x.conn, "SELECT id FROM lab.every WHERE d_text = $1 AND "+x.between(), nil)
	x.rows(ctx, "IS NULL", x.conn, "SELECT id FROM lab.every WHERE d_text IS NULL AND "+x.between()+" ORDER BY id")
	x.rows(ctx, "cast", x.conn, "SELECT id FROM lab.every WHERE d_text = $1::text AND d_int8 = $2::int8 AND "+x.between(), "Zéphyrine-pgx", 8)
	x.rows(ctx, "one parameter, two columns", x.conn, "SELECT id FROM lab.every WHERE (d_text = $1 OR d_varchar = $1 OR plain = $1) AND "+x.between()+" ORDER BY id", "it's")
}

func (x *pgxRun) change(ctx context.Context) {
	x.rows(ctx, "update", x.conn, "UPDATE lab.every SET d_text = $1, r_jsonb = $2, d_date = NULL, plain = $3 WHERE d_text = $4 AND "+x.between()+" RETURNING id, d_text, r_jsonb, d_date, plain",
		"changed", `{"x": "Zéphyrine-pgx"}`, "open", "ten")
	x.exec(ctx, "update many", x.conn, "UPDATE lab.every SET r_int8 = $1 WHERE "+x.between(), int64(77))
	x.exec(ctx, "same parameter for tagged and untagged", x.conn, "UPDATE lab.every SET d_text = $1, plain = $1 WHERE id = $2", "no secret", x.base+12)
	x.rows(ctx, "after update", x.conn, "SELECT id, plain, d_text, r_int8, d_date, r_jsonb FROM lab.every WHERE "+x.between()+" ORDER BY id")
	x.rows(ctx, "delete", x.conn, "DELETE FROM lab.every WHERE d_text = $1 AND "+x.between()+" RETURNING *", "changed")
	x.exec(ctx, "delete none", x.conn, "DELETE FROM lab.every WHERE d_uuid = $1 AND id < 0", uuidA)
	x.rows(ctx, "count", x.conn, "SELECT count(*), count(d_text), count(DISTINCT d_text) FROM lab.every WHERE "+x.between())
}

// errors: the statement fails with the server's own error, the connection goes on.
func (x *pgxRun) errors(ctx context.Context) {
	for _, c := range []struct {
		name, sql string
		args      []any
	}{
		{"too long", "INSERT INTO lab.every (id, r_varchar) VALUES ($1, $2)", []any{x.base + 90, strings.Repeat("é", 21)}},
		{"too long char", "INSERT INTO lab.every (id, d_char) VALUES ($1, $2)", []any{x.base + 90, "0123456789a"}},
		{"bad literal", "INSERT INTO lab.every (id, plain, d_int4) VALUES ($1, 'été', 'abc')", []any{x.base + 90}},
		{"out of range", "UPDATE lab.every SET d_int2 = 32768 WHERE id = $1", []any{x.base + 1}},
		{"bad date", "SELECT id FROM lab.every WHERE d_date = '2023-02-29' AND id = $1", []any{x.base + 1}},
		{"date out of range", "SELECT id FROM lab.every WHERE d_date = '10000000-01-01' AND id = $1", []any{x.base + 1}},
		{"numeric overflow", "INSERT INTO lab.every (id, r_numeric) VALUES ($1, $2)", []any{x.base + 90, numeric("1234567890.5")}},
		{"bad json", "INSERT INTO lab.every (id, r_jsonb) VALUES ($1, '{')", []any{x.base + 90}},
		{"bad uuid", "SELECT id FROM lab.every WHERE id = $1 AND d_uuid = 'zz'", []any{x.base + 1}},
		{"wrong type", "SELECT id FROM lab.every WHERE id = $1 AND d_int4 = 'x'::text", []any{x.base + 1}},
		{"wrong type assigned", "UPDATE lab.every SET d_int4 = 'x'::text WHERE id = $1", []any{x.base + 1}},
		{"no such column", "SELECT d_texte FROM lab.every WHERE id = $1", []any{x.base + 1}},
		{"not unique", "INSERT INTO lab.every (id, d_text) VALUES ($1, 'again')", []any{x.base + 1}},
		{"division by zero", "SELECT id / 0, d_text FROM lab.every WHERE id = $1", []any{x.base + 1}},
	} {
		x.exec(ctx, c.name, x.conn, c.sql, c.args...)
		x.rows(ctx, "after "+c.name, x.conn, "SELECT id, d_text FROM lab.every WHERE id = $1", x.base+1)
	}
	for _, sql := range []string{
		"SELECT id FROM lab.every WHERE d_text LIKE 'Z%' AND id = $1", "SELECT upper(d_text) FROM lab.every WHERE id = $1",
		"SELECT id FROM lab.every WHERE r_text = 'x' AND id = $1", "SELECT id FROM lab.every WHERE id = $1 ORDER BY r_date",
		"UPDATE lab.every SET d_text = d_varchar WHERE id = $1", "SELECT id FROM lab.every WHERE d_int4 > 3 AND id = $1",
	} {
		tx, err := x.conn.Begin(ctx)
		x.step("begin", nil, err)
		x.exec(ctx, "refused 0A000: "+sql, tx, sql, x.base+1)
		x.exec(ctx, "refused 25P02: after "+sql, tx, "SELECT 1")
		x.step("rollback", nil, tx.Rollback(ctx))
		x.rows(ctx, "after refusal of "+sql, x.conn, "SELECT id, d_text FROM lab.every WHERE id = $1", x.base+1)
	}
}

func (x *pgxRun) transactions(ctx context.Context) {
	insert := "INSERT INTO lab.every (id, d_text) VALUES ($1, $2)"
	read := "SELECT id, d_text FROM lab.every WHERE id = $1"
	tx, err := x.conn.Begin(ctx)
	x.step("begin", nil, err)
	x.exec(ctx, "insert in transaction", tx, insert, x.base+50, "fifty")
	inner, err := tx.Begin(ctx)
	x.step("savepoint", nil, err)
	x.exec(ctx, "bad value in savepoint", inner, "INSERT INTO lab.every (id, d_int4) VALUES ($1, 'abc')", x.base+51)
	x.exec(ctx, "in failed savepoint", inner, insert, x.base+52, "lost")
	x.step("rollback to savepoint", nil, inner.Rollback(ctx))
	x.rows(ctx, "after savepoint", tx, read, x.base+50)
	inner, err = tx.Begin(ctx)
	x.step("second savepoint", nil, err)
	x.exec(ctx, "refused 0A000: in savepoint", inner, "SELECT id FROM lab.every WHERE d_text LIKE $1", "Z%")
	x.exec(ctx, "refused 25P02: in failed savepoint", inner, insert, x.base+53, "lost")
	x.exec(ctx, "refused 25P02: untagged in failed savepoint", inner, "SELECT 1")
	x.step("rollback to second savepoint", nil, inner.Rollback(ctx))
	x.step("commit", nil, tx.Commit(ctx))
	x.rows(ctx, "after commit", x.conn, read, x.base+50)
	tx, err = x.conn.Begin(ctx)
	x.step("begin again", nil, err)
	x.exec(ctx, "update in transaction", tx, "UPDATE lab.every SET d_text = $1 WHERE id = $2", "not kept", x.base+50)
	x.exec(ctx, "bad value in transaction", tx, "UPDATE lab.every SET r_varchar = $1", strings.Repeat("x", 21))
	err = tx.Commit(ctx)
	x.step("commit of failed transaction", fmt.Sprint(err), nil)
	x.rows(ctx, "after failed transaction", x.conn, read, x.base+50)
}

func (x *pgxRun) batches(ctx context.Context) {
	batch := &pgx.Batch{}
	batch.Queue("INSERT INTO lab.every (id, d_text, r_uuid) VALUES ($1, $2, $3)", x.base+60, "Ünïque-北京-pgx", uuidA)
	batch.Queue("SELECT $1::int + 1", 41)
	batch.Queue("SELECT id, d_text, r_uuid FROM lab.every WHERE d_text = $1 AND id = $2", "Ünïque-北京-pgx", x.base+60)
	batch.Queue("SELECT 'plain' AS word")
	batch.Queue("UPDATE lab.every SET d_date = $1 WHERE id = $2 RETURNING d_date", day, x.base+60)
	batch.Queue("DELETE FROM lab.every WHERE id = $1 RETURNING *", x.base+60)
	x.batch(ctx, "batch", batch)
	// In one message of several statements a bad value is an error of the whole message.
	if x.conn.Config().DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return
	}
	batch = &pgx.Batch{}
	batch.Queue("INSERT INTO lab.every (id, d_text) VALUES ($1, $2)", x.base+61, "undone")
	batch.Queue("SELECT d_text FROM lab.every WHERE id = $1", x.base+61)
	batch.Queue("UPDATE lab.every SET r_varchar = $1 WHERE id = $2", "more than twenty characters", x.base+61)
	batch.Queue("SELECT d_text FROM lab.every WHERE id = $1", x.base+61)
	x.batch(ctx, "batch with an error", batch)
	x.rows(ctx, "after batch", x.conn, "SELECT id, d_text FROM lab.every WHERE id IN ($1, $2)", x.base+1, x.base+61)
}

func (x *pgxRun) batch(ctx context.Context, name string, batch *pgx.Batch) {
	results := x.conn.SendBatch(ctx, batch)
	for i := range batch.Len() {
		out, err := collect(results.Query())
		x.step(fmt.Sprintf("%s: %d", name, i+1), out, err)
	}
	if err := results.Close(); err != nil {
		x.step(name+": close", nil, err)
	}
}

// outcome records what a function of pgconn gives.
func (x *pgxRun) results(name string, results []*pgconn.Result, err error) {
	var out []any
	for _, r := range results {
		rows := [][]string{}
		for _, row := range r.Rows {
			cells := []string{}
			for _, cell := range row {
				cells = append(cells, show(cell))
			}
			rows = append(rows, cells)
		}
		out = append(out, map[string]any{"fields": fields(r.FieldDescriptions), "rows": rows, "tag": r.CommandTag.String()})
	}
	x.step(name, out, err)
}
