package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/proxy/audit"
)

// retentions gives for each profile of audit.retain the moment before which records are not
// kept any more.
var retentions = map[string]func(now time.Time) time.Time{
	"6 months": func(now time.Time) time.Time { return now.AddDate(0, -6, 0) },
	"1 year":   func(now time.Time) time.Time { return now.AddDate(-1, 0, 0) },
	"3 years":  func(now time.Time) time.Time { return now.AddDate(-3, 0, 0) },
}

func auditPurgeCommand() *command {
	return &command{
		name:  "audit purge",
		args:  "[DIR]",
		short: "remove what is older than audit.retain",
		long: `
Verifies an audit log, that of the configuration without DIR, and removes the segments
all of whose records are older than audit.retain, if their checkpoints are signed; never
the last one. A signed note in the directory says what was purged, by whom and by which
rule, and the rest of the log verifies with it. A log with problems is left as it is. It
may run while pgveil serves. That it runs is in the log of commands.`,
		examples: []string{
			"pgveil audit purge --audit-retain '1 year' --dry-run",
			"pgveil audit purge",
		},
		settings: append([]string{"audit.dir", "audit.commands", "audit.retain", "keys", "log"}, auditKeySettings...),
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("dry-run", false, "tell what would be removed")
			logFlags(flags)
			flags.Bool("json", false, "print JSON")
		},
		most: 1,
		run:  auditPurge,
	}
}

func auditPurge(ctx context.Context, c *call) (err error) {
	before, ok := retentions[c.config.Audit.Retain]
	if !ok {
		return c.config.Missing("audit.retain")
	}
	log, err := c.openTrail(ctx)
	if err != nil {
		return err
	}
	defer log.close()
	o := audit.PurgeOptions{VerifyOptions: log.options, Before: before(time.Now()), Kept: c.config.Audit.Retain, DryRun: c.bool("dry-run")}
	if o.Signer, err = c.auditSigner(ctx, log.store); err != nil {
		return err
	}
	who, err := whoAmI(ctx, log.store)
	if err != nil {
		return err
	}
	o.By = who.User + "@" + who.Host
	if !o.DryRun {
		r, err := c.record(ctx, log.store, "audit purge", nil, 0)
		if err != nil {
			return err
		}
		return r.end(c.purge(o))
	}
	return c.purge(o)
}

func (c *call) purge(o audit.PurgeOptions) error {
	note, report, err := audit.Purge(o)
	switch {
	case err != nil:
		return err
	case !report.OK():
		return &exitError{
			status: statusFails, err: fmt.Errorf("the audit log is not as it was written, and nothing is purged: %s", report.Problems[0]),
			hint: "pgveil audit verify " + filepath.Clean(o.Dir) + " tells everything that is wrong with it",
		}
	case c.bool("json"):
		return c.printJSON(map[string]any{"purged": note, "dry_run": o.DryRun})
	case note == nil:
		_, err = fmt.Fprintf(c.out, "nothing is older than %s\n", o.Kept)
		return err
	}
	verb := "purged"
	if o.DryRun {
		verb = "would be purged"
	}
	_, err = fmt.Fprintf(c.out, "%s, %s of %s and before, %s\n", count(note.Segments, "segment"), count(note.Records, "record"), note.Until, verb)
	return err
}
