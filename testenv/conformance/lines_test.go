package conformance

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"

	"github.com/pgveil/pgveil/proxy/wire"
)

// firstUserOID is FirstNormalObjectId: OIDs from there on differ between two servers.
const firstUserOID = 16384

// reader turns a session's messages into lines of text without what differs between
// two servers: OIDs of its users' objects are numbered as they first appear.
type reader struct{ oids map[uint32]int }

func (r *reader) oid(oid uint32) string {
	if oid < firstUserOID {
		return fmt.Sprint(oid)
	}
	if r.oids == nil {
		r.oids = make(map[uint32]int)
	}
	if _, ok := r.oids[oid]; !ok {
		r.oids[oid] = len(r.oids) + 1
	}
	return fmt.Sprintf("user%d", r.oids[oid])
}

// transcript gives all that a session was answered, behind what it asked. How often
// isolationtester asks whether a session waits depends on the clock, and is left out.
func (r *reader) transcript(s *session) []string {
	var lines []string
	at, from := 0, 0
	polls := false
	for i := range s.server {
		lines = append(lines, r.line(&s.server[i]))
		if s.server[i].typ != 'Z' {
			continue
		}
		if polls {
			lines = lines[:from]
		}
		from, polls = len(lines), false
		for asked := true; asked && at < len(s.client); at++ {
			line := question(&s.client[at])
			lines = append(lines, line)
			polls = polls || strings.HasPrefix(line, "> B isolationtester_waiting")
			asked = s.client[at].typ != 'Q' && s.client[at].typ != 'S' && s.client[at].typ != 'F'
		}
	}
	return lines
}

// question is one message of a client, shortened.
func question(m *message) string {
	if m.typ == 'F' { // of a large object, by its OID
		return fmt.Sprintf("> F %d bytes", len(m.body))
	}
	text := strings.Trim(strings.ReplaceAll(string(m.body), "\x00", " "), " ")
	return fmt.Sprintf("> %c %s", m.typ, numbers.ReplaceAllString(masked(strings.ReplaceAll(text, "\n", " ")), "…"))
}

// line is what one message of the server says.
func (r *reader) line(m *message) string {
	bad := func(err error) string { return fmt.Sprintf("%c unreadable: %v", m.typ, err) }
	switch m.typ {
	case 'K': // BackendKeyData: the process
		return "BackendKeyData"
	case 'R':
		return fmt.Sprintf("Authentication %x", m.body[:4])
	case 'S':
		parts := strings.Split(string(m.body), "\x00")
		return fmt.Sprintf("ParameterStatus %q", parts[:len(parts)-1])
	case 'T':
		fields, err := wire.DecodeRowDescription(m.body)
		if err != nil {
			return bad(err)
		}
		var line strings.Builder
		line.WriteString("RowDescription")
		for fields.Next() {
			f := fields.Field()
			fmt.Fprintf(&line, " %s:table %s.%d:type %s(%d):size %d:format %d", f.Name, r.oid(f.TableOID), f.Attribute, r.oid(f.TypeOID), f.Modifier, f.Size, f.Format)
		}
		return line.String()
	case 't':
		line := "ParameterDescription"
		for at := 2; at+4 <= len(m.body); at += 4 {
			line += " " + r.oid(binary.BigEndian.Uint32(m.body[at:]))
		}
		return line
	case 'D':
		return fmt.Sprintf("DataRow × %d", m.rows)
	case 'd':
		return fmt.Sprintf("CopyData × %d", m.rows)
	case 'E', 'N':
		fields, err := wire.DecodeErrorResponse(m.body)
		if err != nil {
			return bad(err)
		}
		line := map[byte]string{'E': "ErrorResponse", 'N': "NoticeResponse"}[m.typ]
		for fields.Next() {
			code, value := fields.Field()
			line += fmt.Sprintf(" %c=%q", code, masked(string(value)))
		}
		return line
	case 'A': // NotificationResponse: after the process, which differs
		return fmt.Sprintf("NotificationResponse %q", m.body[4:])
	case 'C':
		return fmt.Sprintf("CommandComplete %q", m.body)
	case 'V':
		return fmt.Sprintf("FunctionCallResponse %d bytes", len(m.body))
	case 'Z':
		return fmt.Sprintf("ReadyForQuery %q", m.body)
	}
	return fmt.Sprintf("%c %x", m.typ, m.body)
}

// varying is what differs between two runs of the same statements on two servers.
var varying = regexp.MustCompile(`\b\d{5,}\b|\b[Pp]rocess \d+|\b(?:pivot|transaction) \d+|pg_(?:toast_)?temp_\d+|\(\d+,\d+\)|pgveil-conformance-\d+/[\w./-]*|\b\d+\.\d+ ms\b`)

// numbers and times, in what a client asks, may be out of an earlier answer.
var numbers = regexp.MustCompile(`\d{3,}|\b\d\d:\d\d:\d\d\S*`)

func masked(s string) string { return varying.ReplaceAllString(s, "…") }
