package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
)

// applySettings are those of the commands that seal existing data.
var applySettings = []string{"schema", "server", "login", "keys", "log"}

func schemaPlanCommand() *command {
	return &command{
		name:  "schema plan",
		short: "show what schema apply would do",
		long: `
Shows, for every tagged column that is not stored as the schema file says, and for those
that hold values under older keys, what schema apply would do: tables, rows, space,
locks, and what stands in the way, with how to mend it. Changes nothing. The exit status
is 1 if something stands in the way.`,
		examples: []string{"pgveil schema plan --login-user owner --login-password-file owner-password", "pgveil schema plan --json"},
		settings: applySettings,
		flags:    func(flags *pflag.FlagSet) { flags.Bool("json", false, "print JSON") },
		run:      schemaPlan,
	}
}

func schemaApplyCommand() *command {
	return &command{
		name:  "schema apply",
		short: "store tagged columns as the schema file says",
		long: `
Seals the values of tagged columns that hold them in the clear; seals those anew whose
mode, domain, key or padding is to be another, or that older keys have sealed; returns to
the clear what has encryption: none. Where values can be told apart by their key alone
this is done in place. Else the values are brought over into shadow columns in small
transactions, while applications go on to use the tables; then one transaction under an
exclusive lock puts them in the place of the columns. May be stopped, or killed, at any
moment, and run again. Ends by opening every sealed value.

The login has to own the tables, and be allowed to make schema pgveil.`,
		examples: []string{
			"pgveil schema apply --login-user owner --login-password-file owner-password",
			"pgveil schema apply --batch 500 --rate 2000",
			"pgveil schema apply --abort      # take back what was prepared, before the swap",
		},
		settings: applySettings,
		flags: func(flags *pflag.FlagSet) {
			flags.Int("batch", 1000, "`rows` of one transaction")
			flags.Int("rate", 0, "`rows` per second; 0 for as many as go")
			flags.Duration("lock-timeout", 2*time.Second, "how long to wait for a lock at once, with all others behind")
			flags.Duration("settle", 30*time.Second, "how long all pgveils have to see that a job is about to change columns; longer than three times their login.refresh")
			flags.Bool("abort", false, "take back what was prepared instead")
			flags.Bool("json", false, "print JSON")
		},
		run: schemaApply,
	}
}

func schemaStatusCommand() *command {
	return &command{
		name:     "schema status",
		short:    "show how far schema apply is",
		long:     "\nShows what schema apply has written down of its work, from wherever it runs.",
		examples: []string{"pgveil schema status", "pgveil schema status --json"},
		settings: []string{"schema", "server", "login", "keys.vault", "log"},
		flags:    func(flags *pflag.FlagSet) { flags.Bool("json", false, "print JSON") },
		run:      schemaStatus,
	}
}

// withDatabases calls f with a connection to each database of the schema file.
func (c *call) withDatabases(ctx context.Context, open *secrets, f func(conn *pgx.Conn, db *schema.Database) error) error {
	file, err := c.readSchema()
	if err != nil {
		return err
	}
	upstreams, err := c.upstreams()
	if err != nil {
		return err
	}
	login, done, err := c.newLogin(ctx, upstreams, file, open, c.logger())
	if err != nil {
		return err
	}
	defer done()
	for _, name := range slices.Sorted(maps.Keys(file.Databases)) {
		if err := login.with(ctx, name, func(conn *pgx.Conn) error { return f(conn, file.Databases[name]) }); err != nil {
			return err
		}
	}
	return nil
}

// openColumnKeys opens the keysets of the columns.
func (c *call) openColumnKeys(ctx context.Context, store *secrets) (apply.Keys, error) {
	file, err := c.readSchema()
	if err != nil {
		return nil, err
	}
	var needed []neededKey
	for _, key := range neededKeys(c.config, file) {
		if _, ofColumns := file.Keys[key.name]; ofColumns {
			needed = append(needed, key)
		}
	}
	members, err := memberKeys(ctx, store, families(file))
	if err != nil {
		return nil, err
	}
	opened, err := openKeys(ctx, store, needed)
	if err != nil {
		return nil, err
	}
	// Of a member that was destroyed nothing has to be opened: what it sealed stays.
	ofMembers, err := openServed(ctx, store, members, c.logger())
	maps.Copy(opened, ofMembers)
	return opened, err
}

// holding tells a database what keys there are.
func holding(db *schema.Database, opened apply.Keys) apply.Keys {
	db.Holds = func(keyset string, id uint32) bool {
		ring := opened[keyset]
		return ring != nil && ring.Holds(id)
	}
	return opened
}

