package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// takeOver is how many times keys.refresh a keyset has to stay as it is before pgveil takes
// it that every proxy holds it.
const takeOver = 3

func keysRetireCommand() *command {
	return &command{
		name:  "keys retire",
		args:  "NAME KEY-ID",
		short: "disable a key that no stored value needs",
		long: `
Disables one key of a keyset, after keys rotate has made another one the primary and
what it had sealed was sealed anew: it opens nothing any more. It is refused while any
database of the schema file holds a value of that key, has a CHECK constraint that names
it or a deterministic column that it still seals, or cannot be counted. Waits first
until every pgveil has taken the newest keyset over, and for transactions that write.
--undo enables the key again.`,
		examples: []string{
			"pgveil keys retire medical 1873260945 --dry-run",
			"pgveil keys retire medical 1873260945 --login-user pgveil_officer --login-password-file officer",
			"pgveil keys retire medical 1873260945 --undo",
		},
		settings: append([]string{"keys", "schema", "server", "login", "log"}, recordSettings...),
		flags: func(flags *pflag.FlagSet) {
			waitFlag(flags)
			flags.Bool("undo", false, "enable a retired key again")
			flags.Bool("dry-run", false, "count, and only say what would be done")
			flags.Bool("json", false, "print JSON")
		},
		most: 2,
		run:  keysRetire,
	}
}

func waitFlag(flags *pflag.FlagSet) {
	flags.Duration("wait", 30*time.Second, "how long the keyset has to stay as it is, so that every pgveil has it, and how long transactions that write may take")
}

// keyChange is what keys retire and keys destroy have done, or would do.
type keyChange struct {
	Name   string          `json:"name"`
	Key    uint32          `json:"key,omitempty"` // 0 for the whole keyset
	Done   bool            `json:"done"`
	DryRun bool            `json:"dry_run"`
	Stored []schema.Stored `json:"stored"` // what needs it
}

func keysRetire(ctx context.Context, c *call) error {
	cmd := keysRetireCommand()
	name, id, err := c.keyArguments(cmd)
	if err != nil {
		return err
	}
	if id == 0 {
		return usageErrorf(cmd, "the ID of a key is missing; keys show lists them")
	}
	if c.bool("undo") {
		return c.restore(ctx, name, id)
	}
	wait, err := c.takeOverWait(cmd)
	if err != nil {
		return err
	}
	use, err := c.openKeyUse(ctx)
	if err != nil {
		return err
	}
	defer use.close()
	change := &keyChange{Name: name, Key: id, DryRun: c.bool("dry-run")}
	err = c.recorded(ctx, use.store, "keys retire", "retired", change, func() error { return c.retire(ctx, use, change, wait) })
	return c.printChange(change, "retire", err)
}

// recorded has a change of one keyset done and, unless it is a dry run, recorded: an attempt
// that is refused, too.
func (c *call) recorded(ctx context.Context, store *secrets, command, did string, change *keyChange, do func() error) error {
	if change.DryRun {
		return do()
	}
	rec, err := c.record(ctx, store, command, []string{change.Name}, change.Key)
	if err != nil {
		return err
	}
	err = do()
	if change.Done {
		rec.did(change.Name, change.Key, did)
	}
	return rec.end(err)
}

func (c *call) retire(ctx context.Context, use *keyUse, change *keyChange, wait time.Duration) error {
	name, id := change.Name, change.Key
	version, err := c.unneeded(ctx, use, change, wait, func(k keys.KeyInfo) error {
		switch {
		case k.Primary:
			return fmt.Errorf("key %q: values are sealed with %d; pgveil keys rotate makes another key the primary", name, id)
		case k.Retired():
			return fmt.Errorf("key %q: %d is retired already", name, id)
		}
		return nil
	})
	if err == nil && !change.DryRun {
		err = use.store.Retire(ctx, name, id, version)
		change.Done = err == nil
	}
	return err
}

// keyArguments reads NAME and KEY-ID, 0 if that is not given.
func (c *call) keyArguments(cmd *command) (name string, id uint32, err error) {
	if len(c.args) == 0 {
		return "", 0, usageErrorf(cmd, "the name of a key is missing")
	}
	if err := keys.CheckName(c.args[0]); err != nil {
		return "", 0, usageErrorf(cmd, "%v", err)
	}
	if len(c.args) == 1 {
		return c.args[0], 0, nil
	}
	n, err := strconv.ParseUint(c.args[1], 10, 32)
	if err != nil || n == 0 {
		return "", 0, usageErrorf(cmd, "%q is not the ID of a key; keys show lists them", c.args[1])
	}
	return c.args[0], uint32(n), nil
}

