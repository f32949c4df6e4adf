package proxy

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
)

// subjectTag stands for a patient: a hash of the sealed value of a subject column.
type subjectTag [16]byte

// ledger counts the patients of one login role in one database, together with the ledgers of
// other proxies, in tables of the database (schema.BudgetDDL). It takes more than it needs at
// once, so that most patients cost no round trip, and gives back what was not used.
type ledger struct {
	tracked *tracked
	role    string

	turn  turn
	spans [2]ledgerSpan
	idle  *time.Timer // gives back
}

// ledgerSpan is an hour or a day.
type ledgerSpan struct {
	name    string // in the database
	bound   string // in the schema file
	length  time.Duration
	begins  time.Time
	credit  int64                   // patients that may be counted without asking the database
	known   map[subjectTag]struct{} // those that have been counted, by whomever
	pending []subjectTag            // those of them that the database has not been told of
	read    int64                   // how many the database has told of
}

// ledgerIdle is after how long what was taken and not used is given back.
const ledgerIdle = time.Second

// ledgerTimeout bounds one question to the database.
const ledgerTimeout = 10 * time.Second

// keptBudgets is how long counts are kept, for whoever asks what was used up when.
const keptBudgets = 72 * time.Hour

func newLedger(t *tracked, key ledgerKey) *ledger {
	l := &ledger{tracked: t, role: key.role, turn: newTurn()}
	prefix := ""
	if key.glass {
		prefix = "break_glass "
	}
	l.spans[0] = ledgerSpan{name: prefix + "hour", bound: "patients_per_hour", length: time.Hour}
	l.spans[1] = ledgerSpan{name: prefix + "day", bound: "patients_per_day", length: 24 * time.Hour}
	return l
}

// ahead is how many patients are taken beyond those that are needed.
func ahead(limit int64) int64 { return min(limit/64, 64) }

// admit counts patients. over names the bound that would be exceeded, in which case none is
// to be shown. unknown are patients of which it is not known who they are.
func (l *ledger) admit(ctx context.Context, b schema.Budget, tags []subjectTag, unknown int64) (over string, err error) {
	if err := l.turn.take(ctx, ledgerTimeout); err != nil {
		return "", err
	}
	defer l.turn.end()
	defer l.releaseLater() // of what was granted and is too little, too
	for i, limit := range [...]int64{b.PatientsHour, b.PatientsDay} {
		s := &l.spans[i]
		if limit == 0 {
			continue
		}
		s.roll(time.Now())
		if need := s.fresh(tags) + unknown; need > s.credit {
			if err := l.take(ctx, s, limit, tags, unknown); err != nil {
				return "", err
			}
		}
		need := s.fresh(tags) + unknown
		if need > s.credit {
			return s.bound, nil
		}
		s.credit -= need
		for _, tag := range tags {
			if _, ok := s.known[tag]; !ok {
				s.known[tag] = struct{}{}
				s.pending = append(s.pending, tag)
			}
		}
	}
	return "", nil
}

// releaseLater has what is not used given back when nothing has been counted for a while. The turn is
// the caller's.
func (l *ledger) releaseLater() {
	if l.idle == nil {
		l.idle = time.AfterFunc(ledgerIdle, func() { l.release(context.Background()) })
	} else {
		l.idle.Reset(ledgerIdle)
	}
}

// roll begins another span when the present one is over.
func (s *ledgerSpan) roll(now time.Time) {
	if begins := now.UTC().Truncate(s.length); !begins.Equal(s.begins) {
		s.begins, s.credit, s.known, s.pending, s.read = begins, 0, make(map[subjectTag]struct{}), nil, 0
	}
}

// fresh counts the tags that have not been counted.
func (s *ledgerSpan) fresh(tags []subjectTag) int64 {
	n := int64(0)
	for i, tag := range tags {
		if _, ok := s.known[tag]; ok {
			continue
		}
		twice := false
		for _, before := range tags[:i] {
			twice = twice || before == tag
		}
		if !twice {
			n++
		}
	}
	return n
}

