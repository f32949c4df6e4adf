package proxy

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Bounds of a reason to break the glass: of characters that print, and of the bytes that people are
// shown of it.
const (
	leastReason = 10
	mostReason  = 900
)

// glass is a session's having said, in pgveil.break_glass, why it has to read what its verdicts
// deny. It is immutable.
type glass struct {
	id     string            // in the audit log
	reason [sha256.Size]byte // of the whole of it, which may be long
	role   string            // current_user
	since  time.Time
	until  time.Time      // when the verdicts hold again
	roles  []string       // of schema.GlassRole, that the session counts as
	budget *schema.Budget // of its own; nil: that of the login role
}

// over tells whether a session's glass was broken and its time is over.
func (g *glass) over() bool { return g != nil && !time.Now().Before(g.until) }

// maxGlasses bounds those that a session remembers.
const maxGlasses = 256

// breakGlass has a state count as what its session has said in pgveil.break_glass, and tells
// people when it first does. The time runs from there; the same reason does not begin it anew.
func (c *conn) breakGlass(s *state, reason string) {
	if reason == "" {
		return
	}
	roles, rule := s.snapshot.trusted.BreaksAs(s.roles)
	shown := shownReason(reason)
	if refusal := c.mayBreakGlass(s, roles, shown); refusal != nil {
		if s.problem == nil {
			s.problem = refusal
		}
		return
	}
	now, sum := time.Now(), sha256.Sum256([]byte(reason))
	at := slices.IndexFunc(c.glasses, func(g *glass) bool { return g.reason == sum && g.role == s.user && slices.Equal(g.roles, roles) })
	isNew := at < 0
	if isNew {
		if len(c.glasses) == maxGlasses {
			c.glasses = slices.Delete(c.glasses, 0, 1)
		}
		at = len(c.glasses)
		c.glasses = append(c.glasses, &glass{id: rand.Text(), reason: sum, role: s.user, since: now, until: now.Add(rule.For), roles: roles})
	}
	g := *c.glasses[at]
	g.budget = rule.Budget
	if until := g.since.Add(rule.For); until.Before(g.until) { // by a schema file that was reloaded
		g.until = until
	}
	c.glasses[at] = &g
	if g.over() {
		return
	}
	s.glass = &g
	s.roles = append(s.roles[:len(s.roles):len(s.roles)], roles...)
	if isNew {
		c.alert(alert.BreakGlass, s, "", alert.GlassText(g.until, shown))
	}
}

// shownReason gives what people are shown of a reason: what of it prints, as one line, up to a
// bound.
func shownReason(reason string) string {
	cut := len(reason) > 4*mostReason
	reason = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, reason[:min(len(reason), 4*mostReason)])
	reason = strings.TrimSpace(reason)
	if end := mostReason; len(reason) > end {
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason, cut = reason[:end], true
	}
	if cut {
		reason += "…"
	}
	return reason
}

// mayBreakGlass refuses everything on tagged columns to a session that breaks the glass and may
// not, so that nobody takes what he reads for what he had asked for.
func (c *conn) mayBreakGlass(s *state, as []string, reason string) *pgerror.Error {
	const back = "RESET pgveil.break_glass to go on with the rights of your role."
	switch {
	case len(as) == 0:
		return pgerror.New(pgerror.InsufficientPrivilege, "permission denied: role %q may not break the glass", s.user).
			WithHint("Who may is in pgveil's schema file; ask whoever keeps it. " + back)
	case c.pooled():
		return pgerror.New(pgerror.FeatureNotSupported, "the glass cannot be broken behind a connection pooler that pools by transaction").
			WithHint("Another client could come by the session that you have set it in. Connect to a pgveil whose server is no such pooler. " + back)
	case utf8.RuneCountInString(reason) < leastReason:
		return pgerror.New(pgerror.InsufficientPrivilege, "permission denied: the reason to break the glass is shorter than %d characters", leastReason).
			WithHint("SET pgveil.break_glass = 'why'; it is recorded, so name no patient. " + back)
	}
	return nil
}

// stores reports whether a touch stores something, or may: for which breaking the glass gives no right.
func stores(planned *statement.Statement, touch statement.Touch) bool {
	return touch.How == statement.Assign || touch.How == statement.Copy || touch.How == statement.Derive && planned.Keeps
}

// checkStored is checkTouch of what is stored while the glass is broken: by the session's own roles.
// A role that stores values by their pseudonyms stores none, for now it would store them as if
// they were values.
func checkStored(touch statement.Touch, s *state) *pgerror.Error {
	own := s.own()
	refusal := checkTouch(touch, own)
	if refusal == nil && touch.Column.AccessFor(own).Verdict == schema.Pseudonymize && touch.Column.AccessFor(s.roles).Verdict != schema.Pseudonymize {
		refusal = refuseAccess(own[0], "write", touch.Column)
	}
	if refusal == nil {
		return nil
	}
	return refusal.WithHint("pgveil.break_glass gives the right to read and to search, and none to store. RESET pgveil.break_glass to store with the rights of your role.")
}

// budget gives what bounds how much a session in this state opens, nil for nothing, and by which ledger
// patients are counted.
func (c *conn) budget(s *state) (*schema.Budget, ledgerKey) {
	if s.glass != nil && s.glass.budget != nil {
		return s.glass.budget, ledgerKey{c.params.user, true}
	}
	database := c.tracked.database.Load()
	if len(database.Budgets) == 0 {
		return nil, ledgerKey{}
	}
	return database.BudgetFor(closure(s.snapshot.members.granted, c.params.user)), ledgerKey{c.params.user, false}
}
