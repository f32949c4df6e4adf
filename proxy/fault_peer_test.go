package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// breakAfter relays connections to the server and breaks one that has passed so many
// bytes to its client. It gives its port.
func breakAfter(t *testing.T, limit int64) func(server *testenv.Postgres) int {
	t.Helper()
	return between(t, func(client io.Writer, server io.Reader) { _, _ = io.CopyN(client, server, limit) })
}

// TestFaultHalfARow: when the server goes away in the middle of a row, nothing that the
// client would take for the rest of it comes behind.
func TestFaultHalfARow(t *testing.T) {
	s := stack.Start(t, stack.Options{Between: breakAfter(t, 300<<10)})
	for _, database := range []string{stack.Database, "postgres"} {
		c := dialWire(t, strings.Replace(s.DSN("biologist"), "dbname="+stack.Database, "dbname="+database, 1))
		_ = c.Conn.SetDeadline(time.Now().Add(20 * time.Second))
		c.Frontend.Send(query(`SELECT repeat('x', 1000000)`))
		if err := c.Frontend.Flush(); err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(c.Conn)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.IndexByte(said, 'x')
		if at < 0 || len(said) < 200<<10 {
			t.Fatalf("%s: %d bytes, no row", database, len(said))
		}
		if rest := bytes.Trim(said[at:], "x"); len(rest) > 0 {
			t.Errorf("%s: behind half a row comes %q", database, rest)
		}
	}
}

// TestFaultShutdown: a session that pgveil carries without looking at it is told, too.
func TestFaultShutdown(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	var clients []*wireClient
	for _, database := range []string{stack.Database, "postgres"} {
		c := dialWire(t, strings.Replace(s.DSN("biologist"), "dbname="+stack.Database, "dbname="+database, 1))
		c.exchange(query(`SELECT 1`)) // the login is over for pgveil, too
		_ = c.Conn.SetDeadline(time.Now().Add(20 * time.Second))
		clients = append(clients, c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for i, c := range clients {
		m, err := c.Frontend.Receive()
		if err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
		if e, ok := m.(*pgproto3.ErrorResponse); !ok || e.Code != "57P01" || e.Severity != "FATAL" {
			t.Errorf("session %d: %s", i, line(m))
		}
		if _, err := c.Frontend.Receive(); err == nil {
			t.Errorf("session %d goes on", i)
		}
	}
}

// panicky is a sealer with a bug.
type panicky struct{ proxy.Sealer }

func (panicky) Open([]byte, []byte) ([]byte, error) { panic("a bug") }
func (panicky) Seal([]byte, []byte) ([]byte, error) { panic("a bug") }

// TestFaultPanic: a bug ends the session that meets it, in either direction, with an
// error that says nothing of it, and no other session.
func TestFaultPanic(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Sealer: func(column *schema.Column, sealer proxy.Sealer) proxy.Sealer {
		if column.Name == "email" {
			return panicky{sealer}
		}
		return sealer
	}})
	other := s.Connect(t, "biologist")
	if _, err := other.Exec(ctx, `INSERT INTO lab.patient (id, nir) VALUES (1, $1)`, nir1); err != nil {
		t.Fatal(err)
	}
	header := s.File.Databases[stack.Database].Column("lab", "patient", "email").Header()
	if err := s.Postgres.ExecIn(ctx, stack.Database, fmt.Sprintf(`UPDATE lab.patient SET email = '\x%x%s'`, header, strings.Repeat("00", 64))); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`INSERT INTO lab.patient (id, email) VALUES (2, 'a@b.fr')`, `SELECT email FROM lab.patient`} {
		c := s.Connect(t, "biologist")
		_, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		if err == nil || !strings.Contains(err.Error(), "XX000") || strings.Contains(err.Error(), "a bug") {
			t.Errorf("%s: %v", sql, err)
		}
		if _, err := c.Exec(ctx, `SELECT 1`); err == nil {
			t.Errorf("%s: the session goes on", sql)
		}
		if got := show(t, other, `SELECT nir FROM lab.patient WHERE id = 1`); !strings.Contains(got, nir1) {
			t.Errorf("another session: %s", got)
		}
	}
}
