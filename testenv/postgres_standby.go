package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Standby starts a hot standby of the server, which streams from it, and waits until it
// answers. The caller must call its Stop, before or after that of the server.
func (p *Postgres) Standby(ctx context.Context) (*Postgres, error) {
	var s *Postgres
	err := withPort(0, func(port int) error {
		s = &Postgres{opts: p.opts, in: p.in, as: p.as, port: port, password: p.password}
		return s.follow(ctx, p)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// follow makes the standby's files and starts it; on an error nothing is left.
func (p *Postgres) follow(ctx context.Context, primary *Postgres) (err error) {
	if p.dir, err = p.as.tempDirInMemory("pgveil-pg-"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Stop())
		}
	}()
	cmd := exec.CommandContext(ctx, p.in.program("pg_basebackup"), "--pgdata", p.dataDir(), "--write-recovery-conf",
		"--host", primary.dir, "--port", strconv.Itoa(primary.port), "--username", SuperUser, "--checkpoint", "fast", "--no-sync")
	p.as.apply(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	segments, err := filepath.Glob(filepath.Join(p.dataDir(), "pg_wal", strings.Repeat("[0-9A-F]", 24)))
	if err != nil {
		return err
	}
	if len(segments) == 0 {
		return errors.New("the base backup has no WAL")
	}
	p.firstWAL = filepath.Base(segments[0])
	if err := appendLines(filepath.Join(p.dataDir(), "postgresql.conf"), os.O_APPEND, []string{
		"port = " + strconv.Itoa(p.port),
		"unix_socket_directories = '" + p.dir + "'",
	}); err != nil {
		return err
	}
	return p.launch(ctx)
}

// Promote makes a standby a primary and waits until it is.
func (p *Postgres) Promote(ctx context.Context) error {
	var promoted bool
	if err := p.query(ctx, "SELECT pg_promote()", &promoted); err != nil {
		return err
	}
	if !promoted {
		return errors.New("the standby has not been promoted in time")
	}
	return nil
}

// Crash ends the server at once, as a failing machine does (immediate shutdown), and
// waits until it is gone.
func (p *Postgres) Crash(ctx context.Context) error {
	proc := p.process()
	if err := proc.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	select {
	case <-proc.exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
