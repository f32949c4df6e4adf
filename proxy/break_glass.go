package proxy

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// leastReason is how many characters a reason to break the glass has at least.
const leastReason = 10

// glass is a session's having said, in pgveil.break_glass, why it has to read what its verdicts
// deny. It is immutable.
type glass struct {
	id     string // in the audit log
	reason string
	role   string    // current_user
	until  time.Time // when the verdicts hold again
	roles  []string  // of schema.GlassRole, that the session counts as
}

// over tells whether a session's glass was broken and its time is over.
func (g *glass) over(now time.Time) bool { return g != nil && !now.Before(g.until) }

// maxGlasses bounds those that a session remembers.
const maxGlasses = 256

// breakGlass has a state count as what its session has said in pgveil.break_glass, and tells
// people when it first does. The time runs from there; the same reason does not begin it anew.
func (c *conn) breakGlass(s *state, reason string) {
	if reason == "" {
		return
	}
	if refusal := c.mayBreakGlass(s, reason); refusal != nil {
		if s.problem == nil {
			s.problem = refusal
		}
		return
	}
	roles, lasts := brokenAs(c.tracked.database.Load(), s.roles)
	now := time.Now()
	at := slices.IndexFunc(c.glasses, func(g *glass) bool { return g.reason == reason && g.role == s.user && slices.Equal(g.roles, roles) })
	if at < 0 {
		if len(c.glasses) == maxGlasses {
			c.glasses = slices.Delete(c.glasses, 0, 1)
		}
		at = len(c.glasses)
		c.glasses = append(c.glasses, &glass{id: rand.Text(), reason: reason, role: s.user, until: now.Add(lasts), roles: roles})
		defer func() {
			c.alert(alert.BreakGlass, s, "", fmt.Sprintf("glass broken until %s: %s", s.glass.until.UTC().Format(time.RFC3339), reason))
		}()
	}
	if g := c.glasses[at]; !g.over(now) {
		s.glass = g
		s.roles = append(s.roles[:len(s.roles):len(s.roles)], roles...)
	}
}

// brokenAs gives what a session with these roles counts as, and for how long: the shortest time
// of those that allow it.
func brokenAs(d *schema.Database, roles []string) (as []string, lasts time.Duration) {
	for _, role := range roles {
		if b, ok := d.BreakGlass[role]; ok {
			as = append(as, schema.GlassRole(role))
			if lasts == 0 || b.For < lasts {
				lasts = b.For
			}
		}
	}
	return as, lasts
}

// mayBreakGlass refuses everything on tagged columns to a session that breaks the glass and may
// not, so that nobody takes what he reads for what he had asked for.
func (c *conn) mayBreakGlass(s *state, reason string) *pgerror.Error {
	roles, _ := brokenAs(c.tracked.database.Load(), s.roles)
	const back = "RESET pgveil.break_glass to go on with the rights of your role."
	switch {
	case len(roles) == 0:
		return pgerror.New(pgerror.InsufficientPrivilege, "permission denied: role %q may not break the glass", s.user).
			WithHint("Who may is in pgveil's schema file; ask whoever keeps it. " + back)
	case c.pooled():
		return pgerror.New(pgerror.FeatureNotSupported, "the glass cannot be broken behind a connection pooler that pools by transaction").
			WithHint("Another client could come by the session that you have set it in. Connect to a pgveil whose server is no such pooler. " + back)
	case utf8.RuneCountInString(strings.TrimSpace(reason)) < leastReason:
		return pgerror.New(pgerror.InsufficientPrivilege, "permission denied: the reason to break the glass is shorter than %d characters", leastReason).
			WithHint("SET pgveil.break_glass = 'why'; it is recorded, so name no patient. " + back)
	}
	return nil
}
