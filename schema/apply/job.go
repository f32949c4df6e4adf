package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
)

// Sealer seals and opens the values of one column, as keys.Sealer does.
type Sealer interface {
	Seal(dst, plaintext []byte) ([]byte, error)
	Open(dst, sealed []byte) ([]byte, error)
}

// Options say how a job runs.
type Options struct {
	Sealer func(*schema.Column) (Sealer, error)
	Batch  int // rows of one transaction; 1000 when 0
	Rate   int // rows per second; 0: as many as go
	// LockTimeout is how long a lock is waited for at once, while all others wait behind;
	// 2 s when 0. LockTries is how often, with pauses between; 30 when 0.
	LockTimeout time.Duration
	LockTries   int
	// Settle is how long a swap waits from the moment at which shadows can be seen in the
	// catalog: until all pgveils have surely looked. 0 where none serves the database.
	Settle time.Duration
	// Waiting is how many sessions may wait for locks, and Lag how many bytes of WAL a standby
	// may be behind, until filling pauses: 5, and 64 MiB when 0.
	Waiting int
	Lag     int64
	// Progress is told of each batch. It may be nil.
	Progress func(Progress)
}

// Progress is how far a job is.
type Progress struct {
	Table string // what is being filled, or verified
	State State
	Why   string // why it pauses; empty: it does not
	Rows  int64  // of the table, done by this job
	Total int64  // of the table, about; 0: not known
}

// State is what a job does with a unit.
type State string

// The states. The swap is the end of StateFill.
const (
	StateFill   State = "fill"
	StateReseal State = "reseal"
	StateVerify State = "verify"
	StateDone   State = "done"
)

// Result is what a job has done.
type Result struct {
	Columns  int   `json:"columns"`  // sealed
	Resealed int64 `json:"resealed"` // values, that older keys had sealed
	Opened   int64 `json:"opened"`   // values that were opened again
	// Left says where the values may still be in the clear.
	Left []string `json:"left"`
}

// ErrRunning is that another job works on the database.
var ErrRunning = errors.New("another job seals this database")

// job is a running one.
type job struct {
	Options
	conn    *pgx.Conn
	plan    *Plan
	sealers map[*Column]Sealer
	started time.Time
	rows    int64     // filled since
	looked  time.Time // when the server was last found to be at ease
	plain   []byte
	replica bool // triggers of the applications need not fire
	brief   time.Duration
	settled time.Time // from when on all pgveils know what is prepared
}

// Run seals what the plan, just made through the same connection, says. It may be run again
// after it ended at any moment. The error tells what to do; no value is in it.
func (p *Plan) Run(ctx context.Context, conn *pgx.Conn, o Options) (*Result, error) {
	if len(p.Blockers) > 0 {
		return nil, fmt.Errorf("nothing was done: %s", p.Blockers[0])
	}
	if o.Batch == 0 {
		o.Batch = 1000
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 2 * time.Second
	}
	if o.LockTries == 0 {
		o.LockTries = 30
	}
	if o.Waiting == 0 {
		o.Waiting = 5
	}
	if o.Lag == 0 {
		o.Lag = 64 << 20
	}
	j := &job{Options: o, conn: conn, plan: p, sealers: make(map[*Column]Sealer)}
	release, err := j.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	result := &Result{}
	for _, u := range p.Unverified {
		if err := j.after(ctx, u, result); err != nil {
			return result, err
		}
	}
	for _, u := range p.Units {
		for _, t := range u.Tables {
			if err := j.prepare(ctx, t); err != nil {
				return result, fmt.Errorf("%s: prepare: %w", t, err)
			}
		}
	}
	j.settled = time.Now().Add(j.Settle)
	for _, u := range p.Units {
		if err := j.unit(ctx, u, result); err != nil {
			return result, err
		}
	}
	for _, u := range p.Reseal {
		if err := j.reseal(ctx, u, result); err != nil {
			return result, fmt.Errorf("%s: reseal: %w", u.Tables[0], err)
		}
	}
	return result, nil
}

func (j *job) begin(ctx context.Context) (release func(), err error) {
	for _, set := range []string{`SET search_path = ''`, `SET bytea_output = 'hex'`, `SET standard_conforming_strings = on`, `SET row_security = off`} {
		if _, err := j.conn.Exec(ctx, set); err != nil {
			return nil, err
		}
	}
	release, err = lock(ctx, j.conn)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			release()
		}
	}()
	if err := j.readBrief(ctx); err != nil {
		return nil, err
	}
	if err := j.objects(ctx); err != nil {
		return nil, err
	}
	if err := j.conn.QueryRow(ctx, `SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user`).Scan(&j.replica); err != nil {
		return nil, err
	}
	for _, u := range slices.Concat(j.plan.Units, j.plan.Unverified, j.plan.Reseal) {
		for _, t := range u.Tables {
			for _, c := range t.Columns {
				if j.sealers[c], err = j.Sealer(c.tag); err != nil {
					return nil, err
				}
			}
		}
	}
	return release, nil
}

