package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sort"
	"strings"
	"sync"
	"testing"
)

// message is one frame as it passed.
type message struct {
	typ  byte
	body []byte
	rows int // for 'D' and 'd' of the server: how many in a row; body is then empty
}

// session is what one client sent and was answered.
type session struct {
	application string
	startup     []byte
	order       int // of its connection among all
	client      []message
	server      []message
}

// tap relays connections and records their messages.
type tap struct {
	port     int
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu       sync.Mutex
	sessions []*session
	conns    map[net.Conn]struct{}
}

// startTap listens on a free port in front of a side, whose port it becomes.
func startTap(t *testing.T, on *side) (*tap, *side) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{listener: l, port: l.Addr().(*net.TCPAddr).Port, target: on.address(), conns: make(map[net.Conn]struct{})}
	p.done.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.done.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() { p.stop() })
	tapped := *on
	tapped.port = p.port
	return p, &tapped
}

// stop ends all connections and gives the sessions in the order of their beginning.
func (p *tap) stop() []*session {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
	sort.Slice(p.sessions, func(i, j int) bool { return p.sessions[i].order < p.sessions[j].order })
	return p.sessions
}

func (p *tap) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		client.Close()
		return
	}
	s := &session{}
	p.mu.Lock()
	s.order = len(p.sessions)
	p.sessions = append(p.sessions, s)
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { s.fromClient(client, server) })
	both.Go(func() { s.fromServer(server, client) })
	both.Wait()
	client.Close()
	server.Close()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, server)
	p.mu.Unlock()
}

// fromClient relays the startup packets, none of which asks for encryption, and then
// messages.
func (s *session) fromClient(from, to net.Conn) {
	defer closeWrite(to)
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return
	}
	s.startup = make([]byte, binary.BigEndian.Uint32(length[:])-4)
	if _, err := io.ReadFull(from, s.startup); err != nil {
		return
	}
	if _, err := to.Write(append(length[:], s.startup...)); err != nil {
		return
	}
	fields := strings.Split(string(bytes.TrimRight(s.startup[4:], "\x00")), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "application_name" {
			s.application = fields[i+1]
		}
	}
	relay(from, to, func(m message) { s.client = append(s.client, m) })
}

func (s *session) fromServer(from, to net.Conn) {
	defer closeWrite(to)
	relay(from, to, func(m message) {
		last := len(s.server) - 1
		if m.typ == 'D' || m.typ == 'd' {
			if last >= 0 && s.server[last].typ == m.typ {
				s.server[last].rows++
				return
			}
			m.rows, m.body = 1, nil
		}
		s.server = append(s.server, m)
	})
}

// relay copies frames, telling record of each before it is passed on.
func relay(from, to net.Conn, record func(message)) {
	var header [5]byte
	for {
		if _, err := io.ReadFull(from, header[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		record(message{typ: header[0], body: body})
		if _, err := to.Write(append(header[:], body...)); err != nil && !errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
