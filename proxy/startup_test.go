package proxy

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
	"github.com/pgveil/pgveil/testenv"
)

// packet makes a first packet: a version or code and what follows.
func packet(code uint32, rest string) string {
	p := binary.BigEndian.AppendUint32(nil, uint32(8+len(rest)))
	p = binary.BigEndian.AppendUint32(p, code)
	return string(p) + rest
}

func params(list ...string) string { return strings.Join(list, "\x00") + "\x00\x00" }

var (
	sslRequest    = packet(wire.SSLRequest, "")
	gssencRequest = packet(wire.GSSENCRequest, "")
	ada           = packet(wire.Version3, params("user", "ada", "database", "lab"))
)

func TestStartupAccepted(t *testing.T) {
	plain := &ClientTLS{}
	long := strings.Repeat("n", 70)
	for _, c := range []struct{ name, sent, answer, want string }{
		{"plain", ada, "", "ada@lab [user=ada database=lab]"},
		{"database by default", packet(wire.Version3, params("user", "ada")), "", "ada@ada [user=ada]"},
		{"empty database", packet(wire.Version3, params("user", "ada", "database", "")), "", "ada@ada [user=ada database=]"},
		{"the last name counts", packet(wire.Version3, params("database", "a", "user", "u", "user", "v", "database", "b")), "", "v@b [database=a user=u user=v database=b]"},
		{"order and options kept", packet(wire.Version3, params("options", "-c x.y=1", "user", "ada", "client_encoding", "UTF8", "x", "")), "", "ada@ada [options=-c x.y=1 user=ada client_encoding=UTF8 x=]"},
		{"long names are cut", packet(wire.Version3, params("user", long, "database", long)), "", fmt.Sprintf("%[1]s@%[1]s [user=%[1]s database=%[1]s]", long[:63])},
		{"TLS not offered", sslRequest + ada, "N", "ada@lab [user=ada database=lab]"},
		{"GSSAPI encryption not offered", gssencRequest + ada, "N", "ada@lab [user=ada database=lab]"},
		{"both asked for", gssencRequest + sslRequest + ada, "NN", "ada@lab [user=ada database=lab]"},
		{"both asked for, the other way", sslRequest + gssencRequest + ada, "NN", "ada@lab [user=ada database=lab]"},
		{"not for replication", packet(wire.Version3, params("user", "ada", "replication", "Off")), "", "ada@ada [user=ada replication=Off]"},
		{"newer minor version", packet(wire.Version3+2, params("user", "ada")), "v\x00\x00\x00\x0c\x00\x03\x00\x00\x00\x00\x00\x00", "ada@ada [user=ada]"},
		{"protocol options", packet(wire.Version3, params("_pq_.a", "1", "user", "ada", "_pq_.b", "")), "v\x00\x00\x00\x1a\x00\x03\x00\x00\x00\x00\x00\x02_pq_.a\x00_pq_.b\x00", "ada@ada [user=ada]"},
		{"cancel", packet(wire.CancelRequest, "\x00\x00\x12\x34KEY!"), "", "cancel 4660 KEY!"},
		{"cancel with a long key", packet(wire.CancelRequest, "\x00\x00\x12\x34"+strings.Repeat("k", 32)), "", "cancel 4660 " + strings.Repeat("k", 32)},
		{"cancel after SSLRequest", sslRequest + packet(wire.CancelRequest, "\x00\x00\x00\x01KEY!"), "N", "cancel 1 KEY!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Packets one by one, as clients wait for answers; then byte by byte.
			for _, step := range []int{0, 1} {
				client, result := accept(t, plain)
				for sent := c.sent; sent != ""; {
					n := int(binary.BigEndian.Uint32([]byte(sent)))
					one := sent[:n]
					sent = sent[n:]
					if step == 0 {
						_, _ = client.Write([]byte(one))
					}
					for i := 0; step == 1 && i < n; i++ {
						_, _ = client.Write([]byte{one[i]})
					}
					if sent != "" {
						if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
							t.Fatal(err)
						}
					}
				}
				s := <-result
				if s.err != nil {
					t.Fatal(s.err)
				}
				s.conn.Close()
				answer := c.answer
				if n := strings.Count(c.sent, sslRequest) + strings.Count(c.sent, gssencRequest); n > 0 {
					answer = c.answer[n:]
				}
				if got := readAll(client); got != answer {
					t.Errorf("answer %q, want %q", got, answer)
				}
				if got := describe(s.startup); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			}
		})
	}
}

func describe(s *startup) string {
	if s.cancel != nil {
		return fmt.Sprintf("cancel %d %s", s.cancel.pid, s.cancel.secret)
	}
	var list []string
	for _, p := range s.params {
		list = append(list, p.Name+"="+p.Value)
	}
	return fmt.Sprintf("%s@%s [%s]", s.user, s.database, strings.Join(list, " "))
}

