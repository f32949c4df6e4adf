package conformance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/wire"
)

// script is all that the clients of one test sent, connection by connection.
type script struct {
	name     string
	sessions []*session
}

// scripts gives the tests' sessions in the order in which the tests began. Those of a
// test follow one another: psql has one connection at a time.
func scripts(sessions []*session) []script {
	var all []script
	for _, s := range sessions {
		if s.application == "" {
			continue
		}
		i := slices.IndexFunc(all, func(of script) bool { return of.name == s.application })
		if i < 0 {
			i = len(all)
			all = append(all, script{name: s.application})
		}
		all[i].sessions = append(all[i].sessions, s)
	}
	return all
}

// replay sends what was recorded once more, each Query as Parse, Bind, Describe,
// Execute and Sync, to both sides, and leaves what they answer in direct and through.
func replay(t *testing.T, recorded []*session, direct, through *side, dir string) {
	t.Helper()
	for _, sub := range []string{"direct", "through"} {
		makeOpen(t, filepath.Join(dir, sub))
	}
	started := time.Now()
	var spent [2]time.Duration
	for _, script := range scripts(recorded) {
		for i, on := range []*side{direct, through} {
			began := time.Now()
			var lines []string
			for _, s := range script.sessions {
				p := &player{script: s}
				lines = append(lines, p.play(on)...)
			}
			spent[i] += time.Since(began)
			name := strings.ReplaceAll(script.name, "/", "_")
			write(t, filepath.Join(dir, []string{"direct", "through"}[i], name), lines)
		}
	}
	t.Logf("replayed in %.0f s: directly %.0f s, through pgveil %.0f s", time.Since(started).Seconds(), spent[0].Seconds(), spent[1].Seconds())
}

// player plays one session.
type player struct {
	script *session
	next   int // of the script's messages
	conn   net.Conn
	reader reader
	lines  []string
}

// statementTimeout bounds one answer.
const statementTimeout = 90 * time.Second

// learnt is in what psql asks after it has learnt the OID of what \d is to describe, or
// the number of its temporary schema: another server has others, and so it has of a large
// object, which FunctionCall asks for.
var learnt = regexp.MustCompile(`(?s)FROM pg_catalog\..*'\d{5,}'|'\d{5,}'::pg_catalog\.oid|\bpg_temp_\d`)

var errEnded = errors.New("the session has ended")

// play gives what the session is answered, and what it asked.
func (p *player) play(on *side) []string {
	conn, err := net.Dial("tcp", on.address())
	if err != nil {
		return []string{err.Error()}
	}
	defer conn.Close()
	p.conn = conn
	p.lines = append(p.lines, "> connect")
	startup := binary.BigEndian.AppendUint32(nil, uint32(len(p.script.startup)+4))
	if _, err := conn.Write(append(startup, p.script.startup...)); err != nil {
		return []string{err.Error()}
	}
	err = p.until("Z")
	for err == nil && p.next < len(p.script.client) {
		m := &p.script.client[p.next]
		p.next++
		if m.typ == 'F' || learnt.Match(m.body) {
			continue
		}
		p.lines = append(p.lines, question(m))
		err = p.message(m)
	}
	if err != nil && !errors.Is(err, errEnded) {
		p.lines = append(p.lines, "connection: "+strings.ReplaceAll(err.Error(), on.address(), "server"))
	}
	return p.lines
}

func (p *player) message(m *message) error {
	switch m.typ {
	case 'Q':
		return p.query(m.body)
	case 'S':
		if err := p.send(m.typ, m.body); err != nil {
			return err
		}
		return p.until("Z")
	case 'd', 'c', 'f': // of a COPY that has not begun here
		return nil
	case 'X':
		return errEnded
	}
	return p.send(m.typ, m.body)
}

// query sends a statement in the extended protocol and, where it asks for the data of
// a COPY, the data that followed it in the script.
func (p *player) query(sql []byte) error {
	var err error
	for _, m := range []message{
		{typ: 'P', body: append(append([]byte{0}, sql...), 0, 0)},
		{typ: 'B', body: make([]byte, 8)},
		{typ: 'D', body: []byte("P\x00")},
		{typ: 'E', body: make([]byte, 5)},
		{typ: 'H'},
	} {
		err = errors.Join(err, p.send(m.typ, m.body))
	}
	if err != nil {
		return err
	}
	if err := p.until("CIsEG"); err != nil {
		return err
	}
	if strings.HasPrefix(p.lines[len(p.lines)-1], "G ") {
		for p.next < len(p.script.client) && strings.IndexByte("dcf", p.script.client[p.next].typ) >= 0 {
			m := &p.script.client[p.next]
			p.next++
			if err := p.send(m.typ, m.body); err != nil {
				return err
			}
		}
	}
	if err := p.send('S', nil); err != nil {
		return err
	}
	return p.until("Z")
}

func (p *player) send(typ byte, body []byte) error {
	frame := append([]byte{typ}, 0, 0, 0, 0)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(body)+4))
	_, err := p.conn.Write(append(frame, body...))
	return err
}

// until reads messages up to one of these types.
func (p *player) until(types string) error {
	_ = p.conn.SetReadDeadline(time.Now().Add(statementTimeout))
	var header [5]byte
	for {
		if _, err := io.ReadFull(p.conn, header[:]); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return errors.New("no answer in time")
			}
			return err
		}
		m := message{typ: header[0], body: make([]byte, binary.BigEndian.Uint32(header[1:])-4)}
		if _, err := io.ReadFull(p.conn, m.body); err != nil {
			return err
		}
		switch m.typ {
		case 'D': // the values, too: nothing else runs meanwhile
			p.lines = append(p.lines, dataRow(m.body))
		case 'd':
			p.lines = append(p.lines, fmt.Sprintf("CopyData %q", masked(string(m.body))))
		default:
			p.lines = append(p.lines, p.reader.line(&m))
		}
		if strings.IndexByte(types, m.typ) >= 0 {
			return nil
		}
	}
}

func dataRow(body []byte) string {
	row, err := wire.DecodeDataRow(body)
	if err != nil {
		return "DataRow unreadable: " + err.Error()
	}
	line := "DataRow"
	for row.Next() {
		if row.Null() {
			line += " NULL"
			continue
		}
		line += fmt.Sprintf(" %q", masked(string(row.Value())))
	}
	return line
}
