package schema

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// accessList is what an access key gives: roles in the file's order. A list of
// several parts is laid over one another, the last one winning.
type accessList struct {
	roles []roleAccess
}

type roleAccess struct {
	role string
	at   Position
	Access
}

type profile struct {
	accessList
	at   Position
	used bool
}

func (l *accessList) set(r roleAccess) {
	if i := slices.IndexFunc(l.roles, func(o roleAccess) bool { return o.role == r.role }); i >= 0 {
		l.roles[i] = r
		return
	}
	l.roles = append(l.roles, r)
}

func (p *fileParser) parseProfiles(e entry) {
	for _, e := range p.mapping(e.value, "profiles") {
		if !p.checkName(e.at, "profile", e.key) {
			continue
		}
		list := p.parseRoles(e.value, "profile "+quote(e.key))
		p.profiles[e.key] = &profile{accessList: accessList{list}, at: e.at}
	}
}

// parseAccessList reads an access key: the name of a profile, a mapping from
// roles, or a list of these. It returns nil after an error.
func (p *fileParser) parseAccessList(e entry, what string) *accessList {
	errors := len(p.errs)
	parts := []ast.Node{e.value}
	if s, ok := e.value.(*ast.SequenceNode); ok {
		parts = s.Values
		if len(parts) == 0 {
			p.errorf(nodePosition(s), "%s: access is empty", what)
		}
	}
	list := &accessList{}
	for _, part := range parts {
		if isMapping(part) {
			for _, r := range p.parseRoles(part, what+": access") {
				list.set(r)
			}
			continue
		}
		if _, ok := part.(*ast.StringNode); !ok {
			p.wrongType(part, what+": access", "the name of a profile or a mapping from roles")
			continue
		}
		name, ok := p.text(entry{"access", e.at, part}, what)
		if !ok {
			continue
		}
		known, ok := p.profiles[name]
		if !ok {
			hint := didYouMean(name, names(p.profiles))
			if slices.Contains(verdictWords, name) {
				hint = "; a verdict is given to a role, such as {biologist: " + name + "}"
			}
			p.errorf(nodePosition(part), "%s: there is no profile %q%s", what, name, hint)
			continue
		}
		known.used = true
		for _, r := range known.roles {
			list.set(r)
		}
	}
	if len(p.errs) > errors {
		return nil
	}
	return list
}

var verdictWords = []string{Decrypt.String(), Mask.String(), Hide.String(), Deny.String()}

func (p *fileParser) parseRoles(node ast.Node, what string) []roleAccess {
	var list []roleAccess
	for _, e := range p.mapping(node, what) {
		if !p.checkName(e.at, "role", e.key) {
			continue
		}
		if r, ok := p.parseRole(e, what+": role "+quote(e.key)); ok {
			list = append(list, r)
		}
	}
	return list
}

func (p *fileParser) parseRole(e entry, what string) (roleAccess, bool) {
	r := roleAccess{role: e.key, at: nodePosition(e.value)}
	if !isMapping(e.value) {
		ok := p.verdict(entry{"verdict", e.at, e.value}, what, &r)
		return r, ok
	}
	errors := len(p.errs)
	fields := p.fields(e.value, what, accessKeys)
	verdict, hasVerdict := fields["verdict"]
	mask, hasMask := fields["mask"]
	switch {
	case hasVerdict:
		p.verdict(verdict, what, &r)
		if hasMask && len(p.errs) == errors && r.Verdict != Mask {
			p.errorf(mask.at, "%s: a mask goes with verdict: mask, not with %s", what, r.Verdict)
		}
	case hasMask:
		r.Verdict = Mask
	case len(p.errs) == errors:
		p.errorf(e.at, "%s has no verdict: %s", what, strings.Join(verdictWords, ", "))
	}
	if hasMask {
		r.Mask = p.parseMask(mask, what)
	}
	r.Search = r.Verdict == Decrypt
	if f, ok := fields["search"]; ok {
		r.Search, _ = p.boolean(f, what)
	}
	return r, len(p.errs) == errors
}

// verdict reads a verdict and the search right that goes with it.
func (p *fileParser) verdict(e entry, what string, r *roleAccess) bool {
	if n, ok := e.value.(*ast.StringNode); ok && (n.Value == "pseudonym" || n.Value == "pseudonymize") {
		p.errorf(nodePosition(n), "%s: the verdict %s is not supported in this version of pgveil", what, n.Value)
		return false
	}
	s, ok := p.choice(e, what, verdictWords...)
	if !ok {
		return false
	}
	r.Verdict = Verdict(slices.Index([]string{Deny.String(), Hide.String(), Mask.String(), Decrypt.String()}, s))
	r.Search = r.Verdict == Decrypt
	return true
}

func (p *fileParser) parseMask(e entry, what string) Pattern {
	what += ": mask"
	fields := p.fields(e.value, what, maskKeys)
	var m Pattern
	if f, ok := fields["keep_first"]; ok {
		m.KeepFirst, _ = p.integer(f, what, 0, maxMaskLength)
	}
	if f, ok := fields["keep_last"]; ok {
		m.KeepLast, _ = p.integer(f, what, 0, maxMaskLength)
	}
	if f, ok := fields["fill"]; ok {
		if s, ok := p.text(f, what); ok {
			if len(s) != 1 || s[0] <= ' ' || s[0] > '~' {
				p.errorf(nodePosition(f.value), "%s: fill is one printable ASCII character, not %q", what, s)
			} else {
				m.Fill = s[0]
			}
		}
	}
	if f, ok := fields["length"]; ok {
		if n, ok := f.value.(*ast.StringNode); ok && n.Value == "same" {
			m.Length = SameLength
		} else if _, ok := f.value.(*ast.IntegerNode); ok {
			m.Length, _ = p.integer(f, what, 1, maxMaskLength)
		} else {
			p.wrongType(f.value, what+`: "length"`, "a number of characters, or same")
		}
	}
	if f, ok := fields["truncate"]; ok {
		switch s, _ := p.choice(f, what, "year", "month"); s {
		case "year":
			m.Truncate = TruncateYear
		case "month":
			m.Truncate = TruncateMonth
		}
	}
	if f, ok := fields["round"]; ok {
		m.Round = p.parseRound(f, what)
	}
	return m
}

// parseRound takes the number as it is written: a float would lose 0.1.
func (p *fileParser) parseRound(f entry, what string) string {
	switch f.value.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
	default:
		p.wrongType(f.value, what+`: "round"`, "a number such as 10 or 0.5")
		return ""
	}
	s := f.value.GetToken().Value
	if unit, ok := parseDecimal(s); !ok || unit.Sign() <= 0 {
		p.errorf(nodePosition(f.value), "%s: round is a positive number such as 10 or 0.5, not %q", what, s)
		return ""
	}
	return s
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
				p.errorf(at, "%s: role %q: %v", what, r.role, err)
			}
		}
		readable = readable || r.Verdict >= Mask
		access[r.role] = r.Access
	}
	if !readable {
		p.warnf(c.place("access"), "%s: no role may read it, not even masked", what)
	}
	return access
}
