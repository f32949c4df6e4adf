package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopTimeout bounds the end of pgveil, whose clients are gone by then.
const stopTimeout = 10 * time.Second

// pgveil is the command under the demo's configuration.
type pgveil struct {
	program string
	janitor *janitor

	serving *exec.Cmd
	ended   chan error // closed, after one error, when serve has ended
}

func (p *pgveil) auditDir() string   { return p.janitor.path("audit") }
func (p *pgveil) configFile() string { return p.janitor.path("pgveil.yaml") }
func (p *pgveil) logFile() string    { return p.janitor.path("pgveil.log") }

// command makes a call of pgveil. It gets none of the user's own settings.
func (p *pgveil) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	program, err := filepath.Abs(p.program)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, append(args, "--config", p.configFile())...)
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if !strings.HasPrefix(name, "PGVEIL_") && !strings.HasPrefix(name, "VAULT_") {
			cmd.Env = append(cmd.Env, setting)
		}
	}
	cmd.Dir = p.janitor.dir
	// A group of its own keeps the terminal's Ctrl-C away: the demo ends it in turn.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, nil
}

// run runs a command of pgveil to its end and returns its standard output.
func (p *pgveil) run(ctx context.Context, args ...string) (string, error) {
	cmd, err := p.command(ctx, args...)
	if err != nil {
		return "", err
	}
	var said, complained bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complained
	if err := cmd.Run(); err != nil {
		return said.String(), fmt.Errorf("pgveil %s: %w\n%s", strings.Join(args, " "), err,
			strings.TrimSpace(said.String()+complained.String()))
	}
	return said.String(), nil
}

// serve starts pgveil and waits until it accepts connections.
func (p *pgveil) serve(ctx context.Context, port int) error {
	log, err := os.OpenFile(p.logFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, err := p.command(context.WithoutCancel(ctx), "serve")
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := p.start(cmd); err != nil {
		return err
	}
	for {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-p.ended:
			return fmt.Errorf("pgveil serve ended at its start: %w\n%s", err, p.logTail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// start starts the process that serves, and lets the janitor know.
func (p *pgveil) start(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	p.serving, p.ended = cmd, make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("with status 0")
		}
		p.ended <- err
		close(p.ended)
	}()
	return p.janitor.watch(cmd.Process.Pid)
}

// stop ends the process that serves, if there is one.
func (p *pgveil) stop() error {
	if p.serving == nil {
		return nil
	}
	if err := p.serving.Process.Signal(syscall.SIGTERM); err != nil {
		return nil // it has ended
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTimeout):
		err := p.serving.Process.Kill()
		<-p.ended
		return errors.Join(fmt.Errorf("pgveil did not end within %v of SIGTERM and was killed", stopTimeout), err)
	}
}

// logTail is the end of pgveil's own log, for a message.
func (p *pgveil) logTail() string {
	data, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
