package proxy

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// own is the catalog as the session itself reads it. What its open transaction has
// changed nobody else can read, pgveil's own login included.
type own struct {
	snapshot *snapshot
	shared   *snapshot // the newest one at that time
	order    uint64    // of the last change in it
}

// patience is how long a session waits for pgveil's login to read the catalog where it may
// hold locks, or can do without. The login may be waiting for one of these locks, or
// behind somebody who is, which no server can know for a deadlock.
const patience = 2 * time.Second

// stillBlocked is how long it does not wait again.
const stillBlocked = 10 * time.Second

// snapshot gives the catalog that the message at hand is to be read by: the newest
// shared one, or what the session itself reads, after a change that is not committed or
// where pgveil's login cannot.
func (c *conn) snapshot() (*snapshot, error) {
	shared, blocked, err := c.shared()
	if err != nil {
		return nil, err
	}
	changed := c.uncommitted()
	if blocked || changed != 0 && (c.own.order != changed || c.own.shared != shared) {
		// What was sent before is answered first; that may end the transaction.
		settings, err := c.askSession(sessionSettings)
		changed = c.uncommitted()
		e, refused := pgerror.As(err)
		switch {
		case refused && e.Code == pgerror.InFailedTransaction:
			return shared, nil // only its end can follow
		case err != nil:
			return nil, err
		case changed != 0 || blocked && c.mayHoldLocks():
			if err := c.readOwn(settings, changed, shared); err != nil {
				return nil, err
			}
			return c.own.snapshot, nil
		}
	}
	if changed == 0 {
		c.own = own{}
		return c.tracked.snapshot(c.ctx)
	}
	return c.own.snapshot, nil
}

// shared gives the newest shared snapshot, or says that it cannot be had while the
// session holds its locks; what it gives is then an older one.
func (c *conn) shared() (s *snapshot, blocked bool, err error) {
	older := c.tracked.current.Load()
	if older == nil || c.tracked.changes.known() || !c.mayHoldLocks() {
		s, err = c.tracked.snapshot(c.ctx)
		return s, false, err
	}
	if time.Since(c.blocked) < stillBlocked {
		return older, true, nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	switch err := c.tracked.refresh(ctx, anyTime); {
	case err == nil:
		return c.tracked.current.Load(), false, nil
	case ctx.Err() != nil && c.ctx.Err() == nil:
		c.blocked = time.Now()
		return older, true, nil
	}
	s, err = c.tracked.snapshot(c.ctx)
	return s, false, err
}

// changedBeside compares the catalog with the server's, and reports whether there is a
// newer snapshot than this one. Where pgveil's login cannot read it in time, what is known
// serves on, as it does for statements that have been planned before.
func (c *conn) changedBeside(known *snapshot) bool {
	if time.Since(c.blocked) < stillBlocked {
		return false
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := c.tracked.refresh(ctx, time.Now()); err != nil {
		c.blocked = time.Now()
		c.config.Log.Warn("catalog cannot be compared", "database", c.tracked.name, "error", err)
		return false
	}
	return c.tracked.current.Load() != known
}

// mayHoldLocks reports that the session is, or may be, in a transaction.
func (c *conn) mayHoldLocks() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.Status() != 'I' || c.queue.InSequence() || !c.queue.Idle()
}

// uncommitted gives the order of the last message of an open transaction that may
// have changed the catalog; 0 if none has.
func (c *conn) uncommitted() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastDDL
}

// sessionSettings asks for the settings under which a session reads the catalog
// otherwise: it may have been told to start parallel workers for the smallest query.
// The last two say in which encoding it answers.
const sessionSettings = `SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_setting('max_parallel_workers_per_gather'),` +
	` pg_catalog.current_setting('jit'), pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('server_encoding')`

