package auditreport

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
)

// Glass is one breaking of the glass.
type Glass struct {
	ID          string    `json:"id"`
	Time        time.Time `json:"time"`
	SessionUser string    `json:"session_user"`
	Role        string    `json:"role"`
	EndUser     string    `json:"claimed_end_user,omitempty"`
	TLS         string    `json:"tls,omitempty"`
	Client      string    `json:"client"`
	Application string    `json:"application,omitempty"`
	Database    string    `json:"database"`
	Reason      string    `json:"reason"`
	Until       time.Time `json:"until"`
	Statements  int       `json:"statements"` // that opened or searched something
	Refused     int       `json:"refused"`
	Opened      int64     `json:"opened"`   // values
	Subjects    int       `json:"subjects"` // distinct ones, where they are told
	Closed      *Closing  `json:"closed,omitempty"`

	subjects map[string]struct{}
}

// Closing is its review.
type Closing struct {
	Time   time.Time `json:"time"`
	User   string    `json:"user"`
	Host   string    `json:"host"`
	Reason string    `json:"reason"`
}

// Glasses gathers what a log and that of commands tell of break-glass. Take what the log has
// first.
type Glasses struct {
	list []*Glass
	byID map[string]*Glass
}

// Statement takes a statement with its outcome.
func (g *Glasses) Statement(s *audit.Statement) {
	b := g.byID[s.BreakGlass]
	if b == nil {
		return
	}
	b.Statements++
	if s.Outcome != nil {
		b.Opened += s.Outcome.Opened
	}
	for _, tag := range s.Tags() {
		b.subjects[tag] = struct{}{}
	}
	b.Subjects = len(b.subjects)
}

// Record takes a record of any kind.
func (g *Glasses) Record(r *audit.Recorded) {
	if r.BreakGlass == "" {
		return
	}
	if b := g.byID[r.BreakGlass]; b != nil {
		if r.Kind == "refused" {
			b.Refused++
		}
		return
	}
	if r.Kind != "alert" || r.About != alert.BreakGlass.String() {
		return
	}
	until, reason, ok := alert.ParseGlass(r.Text)
	if !ok {
		reason = r.Text
	}
	b := &Glass{
		ID: Printable(r.BreakGlass), Time: r.Time.UTC(), SessionUser: Printable(r.SessionUser), Role: Printable(r.Role), EndUser: Printable(r.EndUser),
		TLS: Printable(r.TLS), Client: Printable(r.Client), Application: Printable(r.Application), Database: Printable(r.Database),
		Reason: Printable(reason), Until: until, subjects: make(map[string]struct{}),
	}
	if g.byID == nil {
		g.byID = make(map[string]*Glass)
	}
	g.byID[r.BreakGlass] = b
	g.list = append(g.list, b)
}

// Closed takes a record of the log of commands; command is the one that closes.
func (g *Glasses) Closed(r *audit.Recorded, command string) {
	if b := g.byID[r.BreakGlass]; r.Kind == "command" && r.Command == command && b != nil && b.Closed == nil {
		b.Closed = &Closing{Time: r.Time.UTC(), User: Printable(r.User), Host: Printable(r.Host), Reason: Printable(r.Reason)}
	}
}

// All gives all of them, the oldest first; never nil.
func (g *Glasses) All() []*Glass { return append([]*Glass{}, g.list...) }

// Open gives those that were not reviewed; never nil.
func (g *Glasses) Open() []*Glass {
	open := []*Glass{}
	for _, b := range g.list {
		if b.Closed == nil {
			open = append(open, b)
		}
	}
	return open
}

// WriteGlasses writes a table of them, without a heading if there are none.
func WriteGlasses(out io.Writer, list []*Glass) error {
	if len(list) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTIME\tROLE\tACTING FOR\tCLIENT\tUNTIL\tSTATEMENTS\tOPENED\tPATIENTS\tREASON\tCLOSED")
	for _, b := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", b.ID, b.Time.Format(time.RFC3339), b.Who(), b.For(), b.Client,
			b.Until.Format(time.RFC3339), b.Statements, b.Opened, b.Subjects, b.Reason, b.Closed)
	}
	return w.Flush()
}

// Who is the role that has logged in, and the one that it acted as.
func (b *Glass) Who() string {
	if b.Role == b.SessionUser {
		return b.Role
	}
	return b.SessionUser + " as " + b.Role
}

// For is whom it claims to act for.
func (b *Glass) For() string {
	if b.EndUser == "" {
		return "–"
	}
	return b.EndUser
}

// String says who has closed it, when and with what result; nil: nobody.
func (c *Closing) String() string {
	if c == nil {
		return "–"
	}
	return fmt.Sprintf("%s by %s@%s: %s", c.Time.Format(time.RFC3339), c.User, c.Host, c.Reason)
}
