package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/keys"
)

func keysDestroyCommand() *command {
	return &command{
		name:  "keys destroy",
		args:  "NAME [KEY-ID]",
		short: "destroy a retired key, or a whole keyset and so erase what it sealed",
		long: `
With KEY-ID, removes one retired key from a keyset and destroys the older versions of
the keyset, which hold it; refused while a stored value needs it, as keys retire is.
Without, destroys the whole keyset, all versions of it: everything that it sealed
becomes unreadable for good, in the databases, their replicas and backups. Shows first
what that is. It cannot be undone: the name has to be typed, or given a second time.`,
		examples: []string{
			"pgveil keys destroy medical 1873260945",
			"pgveil keys destroy leaving_laboratory --dry-run",
			"pgveil keys destroy leaving_laboratory --yes-destroy leaving_laboratory --json",
		},
		settings: append([]string{"keys", "schema", "server", "login", "log"}, recordSettings...),
		flags: func(flags *pflag.FlagSet) {
			flags.String("yes-destroy", "", "`name` of the key, instead of typing it")
			waitFlag(flags)
			flags.Bool("dry-run", false, "count, and only say what would be done")
			flags.Bool("json", false, "print JSON")
		},
		most: 2,
		run:  keysDestroy,
	}
}

func keysDestroy(ctx context.Context, c *call) error {
	cmd := keysDestroyCommand()
	name, id, err := c.keyArguments(cmd)
	if err != nil {
		return err
	}
	if yes := c.text("yes-destroy"); yes != "" && yes != name {
		return usageErrorf(cmd, "--yes-destroy names %q, and the key is %q", yes, name)
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
	err = c.recorded(ctx, use.store, "keys destroy", "destroyed", change, func() error {
		if id == 0 {
			return c.destroyAll(ctx, use, change, wait)
		}
		return c.destroyKey(ctx, use, change, wait)
	})
	return c.printChange(change, "destroy", err)
}

// destroyKey destroys one key of a keyset, which nothing needs.
func (c *call) destroyKey(ctx context.Context, use *keyUse, change *keyChange, wait time.Duration) error {
	version, err := c.unneeded(ctx, use, change, wait, func(k keys.KeyInfo) error {
		if !k.Retired() {
			return fmt.Errorf("key %q: %d is %s; pgveil keys retire comes first", change.Name, k.ID, k.Status)
		}
		return c.outlived(use.store, change.Name, k, wait)
	})
	if err != nil || change.DryRun {
		return err
	}
	if err := c.confirm(change.Name); err != nil {
		return err
	}
	err = use.store.Remove(ctx, change.Name, change.Key, version)
	change.Done = err == nil
	return err
}

// outlived refuses to destroy a key that a pgveil may still seal with because it cannot reach
// Vault. A time of waiting that is left is waited anyway.
func (c *call) outlived(store *secrets, name string, k keys.KeyInfo, wait time.Duration) error {
	left := c.config.KeysMaxStale - time.Since(k.RetiredAt)
	if k.RetiredAt.IsZero() {
		left = c.config.KeysMaxStale
	}
	if store.vault == nil || left <= wait {
		return nil
	}
	return &exitError{
		status: statusFails,
		err: fmt.Errorf("key %q: %d has not been retired for long enough: a pgveil that cannot reach Vault may seal with it for keys.max_stale (%v), which is over in %v",
			name, k.ID, c.config.KeysMaxStale, left.Round(time.Second)),
		hint: "if keys.max_stale of every pgveil is shorter, set it here too: --keys-max-stale",
	}
}

// destroyAll destroys a keyset, whatever needs it.
func (c *call) destroyAll(ctx context.Context, use *keyUse, change *keyChange, wait time.Duration) error {
	if name := change.Name; name == c.config.Audit.MACKey || name == c.config.Audit.SignatureKey {
		return fmt.Errorf("key %q verifies the audit log and is not destroyed", name)
	}
	version, err := use.store.Version(ctx, change.Name)
	if err != nil {
		return err
	}
	ring, err := use.store.Open(ctx, change.Name)
	if err != nil {
		return err
	}
	if change.DryRun {
		wait = 0
	}
	stored, err := use.count(ctx, wait)
	if err != nil {
		return err
	}
	change.Stored = of(stored, ring.Info(), ids(ring.Info())...)
	if !c.bool("json") {
		if err := c.tellErased(change); err != nil {
			return err
		}
	}
	if change.DryRun {
		return nil
	}
	if err := c.confirm(change.Name); err != nil {
		change.Stored = nil // was shown
		return err
	}
	err = use.store.Destroy(ctx, change.Name, version)
	change.Done = err == nil
	return err
}

func (c *call) tellErased(change *keyChange) error {
	if len(change.Stored) > 0 {
		if err := c.printStored(change.Stored); err != nil {
			return err
		}
	}
	places := make(map[string]bool)
	for _, s := range change.Stored {
		if s.Values > 0 {
			places[s.Database+"\x00"+s.Object] = true
		}
	}
	if len(places) == 0 {
		_, err := fmt.Fprintln(c.out, "no stored value needs it; backups may")
		return err
	}
	_, err := fmt.Fprintf(c.out, "%s in %s become unreadable for good, in replicas and backups too\n",
		count(int(sum(change.Stored)), "value"), count(len(places), "place"))
	return err
}

// confirm has the name typed, unless --yes-destroy gives it.
func (c *call) confirm(name string) error {
	if c.text("yes-destroy") == name {
		return nil
	}
	if info, err := c.in.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &exitError{
			status: statusUsage, err: errors.New("this cannot be undone, and nobody is at a terminal to confirm it; nothing was changed"),
			hint: "give the name a second time: --yes-destroy " + name,
		}
	}
	fmt.Fprint(c.err, "This cannot be undone. Type the name of the key to destroy it: ")
	line, err := bufio.NewReader(io.LimitReader(c.in, 1000)).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != name {
		return errors.New("that is not the name; nothing was changed")
	}
	return nil
}
