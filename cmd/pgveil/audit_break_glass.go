package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/cmd/pgveil/auditreport"
	"github.com/pgveil/pgveil/proxy/audit"
)

const closeCommand = "audit break-glass close"

var breakGlassSettings = append([]string{"audit.dir", "audit.commands", "keys", "log"}, auditKeySettings...)

func breakGlassListCommand() *command {
	return &command{
		name:  "audit break-glass list",
		args:  "[DIR]",
		short: "who has broken the glass, and what has not been reviewed",
		long: `
Lists who has read what its verdicts deny, by pgveil.break_glass, and has not been closed
by a reviewer: when, why, and how much was opened under it. The log, and that of
commands, which holds what was closed, are verified meanwhile: the exit status is 1 if
anything is wrong with them.`,
		examples: []string{"pgveil audit break-glass list", "pgveil audit break-glass list --all --json"},
		settings: breakGlassSettings,
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("all", false, "list what is closed, too")
			logFlags(flags)
			flags.Bool("json", false, "print JSON")
		},
		most: 1,
		run:  breakGlassList,
	}
}

func breakGlassCloseCommand() *command {
	return &command{
		name:  closeCommand,
		args:  "ID",
		short: "enter that a breaking of the glass was reviewed",
		long: `
Enters in the log of commands that somebody has looked at why the glass was broken, and
with what result; it is then closed for good. ID is that of the list, or as much of its
beginning as tells it from others.`,
		examples: []string{"pgveil audit break-glass close 7XDMPD4C --reason 'emergency of 2 March, confirmed by the ward'"},
		settings: breakGlassSettings,
		flags: func(flags *pflag.FlagSet) {
			flags.String("reason", "", "`what` the review came to; it is recorded, so name no patient")
			logFlags(flags)
		},
		most: 1,
		run:  breakGlassClose,
	}
}

// brokenGlasses reads the log, which each and other take, too, and with reviews that of commands. broken
// says that one of them is not as it was written, unreviewed why nothing is known of reviews.
func (c *call) brokenGlasses(log *trail, reviews bool, each func(*audit.Statement), other func(*audit.Recorded)) (glasses *auditreport.Glasses, report *audit.Report, unreviewed, broken error) {
	glasses = new(auditreport.Glasses)
	report, err := log.read(func(s *audit.Statement) {
		glasses.Statement(s)
		each(s)
	}, glasses.Record, other)
	if err != nil {
		return nil, nil, nil, err
	}
	if !report.OK() {
		broken = log.broken(report)
	}
	if !reviews {
		return glasses, report, nil, broken
	}
	unreviewed, wrong := c.closings(log, glasses)
	return glasses, report, unreviewed, errors.Join(broken, wrong)
}

// closings gives glasses what the log of commands has of reviews. unread says why nothing is known of
// them, broken that the log is not as it was written.
func (c *call) closings(log *trail, glasses *auditreport.Glasses) (unread, broken error) {
	dir, err := c.commandsDir()
	if err != nil || dir == "" {
		return err, nil
	}
	commands := &trail{store: log.store, options: log.options}
	commands.options.Dir, commands.options.First = dir, ""
	report, err := commands.read(func(*audit.Statement) {}, func(r *audit.Recorded) { glasses.Closed(r, closeCommand) })
	switch {
	case errors.Is(err, fs.ErrNotExist): // no command has run yet
	case err != nil:
		return err, nil
	case !report.OK():
		return nil, commands.broken(report)
	}
	return nil, nil
}

// glassesOf is brokenGlasses of a command that has nothing else to read.
func (c *call) glassesOf(log *trail) (*auditreport.Glasses, error) {
	glasses, _, unreviewed, broken := c.brokenGlasses(log, true, func(*audit.Statement) {}, func(*audit.Recorded) {})
	return glasses, errors.Join(broken, unreviewed)
}

func breakGlassList(ctx context.Context, c *call) error {
	log, err := c.openTrail(ctx)
	if err != nil {
		return err
	}
	defer log.close()
	glasses, broken := c.glassesOf(log)
	if glasses == nil {
		return broken
	}
	shown := glasses.Open()
	open := len(shown)
	if c.bool("all") {
		shown = glasses.All()
	}
	if c.bool("json") {
		return errors.Join(c.printJSON(shown), broken)
	}
	if err := auditreport.WriteGlasses(c.out, shown); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%d to be reviewed\n", open)
	return errors.Join(err, broken)
}

func breakGlassClose(ctx context.Context, c *call) error {
	reason := strings.TrimSpace(c.text("reason"))
	if len(c.args) == 0 {
		return usageErrorf(breakGlassCloseCommand(), "the ID is missing")
	}
	if reason == "" {
		return usageErrorf(breakGlassCloseCommand(), "--reason is missing: what the review came to")
	}
	id := c.args[0]
	c.args = nil
	dir, err := c.commandsDir()
	if err != nil {
		return err
	}
	if dir == "" {
		return c.config.Missing("audit.commands")
	}
	log, err := c.openTrail(ctx)
	if err != nil {
		return err
	}
	defer log.close()
	glasses, err := c.glassesOf(log)
	if err != nil {
		return err
	}
	var found []*auditreport.Glass
	for _, b := range glasses.All() {
		if strings.HasPrefix(b.ID, id) && id != "" {
			found = append(found, b)
		}
	}
	switch {
	case len(found) == 0:
		return &exitError{status: statusFails, err: fmt.Errorf("the log has no breaking of the glass %q", id), hint: "pgveil audit break-glass list --all has all of them"}
	case len(found) > 1:
		return &exitError{status: statusFails, err: fmt.Errorf("%q is the beginning of %d IDs", id, len(found)), hint: "give more of it"}
	}
	if err := stillOpen(found[0]); err != nil {
		return err
	}
	command := audit.Command{Command: closeCommand, Review: &audit.Review{BreakGlass: found[0].ID, Reason: reason}}
	r, err := c.recordCommandIf(ctx, log.store, command, func() error { // another reviewer may have been faster
		if err := errors.Join(c.closings(log, glasses)); err != nil {
			return err
		}
		return stillOpen(found[0])
	})
	if err != nil {
		return err
	}
	if err := r.end(nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "closed %s\n", found[0].ID)
	return err
}

// stillOpen refuses to close what was closed already.
func stillOpen(b *auditreport.Glass) error {
	if b.Closed == nil {
		return nil
	}
	return &exitError{status: statusFails, err: fmt.Errorf("%s was closed by %s at %s", b.ID, b.Closed.User, b.Closed.Time.UTC().Format(time.RFC3339))}
}
