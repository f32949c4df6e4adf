package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	p := &program{out: os.Stdout, err: os.Stderr, lookupEnv: os.LookupEnv, environ: os.Environ}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// program is what a command has of the outside world.
type program struct {
	out, err  io.Writer
	lookupEnv func(string) (string, bool)
	environ   func() []string
}
