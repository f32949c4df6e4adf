package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// Exit statuses besides 0.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell says it of SIGINT
)

func main() { os.Exit(run()) }

func run() int {
	opts, err := parseOptions(os.Args[1:], os.Getenv)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		return exitUsage
	}
	clearEnvironment()
	ctx, cancel := untilEnd()
	defer cancel()
	s := newScreen(os.Stdout, cancel)
	d := &demo{options: opts, screen: s}
	err = d.run(ctx)
	// A second Ctrl-C changes nothing: the signals are still caught.
	if closing := d.close(); closing != nil {
		err = fmt.Errorf("%w, and not everything could be ended: %w", cmp.Or(err, errEnded), closing)
	}
	switch {
	case err == nil:
		return 0
	case err == errEnded:
		s.line("ended; nothing is left behind")
		return 0
	case err == errInterrupted:
		s.line("interrupted; nothing is left behind")
		return exitInterrupted
	default:
		fmt.Fprintln(os.Stderr, s.paint(red+bold, "demo:"), err)
		return exitFailed
	}
}

// How a demo ends that nothing went wrong in, other than with its tour alone.
var (
	errEnded       = errors.New("ended")       // after the tour
	errInterrupted = errors.New("interrupted") // before
)

// clearEnvironment takes away what libpq's variables say of connections: the demo's
// are its own.
func clearEnvironment() {
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if strings.HasPrefix(name, "PG") && !strings.HasPrefix(name, "PGVEIL_") {
			os.Unsetenv(name)
		}
	}
}

// untilEnd returns a context that ends on Ctrl-C, on SIGTERM, when the terminal
// closes or nobody reads the output any more, and when the process that started the
// demo is gone, as `go run` and make are after some signals that they do not pass on.
func untilEnd() (context.Context, context.CancelFunc) {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT}
	// Under nohup the demo shall survive its terminal and its parent.
	detached := signal.Ignored(syscall.SIGHUP)
	if !detached {
		signals = append(signals, syscall.SIGHUP)
	}
	// Caught and not looked at: a write that fails says so itself, also one to a
	// connection, which is no reason to end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// They stay caught until the process ends.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, signals...)
	ctx, cancel := context.WithCancel(context.Background())
	parent := os.Getppid()
	go func() {
		defer cancel()
		for detached || parent == 1 || os.Getppid() == parent {
			select {
			case <-caught:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return ctx, cancel
}
