package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// overview prints what pgveil is and its commands.
func (p *program) overview(w io.Writer, all []*command) {
	fmt.Fprint(w, `pgveil stands between applications and PostgreSQL and seals the columns that a
schema file tags.

Usage: pgveil COMMAND [OPTION]...

Commands:
`)
	for _, c := range all {
		if c.run != nil {
			fmt.Fprintf(w, "  %-14s %s\n", c.name, c.short)
		}
	}
	fmt.Fprint(w, `
pgveil COMMAND --help shows the options of a command, and examples.

Exit status: 0 done, 1 it could not be done or problems were found, 2 the command
line, the configuration or the schema file is wrong.
`)
}

// help prints the help of a command.
func (p *program) help(cmd *command, flags *pflag.FlagSet) error {
	w := p.out
	usage := "pgveil " + cmd.name
	if cmd.run == nil {
		usage += " COMMAND"
	}
	if cmd.args != "" {
		usage += " " + cmd.args
	}
	fmt.Fprintf(w, "Usage: %s [OPTION]...\n\n%s\n", usage, strings.TrimSpace(cmd.long))
	if cmd.run == nil {
		fmt.Fprint(w, "\nCommands:\n")
		for _, c := range commands() {
			if name, ok := strings.CutPrefix(c.name, cmd.name+" "); ok {
				fmt.Fprintf(w, "  %-8s %s\n", name, c.short)
			}
		}
		return nil
	}
	if len(cmd.examples) > 0 {
		fmt.Fprint(w, "\nExamples:\n")
		for _, example := range cmd.examples {
			fmt.Fprintf(w, "  %s\n", example)
		}
	}
	fmt.Fprint(w, "\nOptions:\n")
	flags.VisitAll(func(f *pflag.Flag) { printFlag(w, f) })
	if len(cmd.settings) > 0 {
		fmt.Fprint(w, `
Each option of the configuration is also a key of the file (--server-port is port
below server) and a variable of the environment (PGVEIL_SERVER_PORT). An option wins
over a variable, a variable over the file.
`)
	}
	return nil
}

// The layout of the options: where their texts begin, and how long lines get.
const (
	helpIndent = 30
	helpWidth  = 90
)

// printFlag prints a flag in the manner of GNU's programs.
func printFlag(w io.Writer, f *pflag.Flag) {
	name, usage := pflag.UnquoteUsage(f)
	head := "      --" + f.Name
	if f.Shorthand != "" {
		head = "  -" + f.Shorthand + ", --" + f.Name
	}
	if f.Value.Type() != "bool" {
		head += " " + strings.ToUpper(name)
		if f.DefValue != "" && f.DefValue != "[]" {
			usage += " (default " + f.DefValue + ")"
		}
	}
	if len(head) > helpIndent-2 {
		fmt.Fprintln(w, head)
		head = ""
	}
	line := fmt.Sprintf("%-*s", helpIndent, head)
	for i, word := range strings.Fields(usage) {
		if i > 0 && len(line)+1+len(word) > helpWidth {
			fmt.Fprintln(w, line)
			line = strings.Repeat(" ", helpIndent) + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(w, line)
}