func schemaPlan(ctx context.Context, c *call) error {
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return err
	}
	defer store.Close()
	opened, err := c.openColumnKeys(ctx, store)
	if err != nil {
		return err
	}
	var plans []*apply.Plan
	err = c.withDatabases(ctx, store, func(conn *pgx.Conn, db *schema.Database) error {
		plan, err := apply.Read(ctx, conn, db, holding(db, opened))
		if err == nil {
			plan.Units, plan.Blockers, plan.Notices, plan.Unverified, plan.Reseal = list(plan.Units), list(plan.Blockers), list(plan.Notices), list(plan.Unverified), list(plan.Reseal)
			plans = append(plans, plan)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.bool("json") {
		err = c.printJSON(map[string]any{"databases": list(plans)})
	} else {
		for _, plan := range plans {
			err = errors.Join(err, c.printPlan(plan))
		}
	}
	if err == nil && slices.ContainsFunc(plans, func(p *apply.Plan) bool { return len(p.Blockers) > 0 }) {
		err = &exitError{status: statusFails}
	}
	return err
}

// rewriteRate is the rate by which the time of the swap is estimated, in bytes of table and
// indexes per second; fillRate that for filling, in rows per second.
const (
	rewriteRate = 20 << 20
	fillRate    = 20_000
)

func (c *call) printPlan(plan *apply.Plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "database %s\n", plan.Database)
	if len(plan.Units)+len(plan.Blockers)+len(plan.Unverified)+len(plan.Reseal) == 0 {
		b.WriteString("  nothing to do: every tagged column is sealed, by the keys of today\n")
	}
	for i, u := range plan.Units {
		var bytes, fill int64
		fmt.Fprintf(&b, "  unit %d, swapped in one transaction:\n", i+1)
		for _, t := range u.Tables {
			bytes += t.Bytes
			fill += max(t.Rows, 0)
			rows := "an unknown number of rows (ANALYZE tells)"
			if t.Rows >= 0 {
				rows = fmt.Sprintf("about %d rows", t.Rows)
			}
			if t.Partitions > 0 {
				rows = fmt.Sprintf("%s, in %d partitions", rows, t.Partitions)
			}
			fmt.Fprintf(&b, "    %s: %s, %s\n", t, rows, size(t.Bytes))
			for _, column := range t.Columns {
				fmt.Fprintf(&b, "      %s\n", column.Step())
			}
		}
		fmt.Fprintf(&b, "    1. shadow columns and a trigger: ACCESS EXCLUSIVE for a moment\n")
		fmt.Fprintf(&b, "    2. fill in small transactions: %s without --rate; locks on rows that nobody holds; about %s more space until the swap\n", about(time.Duration(fill)*time.Second/fillRate), size(2*bytes))
		fmt.Fprintf(&b, "    3. swap: the tables are written anew, %s under ACCESS EXCLUSIVE; as much free space as they take\n", about(time.Duration(bytes)*time.Second/rewriteRate))
		fmt.Fprintf(&b, "    4. foreign keys validated, ANALYZE, every value opened: no lock that readers or writers wait for\n")
	}
	for _, u := range plan.Unverified {
		for _, t := range u.Tables {
			fmt.Fprintf(&b, "  %s: swapped; its values are still to be opened\n", t)
		}
	}
	for _, u := range plan.Reseal {
		t := u.Tables[0]
		var columns []string
		for _, column := range t.Columns {
			columns = append(columns, column.Name)
		}
		fmt.Fprintf(&b, "  %s: values of %s that older keys have sealed are sealed anew, in place, in small transactions\n", t, strings.Join(columns, ", "))
	}
	for _, notice := range plan.Notices {
		fmt.Fprintf(&b, "  notice: %s\n", notice)
	}
	for _, blocker := range plan.Blockers {
		fmt.Fprintf(&b, "  in the way: %s\n", blocker)
		if blocker.Fix != "" {
			fmt.Fprintf(&b, "    fix: %s\n", blocker.Fix)
		}
	}
	_, err := c.out.Write([]byte(b.String()))
	return err
}

// about gives a duration that was estimated.
func about(d time.Duration) string {
	if d < time.Second {
		return "less than a second"
	}
	return "about " + d.Round(time.Second).String()
}

func size(bytes int64) string {
	switch {
	case bytes < 1<<20:
		return fmt.Sprintf("%d kB", (bytes+1023)>>10)
	case bytes < 10<<30:
		return fmt.Sprintf("%d MB", bytes>>20)
	}
	return fmt.Sprintf("%d GB", bytes>>30)
}

// applied is the output of schema apply --json for one database.
type applied struct {
	Database string `json:"database"`
	*apply.Result
}

func schemaApply(ctx context.Context, c *call) error {
	batch, _ := c.flags.GetInt("batch")
	rate, _ := c.flags.GetInt("rate")
	lockTimeout, _ := c.flags.GetDuration("lock-timeout")
	settle, _ := c.flags.GetDuration("settle")
	if batch < 1 || rate < 0 || lockTimeout <= 0 || settle < 0 {
		return usageErrorf(schemaApplyCommand(), "--batch, --rate, --lock-timeout and --settle must not be negative, nor --batch and --lock-timeout 0")
	}
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return err
	}
	defer store.Close()
	var results []applied
	err = c.withDatabases(ctx, store, func(conn *pgx.Conn, db *schema.Database) error {
		if c.bool("abort") {
			return apply.Abort(ctx, conn)
		}
		bar := &progressBar{call: c}
		plan, result, err := apply.Run(ctx, conn, db, apply.Options{
			Batch: batch, Rate: rate, LockTimeout: lockTimeout, Settle: settle, Progress: bar.show,
			Keys: func(ctx context.Context) (apply.Keys, error) {
				opened, err := c.openColumnKeys(ctx, store)
				return holding(db, opened), err
			},
		})
		bar.end()
		if errors.Is(err, apply.ErrBlocked) {
			return errors.Join(c.printPlan(plan), &exitError{status: statusFails, err: fmt.Errorf("database %q: nothing was done", db.Name), hint: "mend what stands in the way first"})
		}
		if err != nil {
			return fmt.Errorf("database %q: %w; what is done is kept: run it again", db.Name, err)
		}
		results = append(results, applied{db.Name, result})
		return nil
	})
	if err != nil {
		return err
	}
	if c.bool("json") {
		return c.printJSON(map[string]any{"databases": list(results)})
	}
	for _, r := range results {
		if r.Resealed > 0 {
			fmt.Fprintf(c.out, "database %s: %d values sealed anew; 0 under old keys\n", r.Database, r.Resealed)
		}
		if sealed := r.Columns - r.Cleared; sealed > 0 {
			fmt.Fprintf(c.out, "database %s: %d columns sealed; 0 plaintext, %d under old keys, %d values opened\n", r.Database, sealed, r.Older, r.Opened)
		}
		if r.Cleared > 0 {
			fmt.Fprintf(c.out, "database %s: %d columns unsealed: they are in the clear\n", r.Database, r.Cleared)
		}
		if len(r.Left) == 0 {
			fmt.Fprintf(c.out, "database %s: nothing to do\n", r.Database)
			continue
		}
		fmt.Fprintf(c.out, "The old values may still be in\n")
		for _, place := range r.Left {
			fmt.Fprintf(c.out, "  - %s\n", place)
		}
	}
	return nil
}

