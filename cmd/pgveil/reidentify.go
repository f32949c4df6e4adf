package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// maxReidentified bounds how many pseudonyms one call takes, maxReason its reason, in bytes.
const (
	maxReidentified = 10_000
	maxReason       = 1000
)

func reidentifyCommand() *command {
	return &command{
		name:  "reidentify",
		args:  "--project NAME --column SCHEMA.TABLE.COLUMN --reason TEXT",
		short: "tell whose pseudonyms of a project they are",
		long: `
Reads pseudonyms from standard input, one on a line, and prints each with the value that
it stands for, behind a tab. First it records in the log of commands who asks, why, and for
how many values, with the tags of the subjects; without that record nothing is printed. It
needs the keyset of the project and those of the audit log, and no key of a column: give
whoever may do this a policy in Vault that reads these and nothing else. What is no
pseudonym of the project, column and epoch is told on standard error by its line, and the
exit status is then 1.`,
		examples: []string{
			"pgveil reidentify --project cohort-2026 --column lab.patient.nir --reason 'incidental finding, ethics 2026-114' < pseudonyms.txt",
			"pgveil reidentify --project cohort-2026 --column lab.patient.nir --epoch 1 --reason 'audit of 2025' --json < old.txt",
		},
		settings: append([]string{"schema", "keys", "audit.subject_key", "log"}, recordSettings...),
		flags: func(flags *pflag.FlagSet) {
			flags.String("project", "", "`name` of the project")
			flags.String("column", "", "`schema.table.column` that the pseudonyms are of")
			flags.String("database", "", "`name` of the database, where several have such a column")
			flags.Int("epoch", 0, "`number` of the epoch that the pseudonyms were made in (default that of the schema file)")
			flags.String("reason", "", "why, for the record: `text`")
			flags.Bool("json", false, "print JSON")
		},
		run: reidentify,
	}
}

// reidentified is one line of the answer. Value is "" where there is none.
type reidentified struct {
	Pseudonym string `json:"pseudonym"`
	Value     string `json:"value,omitempty"`
	Found     bool   `json:"found"`
}

func reidentify(ctx context.Context, c *call) error {
	cmd := reidentifyCommand()
	for _, name := range []string{"project", "column", "reason"} {
		if strings.TrimSpace(c.text(name)) == "" {
			return usageErrorf(cmd, "--%s is missing", name)
		}
	}
	if len(c.text("reason")) > maxReason {
		return usageErrorf(cmd, "the reason has more than %d bytes", maxReason)
	}
	file, err := c.readSchema()
	if err != nil {
		return err
	}
	column, project, formats, err := c.disclosed(cmd, file)
	if err != nil {
		return err
	}
	if dir := &c.config.Audit; dir.Commands == "" {
		if dir.Dir == "" {
			return c.config.Missing("audit.commands")
		}
		dir.Commands = filepath.Clean(dir.Dir) + "-commands" // with an insecure store, too
	}
	pseudonyms, err := readPseudonyms(c.in)
	if err != nil {
		return err
	}
	store, err := c.openSecrets(ctx, c.logger(), false)
	if err != nil {
		return err
	}
	defer store.Close()
	rings, err := openKeys(ctx, store, []neededKey{{project.Key, keys.TypePseudonym}})
	if err != nil {
		return err
	}
	answer, found, err := takeBack(rings[project.Key], column, formats, pseudonyms)
	if err != nil {
		return err
	}
	disclosure := &audit.Disclosure{
		Project: project.Name, Epoch: project.Epoch, Column: column.QualifiedName(), Reason: c.text("reason"), Values: found,
	}
	if disclosure.Subjects, err = c.subjectTags(ctx, store, column, answer); err != nil {
		return err
	}
	rec, err := c.recordCommand(ctx, store, audit.Command{Command: cmd.name, Keys: []string{project.Key}, Disclosure: disclosure})
	if err != nil {
		return err
	}
	return rec.end(c.printReidentified(answer))
}

