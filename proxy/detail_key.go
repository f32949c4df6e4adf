package proxy

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"

	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// quotingKey are the errors whose DETAIL quotes a key in full: of a constraint that is UNIQUE, a foreign key or
// EXCLUDE. Source: genam.c, BuildIndexValueDescription; ri_triggers.c, ri_ReportViolation.
var quotingKey = []string{"23505", "23503", "23P01"}

// keyOpener opens the sealed values of one such DETAIL, for a role that may read them.
type keyOpener struct {
	conn    *conn
	state   *state
	columns []audit.Column
	tags    []audit.Tag
	opened  int64
	stop    bool // it is of a canary that stops what shows it
	untold  bool // something opened is of somebody, whom its own tag does not tell
}

// openKey gives the DETAIL of an error with the sealed values of a key opened, once that is recorded. It is false where
// nothing is opened: for roles that may not read them, in a client encoding other than UTF-8, and where there are
// budgets, which do not count what is opened here.
func (c *conn) openKey(fields wire.ErrorFields, r *result) (text []byte, ok bool) {
	code, detail := string(fields.Get(wire.FieldCode)), fields.Get(wire.FieldDetail)
	if r == nil || r.state == nil || !slices.Contains(quotingKey, code) || !bytes.Contains(detail, sealedHex) ||
		r.state.encoding != nil || r.state.problem != nil || c.tracked.database.Load().Budgeted() {
		return nil, false
	}
	o := &keyOpener{conn: c, state: r.state}
	started := time.Now()
	for rest := detail; ; {
		at := bytes.Index(rest, sealedHex)
		if at < 0 {
			text = append(text, rest...)
			break
		}
		text, rest = append(text, rest[:at]...), rest[at:]
		end := len(`\x`)
		for end < len(rest) && isHex(rest[end]) {
			end++
		}
		text, rest = o.value(text, rest[:end]), rest[end:]
	}
	if o.opened == 0 || o.stop {
		return nil, false
	}
	record := c.newRecord(r.state)
	record.Columns, record.Statement = o.columns, "DETAIL of error "+code
	intent := c.config.Audit.Begin(record)
	if intent.Wait() != nil {
		return nil, false
	}
	unnamed := int64(0)
	if o.untold && len(o.tags) == 0 {
		unnamed = 1
	}
	intent.End(audit.Outcome{Opened: o.opened, Unnamed: unnamed, Subjects: int64(len(o.tags)), Tags: o.tags, Duration: time.Since(started), Ended: code})
	return text, true
}

// value appends one value of the key, or that it is sealed. Where several columns have values that look like it, the
// role has to be one that may read all of them.
func (o *keyOpener) value(dst, hexed []byte) []byte {
	const hidden = "(sealed)"
	sealed, err := hex.AppendDecode(nil, hexed[len(`\x`):])
	if err != nil || len(sealed) < headerLen {
		return append(dst, hidden...)
	}
	var found *schema.Column
	for _, relation := range o.conn.tracked.current.Load().catalog.Reaching() {
		for _, a := range relation.Attributes {
			if a.Tagged == nil || a.Tagged.Header() != [headerLen]byte(sealed) {
				continue
			}
			if a.Tagged.AccessFor(o.state.roles).Verdict != schema.Decrypt {
				return append(dst, hidden...)
			}
			found = a.Tagged
		}
	}
	if found == nil {
		return append(dst, hidden...)
	}
	plain, err := o.conn.tracked.sealers.of(found).Open(nil, sealed)
	if err != nil {
		return append(dst, hidden...)
	}
	shown := plain
	if n := len(plain); found.Type.Kind == logical.Bpchar && n > 0 && plain[n-1] == unpaddedMark {
		shown = plain[:n-1]
	}
	written, err := found.Type.Append(nil, shown, 0, &o.state.settings)
	if err != nil {
		return append(dst, hidden...)
	}
	o.opened++
	o.untold = o.untold || found.InFile().Subject != nil && o.conn.config.Subjects != nil
	o.columns = append(o.columns, audit.Column{Column: found.QualifiedName(), Verdict: schema.Decrypt.String(), How: howNames[statement.Read]})
	if o.conn.config.Subjects != nil && isSubject(found) {
		if o.conn.tagger == nil {
			o.conn.tagger = o.conn.config.Subjects.Tagger()
		}
		domain, id := found.SubjectDomain(), identifier(found, plain)
		tag := o.conn.tagger.Tag(domain, id)
		o.tags = append(o.tags, tag)
		if canary := o.conn.canaryOf(o.conn.tagger, tag, domain, id); canary != nil {
			o.conn.alert(alert.Canary, o.state, "opened "+canary.Name, "values of canary "+canary.Name+" are opened in the DETAIL of an error, by "+found.QualifiedName())
			o.stop = o.stop || canary.Stop
		}
	}
	return append(dst, written...)
}
