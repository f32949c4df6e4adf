package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

func (x *pgxRun) prepared(ctx context.Context) {
	for _, sql := range []string{
		"INSERT INTO lab.every (" + everyColumns + ") VALUES (" + placeholders(30) + ")",
		"SELECT * FROM lab.every WHERE d_text = $1 AND d_int4 IN ($2, $3) AND d_uuid = ANY($4) AND id = $5",
		"UPDATE lab.every SET d_text = $1, plain = $1, r_char = $2::varchar WHERE d_date = $3::date RETURNING r_char",
		"SELECT id FROM lab.every WHERE d_varchar = $1 AND d_varchar IN ($2) AND d_varchar IN ($3, $4) AND d_varchar NOT IN ('a', $5)",
		"SELECT id FROM lab.every WHERE d_varchar = ANY ($1) AND d_varchar IN ($2, $3::text) AND d_varchar IS DISTINCT FROM $4 AND (d_varchar, id) = ($5, 1)",
		"SELECT count(*) FROM lab.every", "DELETE FROM lab.every WHERE d_bytea = $1",
	} {
		described, err := x.conn.Prepare(ctx, "named", sql)
		if err != nil {
			x.step("prepare "+sql, nil, err)
			continue
		}
		x.step("prepare "+sql, map[string]any{"parameters": described.ParamOIDs, "fields": fields(described.Fields)}, nil)
		x.step("deallocate", nil, x.conn.Deallocate(ctx, "named"))
	}
	rows := pgxRows(x.base, "pgx")
	_, err := x.conn.Prepare(ctx, "insert", "INSERT INTO lab.every ("+everyColumns+") VALUES ("+placeholders(30)+") RETURNING id, d_text")
	x.step("prepare insert", nil, err)
	_, err = x.conn.Prepare(ctx, "read", "SELECT id, r_text, d_uuid, r_jsonb FROM lab.every WHERE d_text = $1 ORDER BY id")
	x.step("prepare read", nil, err)
	for i, row := range rows {
		x.rows(ctx, fmt.Sprintf("run insert %d", i+1), x.conn, "insert", row...)
	}
	for _, value := range []any{"Zéphyrine-pgx", "Ünïque-北京-pgx", nil, "nobody"} {
		x.rows(ctx, fmt.Sprintf("run read %v", value), x.conn, "read", value)
	}
	x.exec(ctx, "json of a map", x.conn, "UPDATE lab.every SET r_jsonb = $1 WHERE id = $2", map[string]any{"k": []int{1}}, x.base+3)
	x.rows(ctx, "json", x.conn, "SELECT r_jsonb FROM lab.every WHERE id = $1", x.base+3)
	x.exec(ctx, "insert again", x.conn, "insert", rows[0]...)
	x.rows(ctx, "read after an error", x.conn, "read", "Zéphyrine-pgx")
	_, err = x.conn.Prepare(ctx, "bad", "SELECT d_text FROM lab.every WHERE d_nothing = $1")
	x.step("prepare bad", nil, err)
	_, err = x.conn.Prepare(ctx, "pattern", "SELECT d_text FROM lab.every WHERE d_text LIKE $1")
	x.step("refused 0A000: prepare", nil, err)
	x.rows(ctx, "read after a refusal", x.conn, "read", "Zéphyrine-pgx")
	x.step("deallocate all", nil, x.conn.DeallocateAll(ctx))
	x.rows(ctx, "after deallocate all", x.conn, "SELECT id, d_text FROM lab.every WHERE d_text = $1 ORDER BY id", "Zéphyrine-pgx")
	// DEALLOCATE and DISCARD by SQL, behind the driver's back.
	direct := x.conn.PgConn()
	for _, sql := range []string{"DEALLOCATE ALL", "DISCARD ALL"} {
		_, err := direct.Prepare(ctx, "s", "SELECT id, d_text FROM lab.every WHERE d_text = $1 ORDER BY id", nil)
		x.step("prepare before "+sql, nil, err)
		results, err := direct.Exec(ctx, sql).ReadAll()
		x.results(sql, results, err)
		result := direct.ExecPrepared(ctx, "s", [][]byte{[]byte("x")}, nil, nil).Read()
		x.results("run after "+sql, nil, result.Err)
	}
	results, err := direct.Exec(ctx, "SET TimeZone TO 'Europe/Paris'").ReadAll()
	x.results("set", results, err)
}

