package audit

import "time"

// maxEnded bounds the text of why a command has failed, in bytes.
const maxEnded = 1 << 10

// Command says what a command that changes keys is about to do, and who has called it.
// Nothing in it may hold a key.
type Command struct {
	Command string   // "keys retire"
	Keys    []string // names of keysets
	ID      uint32   // of one key of it; 0 for none
	User    string   // of the operating system
	UID     int
	Host    string
	PID     int
	Store   string // where the keys are
	Token   Token  // that Vault was asked with

	Disclosure *Disclosure // of one that shows values; nil for any other
	Review     *Review     // of one that closes a breaking of the glass; nil for any other
}

// Review says what somebody has found who has looked at a breaking of the glass.
type Review struct {
	BreakGlass string // its id
	Reason     string // as it was given
}

// Disclosure says what a command is about to show: never a value, nor a pseudonym.
type Disclosure struct {
	Project string
	Epoch   int
	Column  string
	Reason  string // as it was given
	Values  int    // how many
	// Subjects are the tags of those whom the values name, where they name anybody.
	Subjects []string
}

// Token is what Vault says of a token, each "" if it does not.
type Token struct{ Name, Accessor, Entity, Role string }

// KeyChange is one thing that a command has done.
type KeyChange struct {
	Key    string // name of a keyset
	ID     uint32 // of one key of it; 0 for the whole
	Change string // created, added, promoted, rewrapped, retired, restored, destroyed
}

// CommandOutcome says how a command has ended.
type CommandOutcome struct {
	Changes  []KeyChange
	Duration time.Duration
	Ended    string // "ok", or what stood in the way
}

// BeginCommand is Begin for a command: it may change a key once Wait of the intent has
// returned without an error.
func (l *Log) BeginCommand(c *Command) *Intent { return l.begin(kindCommand, c.append(nil)) }

// Begun gives the intent of that number, which was written by an earlier Open of the log, for
// its outcome.
func (l *Log) Begun(seq uint64) *Intent {
	i := &Intent{log: l, done: make(chan struct{}), seq: seq}
	i.resolve(nil)
	return i
}

// Seq is the number of the intent's record, once Wait has returned without an error.
func (i *Intent) Seq() uint64 { return i.seq }

// EndCommand is End for a command.
func (i *Intent) EndCommand(o CommandOutcome) { i.end(o.append(nil)) }

func (c *Command) append(dst []byte) []byte {
	dst = appendField(dst, "command", c.Command, maxName)
	dst = append(dst, `,"keys":[`...)
	for i, name := range c.Keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name, maxName)
	}
	dst = append(dst, ']')
	dst = appendNumber(dst, "id", int64(c.ID))
	dst = appendField(dst, "user", c.User, maxName)
	dst = appendNumber(dst, "uid", int64(c.UID))
	dst = appendField(dst, "host", c.Host, maxName)
	dst = appendNumber(dst, "pid", int64(c.PID))
	dst = appendField(dst, "store", c.Store, maxName)
	dst = appendField(dst, "token", c.Token.Name, maxName)
	dst = appendField(dst, "token_accessor", c.Token.Accessor, maxName)
	dst = appendField(dst, "token_entity", c.Token.Entity, maxName)
	dst = appendField(dst, "token_role", c.Token.Role, maxName)
	if c.Review != nil {
		dst = appendField(dst, "break_glass", c.Review.BreakGlass, maxName)
		dst = appendField(dst, "reason", c.Review.Reason, maxEnded)
	}
	if c.Disclosure == nil {
		return dst
	}
	return c.Disclosure.append(dst)
}

func (d *Disclosure) append(dst []byte) []byte {
	dst = appendField(dst, "project", d.Project, maxName)
	dst = appendNumber(dst, "epoch", int64(d.Epoch))
	dst = appendField(dst, "column", d.Column, maxName)
	dst = appendField(dst, "reason", d.Reason, maxEnded)
	dst = appendNumber(dst, "values", int64(d.Values))
	dst = append(dst, `,"subjects":[`...)
	for i, tag := range d.Subjects {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, tag, maxName)
	}
	return append(dst, ']')
}

func (o *CommandOutcome) append(dst []byte) []byte {
	dst = append(dst, `,"changes":[`...)
	for i, c := range o.Changes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"key":`...)
		dst = appendString(dst, c.Key, maxName)
		dst = appendNumber(dst, "id", int64(c.ID))
		dst = appendField(dst, "change", c.Change, maxName)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	dst = appendNumber(dst, "duration_us", o.Duration.Microseconds())
	return appendField(dst, "ended", o.Ended, maxEnded)
}