// disclosed finds what the flags name: the column, the project in the epoch asked for, and the
// formats in which its pseudonyms of the column are shown.
func (c *call) disclosed(cmd *command, file *schema.File) (*schema.Column, schema.Project, []schema.Pseudonym, error) {
	project, ok := file.Projects[c.text("project")]
	if !ok {
		return nil, project, nil, usageErrorf(cmd, "the schema file has no project %q", c.text("project"))
	}
	epoch, _ := c.flags.GetInt("epoch")
	if epoch < 0 {
		return nil, project, nil, usageErrorf(cmd, "--epoch %d: the first is 1", epoch)
	}
	if epoch > 0 {
		project.Epoch = epoch
	}
	var columns []*schema.Column
	for _, name := range slices.Sorted(maps.Keys(file.Databases)) {
		if only := c.text("database"); only != "" && name != only {
			continue
		}
		for _, column := range slices.Concat(file.Databases[name].Columns, file.Databases[name].Controlled) {
			if column.QualifiedName() == c.text("column") {
				columns = append(columns, column)
			}
		}
	}
	switch len(columns) {
	case 0:
		return nil, project, nil, usageErrorf(cmd, "the schema file tags no column %q", c.text("column"))
	case 1:
	default:
		return nil, project, nil, usageErrorf(cmd, "several databases have a column %q; --database says which", c.text("column"))
	}
	var formats []schema.Pseudonym
	for _, access := range columns[0].Access {
		p := access.Pseudonym
		if access.Verdict != schema.Pseudonymize || p.Project != project.Name {
			continue
		}
		if p.Epoch = project.Epoch; !slices.Contains(formats, p) {
			formats = append(formats, p)
		}
	}
	if len(formats) == 0 {
		return nil, project, nil, usageErrorf(cmd, "no role sees pseudonyms of project %q in column %s", project.Name, columns[0].QualifiedName())
	}
	return columns[0], project, formats, nil
}

// readPseudonyms reads lines.
func readPseudonyms(in io.Reader) ([]string, error) {
	var list []string
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			list = append(list, line)
		}
		if len(list) > maxReidentified {
			return nil, fmt.Errorf("there are more than %d pseudonyms: each call and its record are for as many at most", maxReidentified)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if len(list) == 0 {
		return nil, &exitError{status: statusUsage, err: errors.New("standard input has no pseudonym"), hint: "one on each line"}
	}
	return list, nil
}

// takeBack finds what pseudonyms stand for, as the column's type writes it, and of how many.
func takeBack(ring *keys.Keyring, column *schema.Column, formats []schema.Pseudonym, pseudonyms []string) (answer []reidentified, found int, err error) {
	var made []*keys.Pseudonymizer
	for _, format := range formats {
		p, err := ring.Pseudonymizer(column.PseudonymSpec(format))
		if err != nil {
			return nil, 0, err
		}
		made = append(made, p)
	}
	answer = make([]reidentified, len(pseudonyms))
	var scratch keys.Scratch
	for i, pseudonym := range pseudonyms {
		answer[i].Pseudonym = pseudonym
		canonical, err := column.Type.Canonical(nil, []byte(pseudonym), 0, 0, logical.Compare, nil)
		if err != nil {
			continue
		}
		for _, p := range made {
			value, err := p.Reverse(nil, canonical, &scratch)
			if errors.Is(err, keys.ErrNotPseudonym) {
				continue
			}
			var text []byte
			if err == nil {
				text, err = column.Type.Append(nil, value, 0, nil)
			}
			if err != nil {
				return nil, 0, fmt.Errorf("column %s: a pseudonym cannot be taken back", column.QualifiedName())
			}
			answer[i].Value, answer[i].Found = strings.TrimRight(string(text), " "), true
			found++
			break
		}
	}
	return answer, found, nil
}

// subjectTags gives the tags of the subjects whom the values of a column name, as in the audit log; none of a
// column that names none.
func (c *call) subjectTags(ctx context.Context, store *secrets, column *schema.Column, answer []reidentified) ([]string, error) {
	if column.Subject != column {
		return nil, nil
	}
	rings, err := openKeys(ctx, store, []neededKey{{c.config.Audit.SubjectKey, keys.TypeMAC}})
	if err != nil {
		return nil, err
	}
	key, err := c.tagKey(rings)
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, line := range answer {
		if !line.Found {
			continue
		}
		tag, err := proxy.SubjectTag(key, column, line.Value)
		if err != nil {
			return nil, fmt.Errorf("column %s: a value cannot be tagged", column.QualifiedName())
		}
		if text := tag.String(); !slices.Contains(tags, text) {
			tags = append(tags, text)
		}
	}
	return tags, nil
}

// printReidentified prints what was found, once that is recorded. The error tells the lines of what was
// not.
func (c *call) printReidentified(answer []reidentified) error {
	var missed []string
	for i, line := range answer {
		if !line.Found {
			missed = append(missed, fmt.Sprint(i+1))
		}
	}
	var err error
	if c.bool("json") {
		err = c.printJSON(map[string]any{"values": answer})
	} else {
		var out bytes.Buffer
		for _, line := range answer {
			if line.Found {
				fmt.Fprintf(&out, "%s\t%s\n", line.Pseudonym, strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(line.Value))
			}
		}
		_, err = c.out.Write(out.Bytes())
	}
	if err != nil || len(missed) == 0 {
		return err
	}
	return fmt.Errorf("%d of %d are no pseudonyms of this project, column and epoch: number %s of those given", len(missed), len(answer), strings.Join(missed, ", "))
}
