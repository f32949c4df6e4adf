package proxy_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// dribble relays connections to the server and passes what the server says one byte at
// a time. It gives its port.
func dribble(t *testing.T) func(server *testenv.Postgres) int {
	t.Helper()
	return between(t, func(client io.Writer, server io.Reader) {
		buffer := make([]byte, 4096)
		for {
			n, err := server.Read(buffer)
			for i := range n {
				if _, err := client.Write(buffer[i : i+1]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
}

// TestSplitMessages cuts what the client sends at every byte, while every byte of the
// server comes alone: the answers must be those of whole messages.
func TestSplitMessages(t *testing.T) {
	s := stack.Start(t, stack.Options{Between: dribble(t)})
	fill(t, s)
	c := dialWire(t, s.DSN("biologist"))
	insert := bind("", "i", "7", nir2, "Dupont")
	insert.ParameterFormatCodes = []int16{0, 0, 1}
	conversation := messages{
		query(`SELECT nir, city FROM lab.patient WHERE nir = '` + nir1 + `'; SELECT 1`),
		query(`BEGIN`),
		parse("i", `INSERT INTO lab.result (id, nir, outcome) VALUES ($1, $2, $3) RETURNING outcome`), describe('S', "i"), insert, execute("", 0),
		parse("", `SELECT last_name FROM lab.patient ORDER BY id`), bind("", ""), describe('P', ""), execute("", 1), execute("", 0), closing('S', "i"), sync_,
		query(`SELECT last_name < 'x' FROM lab.patient`),
		query(`ROLLBACK`),
		query(`COPY lab.plain FROM STDIN`), &pgproto3.CopyData{Data: []byte("7\ta note")}, &pgproto3.CopyData{Data: []byte("\tx\n")}, &pgproto3.CopyDone{},
		query(`DELETE FROM lab.plain WHERE id = 7`),
	}
	var sent []byte
	ready := 0
	for _, m := range conversation {
		var err error
		if sent, err = m.Encode(sent); err != nil {
			t.Fatal(err)
		}
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			ready++
		}
	}
	exchange := func(pieces ...[]byte) string {
		_ = c.Conn.SetDeadline(time.Now().Add(20 * time.Second))
		go func() {
			for _, piece := range pieces {
				if _, err := c.Conn.Write(piece); err != nil {
					t.Error(err)
					return
				}
				if len(pieces) > 1 {
					time.Sleep(500 * time.Microsecond) // so that it is read on its own
				}
			}
		}()
		return c.receive(ready)
	}
	want := exchange(sent)
	for _, part := range []string{nir1, "Dupont", "Lefèvre", "PortalSuspended", "ErrorResponse ERROR 0A000", "COPY 1", "DELETE 1"} {
		if !strings.Contains(want, part) {
			t.Fatalf("no %q in\n%s", part, want)
		}
	}
	for at := 1; at < len(sent); at++ {
		if got := exchange(sent[:at], sent[at:]); got != want {
			t.Fatalf("cut at byte %d of %d:\n%s\nwhole:\n%s", at, len(sent), got, want)
		}
	}
	var bytes [][]byte
	for i := range sent {
		bytes = append(bytes, sent[i:i+1])
	}
	if got := exchange(bytes...); got != want {
		t.Fatalf("byte by byte:\n%s\nwhole:\n%s", got, want)
	}
	t.Logf("%d bytes", len(sent))
}
