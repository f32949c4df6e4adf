package audit

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Recorded is a record as a reader of the log gets it. The fields are those of the kinds
// of record; what a kind does not have is zero.
type Recorded struct {
	File string `json:"-"` // segment
	Line int    `json:"-"`

	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	Chain   string    `json:"chain,omitempty"`
	Program string    `json:"program,omitempty"`

	Session     string           `json:"session,omitempty"`
	SessionUser string           `json:"session_user,omitempty"`
	Role        string           `json:"role,omitempty"`
	Roles       []string         `json:"roles,omitempty"`
	Client      string           `json:"client,omitempty"`
	TLS         string           `json:"tls,omitempty"`
	Application string           `json:"application,omitempty"`
	EndUser     string           `json:"claimed_end_user,omitempty"`
	BreakGlass  string           `json:"break_glass,omitempty"`
	Database    string           `json:"database,omitempty"`
	Statement   string           `json:"statement,omitempty"`
	Fingerprint string           `json:"fingerprint,omitempty"`
	Columns     []RecordedColumn `json:"columns,omitempty"`
	Searched    []string         `json:"searched,omitempty"`

	Intent   uint64   `json:"intent,omitempty"`
	Rows     int64    `json:"rows,omitempty"`
	Opened   int64    `json:"opened,omitempty"`
	Erased   int64    `json:"erased,omitempty"`
	Subjects int64    `json:"subjects,omitempty"`
	Unnamed  int64    `json:"unnamed,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Ended    string   `json:"ended,omitempty"`
	SQLState string   `json:"sqlstate,omitempty"`

	Command string `json:"command,omitempty"`
	User    string `json:"user,omitempty"`
	Host    string `json:"host,omitempty"`

	About string `json:"about,omitempty"`
	Text  string `json:"text,omitempty"`

	Hosts        string `json:"hosts,omitempty"`
	Applications string `json:"applications,omitempty"`
	LostIntents  int    `json:"lost_intents,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

// RecordedColumn is one use of a tagged column.
type RecordedColumn struct {
	Column  string `json:"column"`
	Verdict string `json:"verdict"`
	How     string `json:"how"`
}

// tell gives a record to whoever reads.
func (w *walker) tell(l *line) {
	r := &Recorded{File: w.segment.name, Line: l.number}
	// The writer's own form; a field of another type stays zero.
	_ = json.Unmarshal(l.raw, r)
	w.o.Each(r)
}

// Statement is an intent with what followed it.
type Statement struct {
	*Recorded           // the intent
	Outcome   *Recorded // nil: it is unfinished
	Reads     bool      // some column is read, not only searched
	tags      []string  // of subjects whose values it has opened
}

// Statements puts intents and what followed them together, for a reader of the log.
type Statements struct {
	open map[uint64]*Statement
	Each func(*Statement) // is given each once it has its outcome
}

// Take is for VerifyOptions.Each.
func (s *Statements) Take(r *Recorded) {
	switch r.Kind {
	case kindIntent:
		if s.open == nil {
			s.open = make(map[uint64]*Statement)
		}
		of := &Statement{Recorded: r}
		for _, c := range r.Columns {
			of.Reads = of.Reads || c.How == "read" || c.How == "copy"
		}
		s.open[r.Seq] = of
	case kindSubjects:
		if of := s.open[r.Intent]; of != nil {
			of.tags = append(of.tags, r.Tags...)
			of.Searched = append(of.Searched, r.Searched...)
		}
	case kindOutcome:
		if of := s.open[r.Intent]; of != nil {
			delete(s.open, r.Intent)
			of.Outcome, of.tags = r, append(of.tags, r.Tags...)
			s.Each(of)
		}
	}
}

// Finish gives those without an outcome, by their number.
func (s *Statements) Finish() {
	for _, seq := range slices.Sorted(maps.Keys(s.open)) {
		s.Each(s.open[seq])
	}
	s.open = nil
}

// Tags are those of the subjects whose values the statement has opened.
func (s *Statement) Tags() []string { return s.tags }
