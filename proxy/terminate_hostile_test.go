package proxy

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/scram"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/testenv"
)

// peer is a client that speaks by hand.
type peer struct {
	t *testing.T
	net.Conn
}

// dial connects a role, over TLS if secured.
func (s *terminating) dial(t *testing.T, role string, secured bool) *peer {
	t.Helper()
	return s.dialPort(t, s.port, role, secured)
}

// dialPort is dial to pgveil or to the server itself.
func (s *terminating) dialPort(t *testing.T, port int, role string, secured bool) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	p := &peer{t, conn}
	if secured {
		p.send(string(wire.AppendSSLRequest(nil)))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		p.Conn = tls.Client(conn, &tls.Config{RootCAs: s.ca.Pool(), ServerName: "localhost"})
	}
	p.send(string(wire.AppendStartup(nil, []wire.StartupParam{{Name: "user", Value: role}, {Name: "database", Value: "postgres"}})))
	return p
}

func (p *peer) send(data string) {
	p.t.Helper()
	if _, err := p.Write([]byte(data)); err != nil {
		p.t.Fatal(err)
	}
}

// next gives one message.
func (p *peer) next() (typ byte, body string) {
	p.t.Helper()
	head := make([]byte, 5)
	if _, err := io.ReadFull(p, head); err != nil {
		p.t.Fatal(err)
	}
	rest := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
	if _, err := io.ReadFull(p, rest); err != nil {
		p.t.Fatal(err)
	}
	return head[0], string(rest)
}

// initial is a SASLInitialResponse.
func initial(mechanism, data string) string {
	return message('p', mechanism+"\x00"+string(binary.BigEndian.AppendUint32(nil, uint32(len(data))))+data)
}

// challenge begins an exchange with this nonce and gives the server's answer.
func (p *peer) challenge(nonce string) string {
	p.t.Helper()
	p.next()
	p.send(initial(scram.SHA256, "n,,n=,r="+nonce))
	typ, body := p.next()
	if typ != 'R' || !strings.HasPrefix(body, "\x00\x00\x00\x0br="+nonce) {
		p.t.Fatalf("%c %q", typ, body)
	}
	return body[4:]
}

// salt is that of an answer, and what follows it.
func salt(answer string) string {
	_, rest, _ := strings.Cut(answer, ",s=")
	return rest
}

