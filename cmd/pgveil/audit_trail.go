package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/proxy/audit"
)

// trail is an audit log that a command reads while verifying it.
type trail struct {
	store   *secrets
	options audit.VerifyOptions
}

// logFlags are those of commands that read the log.
func logFlags(flags *pflag.FlagSet) {
	flags.String("public-keyset", "", "`file` of the public signature keyset; without it, that of the key store")
	flags.String("first", "", "`name` of the first segment, when those before it are archived")
}

// openTrail opens the log of the configuration, or of the argument.
func (c *call) openTrail(ctx context.Context) (*trail, error) {
	t := &trail{options: audit.VerifyOptions{Dir: c.config.Audit.Dir, First: c.text("first")}}
	if len(c.args) > 0 {
		t.options.Dir = c.args[0]
	}
	if t.options.Dir == "" {
		return nil, c.config.Missing("audit.dir")
	}
	var err error
	if t.store, err = c.openSecrets(ctx, c.logger(), false); err != nil {
		return nil, err
	}
	if err := c.openVerifiers(ctx, t.store, &t.options); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *trail) close() { _ = t.store.Close() }

// read verifies the log and gives each statement with its outcome.
func (t *trail) read(each func(*audit.Statement), others ...func(*audit.Recorded)) (*audit.Report, error) {
	statements := audit.Statements{Each: each}
	t.options.Each = func(r *audit.Recorded) {
		statements.Take(r)
		for _, other := range others {
			other(r)
		}
	}
	report, err := audit.Verify(t.options)
	if err == nil {
		statements.Finish()
	}
	return report, err
}

// broken is the error of a log that is not as it was written.
func (t *trail) broken(report *audit.Report) error {
	return &exitError{
		status: statusFails, err: fmt.Errorf("the audit log is not as it was written, and what it says here may be wrong: %s", report.Problems[0]),
		hint: "pgveil audit verify tells everything that is wrong with it",
	}
}

// period is a time span; each end that is zero is open.
type period struct{ from, to time.Time }

func (p period) has(t time.Time) bool {
	return !t.Before(p.from) && (p.to.IsZero() || t.Before(p.to))
}

func periodFlags(flags *pflag.FlagSet) {
	flags.String("from", "", "first `day`, such as 2026-01-31, or moment, such as 2026-01-31T08:00:00Z; UTC")
	flags.String("to", "", "last `day`, which belongs to it, or the moment before which it ends")
}

// period reads the flags.
func (c *call) period() (p period, err error) {
	if p.from, err = c.moment("from", 0); err != nil {
		return p, err
	}
	if p.to, err = c.moment("to", 24*time.Hour); err != nil {
		return p, err
	}
	if !p.to.IsZero() && !p.from.Before(p.to) {
		return p, &exitError{status: statusUsage, err: fmt.Errorf("--from is not before --to")}
	}
	return p, nil
}

func (c *call) moment(flag string, day time.Duration) (time.Time, error) {
	text := c.text(flag)
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t.Add(day), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, &exitError{status: statusUsage, err: fmt.Errorf("--%s: %q is neither a day such as 2026-01-31 nor a moment such as 2026-01-31T08:00:00Z", flag, text)}
	}
	return t, nil
}
