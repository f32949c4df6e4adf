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
	// pgx would read the file of services, and fail where there is none. The other
	// variables of libpq have no effect on pgveil's login.
	os.Unsetenv("PGSERVICE")
	p := &program{in: os.Stdin, out: os.Stdout, err: standardError(), lookupEnv: os.LookupEnv, environ: os.Environ}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// standardError is a duplicate of file descriptor 2. PostgreSQL's parser redirects
// that one to a pipe of its own while it parses; what was written to it then would be
// lost.
func standardError() *os.File {
	fd, err := syscall.Dup(int(os.Stderr.Fd()))
	if err != nil {
		return os.Stderr
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), os.Stderr.Name())
}

// program is what a command has of the outside world.
type program struct {
	in        *os.File
	out, err  io.Writer
	lookupEnv func(string) (string, bool)
	environ   func() []string
}
