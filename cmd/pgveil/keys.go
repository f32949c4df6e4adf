package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/keys"
)

func keysCommand() *command {
	return &command{name: "keys", short: "keys in Vault", long: "Makes and lists the keysets that columns and the audit log need. No command shows a key."}
}

func keysCreateCommand() *command {
	return &command{
		name:  "keys create",
		args:  "[NAME]...",
		short: "make a key, or all that are needed",
		long: `
Makes a keyset of one new key for each NAME. It never replaces one. With --all it makes
those that the schema file and the audit log need and that are not there yet, each of
the type that it needs.

The key of one value of a key by value is called as the schema file calls the key, .by. and
the value: results.by.42. It needs no type.`,
		examples: []string{
			"pgveil keys create identity --type deterministic",
			"pgveil keys create medical billing --type randomized",
			"pgveil keys create cohort-2026 --type pseudonym",
			"pgveil keys create --all",
			"pgveil keys create results.by.42",
		},
		settings: append([]string{"keys", "schema", "log"}, recordSettings...),
		flags: func(flags *pflag.FlagSet) {
			flags.StringP("type", "t", "", "`type`: randomized or deterministic for columns, pseudonym for a project, mac or signature for the audit log")
			flags.Bool("all", false, "make all keys that the schema file and the audit log need")
			flags.Bool("json", false, "print JSON")
		},
		most: 1 << 10,
		run:  keysCreate,
	}
}

func keysPublicCommand() *command {
	return &command{
		name:  "keys public",
		args:  "[NAME]",
		short: "print the public keys of a signature key",
		long: `
Prints the public keys of a key of type signature, that of the audit log without NAME,
as a Tink keyset in JSON. Kept where pgveil cannot change it, it is for
pgveil audit verify --public-keyset.`,
		examples: []string{"pgveil keys public > auditor.json"},
		settings: []string{"keys", "audit.signature_key", "audit.signature_transit", "log"},
		most:     1,
		run: func(ctx context.Context, c *call) error {
			store, err := c.openSecrets(ctx, c.logger(), false)
			if err != nil {
				return err
			}
			defer store.Close()
			var verifier *keys.Verifier
			if len(c.args) > 0 {
				verifier, err = storedVerifier(ctx, store, c.args[0])
			} else {
				verifier, err = c.auditVerifier(ctx, store, "")
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.out, "%s\n", verifier.PublicKeyset())
			return err
		},
	}
}

func keysCreate(ctx context.Context, c *call) error {
	wanted, err := c.wantedKeys()
	if err != nil {
		return err
	}
	store, err := c.openSecrets(ctx, c.logger(), true)
	if err != nil {
		return err
	}
	defer store.Close()
	made, err := c.createKeys(ctx, store, wanted)
	errs := []error{err}
	if c.bool("json") {
		errs = append(errs, c.printJSON(map[string]any{"created": list(made)}))
		return errors.Join(errs...)
	}
	for _, info := range made {
		fmt.Fprintf(c.out, "created %s, %s\n", info.Name, info.Type)
	}
	if len(made) == 0 && err == nil {
		fmt.Fprintln(c.out, "all keys are there already")
	}
	return errors.Join(errs...)
}

// createKeys makes what is wanted and records it. What was made is given beside an error.
func (c *call) createKeys(ctx context.Context, store *secrets, wanted []neededKey) (made []keys.Info, err error) {
	made, wanted, err = c.createAuditKeys(ctx, store, wanted)
	if err != nil {
		return made, err
	}
	if c.bool("all") {
		if wanted, err = missingKeys(ctx, store, wanted); len(wanted) == 0 && len(made) == 0 {
			return nil, err
		}
	}
	errs := []error{err}
	var names []string
	for _, info := range made {
		names = append(names, info.Name)
	}
	for _, key := range wanted {
		names = append(names, key.name)
	}
	rec, err := c.record(ctx, store, "keys create", names, 0)
	if err != nil {
		return made, err
	}
	for _, info := range made {
		rec.did(info.Name, primaryOf(info), "created")
	}
	for _, key := range wanted {
		taken, err := takenIDs(ctx, store, key.name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		info, err := store.Create(ctx, key.name, key.kind, taken...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rec.did(key.name, primaryOf(info), "created")
		made = append(made, info)
	}
	return made, rec.end(errors.Join(errs...))
}

// createAuditKeys makes the keys of the audit log, if they are wanted and not there: no record
// can be written before. It gives what is left.
func (c *call) createAuditKeys(ctx context.Context, store *secrets, wanted []neededKey) (made []keys.Info, left []neededKey, err error) {
	dir, err := c.commandsDir()
	if err != nil || dir == "" {
		return nil, wanted, err
	}
	var missing []neededKey
	for _, key := range auditKeys(c.config) {
		switch _, err := openKeys(ctx, store, []neededKey{key}); {
		case err == nil:
		case errors.Is(err, keys.ErrMissing) && slices.Contains(wanted, key):
			missing = append(missing, key)
		case errors.Is(err, keys.ErrMissing):
			return nil, nil, &exitError{
				status: statusFails, err: fmt.Errorf("the command cannot be recorded, and so does nothing: %w", err),
				hint: "pgveil keys create --all makes the keys of the audit log with the others",
			}
		default:
			return nil, nil, err
		}
	}
	for _, key := range missing {
		info, err := store.Create(ctx, key.name, key.kind)
		if err != nil {
			return made, nil, err
		}
		made = append(made, info)
	}
	left = slices.DeleteFunc(slices.Clone(wanted), func(key neededKey) bool { return slices.Contains(missing, key) })
	return made, left, nil
}

// missingKeys gives those of the wanted keys that are not there. The error tells those that
// are there and of another type, or cannot be opened.
func missingKeys(ctx context.Context, store keys.Store, wanted []neededKey) ([]neededKey, error) {
	var missing []neededKey
	var errs []error
	for _, key := range wanted {
		switch _, err := openKeys(ctx, store, []neededKey{key}); {
		case errors.Is(err, keys.ErrMissing):
			missing = append(missing, key)
		default:
			errs = append(errs, err)
		}
	}
	return missing, errors.Join(errs...)
}

// wantedKeys reads what keys create is to make.
func (c *call) wantedKeys() ([]neededKey, error) {
	cmd := keysCreateCommand()
	if c.bool("all") {
		if len(c.args) > 0 || c.text("type") != "" {
			return nil, usageErrorf(cmd, "--all takes neither names nor --type")
		}
		file, err := c.readSchema()
		if err != nil {
			return nil, err
		}
		return neededKeys(c.config, file), nil
	}
	switch {
	case len(c.args) == 0:
		return nil, usageErrorf(cmd, "the name of a key is missing, or --all")
	case c.text("type") == "" && slices.ContainsFunc(c.args, isMember):
		return c.wantedMembers()
	case c.text("type") == "":
		return nil, usageErrorf(cmd, "--type is missing: randomized, deterministic, pseudonym, mac or signature")
	}
	kind, err := keys.ParseKeyType(c.text("type"))
	if err != nil {
		return nil, usageErrorf(cmd, "%v", err)
	}
	var wanted []neededKey
	for _, name := range c.args {
		if err := keys.CheckName(name); err != nil {
			return nil, usageErrorf(cmd, "%v", err)
		}
		wanted = append(wanted, neededKey{name, kind})
	}
	return wanted, nil
}
