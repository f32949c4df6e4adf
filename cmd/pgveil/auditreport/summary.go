package auditreport

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgveil/pgveil/proxy/audit"
)

// Summary is a report. Times are UTC.
type Summary struct {
	From      time.Time `json:"from"` // of the period; zero where it is open
	To        time.Time `json:"to"`
	Generated time.Time `json:"generated"`
	Log       Log       `json:"log"`
	Roles     []Role    `json:"roles"` // those that opened most first
	Opened    []Bucket  `json:"opened"`
	Every     string    `json:"every"` // length of a bucket: hour, day, month
	Refusals  []Refusal `json:"refusals"`
	Alerts    []Alert   `json:"alerts"`
	// More of each than the lists hold.
	MoreRefusals int    `json:"more_refusals"`
	MoreAlerts   int    `json:"more_alerts"`
	Keys         []Key  `json:"keys"`
	KeysUnknown  string `json:"keys_unknown,omitempty"` // why nothing is known of them
	// BreakGlass are those of the whole log, whatever the period, that nobody has reviewed.
	BreakGlass     []*Glass `json:"break_glass"`
	ReviewsUnknown string   `json:"reviews_unknown,omitempty"` // why it is not known which were
}

// Log says what the log is that the report was made from.
type Log struct {
	Dir      string    `json:"dir"`
	Records  int       `json:"records"`
	Segments int       `json:"segments"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Problems []string  `json:"problems"`
	Notes    []string  `json:"notes"`
}

// Role is what one role did in the period.
type Role struct {
	Role       string    `json:"role"`
	Statements int       `json:"statements"` // that opened or searched values
	Rows       int64     `json:"rows"`
	Opened     int64     `json:"opened"`
	Subjects   int       `json:"subjects"` // different ones whose values were opened
	Searched   int       `json:"searched"` // different ones by whose identifier was searched
	Unnamed    int64     `json:"unnamed"`  // rows that did not tell of whom
	Failed     int       `json:"failed"`   // statements that ended with an error
	Unfinished int       `json:"unfinished"`
	Refused    int       `json:"refused"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Columns    []Count   `json:"columns"` // statements by column and verdict
	Clients    []Count   `json:"clients"` // statements by host
	EndUsers   []Count   `json:"claimed_end_users"`
	Programs   []Count   `json:"applications"`
}

// Count is how often something was.
type Count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Bucket is the values opened in one span of time.
type Bucket struct {
	Begin  time.Time        `json:"begin"`
	Opened map[string]int64 `json:"opened"` // by role
}

// Refusal is a statement that was refused.
type Refusal struct {
	Time     time.Time `json:"time"`
	Role     string    `json:"role"`
	EndUser  string    `json:"claimed_end_user,omitempty"`
	Client   string    `json:"client"`
	SQLState string    `json:"sqlstate"`
	Columns  []string  `json:"columns"`
}

// Alert is a record of something out of the ordinary.
type Alert struct {
	Time time.Time `json:"time"`
	Kind string    `json:"kind"`
	Role string    `json:"role,omitempty"`
	Text string    `json:"text"`
}

// Key is one key of a keyset.
type Key struct {
	Name   string    `json:"name"`
	ID     uint32    `json:"id"`
	Type   string    `json:"type"`
	Status string    `json:"status"`
	Seals  bool      `json:"seals"`
	Added  time.Time `json:"added,omitzero"`
}

// Bounds of lists in a report, and of counted names.
const (
	maxListed = 500
	maxNames  = 8
)

// Gatherer makes a summary of what it is given of a log.
type Gatherer struct {
	summary Summary
	roles   map[string]*gathered
	hours   map[time.Time]map[string]int64
}

type gathered struct {
	Role
	subjects, searched                map[string]struct{}
	columns, clients, users, programs map[string]int
}

// New makes a summary of a period; an end that is zero is open.
func New(from, to time.Time) *Gatherer {
	return &Gatherer{
		summary: Summary{From: from, To: to, Refusals: []Refusal{}, Alerts: []Alert{}, Keys: []Key{}, BreakGlass: []*Glass{}},
		roles:   make(map[string]*gathered), hours: make(map[time.Time]map[string]int64),
	}
}

func (g *Gatherer) within(t time.Time) bool {
	return !t.Before(g.summary.From) && (g.summary.To.IsZero() || t.Before(g.summary.To))
}

func (g *Gatherer) role(name string, at time.Time) *gathered {
	of := g.roles[name]
	if of == nil {
		of = &gathered{
			Role: Role{Role: name, First: at}, subjects: map[string]struct{}{}, searched: map[string]struct{}{},
			columns: map[string]int{}, clients: map[string]int{}, users: map[string]int{}, programs: map[string]int{},
		}
		g.roles[name] = of
	}
	if at.Before(of.First) {
		of.First = at
	}
	if at.After(of.Last) {
		of.Last = at
	}
	return of
}

// Statement takes a statement with its outcome.
func (g *Gatherer) Statement(s *audit.Statement) {
	if !g.within(s.Time) {
		return
	}
	clean(s.Recorded)
	of := g.role(s.Role, s.Time)
	of.Statements++
	of.clients[host(s.Client)]++
	if s.EndUser != "" {
		of.users[s.EndUser]++
	}
	if s.Application != "" {
		of.programs[s.Application]++
	}
	named := make(map[string]bool)
	for _, c := range s.Columns {
		if name := c.Column + ", " + c.Verdict; !named[name] {
			named[name] = true
			of.columns[name]++
		}
	}
	for _, tag := range s.Tags() {
		of.subjects[tag] = struct{}{}
	}
	for _, tag := range s.Searched {
		of.searched[tag] = struct{}{}
	}
	if s.Outcome == nil {
		of.Unfinished++
		return
	}
	of.Rows += s.Outcome.Rows
	of.Opened += s.Outcome.Opened
	of.Unnamed += s.Outcome.Unnamed
	if s.Outcome.Ended != "ok" {
		of.Failed++
	}
	if s.Outcome.Opened > 0 {
		hour := s.Time.UTC().Truncate(time.Hour)
		if g.hours[hour] == nil {
			g.hours[hour] = make(map[string]int64)
		}
		g.hours[hour][s.Role] += s.Outcome.Opened
	}
}

