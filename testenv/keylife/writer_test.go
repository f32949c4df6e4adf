package keylife

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// How a writer sends a transaction.
const (
	stepwise = iota
	prepared // by statements that it has prepared by name
	pipeline // everything at once
	copying  // new rows by COPY, text or binary
)

// writer changes patients that no other writer changes.
type writer struct {
	client
	how    int
	first  int // least of its ids
	next   int
	result int64
	most   int // patients at a time
}

// step is a statement of a transaction.
type step struct {
	sql  string
	args []any
	rows int64
	copy *copyRows // instead of all else
}

type copyRows struct {
	table   string // of schema lab
	columns []string
	rows    [][]any
}

// work is a transaction and what it changes.
type work struct {
	what    string
	steps   []step
	changes map[int]*state
	block   bool   // in a transaction block
	abort   bool   // which is rolled back
	code    string // SQLSTATE that it has to fail with
}

const (
	insertPatient = "INSERT INTO lab.patient (id, nir, name) VALUES ($1, $2, $3)"
	insertResult  = "INSERT INTO lab.result (id, patient_nir, outcome) VALUES ($1, $2, $3)"
	updateName    = "UPDATE lab.patient SET name = $2 WHERE id = $1"
	updateByNIR   = "UPDATE lab.patient SET name = $2 WHERE nir = $1"
	updateNIR     = "UPDATE lab.patient SET nir = $2 WHERE id = $1"
	updateOutcome = "UPDATE lab.result SET outcome = $3 WHERE patient_nir = $1 AND id = $2"
	deleteResults = "DELETE FROM lab.result WHERE patient_nir = $1"
	deleteResult  = "DELETE FROM lab.result WHERE id = $1"
	deletePatient = "DELETE FROM lab.patient WHERE id = $1"
	upsert        = "INSERT INTO lab.patient (id, nir, name) VALUES ($1, $2, $3) ON CONFLICT (nir) DO UPDATE SET name = excluded.name"
)

// run works until the clients are to end.
func (w *writer) run(ctx context.Context) error {
	defer w.drop()
	for !w.closed.Load() {
		w.gate.RLock()
		err := w.one(ctx)
		w.gate.RUnlock()
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(w.rng.IntN(8)) * time.Millisecond) // of a user
	}
	return nil
}

func (w *writer) one(ctx context.Context) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	return w.perform(ctx, w.choose())
}

// mark is in every value: what has to be escaped, and long enough not to be in a sealed one
// by chance.
const mark = "-é'\\-"