// What is wrong at startup is answered as the server answers it.
var badStartups = []struct{ name, sent, want string }{
	{"too short", "\x00\x00\x00\x07abc", ""},
	{"length of nothing", "\x00\x00\x00\x00", ""},
	{"too long", "\x00\x00\x27\x15" + strings.Repeat("x", 100), ""},
	{"negative length", "\xff\xff\xff\xff" + strings.Repeat("x", 100), ""},
	{"another protocol", "GET / HTTP/1.1\r\n\r\n", ""},
	{"cancel without a key", packet(wire.CancelRequest, "\x00\x00\x00\x01"), ""},
	{"protocol 2.0", packet(2<<16, strings.Repeat("\x00", 64)), "EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.0\n\x00"},
	{"protocol 1.0", packet(1<<16, ""), "EFATAL:  unsupported frontend protocol 1.0: server supports 3.0 to 3.0\n\x00"},
	{"protocol 4.1", packet(4<<16+1, params("user", "a")), "FATAL 0A000 unsupported frontend protocol 4.1: server supports 3.0 to 3.0"},
	{"SSLRequest twice", sslRequest + sslRequest, "FATAL 0A000 unsupported frontend protocol 1234.5679: server supports 3.0 to 3.0"},
	{"GSSENCRequest twice", gssencRequest + gssencRequest, "FATAL 0A000 unsupported frontend protocol 1234.5680: server supports 3.0 to 3.0"},
	{"no terminator", packet(wire.Version3, "user\x00a\x00"), "FATAL 08P01 invalid startup packet layout: expected terminator as last byte"},
	{"something after the terminator", packet(wire.Version3, params("user", "a")+"b\x00"), "FATAL 08P01 invalid startup packet layout: expected terminator as last byte"},
	{"value without an end", packet(wire.Version3, "user\x00a"), "FATAL 08P01 invalid startup packet layout: expected terminator as last byte"},
	{"no user", packet(wire.Version3, params("database", "lab")), "FATAL 28000 no PostgreSQL user name specified in startup packet"},
	{"empty user", packet(wire.Version3, params("user", "")), "FATAL 28000 no PostgreSQL user name specified in startup packet"},
	{"nothing at all", packet(wire.Version3, "\x00"), "FATAL 28000 no PostgreSQL user name specified in startup packet"},
	{"bad replication", packet(wire.Version3, params("user", "a", "replication", "maybe")), "FATAL 22023 invalid value for parameter \"replication\": \"maybe\""},
}

// lastError reads everything and describes the ErrorResponse in it.
func lastError(conn net.Conn) string {
	data := readAll(conn)
	if len(data) > 5 && data[0] == 'E' && data[1] == 0 {
		fields, err := wire.DecodeErrorResponse([]byte(data[5:]))
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%s %s %s", fields.Get('V'), fields.Get('C'), fields.Get('M'))
	}
	return data
}

// sendPackets sends packets, waiting for the one-byte answer to each but the last.
func sendPackets(t *testing.T, conn net.Conn, sent string) {
	t.Helper()
	for strings.HasPrefix(sent, sslRequest) || strings.HasPrefix(sent, gssencRequest) {
		_, _ = conn.Write([]byte(sent[:8]))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		sent = sent[8:]
		if sent == sslRequest || sent == gssencRequest {
			break
		}
	}
	_, _ = conn.Write([]byte(sent))
}

func TestStartupRefused(t *testing.T) {
	for _, c := range badStartups {
		t.Run(c.name, func(t *testing.T) {
			client, result := accept(t, &ClientTLS{})
			sendPackets(t, client, c.sent)
			if got := lastError(client); got != c.want {
				t.Errorf("answer %q, want %q", got, c.want)
			}
			if s := <-result; s.err == nil {
				t.Error("accepted")
			}
		})
	}
}

// The server itself gives the same answers.
func TestStartupRefusedAsByServer(t *testing.T) {
	server := startPostgres(t, testenv.PostgresOptions{})
	for _, c := range badStartups {
		if strings.HasPrefix(c.sent, gssencRequest) {
			continue // Debian's server accepts it
		}
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			sendPackets(t, conn, c.sent)
			if got := lastError(conn); got != c.want {
				t.Errorf("the server answers %q, not %q", got, c.want)
			}
		})
	}
	t.Run("negotiation", func(t *testing.T) {
		conn, err := net.Dial("tcp", server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = conn.Write([]byte(packet(wire.Version3+9, params("_pq_.a", "1", "user", "postgres", "_pq_.b", ""))))
		const want = "v\x00\x00\x00\x1a\x00\x03\x00\x00\x00\x00\x00\x02_pq_.a\x00_pq_.b\x00R"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Errorf("the server answers %q, %v", got, err)
		}
	})
}

