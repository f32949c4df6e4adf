package proxy

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// message makes a message by hand.
func message(typ byte, body string) string {
	head := binary.BigEndian.AppendUint32([]byte{typ}, uint32(len(body)+4))
	return string(head) + body
}

const (
	authOK        = "\x00\x00\x00\x00"
	authCleartext = "\x00\x00\x00\x03"
	authMD5       = "\x00\x00\x00\x05salt"
	authBoth      = "\x00\x00\x00\x0aSCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00"
)

// exchange runs authenticate between a client and a server that both say what they
// are told to, whatever they hear; it gives what each heard.
func exchange(t *testing.T, s *startup, backendTLS *tls.ConnectionState, server, client string) (toClient, toServer string, told *login, err error) {
	t.Helper()
	clientEnd, conn := pair(t)
	serverEnd, upstream := pair(t)
	s.conn = conn
	_, _ = serverEnd.Write([]byte(server))
	_ = serverEnd.(*net.TCPConn).CloseWrite()
	_, _ = clientEnd.Write([]byte(client))
	_ = clientEnd.(*net.TCPConn).CloseWrite()
	b := &backend{conn: upstream, r: wire.NewReader(upstream, 0), w: wire.NewWriter(upstream, 0), tls: backendTLS}
	b.r.SetLimits(wire.BackendLimits)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	told, err = authenticate(ctx, s, wire.NewReader(conn, 0), wire.NewWriter(conn, 0), b)
	conn.Close()
	upstream.Close()
	heard := func(c net.Conn) string {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		data, _ := io.ReadAll(c)
		return string(data)
	}
	return heard(clientEnd), heard(serverEnd), told, err
}

// errorIn describes the ErrorResponse at the end of what a client heard.
func errorIn(heard string) string {
	for heard != "" && len(heard) >= 5 {
		n := 1 + int(binary.BigEndian.Uint32([]byte(heard[1:])))
		if n > len(heard) {
			return "cut short"
		}
		if heard[0] == 'E' {
			fields, err := wire.DecodeErrorResponse([]byte(heard[5:n]))
			if err != nil {
				return err.Error()
			}
			return string(fields.Get('V')) + " " + string(fields.Get('C')) + " " + string(fields.Get('M'))
		}
		heard = heard[n:]
	}
	return "none"
}

