package schema

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// accessList is what an access key gives: roles in the file's order. A list of
// several parts is laid over one another, the last one winning.
type accessList struct {
	roles []roleAccess
}

type roleAccess struct {
	role string
	at   yamlfile.Position
	Access
	format string // of pseudonyms, as written; "" leaves it to the type
}

type profile struct {
	accessList
	at   yamlfile.Position
	used bool
}

func (l *accessList) set(r roleAccess) {
	if i := slices.IndexFunc(l.roles, func(o roleAccess) bool { return o.role == r.role }); i >= 0 {
		l.roles[i] = r
		return
	}
	l.roles = append(l.roles, r)
}

func (p *fileParser) parseProfiles(e yamlfile.Entry) {
	for _, e := range p.Mapping(e.Value, "profiles") {
		if !p.checkName(e.At, "profile", e.Key) {
			continue
		}
		list := p.parseRoles(e.Value, "profile "+quote(e.Key))
		p.profiles[e.Key] = &profile{accessList: accessList{list}, at: e.At}
	}
}

// parseAccessList reads an access key: the name of a profile, a mapping from
// roles, or a list of these. It returns nil after an error.
func (p *fileParser) parseAccessList(e yamlfile.Entry, what string) *accessList {
	errors := len(p.Faults)
	parts := []ast.Node{e.Value}
	if s, ok := e.Value.(*ast.SequenceNode); ok {
		parts = s.Values
		if len(parts) == 0 {
			p.Errorf(yamlfile.PositionOf(s), "%s: access is empty", what)
		}
	}
	list := &accessList{}
	for _, part := range parts {
		if yamlfile.IsMapping(part) {
			for _, r := range p.parseRoles(part, what+": access") {
				list.set(r)
			}
			continue
		}
		if _, ok := part.(*ast.StringNode); !ok {
			p.WrongType(part, what+": access", "the name of a profile or a mapping from roles")
			continue
		}
		name, ok := p.Text(yamlfile.Entry{Key: "access", At: e.At, Value: part}, what)
		if !ok {
			continue
		}
		known, ok := p.profiles[name]
		if !ok {
			hint := yamlfile.DidYouMean(name, names(p.profiles))
			if slices.Contains(verdictWords, name) {
				hint = "; a verdict is given to a role, such as {biologist: " + name + "}"
			}
			p.Errorf(yamlfile.PositionOf(part), "%s: there is no profile %q%s", what, name, hint)
			continue
		}
		known.used = true
		for _, r := range known.roles {
			list.set(r)
		}
	}
	if len(p.Faults) > errors {
		return nil
	}
	return list
}

var verdictWords = []string{Decrypt.String(), Pseudonymize.String(), Mask.String(), Hide.String(), Deny.String()}

func (p *fileParser) parseRoles(node ast.Node, what string) []roleAccess {
	var list []roleAccess
	for _, e := range p.Mapping(node, what) {
		if !p.checkName(e.At, "role", e.Key) {
			continue
		}
		if r, ok := p.parseRole(e, what+": role "+quote(e.Key)); ok {
			list = append(list, r)
		}
	}
	return list
}

func (p *fileParser) parseRole(e yamlfile.Entry, what string) (roleAccess, bool) {
	r := roleAccess{role: e.Key, at: yamlfile.PositionOf(e.Value)}
	errors := len(p.Faults)
	if !yamlfile.IsMapping(e.Value) {
		if p.verdict(e.As("verdict"), what, &r); r.Verdict == Pseudonymize {
			p.Errorf(r.at, "%s: a pseudonym is one of a project, as in {verdict: pseudonym, project: NAME}", what)
		}
		return r, len(p.Faults) == errors
	}
	fields := p.Fields(e.Value, what, accessKeys)
	verdict, hasVerdict := fields["verdict"]
	mask, hasMask := fields["mask"]
	switch {
	case hasVerdict:
		p.verdict(verdict, what, &r)
		if hasMask && len(p.Faults) == errors && r.Verdict != Mask {
			p.Errorf(mask.At, "%s: a mask goes with verdict: mask, not with %s", what, r.Verdict)
		}
	case hasMask:
		r.Verdict = Mask
	case len(p.Faults) == errors:
		p.Errorf(e.At, "%s has no verdict: %s", what, strings.Join(verdictWords, ", "))
	}
	if hasMask {
		r.Mask = p.parseMask(mask, what)
	}
	r.Search = r.Verdict == Decrypt
	if f, ok := fields["search"]; ok {
		r.Search, _ = p.Boolean(f, what)
	}
	p.parsePseudonym(fields, e.At, what, &r)
	return r, len(p.Faults) == errors
}

// verdict reads a verdict and the search right that goes with it.
func (p *fileParser) verdict(e yamlfile.Entry, what string, r *roleAccess) {
	s, ok := p.Choice(e, what, verdictWords...)
	if !ok {
		return
	}
	for v := Deny; v <= Decrypt; v++ {
		if v.String() == s {
			r.Verdict = v
		}
	}
	r.Search = r.Verdict == Decrypt
}

// columnAccess resolves an access list for one column and checks that its masks
// suit the type.
func (p *fileParser) columnAccess(c *parsedColumn, list *accessList, what string) map[string]Access {
	access := make(map[string]Access, len(list.roles))
	readable := false
	for _, r := range list.roles {
		if r.Verdict == Mask {
			if err := r.Mask.Check(c.Type); err != nil {
				at := c.place("access")
				p.Errorf(at, "%s: role %q: %v", what, r.role, err)
			}
		}
		if r.Verdict == Pseudonymize {
			p.columnPseudonym(c, &r, what)
		}
		readable = readable || r.Verdict >= Mask
		access[r.role] = r.Access
	}
	if !readable {
		p.Warnf(c.place("access"), "%s: no role may read it, not even masked", what)
	}
	return access
}
