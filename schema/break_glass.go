package schema

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// BreakGlass lets a role read, for a while and with a reason, what its verdicts deny.
type BreakGlass struct {
	For time.Duration
	// Budget bounds what is read meanwhile, in the place of the login role's; nil: that holds on.
	Budget *Budget
}

// Bounds of how long the glass stays broken.
const (
	leastGlass = time.Second
	mostGlass  = 24 * time.Hour
)

// GlassRole names what a session counts as besides its roles while it has broken the glass as one
// of them: to [Column.AccessFor] it is a role that may decrypt and search the columns that the
// file says. No role of PostgreSQL has such a name, nor can the file give it any access.
func GlassRole(role string) string { return "\x00break_glass " + role }

// parseBreakGlass reads who may break the glass of a database, and for which of its columns.
func (p *fileParser) parseBreakGlass(e yamlfile.Entry, db *Database) {
	db.BreakGlass = make(map[string]BreakGlass)
	for _, e := range p.Mapping(e.Value, "break_glass of database "+quote(db.Name)) {
		if !p.checkName(e.At, "role", e.Key) {
			continue
		}
		what := "break_glass of role " + quote(e.Key)
		if e.Key == PublicRole {
			p.Errorf(e.At, "%s: not everybody may break the glass; name roles", what)
			continue
		}
		fields := p.Fields(e.Value, what, breakGlassKeys)
		var b BreakGlass
		if f, ok := fields["for"]; !ok {
			p.Errorf(e.At, "%s does not say for how long: for: 30m", what)
		} else if text, ok := p.Text(f, what); ok {
			var err error
			if b.For, err = time.ParseDuration(text); err != nil || b.For < leastGlass || b.For > mostGlass {
				p.Errorf(yamlfile.PositionOf(f.Value), "%s: %s is not a time such as 30m or 2h, of %v to %v", what, quote(text), leastGlass, mostGlass)
			}
		}
		if f, ok := fields["budget"]; ok {
			budget := p.parseBudget(f, "the budget of "+what)
			b.Budget = &budget
		}
		covers := func(*Column) bool { return true }
		if f, ok := fields["columns"]; ok {
			covers = p.glassColumns(f, what, db)
		}
		for _, column := range append(append([]*Column{}, db.Columns...), db.Controlled...) {
			if covers(column) {
				column.openedBy(GlassRole(e.Key))
			}
		}
		db.BreakGlass[e.Key] = b
	}
}

// openedBy has a role of [GlassRole] read the column, however it is stored.
func (c *Column) openedBy(role string) {
	for _, form := range []*Column{c, c.Was, c.clear} {
		if form == nil {
			continue
		}
		if form.glass == nil {
			form.glass = make(map[string]bool)
		}
		form.glass[role] = true
	}
}

// glassColumns reads a list of columns, each schema.table.column or schema.table.*.
func (p *fileParser) glassColumns(e yamlfile.Entry, what string, db *Database) func(*Column) bool {
	of := make(map[string]bool)
	list, ok := e.Value.(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		p.WrongType(e.Value, what, "a list of columns, each schema.table.column or schema.table.*")
		return func(*Column) bool { return false }
	}
	known := make(map[string]bool)
	for _, c := range append(append([]*Column{}, db.Columns...), db.Controlled...) {
		known[c.QualifiedName()], known[c.TableName()+".*"] = true, true
	}
	for _, n := range list.Values {
		text, ok := n.(*ast.StringNode)
		if !ok {
			p.WrongType(n, what, "a column, schema.table.column or schema.table.*")
			continue
		}
		name := text.Value
		if parts, err := splitQualified(strings.TrimSuffix(name, ".*")); err == nil {
			name = qualifiedName(parts...)
			if strings.HasSuffix(text.Value, ".*") {
				name += ".*"
			}
		}
		if !known[name] {
			p.Errorf(yamlfile.PositionOf(n), "%s: %s is not a tagged column as schema.table.column, nor schema.table.* of one%s", what, quote(text.Value), yamlfile.DidYouMean(text.Value, names(known)))
		}
		of[name] = true
	}
	return func(c *Column) bool { return of[c.QualifiedName()] || of[c.TableName()+".*"] }
}

// BreaksAs gives what a session with these roles counts as while it breaks the glass, nothing if it
// may not, and by which rule: of those of its roles the shortest time and what all budgets allow,
// unless one of them has none.
func (d *Database) BreaksAs(roles []string) (as []string, rule BreakGlass) {
	own := true
	for _, role := range roles {
		b, ok := d.BreakGlass[role]
		if !ok {
			continue
		}
		as = append(as, GlassRole(role))
		if rule.For == 0 || b.For < rule.For {
			rule.For = b.For
		}
		switch {
		case b.Budget == nil:
			own = false
		case rule.Budget == nil:
			rule.Budget = b.Budget
		default:
			both := rule.Budget.stricter(*b.Budget)
			rule.Budget = &both
		}
	}
	if !own {
		rule.Budget = nil
	}
	return as, rule
}