func TestHostileServerAtLogin(t *testing.T) {
	md5 := message('R', authMD5)
	password := message('p', "md50123\x00")
	for _, c := range []struct{ name, server, client, want string }{
		{"ready without authentication", message('Z', "I"), "", "FATAL 08P01 unexpected message of type 90 from the server during authentication"},
		{"ready while a password is awaited", md5 + message('Z', "I"), password, "FATAL 08P01 unexpected message of type 90 from the server during authentication"},
		{"a request after AuthenticationOk", message('R', authOK) + md5, "", "FATAL 08P01 unexpected message of type 82 from the server during authentication"},
		{"rows", message('R', authOK) + message('D', "\x00\x00"), "", "FATAL 08P01 unexpected message of type 68 from the server during authentication"},
		{"a type that does not exist", message('y', ""), "", "FATAL 08P01 invalid message of type 121 from the server"},
		{"a length that cannot be", "R\x00\x00\x00\x03", "", "FATAL 08P01 invalid message of type 82 from the server"},
		{"a request that is too long", "R\x00\x01\x00\x00", "", "FATAL 08P01 invalid message of type 82 from the server"},
		{"a request without a code", message('R', "\x00"), "", "FATAL 08P01 insufficient data left in message"},
		{"a salt that is too short", message('R', authMD5[:6]), "", "FATAL 08P01 invalid message format"},
		{"mechanisms without an end", message('R', authBoth[:20]), "", "FATAL 08P01 invalid string in message"},
		{"an unknown method", message('R', "\x00\x00\x00\x63"), "", "FATAL 0A000 the server asks for authentication method 99, which pgveil does not know"},
		{"GSSAPI", message('R', "\x00\x00\x00\x07"), "", "FATAL 0A000 the server asks for GSSAPI or SSPI authentication, which cannot pass through pgveil"},
		{"SSPI", message('R', "\x00\x00\x00\x09"), "", "FATAL 0A000 the server asks for GSSAPI or SSPI authentication, which cannot pass through pgveil"},
		{"it closes", "", "", "FATAL 08006 the connection to the server broke during authentication"},
		{"it closes after the password", md5, password, "FATAL 08006 the connection to the server broke during authentication"},
		{"it closes within a message", message('R', authOK)[:7], "", "FATAL 08006 the connection to the server broke during authentication"},
		{"a status without a value", message('S', "TimeZone\x00"), "", "FATAL 08P01 invalid string in message"},
		{"a key that is too short", message('K', "\x00\x00\x00\x01k"), "", "FATAL 08P01 invalid length of cancel request key"},
		{"a status that does not exist", message('R', authOK) + message('Z', "?"), "", "FATAL 08P01 invalid message format"},
		{"its own error", message('E', "VFATAL\x00C53300\x00Mfull\x00\x00"), "", "FATAL 53300 full"},
		{"an error without an end", message('E', "VFATAL\x00"), "", "FATAL 08P01 insufficient data left in message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			heard, _, _, err := exchange(t, &startup{}, nil, c.server, c.client)
			if got := errorIn(heard); got != c.want || err == nil {
				t.Errorf("%s, want %s (error %v)", got, c.want, err)
			}
		})
	}
}

func TestHostileClientAtLogin(t *testing.T) {
	scram := message('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00")
	for _, c := range []struct{ name, server, client, want string }{
		{"a query before the password", message('R', authMD5), message('Q', "SELECT 1\x00"), "FATAL 08P01 invalid frontend message type 81"},
		{"Terminate", message('R', authMD5), message('X', ""), "FATAL 08P01 expected password response, got message type 88"},
		{"a password that is too long", message('R', authMD5), "p\x00\x01\x00\x00", "FATAL 08P01 invalid message length"},
		{"a mechanism not offered", scram, initial("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=x"), "FATAL 08P01 client selected an invalid SASL authentication mechanism"},
		{"a response cut short", scram, message('p', "SCRAM-SHA-256\x00\x00\x00\x00\x09n,,"), "FATAL 08P01 insufficient data left in message"},
		{"a response of length -2", scram, message('p', "SCRAM-SHA-256\x00\xff\xff\xff\xfe"), "FATAL 08P01 insufficient data left in message"},
		{"no mechanism", scram, message('p', ""), "FATAL 08P01 invalid string in message"},
		{"binding removed and chosen all the same", message('R', authBoth), initial("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=x"), "FATAL 08P01 client selected an invalid SASL authentication mechanism"},
		{"binding removed and missed", message('R', authBoth), initial("SCRAM-SHA-256", "y,,n=,r=x"), "FATAL 28000 SCRAM channel binding cannot hold between this client and the server"},
		{"only binding offered", message('R', "\x00\x00\x00\x0aSCRAM-SHA-256-PLUS\x00\x00"), "", "FATAL 28000 SCRAM channel binding cannot hold between this client and the server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			heard, toServer, _, err := exchange(t, &startup{}, nil, c.server, c.client)
			if got := errorIn(heard); got != c.want || err == nil {
				t.Errorf("%s, want %s (error %v)", got, c.want, err)
			}
			if toServer != "" {
				t.Errorf("the server heard %q", toServer)
			}
			if e, ok := pgerror.As(err); ok && e.Code == pgerror.InvalidAuthorization && !strings.Contains(e.Hint, "channel_binding=disable") {
				t.Errorf("hint %q", e.Hint)
			}
		})
	}
	// A client that goes away is told nothing, and the server does not hear of it.
	heard, toServer, _, err := exchange(t, &startup{}, nil, message('R', authMD5), "")
	if err != io.EOF || errorIn(heard) != "none" || toServer != "" {
		t.Errorf("%v, client heard %q, server %q", err, heard, toServer)
	}
}