// takeOverWait gives --wait, which may not be too short for the proxies of this
// configuration.
func (c *call) takeOverWait(cmd *command) (time.Duration, error) {
	wait, _ := c.flags.GetDuration("wait")
	if least := takeOver * c.config.KeysRefresh; wait < least {
		return 0, usageErrorf(cmd, "--wait %v is too short: with keys.refresh %v it takes up to %v until every pgveil has the newest keyset", wait, c.config.KeysRefresh, least)
	}
	return wait, nil
}

// unneeded returns once it is known that no stored value needs a key, with the version of
// the keyset for which that holds. fits says whether the key may be changed at all. A dry
// run waits for nothing.
func (c *call) unneeded(ctx context.Context, use *keyUse, change *keyChange, wait time.Duration, fits func(keys.KeyInfo) error) (string, error) {
	version, err := use.store.Version(ctx, change.Name)
	if err != nil {
		return "", err
	}
	ring, err := use.store.Open(ctx, change.Name) // of this version or a newer one, which the change then finds
	if err != nil {
		return "", err
	}
	if ring.Type() == keys.TypePseudonym {
		return "", &keys.StoreError{Key: change.Name, Reason: keys.ErrOneKey}
	}
	if t := ring.Type(); t != keys.TypeRandomized && t != keys.TypeDeterministic {
		return "", fmt.Errorf("key %q is of type %s: its keys verify the audit log, archives included, and stay", change.Name, t)
	}
	if err := findKey(ring.Info(), change.Key, fits); err != nil {
		return "", err
	}
	if !change.DryRun {
		if err := c.pause(ctx, wait, "until every pgveil has taken the newest keyset over"); err != nil {
			return "", err
		}
	} else {
		wait = 0
	}
	stored, err := use.count(ctx, wait)
	if err != nil {
		return "", err
	}
	if change.Stored = of(stored, ring.Info(), change.Key); len(change.Stored) > 0 {
		return "", &exitError{
			status: statusFails,
			err:    fmt.Errorf("key %q: %d is needed by %s", change.Name, change.Key, needs(change.Stored)),
			hint:   "pgveil schema apply seals columns anew with the primary; this command shows what is left",
		}
	}
	return version, nil
}

func findKey(info keys.Info, id uint32, fits func(keys.KeyInfo) error) error {
	for _, k := range info.Keys {
		if k.ID == id {
			return fits(k)
		}
	}
	return &keys.StoreError{Key: info.Name, Reason: keys.ErrMissing, Detail: fmt.Sprintf("no key of it has the ID %d; pgveil keys show %s lists them", id, info.Name)}
}

// pause waits, and tells a human why.
func (c *call) pause(ctx context.Context, wait time.Duration, why string) error {
	if !c.bool("json") {
		fmt.Fprintf(c.out, "waiting %v %s\n", wait, why)
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: nothing was changed", ctx.Err())
	}
}

func (c *call) restore(ctx context.Context, name string, id uint32) error {
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return err
	}
	defer store.Close()
	change := &keyChange{Name: name, Key: id, DryRun: c.bool("dry-run")}
	err = c.recorded(ctx, store, "keys retire --undo", "restored", change, func() error {
		ring, err := store.Open(ctx, name)
		if err == nil {
			err = findKey(ring.Info(), id, func(k keys.KeyInfo) error {
				if !k.Retired() {
					return fmt.Errorf("key %q: %d is %s, not retired", name, id, k.Status)
				}
				return nil
			})
		}
		if err == nil && !change.DryRun {
			err = store.Restore(ctx, name, id)
			change.Done = err == nil
		}
		return err
	})
	return c.printChange(change, "restore", err)
}

// printChange tells what was done, and what stood in the way.
func (c *call) printChange(change *keyChange, what string, err error) error {
	if c.bool("json") {
		change.Stored = list(change.Stored)
		if printErr := c.printJSON(change); err == nil {
			err = printErr
		}
		return err
	}
	if err != nil {
		if len(change.Stored) > 0 {
			_ = c.printStored(change.Stored)
		}
		return err
	}
	done := map[string]string{"retire": "retired", "restore": "restored", "destroy": "destroyed"}[what]
	if change.DryRun {
		done = "would " + what
	}
	if change.Key != 0 {
		_, err = fmt.Fprintf(c.out, "%s key %d of %s\n", done, change.Key, change.Name)
	} else {
		_, err = fmt.Fprintf(c.out, "%s %s\n", done, change.Name)
	}
	return err
}