func (x *pgxRun) copies(ctx context.Context) {
	rows := [][]any{{1, "a note", "été"}, {2, nil, "line\nbreak\t"}, {3, "", nil}}
	n, err := x.conn.CopyFrom(ctx, pgx.Identifier{"lab", "plain"}, []string{"id", "note", "nir"}, pgx.CopyFromRows(rows))
	x.step("copy", n, err)
	n, err = x.conn.CopyFrom(ctx, pgx.Identifier{"lab", "plain"}, []string{"id", "note", "nir"}, pgx.CopyFromRows(rows))
	x.step("copy again", n, err)
	x.rows(ctx, "copied", x.conn, "SELECT * FROM lab.plain ORDER BY id")
	n, err = x.conn.CopyFrom(ctx, pgx.Identifier{"lab", "every"}, []string{"id", "d_text"}, pgx.CopyFromRows([][]any{{x.base + 70, "Zéphyrine-pgx"}}))
	x.step("copy to tagged", n, err)
	typed := []any{x.base + 71, "Zéphyrine-pgx", int32(-7), true, time.Date(1942, 3, 5, 0, 0, 0, 0, time.UTC), []byte{0, 255}, [16]byte{1, 2}}
	n, err = x.conn.CopyFrom(ctx, pgx.Identifier{"lab", "every"}, []string{"id", "r_text", "d_int4", "r_bool", "d_date", "r_bytea", "d_uuid"}, pgx.CopyFromRows([][]any{typed}))
	x.step("copy of several types to tagged", n, err)
	x.rows(ctx, "copied to tagged", x.conn, "SELECT id, d_text, r_text, d_int4, r_bool, d_date, r_bytea, d_uuid FROM lab.every WHERE id >= $1 ORDER BY id", x.base+70)
	n, err = x.conn.CopyFrom(ctx, pgx.Identifier{"lab", "every"}, []string{"id", "r_varchar"}, pgx.CopyFromRows([][]any{{x.base + 72, "longer than twenty characters"}}))
	x.step("copy of a value that is too long", n, err)
	tag, err := x.conn.PgConn().CopyTo(ctx, io.Discard, "COPY lab.every TO STDOUT")
	x.step("copy from tagged", tag.String(), err)
	var w written
	tag, err = x.conn.PgConn().CopyTo(ctx, &w, "COPY (SELECT id, d_text, r_jsonb FROM lab.every ORDER BY id) TO STDOUT (FORMAT binary)")
	x.step("copy of a tagged query", tag.String()+string(w), err)
	w = nil
	tag, err = x.conn.PgConn().CopyTo(ctx, &w, "COPY (SELECT * FROM lab.plain ORDER BY id) TO STDOUT (FORMAT csv)")
	x.step("copy to", tag.String()+string(w), err)
	x.rows(ctx, "after copies", x.conn, "SELECT d_text FROM lab.every WHERE id = $1", x.base+1)
}

type written []byte

func (w *written) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// pipeline sends many queries, tagged and not, before it reads any answer.
func (x *pgxRun) pipeline(ctx context.Context) {
	p := x.conn.PgConn().StartPipeline(ctx)
	id := fmt.Appendf(nil, "%d", x.base+1)
	for range 5 {
		p.SendQueryParams("SELECT d_text, r_int4 FROM lab.every WHERE id = $1", [][]byte{id}, nil, nil, []int16{1})
		p.SendQueryParams("SELECT $1::int8 * 2", [][]byte{[]byte("21")}, nil, nil, nil)
		p.SendPrepare("piped", "SELECT id, r_date FROM lab.every WHERE d_text = $1 AND id = $2", nil)
		p.SendQueryPrepared("piped", [][]byte{[]byte("Zéphyrine-pgx"), id}, nil, nil)
		p.SendDeallocate("piped")
		p.SendPipelineSync()
	}
	p.SendQueryParams("SELECT id FROM lab.every WHERE id = $1", [][]byte{id}, nil, nil, nil)
	p.SendQueryParams("SELECT id FROM lab.every WHERE d_int4 = 'abc'", nil, nil, nil, nil)
	p.SendQueryParams("SELECT d_text FROM lab.every WHERE id = $1", [][]byte{id}, nil, nil, nil) // skipped
	p.SendPipelineSync()
	p.SendQueryParams("SELECT d_text FROM lab.every WHERE id = $1", [][]byte{id}, nil, nil, nil)
	if err := p.Sync(); err != nil {
		x.step("pipeline: sync", nil, err)
	}
	for i := 1; ; i++ {
		name := fmt.Sprintf("pipeline: %d", i)
		got, err := p.GetResults()
		if err != nil {
			x.step(name, nil, err)
			var e *pgconn.PgError
			if !errors.As(err, &e) {
				break
			}
			continue
		}
		switch got := got.(type) {
		case nil:
			x.step(name, "end", nil)
		case *pgconn.ResultReader:
			r := got.Read()
			x.results(name, []*pgconn.Result{r}, r.Err)
		case *pgconn.StatementDescription:
			x.step(name, map[string]any{"parameters": got.ParamOIDs, "fields": fields(got.Fields)}, nil)
		default:
			x.step(name, fmt.Sprintf("%T", got), nil)
		}
		if got == nil || i > 100 {
			break
		}
	}
	x.step("pipeline: close", nil, p.Close())
	x.rows(ctx, "after pipeline", x.conn, "SELECT d_text FROM lab.every WHERE id = $1", x.base+1)
}

