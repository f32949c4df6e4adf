package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/audit"
)

func auditCommand() *command {
	return &command{name: "audit", short: "the audit log", long: "Verifies the audit log and exports what proves it."}
}

func auditVerifyCommand() *command {
	return &command{
		name:  "audit verify",
		args:  "[DIR]",
		short: "look for changed, removed, reordered or inserted records",
		long: `
Reads a whole audit log, that of the configuration without DIR, and tells every record
that is not as it was written, with file and line. It may run while pgveil serves. The
exit status is 1 if anything is wrong.`,
		examples: []string{
			"pgveil audit verify",
			"pgveil audit verify /mnt/archive/audit --first pgveil-000042.jsonl --json",
			"pgveil audit verify --public-keyset auditor.json --anchor 4711:AcYX6KPyO3…",
			"pgveil audit verify --public-keyset auditor.json --checkpoints exported.jsonl",
			"pgveil audit verify --public-keyset auditor.json --signatures-only /mnt/archive/audit",
			`psql evidence -AtXc "SELECT line FROM pgveil.audit_record ORDER BY chain, seq" | pgveil audit verify --lines -`,
		},
		settings: append([]string{"audit.dir", "keys", "log"}, auditKeySettings...),
		flags: func(flags *pflag.FlagSet) {
			logFlags(flags)
			flags.StringArray("anchor", nil, "`anchor` of a record that is known to have been in the log; may be repeated")
			flags.String("checkpoints", "", "`file` of checkpoints that were exported from the log, which has to fit them")
			flags.Bool("signatures-only", false, "verify by the signatures of --public-keyset alone, without any secret key")
			flags.String("lines", "", "verify the lines of a copy, in their order, from a `file` or standard input (-), instead of a directory")
			flags.Bool("json", false, "print JSON")
		},
		most: 1,
		run:  auditVerify,
	}
}

func auditVerify(ctx context.Context, c *call) error {
	options := audit.VerifyOptions{Dir: c.config.Audit.Dir, First: c.text("first")}
	if len(c.args) > 0 {
		options.Dir = c.args[0]
	}
	lines := c.text("lines")
	if lines != "" && len(c.args) > 0 {
		return usageErrorf(auditVerifyCommand(), "--lines is verified instead of a directory")
	}
	if options.Dir == "" && lines == "" {
		return c.config.Missing("audit.dir")
	}
	var err error
	dir := options.Dir
	if lines != "" {
		split, done, err := c.splitLines(lines)
		if err != nil {
			return err
		}
		defer done()
		dir, options.Dir, options.Copy = "", split, true
	}
	if options.Anchors, err = c.anchors(); err != nil {
		return err
	}
	if options.Checkpoints, err = readCheckpoints(c.text("checkpoints")); err != nil {
		return err
	}
	if err := c.verifiers(ctx, &options); err != nil {
		return err
	}
	report, err := audit.Verify(options)
	if err != nil {
		return err
	}
	if c.bool("json") {
		err = c.printJSON(report)
	} else {
		err = printReport(c.out, dir, report)
	}
	if err == nil && !report.OK() {
		err = &exitError{status: statusFails}
	}
	return err
}

// verifiers opens the keys of the audit log.
func (c *call) verifiers(ctx context.Context, options *audit.VerifyOptions) (err error) {
	if options.SignaturesOnly = c.bool("signatures-only"); options.SignaturesOnly {
		if c.text("public-keyset") == "" {
			return usageErrorf(auditVerifyCommand(), "--signatures-only needs --public-keyset")
		}
		options.Verifier, err = c.auditVerifier(ctx, nil, c.text("public-keyset"))
		return err
	}
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return err
	}
	defer store.Close()
	return c.openVerifiers(ctx, store, options)
}

func (c *call) openVerifiers(ctx context.Context, store *secrets, options *audit.VerifyOptions) error {
	rings, err := openKeys(ctx, store, []neededKey{{c.config.Audit.MACKey, keys.TypeMAC}})
	if err != nil {
		return err
	}
	if options.MAC, err = rings[c.config.Audit.MACKey].MAC(); err != nil {
		return err
	}
	options.Verifier, err = c.auditVerifier(ctx, store, c.text("public-keyset"))
	return err
}

func printReport(w io.Writer, dir string, r *audit.Report) error {
	for _, p := range r.Problems {
		p.File = filepath.Join(dir, p.File)
		fmt.Fprintln(w, p)
	}
	if r.MoreProblems > 0 {
		fmt.Fprintf(w, "and %d more problems\n", r.MoreProblems)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	for _, u := range r.Unfinished {
		if u.Command != "" {
			fmt.Fprintf(w, "%s:%d: note: no outcome: %s by %s still runs, or ended before it was done\n", filepath.Join(dir, u.File), u.Line, u.Command, u.User)
			continue
		}
		fmt.Fprintf(w, "%s:%d: note: no outcome: the session %s still runs, or pgveil ended before it did\n", filepath.Join(dir, u.File), u.Line, u.Session)
	}
	if r.MoreUnfinished > 0 {
		fmt.Fprintf(w, "and %d more without an outcome\n", r.MoreUnfinished)
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", r.Kinds[kind], kind))
	}
	period := ""
	if !r.From.IsZero() {
		period = fmt.Sprintf(", %s to %s", r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(w, "%s in %s%s: %s\n", count(r.Records, "record"), count(r.Segments, "segment"), period, strings.Join(kinds, ", "))
	if r.Last != "" {
		fmt.Fprintf(w, "last record: %s\n", r.Last)
	}
	verdict := "the log is as it was written"
	if n := len(r.Problems) + r.MoreProblems; n > 0 {
		verdict = count(n, "problem")
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}

func (c *call) anchors() ([]audit.Anchor, error) {
	texts, _ := c.flags.GetStringArray("anchor")
	var anchors []audit.Anchor
	for _, text := range texts {
		anchor, err := audit.ParseAnchor(text)
		if err != nil {
			return nil, usageErrorf(auditVerifyCommand(), "--anchor: %v", err)
		}
		anchors = append(anchors, anchor)
	}
	return anchors, nil
}

func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
