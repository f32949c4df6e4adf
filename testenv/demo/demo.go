package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/lab"
)

// seed makes the laboratory the same in every run.
const seed = 2021

// searchedUpTo is the number of rows up to which all that the server keeps is
// searched for plaintext after loading.
const searchedUpTo = 20_000

// demo is a run of the demo with all that it started.
type demo struct {
	*options
	screen *screen

	janitor     *janitor
	vaultServer *testenv.Vault
	setup       testenv.VaultSetup
	lab         *laboratory
	pgveil      *pgveil
	made        *lab.Lab
	scenes      []scene
}

// run starts everything, gives the tour and, unless it is to be shown once, waits
// for the end. What it started is ended by close, whatever the error.
func (d *demo) run(ctx context.Context) error {
	err := d.show(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return errInterrupted // and whatever failed did so because of that
	case err != nil || d.once:
		return err
	default:
		return d.stay(ctx)
	}
}

func (d *demo) show(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.prepare, d.startServer, d.startKeys, d.startProxy, d.fill, d.search, d.tour, d.refusals, d.verify,
	} {
		if err := step(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// close ends what runs, in the order of who needs whom.
func (d *demo) close() error {
	var errs []error
	if d.pgveil != nil {
		errs = append(errs, d.pgveil.stop())
	}
	if d.lab != nil {
		errs = append(errs, d.lab.server.Stop())
	}
	if d.vaultServer != nil {
		errs = append(errs, d.vaultServer.Stop())
	}
	if d.janitor != nil {
		errs = append(errs, d.janitor.close())
	}
	return errors.Join(errs...)
}

// prepare checks what can be checked before anything runs.
func (d *demo) prepare(context.Context) error {
	if info, err := os.Stat(d.program); err != nil || info.IsDir() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("there is no program %s\nhint: build it with make build, or name it with --pgveil", d.program)
	}
	if err := d.takePorts(); err != nil {
		return err
	}
	var err error
	if d.made, err = lab.New(seed, d.patients, d.results); err != nil {
		return err
	}
	d.scenes = scenes(d.made, d.patients, d.results)
	d.janitor, err = newJanitor()
	return err
}

func (d *demo) startServer(ctx context.Context) error {
	var err error
	if d.lab, err = startLaboratory(ctx, d.serverPort, d.searchable()); err != nil {
		return err
	}
	d.screen.step("PostgreSQL %d on %s, in a temporary directory", d.lab.server.Major(), d.lab.server.Addr())
	return nil
}

func (d *demo) searchable() bool { return d.patients+d.results <= searchedUpTo }

// startKeys starts Vault where it is wanted.
func (d *demo) startKeys(ctx context.Context) error {
	if !d.vault {
		return nil
	}
	var err error
	if d.vaultServer, err = testenv.StartVault(ctx, testenv.VaultOptions{TLS: true}); err != nil {
		return err
	}
	setup, err := d.vaultServer.SetupPgveil(ctx)
	if err != nil {
		return err
	}
	d.screen.step("Vault on %s; pgveil's AppRole may read keysets and use one Transit key, to decrypt", d.vaultServer.Address())
	d.setup = setup
	return nil
}

// startProxy writes pgveil's files, makes the keys, checks the schema file against
// the server and starts pgveil, all with the command that an operator uses.
func (d *demo) startProxy(ctx context.Context) error {
	d.pgveil = &pgveil{program: d.program, janitor: d.janitor}
	if err := d.configure(ctx); err != nil {
		return err
	}
	if err := d.createKeys(ctx); err != nil {
		return err
	}
	if _, err := d.pgveil.run(ctx, "schema", "check"); err != nil {
		return err
	}
	d.screen.step("pgveil schema check: the schema file and the database agree")
	if err := d.pgveil.serve(ctx, d.port); err != nil {
		return err
	}
	d.screen.step("pgveil serve on 127.0.0.1:%d", d.port)
	return nil
}