// lock keeps other jobs away. It ends with the connection.
func lock(ctx context.Context, conn *pgx.Conn) (release func(), err error) {
	var got bool
	if err := conn.QueryRow(ctx, `SELECT pg_catalog.pg_try_advisory_lock($1)`, int64(schema.JobLock)).Scan(&got); err != nil {
		return nil, err
	}
	if got {
		return func() {
			_, _ = conn.Exec(context.WithoutCancel(ctx), `SELECT pg_catalog.pg_advisory_unlock($1)`, int64(schema.JobLock))
		}, nil
	}
	var host string
	var process int
	if err := conn.QueryRow(ctx, `SELECT host, process FROM pgveil.seal_job ORDER BY heartbeat DESC LIMIT 1`).Scan(&host, &process); err != nil {
		return nil, ErrRunning
	}
	return nil, fmt.Errorf("%w: process %d on host %s", ErrRunning, process, host)
}

// name tells units apart.
func (u *Unit) name() string {
	var names []string
	for _, t := range u.Tables {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

// unit seals the columns of a unit.
func (j *job) unit(ctx context.Context, u *Unit, result *Result) error {
	if err := j.tell(ctx, u, StateFill, 0); err != nil {
		return err
	}
	for try := 1; ; try++ {
		for _, t := range u.Tables {
			if err := j.fill(ctx, u, t); err != nil {
				return fmt.Errorf("%s: fill: %w", t, err)
			}
		}
		p := Progress{Table: u.name(), State: StateFill}
		if left := time.Until(j.settled); left > 0 {
			p.Why = "all pgveils have to see what is prepared"
			j.report(p)
			if err := sleep(ctx, left); err != nil {
				return err
			}
			continue // with what was written meanwhile
		}
		err := j.swap(ctx, u)
		if err == nil {
			break
		}
		if !j.conn.IsClosed() {
			err = errors.Join(err, j.resync(ctx))
		}
		if !isLockTimeout(err) || try >= j.LockTries {
			return fmt.Errorf("%s: swap: %w", u.name(), err)
		}
		if err := j.pause(ctx, p, try); err != nil {
			return err
		}
	}
	return j.after(ctx, u, result)
}

// prepare gives a table its shadows, and the trigger that keeps them true.
func (j *job) prepare(ctx context.Context, t *Table) error {
	var adds, resets strings.Builder
	for i, c := range t.Columns {
		if i > 0 {
			adds.WriteString(", ")
		}
		fmt.Fprintf(&adds, "ADD COLUMN IF NOT EXISTS %s bytea", identifier(t.shadow(c)))
		// By their bytes: 1.0 and 1.00 are equal.
		fmt.Fprintf(&resets, "IF ROW(NEW.%[1]s)::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(OLD.%[1]s)::pg_catalog.record THEN NEW.%[2]s := NULL; END IF; ", identifier(c.Name), identifier(t.shadow(c)))
	}
	return j.locked(ctx, Progress{Table: t.String(), State: StateFill}, t.lock(), func(tx pgx.Tx) error {
		for _, sql := range []string{
			fmt.Sprintf("ALTER TABLE %s %s", t.sql(), adds.String()),
			fmt.Sprintf("CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $pgveil$ BEGIN %sRETURN NEW; END $pgveil$", t.function(), resets.String()),
			fmt.Sprintf("REVOKE ALL ON FUNCTION %s() FROM public", t.function()),
			fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", trigger, t.sql()),
			fmt.Sprintf("CREATE TRIGGER %s BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %s()", trigger, t.sql(), t.function()),
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// tell writes down how far the job is.
func (j *job) tell(ctx context.Context, u *Unit, state State, rows int64) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	total := int64(0)
	for _, t := range u.Tables {
		total += max(t.Rows, 0)
	}
	_, err = j.conn.Exec(ctx, `
		INSERT INTO pgveil.seal_job AS s (unit, state, rows_done, rows_total, host, process) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (unit) DO UPDATE SET state = $2, rows_done = CASE WHEN s.state = $2 THEN s.rows_done + $3 ELSE $3 END, rows_total = $4,
			host = $5, process = $6, heartbeat = pg_catalog.now(), started = CASE WHEN s.state = 'done' THEN pg_catalog.now() ELSE s.started END`,
		u.name(), string(state), rows, total, host, os.Getpid())
	return err
}

// report tells whoever has started the job.
func (j *job) report(p Progress) {
	if j.Progress != nil {
		j.Progress(p)
	}
}
