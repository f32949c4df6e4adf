package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/cmd/pgveil/auditreport"
	"github.com/pgveil/pgveil/proxy/alert"
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

// brokenGlass is one breaking of the glass.
type brokenGlass struct {
	ID          string    `json:"id"`
	Time        time.Time `json:"time"`
	SessionUser string    `json:"session_user"`
	Role        string    `json:"role"`
	EndUser     string    `json:"claimed_end_user,omitempty"`
	TLS         string    `json:"tls,omitempty"`
	Client      string    `json:"client"`
	Application string    `json:"application,omitempty"`
	Database    string    `json:"database"`
	Text        string    `json:"text"`
	Statements  int       `json:"statements"` // that opened or searched something
	Opened      int64     `json:"opened"`     // values
	Subjects    int       `json:"subjects"`   // distinct ones, where they are told
	Closed      *closing  `json:"closed,omitempty"`

	subjects map[string]bool
}

// closing is its review.
type closing struct {
	Time   time.Time `json:"time"`
	User   string    `json:"user"`
	Host   string    `json:"host"`
	Reason string    `json:"reason"`
}

// brokenGlasses reads the log and that of commands. The error beside a list says that one of them
// is not as it was written.
func (c *call) brokenGlasses(log *trail) (list []*brokenGlass, err error) {
	byID := make(map[string]*brokenGlass)
	report, err := log.read(func(s *audit.Statement) {
		b := byID[s.BreakGlass]
		if b == nil {
			return
		}
		b.Statements++
		if s.Outcome != nil {
			b.Opened += s.Outcome.Opened
		}
		for _, tag := range s.Tags() {
			b.subjects[tag] = true
		}
	}, func(r *audit.Recorded) {
		if r.Kind != "alert" || r.About != alert.BreakGlass.String() || r.BreakGlass == "" {
			return
		}
		b := &brokenGlass{
			ID: r.BreakGlass, Time: r.Time, SessionUser: r.SessionUser, Role: r.Role, EndUser: r.EndUser, TLS: r.TLS, Client: r.Client,
			Application: r.Application, Database: r.Database, Text: r.Text, subjects: make(map[string]bool),
		}
		byID[b.ID] = b
		list = append(list, b)
	})
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		b.Subjects = len(b.subjects)
	}
	var broken error
	if !report.OK() {
		broken = log.broken(report)
	}
	dir, err := c.commandsDir()
	if err != nil || dir == "" {
		return list, errors.Join(broken, err)
	}
	commands := &trail{store: log.store, options: log.options}
	commands.options.Dir, commands.options.First = dir, ""
	report, err = commands.read(func(*audit.Statement) {}, func(r *audit.Recorded) {
		if b := byID[r.BreakGlass]; r.Kind == "command" && r.Command == closeCommand && b != nil && b.Closed == nil {
			b.Closed = &closing{Time: r.Time, User: r.User, Host: r.Host, Reason: r.Reason}
		}
	})
	switch {
	case errors.Is(err, fs.ErrNotExist): // no command has run yet
		return list, broken
	case err != nil:
		return nil, err
	case !report.OK():
		broken = errors.Join(broken, commands.broken(report))
	}
	return list, broken
}

func breakGlassList(ctx context.Context, c *call) error {
	log, err := c.openTrail(ctx)
	if err != nil {
		return err
	}
	defer log.close()
	list, broken := c.brokenGlasses(log)
	if broken != nil && list == nil {
		return broken
	}
	shown := []*brokenGlass{}
	for _, b := range list {
		if c.bool("all") || b.Closed == nil {
			shown = append(shown, b)
		}
	}
	if c.bool("json") {
		err = c.printJSON(shown)
	} else {
		err = printGlasses(c.out, shown)
	}
	return errors.Join(err, broken)
}

func printGlasses(out io.Writer, list []*brokenGlass) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(list) > 0 {
		fmt.Fprintln(w, "ID\tTIME\tROLE\tACTING FOR\tCLIENT\tSTATEMENTS\tOPENED\tPATIENTS\tTEXT\tCLOSED")
	}
	open := 0
	for _, b := range list {
		closed := "–"
		if b.Closed == nil {
			open++
		} else {
			closed = fmt.Sprintf("%s by %s@%s: %s", b.Closed.Time.UTC().Format(time.RFC3339), b.Closed.User, b.Closed.Host, b.Closed.Reason)
		}
		role := b.SessionUser
		if b.Role != b.SessionUser {
			role += " as " + b.Role
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", auditreport.Printable(b.ID), b.Time.UTC().Format(time.RFC3339), auditreport.Printable(role), auditreport.Printable(orDash(b.EndUser)),
			auditreport.Printable(b.Client), b.Statements, b.Opened, b.Subjects, auditreport.Printable(b.Text), auditreport.Printable(closed))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d to be reviewed\n", open)
	return err
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
	list, err := c.brokenGlasses(log)
	if err != nil {
		return err
	}
	var found []*brokenGlass
	for _, b := range list {
		if strings.HasPrefix(b.ID, id) && id != "" {
			found = append(found, b)
		}
	}
	switch {
	case len(found) == 0:
		return &exitError{status: statusFails, err: fmt.Errorf("the log has no breaking of the glass %q", id), hint: "pgveil audit break-glass list --all has all of them"}
	case len(found) > 1:
		return &exitError{status: statusFails, err: fmt.Errorf("%q is the beginning of %d IDs", id, len(found)), hint: "give more of it"}
	case found[0].Closed != nil:
		return &exitError{status: statusFails, err: fmt.Errorf("%s was closed by %s at %s", found[0].ID, found[0].Closed.User, found[0].Closed.Time.UTC().Format(time.RFC3339))}
	}
	r, err := c.recordCommand(ctx, log.store, audit.Command{Command: closeCommand, Review: &audit.Review{BreakGlass: found[0].ID, Reason: reason}})
	if err != nil {
		return err
	}
	if err := r.end(nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "closed %s\n", found[0].ID)
	return err
}
