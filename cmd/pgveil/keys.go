package main

import (
	"context"
	"errors"
	"fmt"

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
the type that it needs.`,
		examples: []string{
			"pgveil keys create identity --type deterministic",
			"pgveil keys create medical billing --type randomized",
			"pgveil keys create --all",
		},
		settings: []string{"keys", "schema", "audit.mac_key", "audit.signature_key", "log"},
		flags: func(flags *pflag.FlagSet) {
			flags.StringP("type", "t", "", "`type`: randomized or deterministic for columns, mac or signature for the audit log")
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
		settings: []string{"keys", "audit.signature_key", "log"},
		most:     1,
		run: func(ctx context.Context, c *call) error {
			name := c.config.Audit.SignatureKey
			if len(c.args) > 0 {
				name = c.args[0]
			}
			signer, err := c.openSigner(ctx, name)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.out, "%s\n", signer.PublicKeyset())
			return err
		},
	}
}

func (c *call) openSigner(ctx context.Context, name string) (*keys.Signer, error) {
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	rings, err := openKeys(ctx, store, []neededKey{{name, keys.TypeSignature}})
	if err != nil {
		return nil, err
	}
	return rings[name].Signer()
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
	var made []keys.Info
	var errs []error
	for _, key := range wanted {
		info, err := store.create(ctx, key, c.bool("all"))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if info != nil {
			made = append(made, *info)
		}
	}
	if c.bool("json") {
		errs = append(errs, c.printJSON(map[string]any{"created": list(made)}))
		return errors.Join(errs...)
	}
	for _, info := range made {
		fmt.Fprintf(c.out, "created %s, %s\n", info.Name, info.Type)
	}
	if len(made) == 0 && len(errs) == 0 {
		fmt.Fprintln(c.out, "all keys are there already")
	}
	return errors.Join(errs...)
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
	case c.text("type") == "":
		return nil, usageErrorf(cmd, "--type is missing: randomized, deterministic, mac or signature")
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

// create makes a key. With missing, one that is there is left alone, which gives
// nil, but has to be of the type.
func (s *secrets) create(ctx context.Context, key neededKey, missing bool) (*keys.Info, error) {
	if missing {
		_, err := openKeys(ctx, s, []neededKey{key})
		if !errors.Is(err, keys.ErrMissing) {
			return nil, err
		}
	}
	info, err := s.Create(ctx, key.name, key.kind)
	if err != nil {
		return nil, err
	}
	return &info, nil
}
