package testenv

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Kill ends the postmaster by SIGKILL, or with immediate by SIGQUIT (immediate shutdown),
// and keeps its data for [Postgres.Revive]. After SIGKILL sessions end when they notice.
func (p *Postgres) Kill(immediate bool) error {
	if immediate {
		return p.process().kill(syscall.SIGQUIT)
	}
	return p.process().kill(syscall.SIGKILL)
}

// Revive starts a server again that was killed, on the same port with the same data. It
// waits for sessions that a killed postmaster has left: the server starts behind them.
func (p *Postgres) Revive(ctx context.Context) error {
	for {
		err := p.launch(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err := errors.Join(p.process().close(true), ctx.Err()); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Kill ends the server by SIGKILL and keeps its files for Restart, which needs
// VaultOptions.Persistent.
func (v *Vault) Kill() error { return v.process().kill(syscall.SIGKILL) }

// kill ends the server by a signal, as a crash does, and keeps its directory.
func (p *process) kill(s syscall.Signal) error {
	// The watcher removes the directory only once close has told it to.
	if err := p.signal(s); err != nil {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("%s does not end by signal %v", p.name, s), p.close(true))
	}
	return p.close(true)
}
