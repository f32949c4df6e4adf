package audit

import (
	"errors"
	"fmt"
	"time"
)

// VerifyOptions is what Verify needs. Dir and Verifier are required, and MAC but with
// SignaturesOnly.
type VerifyOptions struct {
	Dir      string
	MAC      MAC
	Verifier Verifier
	// SignaturesOnly verifies without the MAC key: by the checkpoints, which are signatures
	// over all bytes of their segments. What none of them covers is not verified, and the
	// report says what that is.
	SignaturesOnly bool
	// Copy says that Dir holds the lines of a copy (see [SplitLines]): it has no head, so that nothing tells whether its
	// end is there but Anchors and Checkpoints, and nothing of what crashes left behind.
	Copy bool
	// First is the name of the segment to begin with, when those before it were
	// moved to an archive. Without it their absence is a problem.
	First string
	// Anchors are records that are known to have been in the log.
	Anchors []Anchor
	// Checkpoints were signed for the log and kept elsewhere: the log has to hold what
	// they say.
	Checkpoints []*Checkpoint
	// Each, unless nil, is given every authentic record in its place. What it is given is
	// its own.
	Each func(*Recorded)
	// MaxProblems bounds the problems, and the unfinished intents, that are
	// reported: 1000 when 0.
	MaxProblems int
}

// ProblemKind says what is wrong with a log.
type ProblemKind string

// Kinds of problem.
const (
	Changed    ProblemKind = "changed"   // a record is not as it was written
	Foreign    ProblemKind = "foreign"   // a line or file that the log's writer did not make
	Repeated   ProblemKind = "repeated"  // a record stands there again
	Moved      ProblemKind = "moved"     // a record stands in another place
	Missing    ProblemKind = "missing"   // records or segments are not there
	Truncated  ProblemKind = "truncated" // the end of the log is not there
	Signature  ProblemKind = "signature" // a checkpoint does not hold
	Head       ProblemKind = "head"      // the file head is not there, not authentic, or old
	Break      ProblemKind = "break"     // the operator began a new chain
	Unanchored ProblemKind = "anchor"    // the record of an anchor, or what a checkpoint was signed for, is not there
)

// Problem is a place where the log is not what was written, or a note about one.
type Problem struct {
	Kind ProblemKind `json:"kind"`
	File string      `json:"file"`
	Line int         `json:"line,omitempty"` // from 1; 0 for the file as a whole
	Text string      `json:"text"`
}

// String gives file:line: text.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Unfinished is an intent without an outcome: its session or command still runs, or the
// process ended before it did.
type Unfinished struct {
	File    string    `json:"file"`
	Line    int       `json:"line"`
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Session string    `json:"session"`
	Role    string    `json:"role"`
	Command string    `json:"command,omitempty"` // instead of a session, and
	User    string    `json:"user,omitempty"`    // instead of a role
}

// Report is what Verify found.
type Report struct {
	Segments       int            `json:"segments"`
	Records        int            `json:"records"` // that are authentic and in their place
	Kinds          map[string]int `json:"kinds"`   // the same by kind
	From           time.Time      `json:"from"`
	To             time.Time      `json:"to"`
	Last           string         `json:"last"` // anchor of the last record
	Problems       []Problem      `json:"problems"`
	Notes          []string       `json:"notes"`
	Unfinished     []Unfinished   `json:"unfinished"`
	MoreProblems   int            `json:"more_problems"`   // that Problems has no room for
	MoreUnfinished int            `json:"more_unfinished"` // likewise
}

// OK tells that no problem was found.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// Verify reads a whole log and reports everything about it that is not as it was
// written. It may run while the log is being written. The error says that the log
// could not be read, not that it is wrong.
func Verify(o VerifyOptions) (*Report, error) {
	if o.SignaturesOnly {
		o.MAC = anyMAC{}
	}
	if o.Dir == "" || o.MAC == nil || o.Verifier == nil {
		return nil, errors.New("the verifier needs a directory, a MAC and a verifier of signatures")
	}
	w := newWalker(&o)
	if err := w.run(); err != nil {
		return nil, fmt.Errorf("cannot read the audit log: %w", err)
	}
	return &w.report, nil
}

// anyMAC stands for a MAC key that is not there: it takes every code.
type anyMAC struct{}

func (anyMAC) ComputeMAC([]byte) ([]byte, error) { return nil, errors.New("there is no MAC key") }
func (anyMAC) VerifyMAC([]byte, []byte) error    { return nil }