// text makes a value that no other is equal to.
func (w *writer) text(kind string) string {
	random := make([]byte, 4+w.rng.IntN(12))
	for i := range random {
		random[i] = byte(w.rng.Uint32())
	}
	return kind + mark + hex.EncodeToString(random)
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// choose makes up a transaction.
func (w *writer) choose() work {
	var mine []int
	for id := w.first; id < w.next; id++ {
		if w.ledger.current(id) != nil {
			mine = append(mine, id)
		}
	}
	pick := w.rng.IntN(100)
	if len(mine) < 2 || len(mine) < w.most && pick < 40 {
		return w.create()
	}
	id := mine[w.rng.IntN(len(mine))]
	s := w.ledger.current(id)
	results := slices.Sorted(maps.Keys(s.results))
	name, nir, outcome := w.text("Nom"), w.text("NIR"), w.text("Issue")
	w.result++
	switch {
	case pick < 10 && len(mine) > w.most/2:
		return work{
			what: "delete", block: true, changes: map[int]*state{id: nil},
			steps: []step{{sql: deleteResults, args: []any{s.nir}, rows: int64(len(results))}, {sql: deletePatient, args: []any{id}, rows: 1}},
		}
	case pick < 22:
		if w.rng.IntN(4) == 0 {
			name = ""
		}
		return w.change("name", id, func(s *state) { s.name = name }, step{sql: updateName, args: []any{id, nullable(name)}, rows: 1})
	case pick < 30:
		return w.change("name by number", id, func(s *state) { s.name = name }, step{sql: updateByNIR, args: []any{s.nir, name}, rows: 1})
	case pick < 38: // the foreign key changes the results
		return w.change("number", id, func(s *state) { s.nir = nir }, step{sql: updateNIR, args: []any{id, nir}, rows: 1})
	case pick < 50:
		return w.change("result", id, func(s *state) { s.results[w.result] = outcome }, step{sql: insertResult, args: []any{w.result, s.nir, outcome}, rows: 1})
	case pick < 60 && len(results) > 0:
		return w.change("outcome", id, func(s *state) { s.results[results[0]] = outcome }, step{sql: updateOutcome, args: []any{s.nir, results[0], outcome}, rows: 1})
	case pick < 66 && len(results) > 2:
		return w.change("delete result", id, func(s *state) { delete(s.results, results[0]) }, step{sql: deleteResult, args: []any{results[0]}, rows: 1})
	case pick < 72:
		return w.change("upsert", id, func(s *state) { s.name = name }, step{sql: upsert, args: []any{w.next, s.nir, name}, rows: 1})
	case pick < 76:
		return work{what: "number that is there", steps: []step{{sql: insertPatient, args: []any{w.next, s.nir, name}}}, code: "23505"}
	case pick < 80:
		return work{what: "result of nobody", steps: []step{{sql: insertResult, args: []any{w.result, nir, outcome}}}, code: "23503"}
	}
	// Two patients at once, some of it taken back.
	other := mine[w.rng.IntN(len(mine))]
	for other == id {
		other = mine[w.rng.IntN(len(mine))]
	}
	o := w.ledger.current(other)
	return work{
		what: "two patients", block: true, abort: w.rng.IntN(4) == 0,
		changes: map[int]*state{
			id:    s.with(func(s *state) { s.nir, s.results[w.result] = nir, outcome }),
			other: o.with(func(s *state) { s.name = name }),
		},
		steps: []step{
			{sql: updateNIR, args: []any{id, nir}, rows: 1},
			{sql: insertResult, args: []any{w.result, nir, outcome}, rows: 1},
			{sql: updateByNIR, args: []any{o.nir, name}, rows: 1},
		},
	}
}

func (w *writer) change(what string, id int, change func(*state), s step) work {
	return work{what: what, steps: []step{s}, changes: map[int]*state{id: w.ledger.current(id).with(change)}}
}

// create is a new patient with results.
func (w *writer) create() work {
	id := w.next
	w.next++
	s := &state{nir: w.text("NIR"), name: w.text("Nom"), results: make(map[int64]string)}
	for range w.rng.IntN(4) {
		w.result++
		s.results[w.result] = w.text("Issue")
	}
	made := work{what: "create", block: true, changes: map[int]*state{id: s}}
	if w.how == copying {
		results := &copyRows{table: "result", columns: []string{"id", "patient_nir", "outcome"}}
		for result, outcome := range s.results {
			results.rows = append(results.rows, []any{result, s.nir, outcome})
		}
		patient := &copyRows{table: "patient", columns: []string{"id", "nir", "name"}, rows: [][]any{{int32(id), s.nir, s.name}}}
		made.steps = []step{{copy: patient}, {copy: results}}
		return made
	}
	made.steps = []step{{sql: insertPatient, args: []any{id, s.nir, s.name}, rows: 1}}
	for result, outcome := range s.results {
		made.steps = append(made.steps, step{sql: insertResult, args: []any{result, s.nir, outcome}, rows: 1})
	}
	return made
}

// perform runs a transaction and writes down how it ended.
func (w *writer) perform(ctx context.Context, work work) error {
	var p *proposal
	begun, app := time.Now(), ""
	err := w.do(ctx, work.what, func(ctx context.Context) error {
		app = w.app
		return w.send(ctx, work, func() { p = w.ledger.propose(work.changes) })
	})
	switch {
	case err == nil:
		if p != nil {
			p.settle(true)
		}
		w.figures.done(kindWrite, time.Since(begun))
		return nil
	case p == nil:
		if errors.Is(err, errAgain) || errors.Is(err, errLost) {
			return nil // nothing was changed
		}
		return err
	case errors.Is(err, errAgain):
		p.settle(false)
		return nil
	case errors.Is(err, errLost):
		return w.resolve(ctx, p, app)
	}
	return err
}

// send sends a transaction. It calls committing before it sends what may commit it.
func (w *writer) send(ctx context.Context, work work, committing func()) error {
	conn := w.conn
	if w.how == pipeline && work.code == "" {
		return w.sendAtOnce(ctx, work, committing)
	}
	if !work.block {
		if work.code == "" {
			committing()
		}
		err := w.sendStep(ctx, work.steps[0])
		var told *pgconn.PgError
		switch {
		case work.code == "":
			return err
		case err == nil:
			return fmt.Errorf("it has to fail with %s", work.code)
		case errors.As(err, &told) && told.Code == work.code:
			return nil
		}
		return err
	}
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	for _, s := range work.steps {
		if err := w.sendStep(ctx, s); err != nil {
			return err
		}
	}
	end := "COMMIT"
	if work.abort {
		end = "ROLLBACK"
	} else {
		committing()
	}
	tag, err := conn.Exec(ctx, end)
	if err == nil && tag.String() != end {
		err = fmt.Errorf("%s says %s", end, tag)
	}
	return err
}

func (w *writer) sendStep(ctx context.Context, s step) error {
	if s.copy != nil {
		return w.sendCopy(ctx, s.copy)
	}
	sql := s.sql
	if w.how == prepared {
		sql = fmt.Sprintf("s%d", slices.Index(statements, s.sql))
		if _, err := w.conn.Prepare(ctx, sql, s.sql); err != nil { // once; then it is known to pgx
			return err
		}
	}
	tag, err := w.conn.Exec(ctx, sql, s.args...)
	if err == nil && tag.RowsAffected() != s.rows {
		err = fmt.Errorf("%q: %d rows, not %d", s.sql, tag.RowsAffected(), s.rows)
	}
	return err
}

// statements are those that are prepared by name.
var statements = []string{insertPatient, insertResult, updateName, updateByNIR, updateNIR, updateOutcome, deleteResults, deleteResult, deletePatient, upsert}

func (w *writer) sendCopy(ctx context.Context, c *copyRows) error {
	var n int64
	if w.rng.IntN(2) == 0 { // binary
		copied, err := w.conn.CopyFrom(ctx, pgx.Identifier{"lab", c.table}, c.columns, pgx.CopyFromRows(c.rows))
		if err != nil {
			return err
		}
		n = copied
	} else {
		var text strings.Builder
		escape := strings.NewReplacer(`\`, `\\`)
		for _, row := range c.rows {
			for i, v := range row {
				if i > 0 {
					text.WriteByte('\t')
				}
				text.WriteString(escape.Replace(fmt.Sprint(v)))
			}
			text.WriteByte('\n')
		}
		tag, err := w.conn.PgConn().CopyFrom(ctx, strings.NewReader(text.String()), fmt.Sprintf("COPY lab.%s (%s) FROM STDIN", c.table, strings.Join(c.columns, ", ")))
		if err != nil {
			return err
		}
		n = tag.RowsAffected()
	}
	if n != int64(len(c.rows)) {
		return fmt.Errorf("COPY lab.%s: %d rows, not %d", c.table, n, len(c.rows))
	}
	return nil
}

// sendAtOnce sends all of a transaction in one pipeline.
func (w *writer) sendAtOnce(ctx context.Context, work work, committing func()) error {
	var batch pgx.Batch
	if work.block {
		batch.Queue("BEGIN")
	}
	for _, s := range work.steps {
		batch.Queue(s.sql, s.args...).Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() != s.rows {
				return fmt.Errorf("%q: %d rows, not %d", s.sql, tag.RowsAffected(), s.rows)
			}
			return nil
		})
	}
	if work.block && work.abort {
		batch.Queue("ROLLBACK")
	} else {
		if work.block {
			batch.Queue("COMMIT")
		}
		committing()
	}
	return w.conn.SendBatch(ctx, &batch).Close()
}

// resolve finds out whether a transaction was committed whose end a kill has cut off.
func (w *writer) resolve(ctx context.Context, p *proposal, app string) error {
	// What the server has got of it may still be under way.
	if err := w.sessionOver(ctx, app); err != nil {
		return err
	}
	for end := time.Now().Add(startBound); ; {
		if err := w.connect(ctx); err != nil {
			return err
		}
		var stored map[int]*state
		err := w.do(ctx, "reading what was committed", func(ctx context.Context) (err error) {
			stored, err = w.read(ctx, "p.id = ANY ($1)", slices.Collect(maps.Keys(p.changes)))
			return err
		})
		switch {
		case err == nil:
			committed, err := p.outcome(stored)
			if err != nil {
				return fmt.Errorf("%s, a transaction that was cut off: %w", app, err)
			}
			p.settle(committed)
			w.figures.failed("COMMIT cut off")
			return nil
		case !errors.Is(err, errLost) && !errors.Is(err, errAgain) || ctx.Err() != nil || time.Now().After(end):
			return err
		}
	}
}

// sessionOver waits until a session has ended in the server.
func (w *writer) sessionOver(ctx context.Context, app string) error {
	for end := time.Now().Add(startBound); ; {
		n := -1
		conn, err := w.postgres.Conn(ctx, database)
		if err == nil {
			err = conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", app).Scan(&n)
			_ = conn.Close(ctx)
		}
		if err == nil && n == 0 {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return fmt.Errorf("session %s of a client that is gone stays in the server: %w", app, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
