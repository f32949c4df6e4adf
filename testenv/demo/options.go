package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// options are what a user may choose. Each is a flag and, as make passes it on, a
// variable of the environment; the flag wins.
type options struct {
	port       int   // of pgveil; 0 takes a free one
	serverPort int   // of PostgreSQL; 0 takes a free one
	patients   int64 // rows
	results    int64 // rows
	once       bool  // end after the tour
	vault      bool  // keys in Vault instead of an insecure local store
	program    string
}

// The variables of the environment, by flag.
var variables = map[string]string{
	"port":        "PORT",
	"server-port": "SERVER_PORT",
	"patients":    "PATIENTS",
	"results":     "RESULTS",
	"once":        "ONCE",
	"keys":        "KEYS",
	"pgveil":      "PGVEIL_BIN",
}

const usage = `Usage: demo [OPTION]...

Fills a synthetic laboratory through pgveil and shows what three users see.

`

// parseOptions reads the arguments and the environment. The error is for the user;
// pflag.ErrHelp means that help was asked for and is on standard output.
func parseOptions(args []string, getenv func(string) string) (*options, error) {
	o := &options{}
	var store string
	flags := pflag.NewFlagSet("demo", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(os.Stdout)
	flags.Usage = func() {
		fmt.Print(usage + flags.FlagUsages())
		fmt.Println("\nEach is also a variable of the environment: PORT, SERVER_PORT, PATIENTS, RESULTS, ONCE=1, KEYS=vault, PGVEIL_BIN.")
	}
	flags.IntVar(&o.port, "port", 6432, "`port` of 127.0.0.1 that pgveil listens on; 0 for a free one")
	flags.IntVar(&o.serverPort, "server-port", 6433, "`port` of 127.0.0.1 that PostgreSQL itself listens on; 0 for a free one")
	flags.Int64Var(&o.patients, "patients", 2000, "`number` of patients")
	flags.Int64Var(&o.results, "results", 4000, "`number` of results")
	flags.BoolVar(&o.once, "once", false, "end after the tour")
	flags.StringVar(&store, "keys", "local", "where the keys are: local (insecure, in a temporary directory) or `vault` (a real one)")
	flags.StringVar(&o.program, "pgveil", "bin/pgveil", "`path` of the pgveil command")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		name := variables[f.Name]
		value := strings.TrimSpace(getenv(name))
		if f.Changed || value == "" || err != nil {
			return
		}
		if flags.Set(f.Name, value) != nil {
			err = fmt.Errorf("%s=%s is not a %s", name, value, kindOf(f))
		}
	})
	if err != nil {
		return nil, err
	}
	switch store {
	case "local":
	case "vault":
		o.vault = true
	default:
		return nil, fmt.Errorf("KEYS=%s (or --keys): it is local or vault", store)
	}
	return o, o.check()
}

// kindOf names a flag's type for a message.
func kindOf(f *pflag.Flag) string {
	if f.Value.Type() == "bool" {
		return "yes (1) or no (0)"
	}
	return "whole number"
}

func (o *options) check() error {
	const most = 100_000_000
	for _, p := range []struct {
		name  string
		value int
	}{{"PORT (or --port)", o.port}, {"SERVER_PORT (or --server-port)", o.serverPort}} {
		if p.value < 0 || p.value > 65535 {
			return fmt.Errorf("%s: %d is not a TCP port", p.name, p.value)
		}
	}
	switch {
	case o.port != 0 && o.port == o.serverPort:
		return fmt.Errorf("PORT and SERVER_PORT are both %d: pgveil and PostgreSQL need a port each", o.port)
	case o.patients < 1 || o.patients > most:
		return fmt.Errorf("PATIENTS (or --patients): from 1 to %d", most)
	case o.results < 1 || o.results > most:
		return fmt.Errorf("RESULTS (or --results): from 1 to %d", most)
	}
	return nil
}

// takePorts finds free ports where any will do, and makes sure that the others are
// free before anything is started.
func (o *options) takePorts() error {
	for _, p := range []struct {
		number     *int
		variable   string
		whose, say string
	}{
		{&o.port, "PORT", "pgveil", "another port for pgveil: make demo PORT=7432"},
		{&o.serverPort, "SERVER_PORT", "the server", "another port for the server: make demo SERVER_PORT=7433"},
	} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(*p.number)))
		if err != nil {
			if *p.number == 0 {
				return err
			}
			return fmt.Errorf("port %d of 127.0.0.1, which %s shall listen on, cannot be used (%w)\nhint: choose %s",
				*p.number, p.whose, rootCause(err), p.say)
		}
		// Held until both are known, so that they differ.
		defer l.Close()
		*p.number = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// rootCause leaves out what the net package says about the operation.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