func TestTerminatedHostileClient(t *testing.T) {
	s := startTerminating(t, testenv.PostgresOptions{}, []string{"alice"}, nil)
	const code = "FATAL 08P01 "
	// What the server says where it looks at messages in another order.
	differs := map[string]string{
		"a query":             code + "expected SASL response, got message type 81",
		"too long":            `FATAL 28P01 password authentication failed for user "alice"`,
		"a password in clear": code + "client selected an invalid SASL authentication mechanism",
	}
	for _, c := range []struct {
		name    string
		secured bool
		send    string
		want    string // from the server, too, but for differs
	}{
		{"a query", false, message('Q', "SELECT 1\x00"), code + "invalid frontend message type 81"},
		{"Terminate", false, message('X', ""), code + "expected SASL response, got message type 88"},
		{"too long", false, "p\x00\x01\x00\x00", code + "invalid message length"},
		{"of length -2", false, message('p', "SCRAM-SHA-256\x00\xff\xff\xff\xfe"), code + "insufficient data left in message"},
		{"cut short", false, message('p', "SCRAM-SHA-256\x00\x00\x00\x00\x09n,,"), code + "insufficient data left in message"},
		{"no mechanism", false, message('p', ""), code + "invalid string in message"},
		{"a password in clear", false, message('p', "a password in clear\x00"), code + "insufficient data left in message"},
		{"a mechanism not offered", false, initial(scram.SHA256Plus, "p=tls-server-end-point,,n=,r=x"), code + "client selected an invalid SASL authentication mechanism"},
		{"no SCRAM", false, initial(scram.SHA256, "\x00\x00\x00\x00"), code + "malformed SCRAM message"},
		{"in two messages", false, message('p', "SCRAM-SHA-256\x00\xff\xff\xff\xff") + message('p', "n,,"), code + "malformed SCRAM message"},
		{"downgraded", true, initial(scram.SHA256, "y,,n=,r=x"), "FATAL 28000 SCRAM channel binding negotiation error"},
		{"bound without binding", true, initial(scram.SHA256Plus, "n,,n=,r=x"), code + "malformed SCRAM message"},
		{"bound to another certificate", true, initial(scram.SHA256Plus, "p=tls-server-end-point,,n=,r=x"), "FATAL 28000 SCRAM channel binding check failed"},
		{"a nonce of its own", false, initial(scram.SHA256, "n,,n=,r=x") + message('p', "c=biws,r=x,p="+strings.Repeat("A", 43)+"="), code + "invalid SCRAM response"},
		{"an exchange begun again", false, initial(scram.SHA256, "n,,n=,r=x") + initial(scram.SHA256, "n,,n=,r=x"), code + "malformed SCRAM message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var heard [2]string
			for i, port := range []int{s.port, s.postgres.Port()} {
				p := s.dialPort(t, port, "alice", c.secured)
				p.send(c.send)
				if c.want == "FATAL 28000 SCRAM channel binding check failed" {
					p.next()
					_, answer := p.next()
					nonce, _, _ := strings.Cut(answer[6:], ",")
					p.send(message('p', "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAAA,r="+nonce+",p="+strings.Repeat("A", 43)+"="))
				}
				heard[i] = errorIn(readAll(p))
			}
			if heard[0] != c.want {
				t.Errorf("%s, want %s", heard[0], c.want)
			}
			if heard[0] != heard[1] && heard[1] != differs[c.name] {
				t.Errorf("%s, from the server itself %s", heard[0], heard[1])
			}
		})
	}
	// Offered is what the connection bears.
	for secured, want := range map[bool]string{false: "SCRAM-SHA-256\x00\x00", true: "SCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00"} {
		if _, body := s.dial(t, "alice", secured).next(); body != "\x00\x00\x00\x0a"+want {
			t.Errorf("%q", body)
		}
	}
	if s.reads["alice"] != 1 {
		t.Errorf("the secret was read %d times", s.reads["alice"])
	}
}

// What somebody who knows no password is told of a role that exists and of one that does
// not is the same, at the same time.
func TestTerminatedUnknownUser(t *testing.T) {
	const delay = 300 * time.Millisecond
	s := startTerminating(t, testenv.PostgresOptions{}, []string{"alice"}, func(c *Config) { c.Terminate.FailureDelay = delay })
	salts := make(map[string]string)
	for _, role := range []string{"alice", "nobody"} {
		for range 2 {
			p := s.dial(t, role, false)
			answer := p.challenge("abc")
			if before, ok := salts[role]; ok && salt(answer) != before {
				t.Errorf("%s: another salt", role)
			}
			salts[role] = salt(answer)
			if !strings.HasSuffix(answer, "==,i=4096") || len(salts[role]) != len("MDEyMzQ1Njc4OWFiY2RlZg==,i=4096") {
				t.Errorf("%s: %q", role, answer)
			}
			nonce, _, _ := strings.Cut(strings.TrimPrefix(answer, "r="), ",")
			sent := time.Now()
			p.send(message('p', "c=biws,r="+nonce+",p="+strings.Repeat("A", 43)+"="))
			heard := readAll(p)
			if took := time.Since(sent); took < delay {
				t.Errorf("%s: told after %v", role, took)
			}
			want := strings.ReplaceAll(`FATAL 28P01 password authentication failed for user "?"`, "?", role)
			if got := errorIn(heard); got != want || heard[0] != 'E' {
				t.Errorf("%s: %s", role, got)
			}
		}
	}
	if salts["alice"] == salts["nobody"] {
		t.Error("all have the same salt")
	}
	for _, role := range []string{"alice", "nobody"} { // once, and again after a wrong password that comes later than a moment
		if n := s.reads[role]; n < 1 || n > 3 {
			t.Errorf("the secret of %s was read %d times", role, n)
		}
	}
	// A mock verifier fits nothing, and no name makes what is remembered grow without bound.
	secrets := newRoleSecrets(&Terminate{MockKey: []byte("a key")})
	for i := range maxKnownRoles + 100 {
		secrets.remember(fmt.Sprint("made up ", i), &knownRole{read: time.Now()})
	}
	if n := len(secrets.known); n != maxKnownRoles {
		t.Errorf("%d are remembered", n)
	}
}