// A password in clear goes only where nobody can read it; the client is not even
// asked for it.
func TestCleartextPassword(t *testing.T) {
	answer := message('p', "secret\x00")
	dialogue := message('R', authCleartext) + message('R', authOK) + message('Z', "I")
	encrypted := &tls.ConnectionState{}
	for _, c := range []struct {
		name    string
		startup startup
		server  *tls.ConnectionState
		want    string
	}{
		{"in clear", startup{}, nil, "FATAL 28000 the server asks for a password in clear, and this connection is not encrypted"},
		{"in clear, server over TLS", startup{}, encrypted, "FATAL 28000 the server asks for a password in clear, and this connection is not encrypted"},
		{"server in clear", startup{tls: encrypted}, nil, "FATAL 28000 the server asks for a password in clear, and its connection with pgveil is not encrypted"},
		{"encrypted", startup{tls: encrypted}, encrypted, "none"},
		{"Unix socket", startup{local: true}, encrypted, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			heard, toServer, told, err := exchange(t, &c.startup, c.server, dialogue, answer)
			if got := errorIn(heard); got != c.want {
				t.Errorf("%s, want %s (error %v)", got, c.want, err)
			}
			if c.want == "none" {
				if err != nil || told.status != 'I' || toServer != answer || heard != dialogue {
					t.Errorf("%v, server heard %q, client %q", err, toServer, heard)
				}
				return
			}
			if toServer != "" || strings.Contains(heard, message('R', authCleartext)) {
				t.Errorf("server heard %q, client %q", toServer, heard)
			}
		})
	}
}

// What the proxy does not answer itself passes as it is.
func TestLoginRelayedAsItIs(t *testing.T) {
	server := message('N', "VNOTICE\x00C00000\x00Mhello\x00\x00") + message('R', authMD5) +
		message('R', authOK) + message('S', "TimeZone\x00UTC\x00") + message('S', "TimeZone\x00GMT\x00") +
		message('K', "\x00\x00\x00\x07a longer key of sixteen bytes...") + message('Z', "I")
	// The server's own negotiation is not the client's.
	negotiated := message('v', "\x00\x03\x00\x00\x00\x00\x00\x00")
	heard, toServer, told, err := exchange(t, &startup{}, nil, negotiated+server, message('p', "md50123\x00"))
	if err != nil || heard != server || toServer != message('p', "md50123\x00") {
		t.Fatalf("%v, client heard %q, server %q", err, heard, toServer)
	}
	if told.parameters["TimeZone"] != "GMT" || told.key.pid != 7 || string(told.key.secret) != "a longer key of sixteen bytes..." {
		t.Errorf("%+v", told)
	}
}

// A client that does not answer is given up as by the server.
func TestSilentClient(t *testing.T) {
	clientEnd, conn := pair(t)
	serverEnd, upstream := pair(t)
	_, _ = serverEnd.Write([]byte(message('R', authMD5)))
	b := &backend{conn: upstream, r: wire.NewReader(upstream, 0), w: wire.NewWriter(upstream, 0)}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := authenticate(ctx, &startup{conn: conn}, wire.NewReader(conn, 0), wire.NewWriter(conn, 0), b)
	conn.Close()
	if e, ok := pgerror.As(err); !ok || e.Code != "57014" {
		t.Error(err)
	}
	_ = clientEnd.SetReadDeadline(time.Now().Add(10 * time.Second))
	heard, _ := io.ReadAll(clientEnd)
	if got := errorIn(string(heard)); got != "FATAL 57014 canceling authentication due to timeout" {
		t.Error(got)
	}
}
