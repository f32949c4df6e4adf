package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

// command is a command, or a group of commands if run is nil.
type command struct {
	name     string // "keys create"
	args     string // the arguments in the usage line, such as "NAME"
	short    string // for the list of commands
	long     string
	examples []string // without the name of the program
	settings []string // parts of the configuration that are its flags
	flags    func(*pflag.FlagSet)
	most     int // arguments
	run      func(ctx context.Context, c *call) error
}

// call is one call of a command.
type call struct {
	*program
	flags  *pflag.FlagSet
	args   []string
	config *config.Config // nil for commands without settings
}

// bool and text return the value of a flag of the command's own.
func (c *call) bool(name string) bool {
	v, _ := c.flags.GetBool(name)
	return v
}

func (c *call) text(name string) string {
	v, _ := c.flags.GetString(name)
	return v
}

// commands are all commands, in the order of the help.
func commands() []*command {
	return []*command{
		serveCommand(),
		schemaCommand(), schemaCheckCommand(), schemaSQLCommand(), schemaCanaryCommand(), schemaPlanCommand(), schemaApplyCommand(), schemaStatusCommand(),
		keysCommand(), keysCreateCommand(), keysListCommand(), keysShowCommand(), keysRotateCommand(), keysRewrapCommand(),
		keysRetireCommand(), keysDestroyCommand(), keysPublicCommand(),
		reidentifyCommand(),
		auditCommand(), auditVerifyCommand(), auditCheckpointExportCommand(), auditTableCommand(), auditWhoSawCommand(),
		auditByRoleCommand(), auditReportCommand(), breakGlassListCommand(), breakGlassCloseCommand(), auditPurgeCommand(),
		configCommand(), configSchemaCommand(),
		versionCommand(),
	}
}

// run runs a command line and returns the exit status.
func (p *program) run(ctx context.Context, args []string) int {
	err := p.dispatch(ctx, args)
	if err == nil {
		return statusOK
	}
	return p.report(err)
}

func (p *program) dispatch(ctx context.Context, args []string) error {
	all := commands()
	name, rest := splitName(args, all)
	if name == "" {
		return p.top(args, all)
	}
	cmd := find(all, name)
	flags := pflag.NewFlagSet("pgveil "+cmd.name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.BoolP("help", "h", false, "show this help")
	if cmd.flags != nil {
		cmd.flags(flags)
	}
	if len(cmd.settings) > 0 {
		config.Flags(flags, config.Settings(cmd.settings...))
	}
	if err := flags.Parse(rest); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return p.help(cmd, flags)
		}
		return flagError(cmd, flags, err)
	}
	if help, _ := flags.GetBool("help"); help {
		return p.help(cmd, flags)
	}
	if cmd.run == nil {
		return groupError(cmd, flags.Args(), all)
	}
	if flags.NArg() > cmd.most {
		return usageErrorf(cmd, "unexpected argument %q", flags.Arg(cmd.most))
	}
	c := &call{program: p, flags: flags, args: flags.Args()}
	if len(cmd.settings) > 0 {
		var err error
		if c.config, err = config.Load(flags, p.lookupEnv); err != nil {
			return &exitError{status: statusUsage, err: err}
		}
		for _, unknown := range config.UnknownVariables(p.environ()) {
			fmt.Fprintf(p.err, "pgveil: warning: %s\n", unknown)
		}
	}
	return cmd.run(ctx, c)
}

// splitName takes the longest name of a command from the front.
func splitName(args []string, all []*command) (name string, rest []string) {
	for n := min(3, len(args)); n > 0; n-- {
		if name := strings.Join(args[:n], " "); find(all, name) != nil {
			return name, args[n:]
		}
	}
	return "", args
}

func find(all []*command, name string) *command {
	i := slices.IndexFunc(all, func(c *command) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return all[i]
}

// top answers a command line that names no command.
func (p *program) top(args []string, all []*command) error {
	switch {
	case len(args) == 0:
		p.overview(p.err, all)
		return &exitError{status: statusUsage}
	case args[0] == "help":
		if len(args) == 1 {
			p.overview(p.out, all)
			return nil
		}
		if name, rest := splitName(args[1:], all); name != "" && len(rest) == 0 {
			return p.dispatch(context.Background(), append(strings.Fields(name), "--help"))
		}
		return unknownCommand(strings.Join(args[1:], " "), all)
	case args[0] == "--help", args[0] == "-h":
		p.overview(p.out, all)
		return nil
	case args[0] == "--version":
		return p.dispatch(context.Background(), []string{"version"})
	case strings.HasPrefix(args[0], "-"):
		return &exitError{
			status: statusUsage, err: fmt.Errorf("the flag %s stands before the command", args[0]),
			hint: "flags follow the command, as in pgveil serve --config FILE",
		}
	default:
		return unknownCommand(args[0], all)
	}
}

func unknownCommand(name string, all []*command) error {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	return &exitError{
		status: statusUsage, err: fmt.Errorf("unknown command %q%s", name, yamlfile.DidYouMean(name, names)),
		hint: "pgveil help lists the commands",
	}
}

// groupError answers the name of a group without a command of it.
func groupError(group *command, args []string, all []*command) error {
	var names []string
	for _, c := range all {
		if name, ok := strings.CutPrefix(c.name, group.name+" "); ok {
			names = append(names, name)
		}
	}
	message := fmt.Sprintf("pgveil %s needs a command: %s", group.name, strings.Join(names, ", "))
	if len(args) > 0 {
		message = fmt.Sprintf("pgveil %s: unknown command %q%s", group.name, args[0], yamlfile.DidYouMean(args[0], names))
	}
	return &exitError{status: statusUsage, err: errors.New(message), hint: "see pgveil " + group.name + " --help"}
}

// flagError adds a suggestion to an error of pflag.
func flagError(cmd *command, flags *pflag.FlagSet, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &invalid):
		// Without the value, which pflag would repeat: it may be a misplaced secret.
		return usageErrorf(cmd, "--%s: %v", invalid.GetFlag().Name, invalid.Unwrap())
	case !errors.As(err, &unknown):
		return usageErrorf(cmd, "%v", err)
	}
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return usageErrorf(cmd, "%v%s", err, yamlfile.DidYouMean("--"+unknown.GetSpecifiedName(), names))
}
