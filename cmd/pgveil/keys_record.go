package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgveil/pgveil/proxy/audit"
)

// recordSettings are the settings of a command that records what it changes.
var recordSettings = append([]string{"audit.dir", "audit.commands"}, auditKeySettings...)

// recordPatience is how long other commands may hold the log of commands.
const recordPatience = 30 * time.Second

// recording is the audit record of a command that changes keys. The log is open only while
// something is written, so that commands which wait do not keep others from theirs.
type recording struct {
	options audit.Options // Dir is "" if nothing is recorded
	seq     uint64
	begun   time.Time
	changes []audit.KeyChange
}

// commandsDir is the directory of the audit log of commands; "" where there is none, which
// is with the insecure local store alone.
func (c *call) commandsDir() (string, error) {
	switch {
	case c.config.Audit.Commands != "":
		return c.config.Audit.Commands, nil
	case c.config.Insecure != "":
		return "", nil
	case c.config.Audit.Dir != "":
		return filepath.Clean(c.config.Audit.Dir) + "-commands", nil
	default:
		return "", c.config.Missing("audit.commands")
	}
}

// record makes durable that a command is about to change keys; without that it may not. The
// caller calls end.
func (c *call) record(ctx context.Context, store *secrets, command string, names []string, id uint32) (*recording, error) {
	return c.recordCommand(ctx, store, audit.Command{Command: command, Keys: names, ID: id})
}

// recordCommand is record for any command; who has called it is added.
func (c *call) recordCommand(ctx context.Context, store *secrets, command audit.Command) (*recording, error) {
	return c.recordCommandIf(ctx, store, command, func() error { return nil })
}

// recordCommandIf is recordCommand of one that may only be recorded while may gives no error, which is
// called when no other command can be recorded any more. An exitError of it is given as it is.
func (c *call) recordCommandIf(ctx context.Context, store *secrets, command audit.Command, may func() error) (*recording, error) {
	r := &recording{begun: time.Now()}
	dir, err := c.commandsDir()
	if err != nil || dir == "" {
		return r, err
	}
	refused := func(err error) error {
		if told := (*exitError)(nil); errors.As(err, &told) {
			return told
		}
		hint := "its record goes to " + dir + "; see audit.commands"
		var broken *audit.BrokenError
		if errors.As(err, &broken) {
			hint = "pgveil audit verify " + dir + " tells everything that is wrong with it; keep it as evidence in another place, and the next command begins another log"
		}
		return &exitError{status: statusFails, err: fmt.Errorf("the command cannot be recorded, and so does nothing: %w", err), hint: hint}
	}
	rings, err := openKeys(ctx, store, auditKeys(c.config))
	if err != nil {
		return nil, refused(err)
	}
	r.options = audit.Options{Dir: dir, Program: "pgveil " + version()}
	if err := c.auditOptions(&r.options, store, rings); err != nil {
		return nil, refused(err)
	}
	about, err := whoAmI(ctx, store)
	if err != nil {
		return nil, refused(err)
	}
	about.Command, about.Keys, about.ID, about.Disclosure, about.Review = command.Command, command.Keys, command.ID, command.Disclosure, command.Review
	err = r.write(ctx, func(log *audit.Log) error {
		if err := may(); err != nil {
			return err
		}
		intent := log.BeginCommand(about)
		err := intent.Wait()
		r.seq = intent.Seq()
		return err
	})
	if err != nil {
		return nil, refused(err)
	}
	return r, nil
}

// whoAmI says who has called the command.
func whoAmI(ctx context.Context, store *secrets) (*audit.Command, error) {
	about := &audit.Command{UID: os.Getuid(), PID: os.Getpid(), Store: "insecure local store"}
	if u, err := user.Current(); err == nil {
		about.User = u.Username
	}
	about.Host, _ = os.Hostname()
	if store.vault == nil {
		return about, nil
	}
	id, err := store.vault.Identity(ctx)
	about.Store = store.vault.Place()
	about.Token = audit.Token{Name: id.Name, Accessor: id.Accessor, Entity: id.Entity, Role: id.Role}
	return about, err
}

// write opens the log, waiting for other commands that have it open, and closes it again.
func (r *recording) write(ctx context.Context, f func(*audit.Log) error) error {
	end := time.Now().Add(recordPatience)
	for {
		log, err := audit.Open(r.options)
		if err == nil {
			return errors.Join(f(log), log.Close())
		}
		if !errors.Is(err, audit.ErrInUse) || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// did notes a change; id is 0 for a whole keyset.
func (r *recording) did(name string, id uint32, change string) {
	r.changes = append(r.changes, audit.KeyChange{Key: name, ID: id, Change: change})
}

// end records how the command has ended, with its error, which it returns with its own.
func (r *recording) end(err error) error {
	if r.options.Dir == "" {
		return err
	}
	o := audit.CommandOutcome{Changes: r.changes, Duration: time.Since(r.begun), Ended: "ok"}
	if err != nil {
		o.Ended = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	// Whatever has ended the command: what it did is recorded.
	written := r.write(context.Background(), func(log *audit.Log) error {
		log.Begun(r.seq).EndCommand(o)
		return nil
	})
	if written != nil {
		written = fmt.Errorf("how the command ended is not recorded, only that it began: %w", written)
	}
	return errors.Join(err, written)
}