// clean makes the texts of a record, which clients may have chosen, fit to be shown.
func clean(r *audit.Recorded) {
	for _, text := range []*string{&r.Role, &r.Client, &r.EndUser, &r.Application, &r.Hosts, &r.Applications, &r.Reason, &r.SQLState, &r.Kind, &r.About, &r.Text} {
		*text = Printable(*text)
	}
	for i := range r.Columns {
		r.Columns[i].Column = Printable(r.Columns[i].Column)
	}
}

// ordinary are the kinds of record that are no alert.
var ordinary = map[string]bool{
	"segment": true, "start": true, "stop": true, "intent": true, "subjects": true, "outcome": true, "refused": true,
	"checkpoint": true, "command": true,
}

// Record takes a record of any kind.
func (g *Gatherer) Record(r *audit.Recorded) {
	if !g.within(r.Time) {
		return
	}
	clean(r)
	switch {
	case r.Kind == "refused":
		g.role(r.Role, r.Time).Refused++
		refusal := Refusal{Time: r.Time, Role: r.Role, EndUser: r.EndUser, Client: r.Client, SQLState: r.SQLState, Columns: []string{}}
		for _, c := range r.Columns {
			refusal.Columns = append(refusal.Columns, c.Column)
		}
		if len(g.summary.Refusals) < maxListed {
			g.summary.Refusals = append(g.summary.Refusals, refusal)
		} else {
			g.summary.MoreRefusals++
		}
	case !ordinary[r.Kind]:
		if len(g.summary.Alerts) < maxListed {
			g.summary.Alerts = append(g.summary.Alerts, Alert{Time: r.Time, Kind: cmp.Or(r.About, r.Kind), Role: r.Role, Text: alertText(r)})
		} else {
			g.summary.MoreAlerts++
		}
	}
}

// alertText says what a record of an alert is about.
func alertText(r *audit.Recorded) string {
	switch {
	case r.Kind == "alert":
		return r.Text
	case r.Kind == "shared": // of logs before alerts had a kind of their own
		return "used at once from " + strings.Join(filled(r.Hosts, r.Applications), " by ")
	case r.Kind == "recovered":
		return "the audit log could not be written for a while; the statements failed meanwhile"
	}
	return strings.Join(filled(r.Client, r.Application, r.Reason), ", ")
}

func filled(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// Finish gives the summary.
func (g *Gatherer) Finish(dir string, r *audit.Report, now time.Time) *Summary {
	s := &g.summary
	s.Generated = now.UTC()
	s.Log = Log{Dir: dir, Records: r.Records, Segments: r.Segments, First: r.From.UTC(), Last: r.To.UTC(), Problems: []string{}, Notes: r.Notes}
	for _, p := range r.Problems {
		s.Log.Problems = append(s.Log.Problems, Printable(p.String()))
	}
	for i, note := range s.Log.Notes {
		s.Log.Notes[i] = Printable(note)
	}
	s.Roles = []Role{}
	for _, of := range g.roles {
		of.Subjects, of.Searched = len(of.subjects), len(of.searched)
		of.Columns, of.Clients, of.EndUsers, of.Programs = most(of.columns), most(of.clients), most(of.users), most(of.programs)
		s.Roles = append(s.Roles, of.Role)
	}
	slices.SortFunc(s.Roles, func(a, b Role) int {
		return cmp.Or(cmp.Compare(b.Opened, a.Opened), cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.Role, b.Role))
	})
	g.buckets()
	return s
}

// most gives the names that were most often, the rest as one.
func most(of map[string]int) []Count {
	list := []Count{}
	for name, n := range of {
		list = append(list, Count{name, n})
	}
	slices.SortFunc(list, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	if len(list) > maxNames {
		rest := Count{Name: "others"}
		for _, c := range list[maxNames:] {
			rest.Count += c.Count
		}
		list = append(list[:maxNames:maxNames], rest)
	}
	return list
}

// buckets sums the hours up to spans that a chart has room for, without a gap.
func (g *Gatherer) buckets() {
	s := &g.summary
	s.Opened, s.Every = []Bucket{}, "hour"
	if len(g.hours) == 0 {
		return
	}
	hours := slices.SortedFunc(maps.Keys(g.hours), time.Time.Compare)
	begin, end := hours[0], hours[len(hours)-1]
	step := func(t time.Time) time.Time { return t.Add(time.Hour) }
	floor := func(t time.Time) time.Time { return t }
	switch span := end.Sub(begin); {
	case span > 92*24*time.Hour:
		s.Every = "month"
		step = func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }
		floor = func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }
	case span > 72*time.Hour:
		s.Every = "day"
		step = func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
		floor = func(t time.Time) time.Time { return t.Truncate(24 * time.Hour) }
	}
	at := make(map[time.Time]int)
	for t := floor(begin); !t.After(end); t = step(t) {
		at[t] = len(s.Opened)
		s.Opened = append(s.Opened, Bucket{t, map[string]int64{}})
	}
	for hour, of := range g.hours {
		for role, n := range of {
			s.Opened[at[floor(hour)]].Opened[role] += n
		}
	}
}

// host is the address without the port.
func host(client string) string {
	if i := strings.LastIndexByte(client, ':'); i > 0 {
		return strings.Trim(client[:i], "[]")
	}
	return client
}