// take asks the database for what is needed and some more. Whom other proxies have counted
// is known afterwards. The turn is the caller's.
func (l *ledger) take(ctx context.Context, s *ledgerSpan, limit int64, tags []subjectTag, unknown int64) error {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	var granted, read int64
	var told []subjectTag
	err := l.tracked.purse.with(ctx, l.tracked, func(tx pgx.Tx) error {
		begun, err := tx.Exec(ctx, `INSERT INTO pgveil.budget (role, span, begins) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			pgx.QueryExecModeExec, l.role, s.name, s.begins)
		if err != nil {
			return err
		}
		var used, written int64
		if err := tx.QueryRow(ctx, `SELECT used, written FROM pgveil.budget WHERE role = $1 AND span = $2 AND begins = $3 FOR UPDATE`,
			pgx.QueryExecModeExec, l.role, s.name, s.begins).Scan(&used, &written); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT tag FROM pgveil.budget_subject WHERE role = $1 AND span = $2 AND begins = $3 AND n > $4`,
			pgx.QueryExecModeExec, l.role, s.name, s.begins, s.read)
		if err != nil {
			return err
		}
		var tag []byte
		if _, err := pgx.ForEachRow(rows, []any{&tag}, func() error {
			if len(tag) == len(subjectTag{}) {
				s.known[subjectTag(tag)] = struct{}{}
			}
			return nil
		}); err != nil {
			return err
		}
		need := s.fresh(tags) + unknown - s.credit
		granted = max(0, min(need+ahead(limit), limit-used))
		told = s.pending
		if granted >= need { // they will be counted
			for _, tag := range tags {
				if _, ok := s.known[tag]; !ok {
					told = append(told[:len(told):len(told)], tag)
				}
			}
		}
		read = written + int64(len(told))
		if err := l.tell(ctx, tx, s, granted, written, told); err != nil {
			return err
		}
		if begun.RowsAffected() == 1 {
			return l.forget(ctx, tx, s.begins)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.credit += granted
	s.read, s.pending = read, nil
	if granted > 0 || len(told) > 0 {
		need := s.fresh(tags)
		for _, tag := range told {
			s.known[tag] = struct{}{}
		}
		s.credit -= need - s.fresh(tags)
	}
	return nil
}

// tell changes what is used, and adds tags.
func (l *ledger) tell(ctx context.Context, tx pgx.Tx, s *ledgerSpan, used, written int64, tags []subjectTag) error {
	if _, err := tx.Exec(ctx, `UPDATE pgveil.budget SET used = used + $4, written = $5 WHERE role = $1 AND span = $2 AND begins = $3`,
		pgx.QueryExecModeExec, l.role, s.name, s.begins, used, written+int64(len(tags))); err != nil || len(tags) == 0 {
		return err
	}
	list := make([][]byte, len(tags))
	for i := range tags {
		list[i] = tags[i][:]
	}
	_, err := tx.Exec(ctx, `INSERT INTO pgveil.budget_subject (role, span, begins, n, tag) SELECT $1, $2, $3, $4 + t.n, t.tag FROM pg_catalog.unnest($5::bytea[]) WITH ORDINALITY t (tag, n)`,
		pgx.QueryExecModeExec, l.role, s.name, s.begins, written, list)
	return err
}

// forget deletes what is long over.
func (l *ledger) forget(ctx context.Context, tx pgx.Tx, now time.Time) error {
	for _, table := range []string{"pgveil.budget_subject", "pgveil.budget"} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE begins < $1`, pgx.QueryExecModeExec, now.Add(-keptBudgets)); err != nil {
			return err
		}
	}
	return nil
}

// release gives back what was taken and not used, and tells the database of the patients that
// it does not know of. What cannot be given back stays used until the span is over.
func (l *ledger) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	if l.turn.take(ctx, ledgerTimeout) != nil {
		return // somebody counts, without an answer
	}
	defer l.turn.end()
	for i := range l.spans {
		s := &l.spans[i]
		if s.credit == 0 && len(s.pending) == 0 {
			continue
		}
		var written int64
		err := l.tracked.purse.with(ctx, l.tracked, func(tx pgx.Tx) error {
			if err := tx.QueryRow(ctx, `SELECT written FROM pgveil.budget WHERE role = $1 AND span = $2 AND begins = $3 FOR UPDATE`,
				pgx.QueryExecModeExec, l.role, s.name, s.begins).Scan(&written); err != nil {
				return err
			}
			return l.tell(ctx, tx, s, -s.credit, written, s.pending)
		})
		if err != nil {
			l.tracked.config.Log.Warn("what was reserved of a budget cannot be given back", "role", l.role, "database", l.tracked.name, "error", err)
		}
		// Others may have told of more meanwhile: these are read again, which does no harm.
		s.credit, s.pending = 0, nil
	}
}

// purse is the connection through which budgets are counted.
type purse struct {
	turn turn
	conn *pgx.Conn // nil: none is open
	idle *time.Timer
}

// with runs one transaction. The connection is closed when it has not been used for a while, as
// it would be in the way of DROP DATABASE.
func (p *purse) with(ctx context.Context, t *tracked, f func(pgx.Tx) error) error {
	if err := p.turn.take(ctx, ledgerTimeout); err != nil {
		return err
	}
	defer p.turn.end()
	if p.idle != nil {
		p.idle.Stop()
	}
	for kept := p.conn != nil; ; kept = false {
		if p.conn == nil {
			conn, err := t.config.Login(ctx, t.name)
			if err != nil {
				return err
			}
			p.conn = conn
		}
		err := pgx.BeginFunc(ctx, p.conn, f)
		if err == nil {
			break
		}
		broken := p.conn.IsClosed()
		p.conn.Close(context.WithoutCancel(ctx)) // it may lead to a server that was left
		p.conn = nil
		if !kept || !broken {
			return err
		}
	}
	conn := p.conn
	p.idle = time.AfterFunc(loginIdle, func() {
		if p.turn.take(context.Background(), ledgerTimeout) != nil {
			return // it is in use
		}
		defer p.turn.end()
		if p.conn == conn {
			conn.Close(context.Background())
			p.conn = nil
		}
	})
	return nil
}
