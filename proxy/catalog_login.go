package proxy

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// A connection of pgveil's own to a described database outlives the reading of its
// catalog, because DDL comes in bursts (an application's migration) and a new
// connection costs more than what is then read through it.
const (
	// loginIdle is how long it waits for the next. DROP DATABASE and CREATE DATABASE …
	// TEMPLATE wait for 5 s until others have left.
	// Source: PostgreSQL's CountOtherDBBackends.
	loginIdle = 250 * time.Millisecond
	// loginAge bounds it in all: after a failover it may lead to a server that was left.
	loginAge = 5 * time.Second
)

// keptLogin is that connection; its fields are guarded by tracked.loading.
type keptLogin struct {
	conn   *pgx.Conn // nil: none is open
	opened time.Time
	idle   *time.Timer   // closes it
	wait   time.Duration // loginIdle
	// visible is which transactions the last comparison through conn saw, empty if that is
	// not known.
	visible string
}

// withLogin calls read with a connection of pgveil's own: the kept one or, if there is
// none or it has broken, a new one, which is then kept. The caller holds t.loading.
func (t *tracked) withLogin(ctx context.Context, read func(*pgx.Conn) error) error {
	k := &t.login
	if t.moved.Swap(false) {
		t.closeLogin(ctx)
	}
	if k.conn != nil && time.Since(k.opened) < loginAge {
		k.idle.Stop()
		err := read(k.conn)
		if err == nil {
			k.idle.Reset(k.wait)
			return nil
		}
		if ctx.Err() != nil {
			t.closeLogin(ctx)
			return err
		}
	}
	t.closeLogin(ctx)
	conn, err := t.config.Login(ctx, t.name)
	if err != nil {
		return err
	}
	if err := read(conn); err != nil {
		conn.Close(context.WithoutCancel(ctx))
		return err
	}
	k.conn, k.opened = conn, time.Now()
	k.idle = time.AfterFunc(k.wait, func() {
		t.loading <- struct{}{}
		defer func() { <-t.loading }()
		if k.conn == conn {
			t.closeLogin(context.Background())
		}
	})
	return nil
}

// closeLogin closes the kept connection, if there is one.
func (t *tracked) closeLogin(ctx context.Context) {
	t.login.visible = ""
	if k := &t.login; k.conn != nil {
		k.idle.Stop()
		k.conn.Close(context.WithoutCancel(ctx))
		k.conn = nil
	}
}
