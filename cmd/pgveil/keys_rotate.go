package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/keys"
)

func keysRotateCommand() *command {
	return &command{
		name:  "keys rotate",
		args:  "NAME...",
		short: "add a key to a keyset and make it the primary",
		long: `
Adds a new key to each keyset, waits until every running pgveil has it, and makes it the
primary: from then on values are sealed with it. What was sealed before goes on being
opened; nothing in the database changes. The wait has to be longer than keys.refresh of
every pgveil. A column that is deterministic goes on being sealed with the key that its
values have, as these are compared, until pgveil schema apply seals all of them anew.`,
		examples: []string{
			"pgveil keys rotate medical",
			"pgveil keys rotate medical billing --wait 1m --json",
			"pgveil keys rotate medical --dry-run",
		},
		settings: append([]string{"keys", "log"}, recordSettings...),
		flags: func(flags *pflag.FlagSet) {
			flags.Duration("wait", 30*time.Second, "how long every pgveil has to take the key over before it seals")
			flags.Bool("dry-run", false, "only say what would be done")
			flags.Bool("json", false, "print JSON")
		},
		most: 1 << 10,
		run:  keysRotate,
	}
}

func keysRewrapCommand() *command {
	return &command{
		name:  "keys rewrap",
		args:  "[NAME]...",
		short: "encrypt keysets with the newest version of the KEK",
		long: `
Has Vault's Transit engine encrypt each keyset NAME, or all with --all, with the newest
version of the KEK, after that was rotated in Vault. The keys in it stay the same:
nothing in the database changes, and no pgveil has to be told.`,
		examples: []string{"vault write -f transit/keys/pgveil/rotate && pgveil keys rewrap --all", "pgveil keys rewrap medical"},
		settings: append([]string{"keys", "log"}, recordSettings...),
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("all", false, "all keysets of the store")
			flags.Bool("dry-run", false, "only say what would be done")
			flags.Bool("json", false, "print JSON")
		},
		most: 1 << 10,
		run:  keysRewrap,
	}
}

func keysShowCommand() *command {
	return &command{
		name:     "keys show",
		args:     "NAME",
		short:    "show the keys of a keyset",
		long:     "Shows the keys of a keyset: their IDs, which is the primary and which seals. No command shows a key itself.",
		examples: []string{"pgveil keys show medical", "pgveil keys show medical --json | jq '.keys[].id'"},
		settings: []string{"keys", "log"},
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("json", false, "print JSON")
		},
		most: 1,
		run:  keysShow,
	}
}

// rotated is what keys rotate has done to a keyset.
type rotated struct {
	Name   string `json:"name"`
	Before uint32 `json:"primary_before"`
	Key    uint32 `json:"primary,omitempty"` // 0 in a dry run

	compared bool // of a deterministic keyset
}

func keysRotate(ctx context.Context, c *call) error {
	if len(c.args) == 0 {
		return usageErrorf(keysRotateCommand(), "the name of a key is missing")
	}
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return err
	}
	defer store.Close()
	plans := make([]rotated, len(c.args))
	for i, name := range c.args { // all before anything is changed
		ring, err := store.Open(ctx, name)
		if err != nil {
			return err
		}
		if ring.Type() == keys.TypePseudonym {
			return &keys.StoreError{Key: name, Reason: keys.ErrOneKey}
		}
		plans[i] = rotated{Name: name, Before: primaryOf(ring.Info()), compared: ring.Type() == keys.TypeDeterministic}
	}
	if c.bool("dry-run") {
		return c.printRotated("would add a key to", plans)
	}
	rec, err := c.record(ctx, store, "keys rotate", c.args, 0)
	if err != nil {
		return err
	}
	if err := rec.end(c.rotate(ctx, store, plans, rec)); err != nil {
		return err
	}
	return c.printRotated("rotated", plans)
}

