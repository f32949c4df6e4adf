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

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// Options say how a job runs.
type Options struct {
	// Keys opens the keysets of the columns. It is asked when no other job runs, nor can any
	// key that the job needs be retired until it ends.
	Keys  func(ctx context.Context) (Keys, error)
	Batch int // rows of one transaction; 1000 when 0
	Rate  int // rows per second; 0: as many as go
	// LockTimeout is how long a lock is waited for at once, while all others wait behind;
	// 2 s when 0. LockTries is how often, with pauses between; 30 when 0.
	LockTimeout time.Duration
	LockTries   int
	// Settle is how long the job waits once it has announced itself in the catalog, until all
	// pgveils have surely looked. 0 where none serves the database.
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
	Columns  int   `json:"columns"`  // that were swapped
	Cleared  int   `json:"cleared"`  // of these, in the clear now
	Resealed int64 `json:"resealed"` // values, that older keys had sealed
	Opened   int64 `json:"opened"`   // values that were opened again
	Older    int64 `json:"older"`    // of these, under others than the newest keys
	// Left says where the values may still be in their old form.
	Left []string `json:"left"`
}

// ErrRunning is that another job works on the database.
var ErrRunning = errors.New("another job seals this database")

// ErrBlocked is that something stands in the way of the plan.
var ErrBlocked = errors.New("nothing was done")

// job is a running one.
type job struct {
	Options
	conn    *pgx.Conn
	plan    *Plan
	sealers map[*schema.Column]*keys.Sealer
	started time.Time
	rows    int64     // filled since
	looked  time.Time // when the server was last found to be at ease
	plain   []byte
	again   []byte
	replica bool // triggers of the applications need not fire
	brief   time.Duration
}

// Run stores the tagged columns of db as the file says, in the database that conn is
// connected to. It may be run again after it ended at any moment. The error tells what to
// do; no value is in it. The plan is that which it has carried out, or which stands in the
// way; nil if there was none.
func Run(ctx context.Context, conn *pgx.Conn, db *schema.Database, o Options) (*Plan, *Result, error) {
	o = o.orDefaults()
	// From here on nobody retires a key, until the job has ended: so the keys are opened,
	// and the plan is made, behind this.
	release, err := lock(ctx, conn)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	opened, err := o.Keys(ctx)
	if err != nil {
		return nil, nil, err
	}
	plan, err := Read(ctx, conn, db, opened)
	if err != nil {
		return nil, nil, err
	}
	if len(plan.Blockers) > 0 {
		return plan, nil, fmt.Errorf("%w: %s", ErrBlocked, plan.Blockers[0])
	}
	j := &job{Options: o, conn: conn, plan: plan, sealers: make(map[*schema.Column]*keys.Sealer)}
	if err := j.begin(ctx, opened); err != nil {
		return plan, nil, err
	}
	result := &Result{}
	return plan, result, j.all(ctx, result)
}

func (o Options) orDefaults() Options {
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
	return o
}

// all does what the plan says.
func (j *job) all(ctx context.Context, result *Result) error {
	p := j.plan
	for _, u := range p.Unverified {
		if err := j.after(ctx, u, result); err != nil {
			return err
		}
	}
	if len(p.Units) > 0 {
		if err := j.announce(ctx); err != nil {
			return err
		}
	}
	for _, u := range p.Units {
		for _, t := range u.Tables {
			if err := j.prepare(ctx, t); err != nil {
				return fmt.Errorf("%s: prepare: %w", t, err)
			}
		}
	}
	for _, u := range p.Units {
		if err := j.unit(ctx, u, result); err != nil {
			return err
		}
	}
	for _, u := range p.Reseal {
		if err := j.reseal(ctx, u, result); err != nil {
			return fmt.Errorf("%s: reseal: %w", u.Tables[0], err)
		}
	}
	_, err := j.conn.Exec(ctx, withdraw)
	return err
}

// withdraw takes the announcement back.
const withdraw = `COMMENT ON TABLE pgveil.epoch IS NULL`

// announce has all pgveils guard their statements, and waits until they have surely begun to.
// Only then anything may change.
func (j *job) announce(ctx context.Context) error {
	if _, err := j.conn.Exec(ctx, `COMMENT ON TABLE pgveil.epoch IS 'a job of schema apply is underway'`); err != nil {
		return err
	}
	if j.Settle == 0 {
		return nil
	}
	j.report(Progress{Table: j.plan.Units[0].name(), State: StateFill, Why: "all pgveils have to see that columns are about to change"})
	if err := sleep(ctx, j.Settle); err != nil {
		return err
	}
	return j.drain(ctx)
}

func (j *job) begin(ctx context.Context, opened Keys) (err error) {
	for _, set := range []string{`SET search_path = ''`, `SET client_encoding = 'UTF8'`, `SET bytea_output = 'hex'`, `SET standard_conforming_strings = on`, `SET row_security = off`} {
		if _, err := j.conn.Exec(ctx, set); err != nil {
			return err
		}
	}
	// Statements that a job before has prepared may have read the columns in their old form.
	if err := j.conn.DeallocateAll(ctx); err != nil {
		return err
	}
	if err := j.readBrief(ctx); err != nil {
		return err
	}
	if err := j.objects(ctx); err != nil {
		return err
	}
	if j.replica, err = mayReplicate(ctx, j.conn); err != nil {
		return err
	}
	for _, u := range slices.Concat(j.plan.Units, j.plan.Unverified, j.plan.Reseal) {
		for _, t := range u.Tables {
			for _, c := range t.Columns {
				for _, form := range []*schema.Column{c.from, c.to} {
					if form == nil || j.sealers[form] != nil {
						continue
					}
					if j.sealers[form], err = form.Sealer(opened); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
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

// unit swaps the columns of a unit.
func (j *job) unit(ctx context.Context, u *Unit, result *Result) error {
	if err := j.tell(ctx, u, StateFill, 0); err != nil {
		return err
	}
	for _, t := range u.Tables {
		if err := j.makePassing(ctx, t); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		for _, t := range u.Tables {
			if err := j.fill(ctx, u, t); err != nil {
				return fmt.Errorf("%s: fill: %w", t, err)
			}
		}
		p := Progress{Table: u.name(), State: StateFill}
		err := j.swap(ctx, u)
		if err == nil {
			break
		}
		if !j.conn.IsClosed() {
			err = errors.Join(err, j.resync(ctx))
		}
		if !isLockTimeout(err) && !errors.Is(err, errJoined) || try >= j.LockTries {
			return fmt.Errorf("%s: swap: %w", u.name(), err)
		}
		if err := j.pause(ctx, p, try); err != nil {
			return err
		}
	}
	if err := j.rekey(ctx, u, result); err != nil {
		return err
	}
	return j.after(ctx, u, result)
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