func TestReplicationRefused(t *testing.T) {
	for _, value := range []string{"database", "true", "t", "TRUE", "yes", "y", "on", "1"} {
		client, result := accept(t, &ClientTLS{})
		_, _ = client.Write([]byte(packet(wire.Version3, params("user", "ada", "replication", value))))
		if got := lastError(client); got != "FATAL 0A000 replication connections are not supported by pgveil" {
			t.Errorf("%s: %s", value, got)
		}
		if e, ok := pgerror.As((<-result).err); !ok || e.Hint == "" {
			t.Errorf("%s: no hint", value)
		}
	}
	for _, value := range []string{"false", "f", "no", "N", "off", "of", "0"} {
		if err := refuseReplication(value); err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
	for _, value := range []string{"", "o", "Database", "2", "falsehood", "trueish"} {
		if e, ok := pgerror.As(refuseReplication(value)); !ok || e.Code != "22023" {
			t.Errorf("%q: %v", value, e)
		}
	}
}

// Bytes that came with a request for encryption came in clear.
func TestSmuggledBytes(t *testing.T) {
	for request, what := range map[string]string{sslRequest: "SSL", gssencRequest: "GSSAPI encryption"} {
		for _, clients := range []*ClientTLS{{}, clientTLS(t, ClientTLSRequire, newCA(t))} {
			client, result := accept(t, clients)
			_, _ = client.Write([]byte(request + ada))
			answer := make([]byte, 1)
			if _, err := io.ReadFull(client, answer); err != nil {
				t.Fatal(err)
			}
			want := "FATAL 08P01 received unencrypted data after " + what + " request"
			if got := lastError(client); got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
			if (<-result).err == nil {
				t.Error("accepted")
			}
		}
	}
}

// What a client sends together with its StartupMessage is not lost.
func TestStartupAndMore(t *testing.T) {
	client, result := accept(t, &ClientTLS{})
	_, _ = client.Write([]byte(ada + "Q\x00\x00\x00\x06;\x00"))
	s := <-result
	if s.err != nil {
		t.Fatal(s.err)
	}
	r := wire.NewReader(s.conn, 0)
	if typ, n, err := r.Next(); typ != 'Q' || n != 2 || err != nil {
		t.Errorf("%q %d %v", typ, n, err)
	}
	_, _ = client.Write([]byte("X\x00\x00\x00\x04"))
	if typ, _, err := r.Next(); typ != 'X' || err != nil {
		t.Errorf("%q %v", typ, err)
	}
}

func TestStartupTimeout(t *testing.T) {
	for _, sent := range []string{"", "\x00\x00\x00", ada[:len(ada)-1], "\x16", sslRequest} {
		client, server := pair(t)
		_, _ = client.Write([]byte(sent))
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		begun := time.Now()
		_, err := acceptStartup(ctx, server, clientTLS(t, ClientTLSAllow, newCA(t)))
		cancel()
		if took := time.Since(begun); err == nil || took > 5*time.Second {
			t.Errorf("%q: error %v after %v", sent, err, took)
		}
	}
}

func TestStartupOverUnixSocket(t *testing.T) {
	l, err := net.Listen("unix", socketDir(t)+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	go func() {
		_, _ = client.Write([]byte(sslRequest))
		_, _ = io.ReadFull(client, make([]byte, 1))
		_, _ = client.Write([]byte(ada))
	}()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s, err := acceptStartup(context.Background(), server, clientTLS(t, ClientTLSRequire, newCA(t)))
	if err != nil || s.tls != nil || !s.local || !s.protected() {
		t.Fatalf("%+v %v", s, err)
	}
}

// FuzzStartup feeds the first packets of strangers.
func FuzzStartup(f *testing.F) {
	f.Add([]byte(ada))
	f.Add([]byte(sslRequest + ada))
	for _, c := range badStartups {
		f.Add([]byte(c.sent))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		client, server := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, client) }()
		go func() {
			_, _ = client.Write(data)
			client.Close()
		}()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s, err := acceptStartup(ctx, server, &ClientTLS{})
		server.Close()
		switch {
		case ctx.Err() != nil:
			t.Fatal("stuck")
		case err != nil:
		case s.cancel == nil && (s.user == "" || s.database == "" || len(s.user) > 63 || len(s.database) > 63):
			t.Fatalf("accepted %+v", s)
		case s.cancel == nil:
			for _, p := range s.params {
				if strings.HasPrefix(p.Name, "_pq_.") {
					t.Fatal("an option of the protocol is relayed")
				}
			}
		}
	})
}