// rotate adds keys, waits, and makes them the primaries.
func (c *call) rotate(ctx context.Context, store *secrets, plans []rotated, rec *recording) (err error) {
	for i := range plans {
		taken, err := takenIDs(ctx, store, plans[i].Name)
		if err != nil {
			return err
		}
		if plans[i].Key, err = store.AddKey(ctx, plans[i].Name, taken...); err != nil {
			return err
		}
		rec.did(plans[i].Name, plans[i].Key, "added")
	}
	wait, _ := c.flags.GetDuration("wait")
	if wait > 0 && !c.bool("json") {
		fmt.Fprintf(c.out, "added; waiting %v until every pgveil has taken over what was added\n", wait)
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return fmt.Errorf("%w: the keys that were added open values and do not seal; run keys rotate again", ctx.Err())
	}
	for _, plan := range plans {
		if err := store.Promote(ctx, plan.Name, plan.Key); err != nil {
			return err
		}
		rec.did(plan.Name, plan.Key, "promoted")
	}
	return nil
}

func (c *call) printRotated(what string, plans []rotated) error {
	if c.bool("json") {
		return c.printJSON(map[string]any{"rotated": plans, "dry_run": c.bool("dry-run")})
	}
	for _, plan := range plans {
		fmt.Fprintf(c.out, "%s %s, primary %d", what, plan.Name, plan.Before)
		if plan.Key != 0 {
			fmt.Fprintf(c.out, " before and %d now", plan.Key)
		}
		if plan.compared {
			fmt.Fprint(c.out, "; its columns are sealed with it once pgveil schema apply has sealed all of their values anew")
		}
		fmt.Fprintln(c.out)
	}
	return nil
}

func primaryOf(info keys.Info) uint32 {
	for _, k := range info.Keys {
		if k.Primary {
			return k.ID
		}
	}
	return 0
}

func keysRewrap(ctx context.Context, c *call) error {
	if c.bool("all") == (len(c.args) > 0) {
		return usageErrorf(keysRewrapCommand(), "it takes names of keys, or --all")
	}
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return err
	}
	defer store.Close()
	names := c.args
	if c.bool("all") {
		infos, err := store.List(ctx)
		if err != nil {
			return err
		}
		for _, info := range infos {
			if info.Destroyed.IsZero() {
				names = append(names, info.Name)
			}
		}
	}
	done, err := c.rewrap(ctx, store, names)
	if c.bool("json") {
		return errors.Join(err, c.printJSON(map[string]any{"rewrapped": list(done), "dry_run": c.bool("dry-run")}))
	}
	for _, info := range done {
		switch {
		case info.KEK == "":
			fmt.Fprintf(c.out, "%s is not encrypted: there is nothing to rewrap\n", info.Name)
		case c.bool("dry-run"):
			fmt.Fprintf(c.out, "would rewrap %s, encrypted by %s v%d\n", info.Name, info.KEK, info.KEKVersion)
		default:
			fmt.Fprintf(c.out, "rewrapped %s, encrypted by %s v%d\n", info.Name, info.KEK, info.KEKVersion)
		}
	}
	return err
}

// rewrap rewraps keysets and records it, or only describes them in a dry run. What was done is
// given beside an error.
func (c *call) rewrap(ctx context.Context, store *secrets, names []string) (done []keys.Info, err error) {
	do, rec := store.Rewrap, &recording{}
	if c.bool("dry-run") {
		do = func(ctx context.Context, name string) (keys.Info, error) {
			ring, err := store.Open(ctx, name)
			if err != nil {
				return keys.Info{}, err
			}
			return ring.Info(), nil
		}
	} else if rec, err = c.record(ctx, store, "keys rewrap", names, 0); err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range names {
		info, err := do(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rec.did(name, 0, "rewrapped")
		done = append(done, info)
	}
	return done, rec.end(errors.Join(errs...))
}

func keysShow(ctx context.Context, c *call) error {
	if len(c.args) == 0 {
		return usageErrorf(keysShowCommand(), "the name of a key is missing")
	}
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return err
	}
	defer store.Close()
	ring, err := store.Open(ctx, c.args[0])
	if err != nil {
		return err
	}
	info := ring.Info()
	if c.bool("json") {
		return c.printJSON(info)
	}
	created := "-"
	if !info.Created.IsZero() {
		created = info.Created.UTC().Format(time.DateTime)
	}
	fmt.Fprintf(c.out, "%s, %s, created %s, encrypted by %s\n", info.Name, info.Type, created, encryptedBy(info))
	w := c.table()
	fmt.Fprintln(w, "KEY\tSTATUS\t\tAGE")
	for _, k := range info.Keys {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", k.ID, k.Status, roleOf(k), age(k.Added))
	}
	return w.Flush()
}