// readOwn reads the catalog through the session. Its settings are others meanwhile:
// nobody else sees that, and an error fails the transaction, which undoes it.
func (c *conn) readOwn(settings *probe, order uint64, shared *snapshot) error {
	path, workers, jit := settings.text(0), settings.text(1), settings.text(2)
	if _, err := c.askSession(setSettings(schema.CatalogSearchPath, "0", "off")); err != nil {
		return err
	}
	through := &sessionQuerier{conn: c}
	through.encoding, _ = encodingOf(settings.text(3), settings.text(4))
	mark, err := schema.CatalogFingerprint(c.ctx, through)
	if err == nil && mark == shared.mark { // of temporary tables only, or undone
		c.own.snapshot = shared
	} else if err == nil && (c.own.snapshot == nil || mark != c.own.snapshot.mark) {
		database := c.tracked.database.Load()
		var catalog, controlled *schema.Catalog
		if catalog, err = schema.ReadCatalog(c.ctx, through, database); err == nil {
			controlled, err = schema.ReadControlled(c.ctx, through, database)
		}
		if err == nil {
			c.own.snapshot = newSnapshot(database, catalog, controlled, shared.members, shared.functions, mark)
		}
	}
	if err != nil {
		if through.err != nil { // the session's own
			return through.err
		}
		c.config.Log.Error("catalog cannot be read", "database", c.tracked.name, "error", err)
		return pgerror.New(pgerror.CannotConnectNow, "pgveil cannot read the catalog of database %q", c.tracked.name).
			WithHint("See pgveil's log; statements are refused until the catalog can be read.")
	}
	c.own.order, c.own.shared = order, shared
	_, err = c.askSession(setSettings(path, workers, jit))
	return err
}

// setSettings sets what sessionSettings asks for until the end of the transaction, as
// SET LOCAL does.
func setSettings(path, workers, jit string) string {
	return `SELECT pg_catalog.set_config('search_path', ` + constantSQL(path) + `, true),` +
		` pg_catalog.set_config('max_parallel_workers_per_gather', '` + workers + `', true), pg_catalog.set_config('jit', '` + jit + `', true)`
}

// constantSQL writes a text as a string constant that means the same whatever
// standard_conforming_strings and backslash_quote say.
func constantSQL(text string) string {
	return `E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + `'`
}

// sessionQuerier reads through the session. It satisfies schema.Querier.
type sessionQuerier struct {
	conn     *conn
	encoding *encoding // in which it answers
	err      error     // of the session
}

// Query runs one query without parameters. Options are not looked at.
func (q *sessionQuerier) Query(_ context.Context, sql string, _ ...any) (pgx.Rows, error) {
	p, err := q.conn.askSession(sql)
	if err == nil {
		err = p.decode(q.encoding)
	}
	if err != nil {
		q.err = err
		return nil, err
	}
	return &sessionRows{probe: p, types: pgtype.NewMap()}, nil
}

// sessionRows are the rows of a probe, all of them in memory.
type sessionRows struct {
	probe *probe
	types *pgtype.Map
	next  int // values taken
	err   error
}

var _ pgx.Rows = (*sessionRows)(nil)

func (r *sessionRows) Close()                        {}
func (r *sessionRows) Err() error                    { return r.err }
func (r *sessionRows) Conn() *pgx.Conn               { return nil }
func (r *sessionRows) TypeMap() *pgtype.Map          { return r.types }
func (r *sessionRows) CommandTag() pgconn.CommandTag { return pgconn.CommandTag{} }
func (r *sessionRows) FieldDescriptions() []pgconn.FieldDescription {
	return r.probe.fields
}

// Next moves to the next row.
func (r *sessionRows) Next() bool {
	if r.err != nil || r.next+len(r.probe.fields) > len(r.probe.values) || len(r.probe.fields) == 0 {
		return false
	}
	r.next += len(r.probe.fields)
	return true
}

// RawValues gives the values of the row in text format, nil for NULL.
func (r *sessionRows) RawValues() [][]byte {
	return r.probe.values[r.next-len(r.probe.fields) : r.next]
}

// Scan reads the row as pgx would.
func (r *sessionRows) Scan(dest ...any) error {
	if len(dest) != len(r.probe.fields) {
		r.err = errors.New("a row of another number of columns")
		return r.err
	}
	for i, value := range r.RawValues() {
		if err := r.types.Scan(r.probe.fields[i].DataTypeOID, pgtype.TextFormatCode, value, dest[i]); err != nil {
			r.err = err
			return err
		}
	}
	return nil
}

// Values is not needed by what reads a catalog.
func (r *sessionRows) Values() ([]any, error) { return nil, errors.ErrUnsupported }