// messages are several statements in one Query message.
func (x *pgxRun) messages(ctx context.Context) {
	for _, sql := range []string{
		"SELECT 1; SELECT id, d_text FROM lab.every WHERE id = 9001; ; INSERT INTO lab.every (id, d_text) VALUES (9101, 'm'); SELECT d_text FROM lab.every WHERE id = 9101",
		"INSERT INTO lab.every (id, d_text) VALUES (9102, 'undone'); SELECT 1/0; SELECT d_text FROM lab.every",
		"SELECT id FROM lab.every WHERE d_int4 = 'abc'; SELECT id FROM lab.every WHERE d_text = 'm'",
		"BEGIN; INSERT INTO lab.every (id, d_text) VALUES (9103, 'undone'); ROLLBACK",
		"SELECT id, d_text FROM lab.every WHERE id > 9100 ORDER BY id",
		"", " ; ", "-- nothing of lab.every", "SELECT 'lab.every'", `SELECT "d_text" FROM "lab"."every" WHERE id = 9101`,
	} {
		results, err := x.conn.PgConn().Exec(ctx, sql).ReadAll()
		x.results("message "+sql, results, err)
	}
}

func (x *pgxRun) largeObjects(ctx context.Context) {
	tx, err := x.conn.Begin(ctx)
	if err != nil {
		x.step("large object: begin", nil, err)
		return
	}
	defer tx.Rollback(ctx)
	objects := tx.LargeObjects()
	oid, err := objects.Create(ctx, 0)
	x.step("large object: create", oid != 0, err)
	object, err := objects.Open(ctx, oid, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite)
	if err != nil {
		x.step("large object: open", nil, err)
		return
	}
	n, err := object.Write([]byte("a large object, été"))
	x.step("large object: write", n, err)
	at, err := object.Seek(2, io.SeekStart)
	x.step("large object: seek", at, err)
	content, err := io.ReadAll(object)
	x.step("large object: read", string(content), err)
	x.step("large object: close", nil, object.Close())
	x.step("large object: unlink", nil, objects.Unlink(ctx, oid))
	x.step("large object: commit", nil, tx.Commit(ctx))
}

func (x *pgxRun) notifications(ctx context.Context, s side) {
	x.exec(ctx, "listen", x.conn, "LISTEN pgx_channel")
	other, err := pgxConnect(ctx, s, pgx.QueryExecModeExec)
	if err != nil {
		x.step("notify: connect", nil, err)
		return
	}
	defer other.Close(ctx)
	x.exec(ctx, "notify", other, "SELECT pg_notify('pgx_channel', $1)", "été")
	waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	n, err := x.conn.WaitForNotification(waiting)
	if err != nil {
		x.step("wait", nil, err)
		return
	}
	x.step("wait", map[string]any{"channel": n.Channel, "payload": n.Payload, "pid": n.PID == other.PgConn().PID()}, nil)
	var pid uint32
	err = x.conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	x.step("backend pid", pid == x.conn.PgConn().PID(), err)
}

// cancel: a context that ends cancels the query; with a cancelling watcher the
// connection goes on.
func (x *pgxRun) cancel(ctx context.Context, s side) {
	config, err := pgx.ParseConfig(s.dsn())
	if err != nil {
		x.step("cancel: config", nil, err)
		return
	}
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 10 * time.Second}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		x.step("cancel: connect", nil, err)
		return
	}
	defer conn.Close(ctx)
	for _, sql := range []string{"SELECT pg_sleep(30)", "SELECT d_text, pg_sleep(30) FROM lab.every WHERE id = 9001"} {
		short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
		started := time.Now()
		_, err = conn.Exec(short, sql)
		stop()
		var e *pgconn.PgError
		if !errors.As(err, &e) {
			x.step("cancel "+sql, nil, err)
			continue
		}
		x.step("cancel "+sql, []any{e.Code, e.Message, time.Since(started) < 10*time.Second, conn.IsClosed()}, nil)
		x.rows(ctx, "after cancel "+sql, conn, "SELECT d_text FROM lab.every WHERE id = $1", 9001)
	}
}
