package audit

import (
	"encoding/hex"
	"strconv"
	"time"
)

// Limits of what a client controls within a record, in bytes of UTF-8.
const (
	maxName      = 256
	maxStatement = 16 << 10
)

// Kinds of record.
const (
	kindSegment    = "segment"    // first of each segment
	kindStart      = "start"      // a process opened the log
	kindStop       = "stop"       // and closed it
	kindIntent     = "intent"     // a statement is about to have values opened
	kindCommand    = "command"    // a command is about to change keys
	kindSubjects   = "subjects"   // whose values a statement has opened, before its outcome
	kindOutcome    = "outcome"    // how one of these ended
	kindRefused    = "refused"    // a statement was refused
	kindAlert      = "alert"      // people were told of something
	kindRecovered  = "recovered"  // the log could not be written for a while
	kindCheckpoint = "checkpoint" // signature over a segment
)

// Record says who wants what. Texts may come from the client: they are bounded,
// escaped and made valid UTF-8 when they are written. Nothing in it may hold a
// value, a literal or a parameter.
type Record struct {
	Session     string   // id of the client's connection
	SessionUser string   // session_user
	Role        string   // current_user
	Roles       []string // whose rights were used
	Client      string   // address of the client
	TLS         string   // subject of the client's certificate; "" for none
	Application string   // application_name
	BreakGlass  string   // id of the alert by which the session reads more than its verdicts allow; "" for none
	EndUser     string   // whom the application claims to act for; "" if it does not say
	Database    string
	Backend     uint32   // process id of the server's backend
	Statement   string   // without literals and comments
	Fingerprint [16]byte // of the statement's shape
	Columns     []Column // the tagged columns that the statement touches
	Searched    []Tag    // of subjects by whose identifiers it searches; at most MaxTags
}

// Column is one use of a tagged column by a statement.
type Column struct {
	Column  string // lab.patient.nir
	Verdict string // decrypt, mask, hide, deny
	How     string // read, search, match, …
}

// Outcome says how a statement ended.
type Outcome struct {
	Rows     int64 // that the client was sent
	Opened   int64 // values that were opened
	Erased   int64 // values that were shown as erased, as their key was destroyed
	Subjects int64 // of whom values were opened: each counted once up to 65,536
	Unnamed  int64 // rows with values of somebody that did not tell of whom
	Tags     []Tag // of subjects, those aside that Intent.Subjects was given; at most MaxTags
	Duration time.Duration
	Ended    string // "ok" or the SQLSTATE of the error
}

// appendHead begins a record: what all kinds have in common.
func appendHead(dst []byte, seq uint64, at time.Time, kind string) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"time":"`...)
	dst = appendTime(dst, at)
	dst = append(dst, `","kind":"`...)
	dst = append(dst, kind...)
	return append(dst, '"')
}

// appendTime appends a time as RFC 3339 has it, UTC, microseconds.
func appendTime(dst []byte, at time.Time) []byte {
	return at.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
}

// room is about how many bytes a record takes.
func (r *Record) room() int { return 512 + len(r.Statement) + 96*len(r.Columns) + 32*len(r.Searched) }

func (r *Record) append(dst []byte) []byte {
	dst = appendField(dst, "session", r.Session, maxName)
	dst = appendField(dst, "session_user", r.SessionUser, maxName)
	dst = appendField(dst, "role", r.Role, maxName)
	dst = append(dst, `,"roles":[`...)
	for i, role := range r.Roles {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, role, maxName)
	}
	dst = append(dst, ']')
	dst = appendField(dst, "client", r.Client, maxName)
	dst = appendField(dst, "tls", r.TLS, maxName)
	dst = appendField(dst, "application", r.Application, maxName)
	if r.EndUser != "" {
		dst = appendField(dst, "claimed_end_user", r.EndUser, maxName)
	}
	if r.BreakGlass != "" {
		dst = appendField(dst, "break_glass", r.BreakGlass, maxName)
	}
	dst = appendField(dst, "database", r.Database, maxName)
	dst = appendNumber(dst, "backend", int64(r.Backend))
	dst = appendField(dst, "statement", r.Statement, maxStatement)
	if len(r.Statement) > maxStatement {
		dst = appendNumber(dst, "statement_bytes", int64(len(r.Statement)))
	}
	dst = append(dst, `,"fingerprint":"`...)
	dst = hex.AppendEncode(dst, r.Fingerprint[:])
	dst = append(dst, `","columns":[`...)
	for i, c := range r.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"column":`...)
		dst = appendString(dst, c.Column, maxName)
		dst = appendField(dst, "verdict", c.Verdict, maxName)
		dst = appendField(dst, "how", c.How, maxName)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if len(r.Searched) > 0 {
		dst = appendTags(dst, "searched", r.Searched)
	}
	return dst
}

func (o *Outcome) append(dst []byte) []byte {
	dst = appendNumber(dst, "rows", o.Rows)
	dst = appendNumber(dst, "opened", o.Opened)
	if o.Erased > 0 {
		dst = appendNumber(dst, "erased", o.Erased)
	}
	if o.Subjects > 0 {
		dst = appendNumber(dst, "subjects", o.Subjects)
	}
	if o.Unnamed > 0 {
		dst = appendNumber(dst, "unnamed", o.Unnamed)
	}
	if len(o.Tags) > 0 {
		dst = appendTags(dst, "tags", o.Tags)
	}
	dst = appendNumber(dst, "duration_us", o.Duration.Microseconds())
	return appendField(dst, "ended", o.Ended, maxName)
}

func appendField(dst []byte, name, value string, limit int) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return appendString(dst, value, limit)
}

func appendNumber(dst []byte, name string, value int64) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return strconv.AppendInt(dst, value, 10)
}
