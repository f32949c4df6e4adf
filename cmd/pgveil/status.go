package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

// The exit statuses.
const (
	statusOK    = 0
	statusFails = 1 // it could not be done, or problems were found
	statusUsage = 2 // the command line, the configuration or the schema file is wrong
)

// exitError is an error with an exit status.
type exitError struct {
	status int
	err    error  // nil if everything has been said
	hint   string // what to do about it; may be ""
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "problems were found"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageErrorf makes the error of a wrong command line.
func usageErrorf(cmd *command, format string, args ...any) error {
	return &exitError{
		status: statusUsage, err: fmt.Errorf("pgveil "+cmd.name+": "+format, args...),
		hint: "see pgveil " + cmd.name + " --help",
	}
}

// report tells an error to a human and returns its exit status.
func (p *program) report(err error) int {
	status, hint := statusFails, ""
	var exit *exitError
	if errors.As(err, &exit) {
		status, hint = exit.status, exit.hint
		if exit.err == nil {
			return status
		}
	}
	var wrong *config.Error
	var file yamlfile.Errors
	var store *keys.StoreError
	switch {
	case errors.As(err, &wrong):
		status = statusUsage
		if hint == "" {
			hint = wrong.Hint
		}
	case errors.As(err, &file):
		status = statusUsage
	case errors.As(err, &store) && errors.Is(store, keys.ErrConfig):
		status = statusUsage
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(p.err, "pgveil: %s\n", strings.TrimRight(strings.TrimPrefix(line, "pgveil "), "\n"))
	}
	if hint != "" {
		fmt.Fprintf(p.err, "hint: %s\n", hint)
	}
	return status
}
