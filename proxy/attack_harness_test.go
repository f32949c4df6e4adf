package proxy_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// attack is a session that tries to pass pgveil: bursts of messages, each sent at
// once and answered before the next. %s in a text or value is a secret that must
// not reach the server; no sealed value may come back.
type attack struct {
	name   string
	role   string // biologist when empty
	bursts []messages
}

// attackTables are what the attacks need beside the usual tables.
var attackTables = []string{
	`CREATE TABLE lab.twin (id int, nir bytea)`, // of the shape of a tagged table, in the clear
	`GRANT ALL ON ALL TABLES IN SCHEMA lab TO biologist, secretary, researcher`,
	`GRANT CREATE ON SCHEMA other TO biologist, secretary, researcher`,
	`CREATE FUNCTION other.lead(path text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN set_config('search_path', path, false); END $$`,
	`CREATE FUNCTION other.leads() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', new.note, false); RETURN new; END $$`,
	`CREATE TABLE other.paths (note text)`,
	`CREATE TRIGGER leads BEFORE INSERT ON other.paths FOR EACH ROW EXECUTE FUNCTION other.leads()`,
	`GRANT ALL ON ALL TABLES IN SCHEMA other TO biologist, secretary, researcher`,
	`CREATE ROLE alice LOGIN PASSWORD '` + stack.Password + `'`,
	`GRANT biologist, secretary TO alice`,
}

// attackStack is a stack whose server logs all that it gets.
func attackStack(t *testing.T) *stack.Stack {
	t.Helper()
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	for _, sql := range attackTables {
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	return s
}

// secretOf is what stands for %s in attack i.
func secretOf(i int) string { return fmt.Sprintf("Quasimodo%04dEsmeralda", i) }

func withSecret(m pgproto3.FrontendMessage, secret string) pgproto3.FrontendMessage {
	switch m := m.(type) {
	case *pgproto3.Query:
		return &pgproto3.Query{String: strings.ReplaceAll(m.String, "%s", secret)}
	case *pgproto3.Parse:
		p := *m
		p.Query = strings.ReplaceAll(m.Query, "%s", secret)
		return &p
	case *pgproto3.Bind:
		b := *m
		b.Parameters = nil
		for _, v := range m.Parameters {
			b.Parameters = append(b.Parameters, bytes.ReplaceAll(v, []byte("%s"), []byte(secret)))
		}
		return &b
	}
	return m
}

// everything is exchange with all that an error or notice says.
func (c *wireClient) everything(in messages) string {
	c.t.Helper()
	want := 0
	for _, m := range in {
		switch m.(type) {
		case *pgproto3.Sync, *pgproto3.Query, *pgproto3.FunctionCall:
			want++
		}
		c.Frontend.Send(m)
	}
	_ = c.Conn.SetDeadline(time.Now().Add(10 * time.Second))
	if err := c.Frontend.Flush(); err != nil {
		c.t.Fatal(err)
	}
	var lines []string
	for want > 0 {
		m, err := c.Frontend.Receive()
		if err != nil {
			if all := strings.Join(lines, "\n"); !strings.Contains(all, "ErrorResponse FATAL") {
				c.t.Errorf("%v after\n%s", err, all)
			}
			break
		}
		said := line(m)
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			said += fmt.Sprintf(" %q %q %q", m.Detail, m.Hint, m.Where)
		case *pgproto3.NoticeResponse:
			said += fmt.Sprintf(" %q %q", m.Detail, m.Where)
		case *pgproto3.FunctionCallResponse:
			said += fmt.Sprintf(" %q", m.Result)
		case *pgproto3.ReadyForQuery:
			want--
		}
		lines = append(lines, said)
	}
	return strings.Join(lines, "\n")
}

// runAttacks runs each attack in a session of its own and tells what got through.
func runAttacks(t *testing.T, s *stack.Stack, attacks []attack) {
	t.Helper()
	ciphertext := sealedMarks()
	for i, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			role := a.role
			if role == "" {
				role = "biologist"
			}
			c := dialWire(t, s.DSN(role))
			var said []string
			for _, burst := range a.bursts {
				var in messages
				for _, m := range burst {
					in = append(in, withSecret(m, secretOf(i)))
				}
				said = append(said, c.everything(in))
			}
			all := strings.Join(said, "\n--\n")
			for _, c := range ciphertext {
				if strings.Contains(all, c) {
					t.Errorf("sealed values came back:\n%s", all)
				}
			}
			if line := logged(t, s, secretOf(i)); line != "" {
				t.Errorf("reached the server: %s\nthe client saw:\n%s", line, all)
			}
			if testing.Verbose() {
				t.Log(all)
			}
		})
	}
}

// logged gives the first line of the server's log with a secret in it, as it is or in hex.
func logged(t *testing.T, s *stack.Stack, secret string) string {
	t.Helper()
	log, err := os.ReadFile(s.Postgres.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(log), "\n") {
		if strings.Contains(line, secret) || strings.Contains(line, hex.EncodeToString([]byte(secret))) {
			return line
		}
	}
	return ""
}

// sealedMarks are how the first bytes of sealed values look in the forms in which they
// can come back.
func sealedMarks() []string {
	header := keys.Header(1, "")
	return []string{hex.EncodeToString(header[:2]), base64.StdEncoding.EncodeToString(header[:3])[:3], strings.Trim(fmt.Sprintf("%q", header[:2]), `"`), fmt.Sprintf(`\\%03o`, header[0])}
}
