package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
)

func schemaCanaryCommand() *command {
	return &command{
		name:  "schema canary",
		args:  "NAME",
		short: "print the schema file's entry of a patient whom nobody should read",
		long: `
Prints lines for the canaries of a database in the schema file: opening values of that
patient is then an alert. The patient's identifier is read from standard input, or asked
for at a terminal, which does not show it; the entry holds keyed tags of it alone. They
are of the key audit.subject_key as it is now; those of a key that was rotated since
count as long as it is enabled.`,
		examples: []string{"pgveil schema canary ward-3 --stop < identifier"},
		settings: []string{"audit.subject_key", "schema", "keys", "log"},
		flags: func(flags *pflag.FlagSet) {
			flags.String("database", "", "`name` of one of the file's databases; all without")
			flags.Bool("stop", false, "end a session that opens values of the patient, before they leave")
		},
		most: 1,
		run:  schemaCanary,
	}
}

func schemaCanary(ctx context.Context, c *call) error {
	if len(c.args) == 0 {
		return usageErrorf(schemaCanaryCommand(), "the name of the canary is missing")
	}
	file, err := c.readSchema()
	if err != nil {
		return err
	}
	names, err := c.databases(schemaCanaryCommand(), file)
	if err != nil {
		return err
	}
	if !hasSubjects(file) {
		return fmt.Errorf("no table of %s has a subject, by which a canary would be seen", c.config.Schema)
	}
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return err
	}
	defer store.Close()
	rings, err := openKeys(ctx, store, []neededKey{{c.config.Audit.SubjectKey, keys.TypeMAC}})
	if err != nil {
		return err
	}
	key, err := c.tagKey(rings)
	if err != nil {
		return err
	}
	identifier, err := c.readIdentifier()
	if err != nil {
		return err
	}
	entries := 0
	for _, name := range names {
		tags := make(map[string]bool)
		for _, column := range file.Databases[name].Subjects() {
			tag, err := proxy.SubjectTag(key, column, identifier)
			if err != nil { // which may quote it
				continue
			}
			tags[tag.String()] = true
		}
		if len(tags) == 0 {
			continue
		}
		entries++
		stop := ""
		if c.bool("stop") {
			stop = ", stop: true"
		}
		fmt.Fprintf(c.out, "# database %q\ncanaries:\n  %q: {tags: [\"%s\"]%s}\n", name, c.args[0], strings.Join(slices.Sorted(maps.Keys(tags)), `", "`), stop)
	}
	if entries == 0 {
		return fmt.Errorf("what was read is no value of any column that is a subject")
	}
	return nil
}