// progressBar shows how far a job is: on a terminal one line that changes, else a line
// every ten seconds.
type progressBar struct {
	call    *call
	table   string
	state   apply.State
	begun   time.Time
	shown   time.Time
	drawing bool
}

func (b *progressBar) show(p apply.Progress) {
	now := time.Now()
	if p.Table != b.table || p.State != b.state {
		b.table, b.state, b.begun, b.shown = p.Table, p.State, now, time.Time{}
	}
	f, ok := b.call.err.(*os.File)
	terminal := false
	if ok {
		info, err := f.Stat()
		terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	every := 10 * time.Second
	if terminal {
		every = 200 * time.Millisecond
	}
	if now.Sub(b.shown) < every && p.Rows < p.Total {
		return
	}
	b.shown = now
	line := fmt.Sprintf("%-6s %s: %d rows", p.State, p.Table, p.Rows)
	if p.Total > 0 {
		line = fmt.Sprintf("%-6s %s: %d of about %d rows (%d %%)", p.State, p.Table, p.Rows, p.Total, min(100, 100*p.Rows/p.Total))
	}
	if seconds := now.Sub(b.begun).Seconds(); seconds > 0.5 && p.Rows > 0 {
		rate := float64(p.Rows) / seconds
		line += fmt.Sprintf(", %.0f rows/s", rate)
		if left := float64(p.Total-p.Rows) / rate; left > 0 {
			line += fmt.Sprintf(", %s left", (time.Duration(left) * time.Second).String())
		}
	}
	if p.Why != "" {
		line += ", pauses: " + p.Why
	}
	if terminal {
		b.drawing = true
		fmt.Fprintf(b.call.err, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(b.call.err, line)
}

func (b *progressBar) end() {
	if b.drawing {
		fmt.Fprintln(b.call.err)
	}
}

func schemaStatus(ctx context.Context, c *call) error {
	all := make(map[string][]apply.Status)
	var names []string
	err := c.withDatabases(ctx, nil, func(conn *pgx.Conn, db *schema.Database) error {
		status, err := apply.ReadStatus(ctx, conn)
		names = append(names, db.Name)
		all[db.Name] = list(status)
		return err
	})
	if err != nil {
		return err
	}
	if c.bool("json") {
		return c.printJSON(map[string]any{"databases": all})
	}
	for _, name := range names {
		if len(all[name]) == 0 {
			fmt.Fprintf(c.out, "database %s: schema apply has done nothing\n", name)
		}
		for _, s := range all[name] {
			how := "ended"
			if s.Running {
				how = "runs"
			}
			if s.State != apply.StateDone && !s.Running {
				how = "stopped before its end: run schema apply again"
			}
			fmt.Fprintf(c.out, "database %s, %s: %s, %d of about %d rows; process %d on %s, last heard of %s; %s\n", name, s.Unit, s.State, s.Rows, s.Total,
				s.Process, s.Host, s.Heartbeat.Format(time.RFC3339), how)
		}
	}
	return nil
}
