package main

import (
	"context"
	"os"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/proxy/audit"
)

func auditCheckpointExportCommand() *command {
	return &command{
		name:  "audit checkpoint export",
		args:  "[DIR]",
		short: "print signed checkpoints, to be kept on another machine",
		long: `
Verifies an audit log, that of the configuration without DIR, and prints its checkpoints
and a new one of its present end, one a line, as JSON. Kept where nobody of this machine
can change them, they are for pgveil audit verify --checkpoints: it finds a log that was
cut short, put back to an older state, or written anew by somebody who has the MAC key.
Several exports may stand in one file. Nothing is printed of a log with problems, and the
exit status is 1 then. It may run while pgveil serves.`,
		examples: []string{
			"pgveil audit checkpoint export | ssh auditor 'cat >> exported.jsonl'",
			"pgveil audit checkpoint export --closed --public-keyset auditor.json",
		},
		settings: append([]string{"audit.dir", "keys", "log"}, auditKeySettings...),
		flags: func(flags *pflag.FlagSet) {
			logFlags(flags)
			flags.Bool("closed", false, "only the checkpoints in the log, for somebody who cannot sign")
		},
		most: 1,
		run:  auditCheckpointExport,
	}
}

func auditCheckpointExport(ctx context.Context, c *call) error {
	log, err := c.openTrail(ctx)
	if err != nil {
		return err
	}
	defer log.close()
	var signer audit.Signer
	if !c.bool("closed") {
		if signer, err = c.auditSigner(ctx, log.store); err != nil {
			return err
		}
	}
	list, report, err := audit.Checkpoints(log.options, signer)
	if err != nil {
		return err
	}
	if !report.OK() {
		if err := printReport(c.err, log.options.Dir, report); err != nil {
			return err
		}
		return &exitError{status: statusFails}
	}
	return audit.WriteCheckpoints(c.out, list)
}

// auditSigner gives what signs checkpoints.
func (c *call) auditSigner(ctx context.Context, store *secrets) (audit.Signer, error) {
	rings, err := openKeys(ctx, store, auditKeys(c.config))
	if err != nil {
		return nil, err
	}
	var options audit.Options
	err = c.auditOptions(&options, store, rings)
	return options.Signer, err
}

// readCheckpoints reads a file of exported checkpoints; none without a name.
func readCheckpoints(name string) ([]*audit.Checkpoint, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, &config.Error{Place: "--checkpoints", Message: err.Error()}
	}
	defer f.Close()
	list, err := audit.ReadCheckpoints(f)
	if err != nil {
		return nil, &config.Error{Place: "--checkpoints", Message: name + ": " + err.Error()}
	}
	return list, nil
}
