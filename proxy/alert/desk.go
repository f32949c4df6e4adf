package alert

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgveil/pgveil/proxy/audit"
)

// Alert is what people are told.
type Alert struct {
	Kind Kind
	// Who is whose session gave rise to it. It is not kept beyond the fold's time, and must
	// not be changed after Raise.
	Who *audit.Record
	// About tells alerts of one kind, role and host apart, such as the name of a canary; it
	// goes no further.
	About string
	// Text is one sentence. Nothing in it may be a value, a literal or a parameter.
	Text string
}

// Options is how alerts are told. Audit is required.
type Options struct {
	Audit *audit.Log
	Log   *slog.Logger
	// Webhook takes the alerts as messages; nil for none. Close closes it.
	Webhook *Webhook
	// Fold is for how long alerts that are alike are counted instead of told, after the first
	// of them: 10 min when 0.
	Fold time.Duration
	// Many is how many events of a kind that is counted make an alert, 0 for none, and
	// Window the time that they have to happen in: 10 min when 0.
	Many   map[Kind]int
	Window time.Duration
}

// Desk tells people. Its methods are safe for concurrent use, and none waits for a disk or a
// network.
type Desk struct {
	options Options
	host    string
	raised  [kinds]atomic.Uint64

	mu     sync.Mutex
	closed bool
	told   map[string]*fold
	counts map[string]*count
	swept  time.Time
}

// fold holds what is like an alert that was told a moment ago.
type fold struct {
	last  Alert
	more  int
	timer *time.Timer
}

// count is of events of a kind that is counted.
type count struct {
	begun time.Time
	n     int
}

// maxKeys bounds what is told apart: beyond it, alerts of a kind are alike.
const maxKeys = 4096

// New makes a Desk.
func New(o Options) *Desk {
	if o.Fold == 0 {
		o.Fold = 10 * time.Minute
	}
	if o.Window == 0 {
		o.Window = 10 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{options: o, told: make(map[string]*fold), counts: make(map[string]*count)}
	d.host, _ = os.Hostname() // "" where it is not known
	return d
}

// Host is that of a client's address.
func Host(client string) string {
	host, _, err := net.SplitHostPort(client)
	if err != nil {
		return client
	}
	return host
}

// Raise tells people of an alert, or counts it where one like it was told a moment ago. Each
// break-glass is told.
func (d *Desk) Raise(a Alert) {
	d.raise(a, a.Kind.String()+"\x00"+a.Who.SessionUser+"\x00"+Host(a.Who.Client)+"\x00"+a.About)
}

// raise is Raise of an alert that is like others by key.
func (d *Desk) raise(a Alert, key string) {
	d.raised[a.Kind].Add(1)
	if a.Kind == BreakGlass {
		d.tell(a, 0)
		return
	}
	d.mu.Lock()
	if d.told[key] == nil && len(d.told) >= maxKeys {
		key = a.Kind.String()
	}
	if f := d.told[key]; f != nil {
		f.last, f.more = a, f.more+1
		d.mu.Unlock()
		return
	}
	if !d.closed {
		f := new(fold)
		f.timer = time.AfterFunc(d.options.Fold, func() { d.unfold(key, f) })
		d.told[key] = f
	}
	d.mu.Unlock()
	d.tell(a, 0)
}

// unfold tells how often an alert came again, and is over if it did not.
func (d *Desk) unfold(key string, f *fold) {
	d.mu.Lock()
	if d.told[key] != f {
		d.mu.Unlock()
		return
	}
	again, more := f.last, f.more
	if more == 0 || d.closed {
		delete(d.told, key)
	} else {
		f.last, f.more = Alert{}, 0
		f.timer.Reset(d.options.Fold)
	}
	d.mu.Unlock()
	if more > 0 {
		d.tell(again, more)
	}
}

// Count counts an event of a kind of which only many make an alert, apart for each text of by.
// text is given how many there were; it is asked for once there are enough.
func (d *Desk) Count(kind Kind, by string, who *audit.Record, text func(n int) string) {
	many := d.options.Many[kind]
	if many == 0 {
		return
	}
	key, now := kind.String()+"\x00"+by, time.Now()
	d.mu.Lock()
	c := d.counts[key]
	if c == nil && len(d.counts) >= maxKeys {
		d.sweep(now)
		if len(d.counts) >= maxKeys {
			key = kind.String()
			c = d.counts[key]
		}
	}
	if c == nil || now.Sub(c.begun) >= d.options.Window {
		c = &count{begun: now}
		d.counts[key] = c
	}
	c.n++
	n := c.n
	d.mu.Unlock()
	if n >= many {
		d.raise(Alert{Kind: kind, Who: who, Text: text(n)}, key)
	}
}

// sweep forgets counts whose time is over. The caller holds mu.
func (d *Desk) sweep(now time.Time) {
	if now.Sub(d.swept) < d.options.Window/16 {
		return
	}
	d.swept = now
	for key, c := range d.counts {
		if now.Sub(c.begun) >= d.options.Window {
			delete(d.counts, key)
		}
	}
}

// tell tells people. more is how many alerts like it were not told by themselves.
func (d *Desk) tell(a Alert, more int) {
	if more > 0 {
		a.Text = fmt.Sprintf("%s (%d more like it within %v)", a.Text, more, d.options.Fold)
	}
	d.options.Audit.Alert(a.Who, a.Kind.String(), a.Text)
	w := a.Who
	about := []any{"about", a.Kind.String(), "text", a.Text, "role", w.SessionUser, "client", w.Client, "application", w.Application}
	for _, field := range [...]struct{ name, value string }{
		{"current_role", w.Role}, {"claimed_end_user", w.EndUser}, {"database", w.Database}, {"session", w.Session},
	} {
		if field.value != "" && field.value != w.SessionUser {
			about = append(about, field.name, field.value)
		}
	}
	d.options.Log.Warn("alert", about...)
	if d.options.Webhook != nil {
		d.options.Webhook.push(&message{
			ID: rand.Text(), Time: time.Now().UTC(), Kind: a.Kind.String(), Text: a.Text, More: more,
			SessionUser: w.SessionUser, Role: w.Role, Client: w.Client, Certificate: w.TLS, Application: w.Application,
			EndUser: w.EndUser, Database: w.Database, Session: w.Session, Host: d.host,
		})
	}
}

// Stats are counts since the Desk was made.
type Stats struct {
	Raised      [kinds]uint64 // by Kind, those that were folded too
	Undelivered uint64        // messages that the webhook has not taken, for good
	Waiting     int           // messages that wait for it
}

// Stats gives the counts of this moment.
func (d *Desk) Stats() Stats {
	var s Stats
	for k := range d.raised {
		s.Raised[k] = d.raised[k].Load()
	}
	if d.options.Webhook != nil {
		s.Waiting, s.Undelivered = d.options.Webhook.stats()
	}
	return s
}

// Close tells what is folded, and gives the webhook until ctx ends to take what waits. The
// audit log has to be open until then. Alerts that are raised afterwards are told, but not to
// the webhook.
func (d *Desk) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	held := d.told
	d.told = make(map[string]*fold)
	d.mu.Unlock()
	for _, f := range held {
		f.timer.Stop()
		if f.more > 0 {
			d.tell(f.last, f.more)
		}
	}
	if d.options.Webhook == nil {
		return nil
	}
	return d.options.Webhook.close(ctx)
}
