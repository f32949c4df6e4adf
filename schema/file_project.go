package schema

import (
	"cmp"
	"strings"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

type projectUse struct {
	Project
	at   yamlfile.Position
	used bool
}

// DefaultShift is by how many days a project's dates are shifted at most where the file says
// nothing.
const DefaultShift = 180

// maxEpoch and maxShift bound what a project may have.
const (
	maxEpoch = 1_000_000
	maxShift = 36_500
)

func (p *fileParser) parseProjects(e yamlfile.Entry) {
	keysets := make(map[string]string)
	for _, e := range p.Mapping(e.Value, "projects") {
		what := "project " + quote(e.Key)
		if !validDomain(e.Key) || e.Key == "" {
			p.Errorf(e.At, "%s: the name of a project has letters, digits, -, _ and dots, at most %d", what, maxNameLength)
			continue
		}
		fields := p.Fields(e.Value, what, projectKeys)
		use := &projectUse{Project: Project{Name: e.Key, Epoch: 1, Shift: DefaultShift}, at: e.At}
		if f, ok := fields["epoch"]; ok {
			use.Epoch, _ = p.Integer(f, what, 1, maxEpoch)
		}
		if f, ok := fields["shift"]; ok {
			use.Shift, _ = p.Integer(f, what, 1, maxShift)
		}
		if f, ok := fields["key"]; !ok {
			p.Errorf(e.At, "%s has no key: the keyset of its pseudonyms", what)
		} else if name, ok := p.Text(f, what); ok {
			use.Key = name
			other, taken := keysets[name]
			switch err := keys.CheckName(name); {
			case err != nil:
				p.Errorf(yamlfile.PositionOf(f.Value), "%s: %v", what, err)
			case taken:
				p.Errorf(yamlfile.PositionOf(f.Value), "%s has the key of project %q; each has one of its own", what, other)
			case p.keys[name] != nil:
				p.Errorf(yamlfile.PositionOf(f.Value), "%s: key %q is among keys, for columns; the keyset of a project is of type %s and named here alone", what, name, string(keys.TypePseudonym))
			}
			keysets[name] = e.Key
		}
		p.projects[e.Key] = use
		p.file.Projects[e.Key] = use.Project
	}
}

// pseudonymFormats are the words for what pseudonyms look like.
var pseudonymFormats = []string{"text", "uuid", "nir", "shift"}

// parsePseudonym reads what goes with the verdict pseudonym.
func (p *fileParser) parsePseudonym(fields map[string]yamlfile.Entry, at yamlfile.Position, what string, r *roleAccess) {
	if r.Verdict != Pseudonymize {
		for _, key := range []string{"project", "format", "write"} {
			if f, ok := fields[key]; ok {
				p.Errorf(f.At, "%s: %s goes with verdict: pseudonym, not with %s", what, key, r.Verdict)
			}
		}
		return
	}
	if f, ok := fields["write"]; ok {
		r.Write, _ = p.Boolean(f, what)
	}
	if f, ok := fields["format"]; ok {
		r.format, _ = p.Choice(f, what, pseudonymFormats...)
	}
	f, ok := fields["project"]
	if !ok {
		p.Errorf(at, "%s has no project, which its pseudonyms are of", what)
		return
	}
	name, ok := p.Text(f, what)
	if !ok {
		return
	}
	project := p.projects[name]
	if project == nil {
		p.Errorf(yamlfile.PositionOf(f.Value), "%s: project %q is not among projects%s", what, name, yamlfile.DidYouMean(name, names(p.projects)))
		return
	}
	project.used = true
	r.Pseudonym = Pseudonym{Project: project.Name, Key: project.Key, Epoch: project.Epoch, Shift: project.Shift}
}

// columnPseudonym settles the format of a column's pseudonyms, which has to suit its type.
func (p *fileParser) columnPseudonym(c *parsedColumn, r *roleAccess, what string) {
	fail := func(format string, args ...any) {
		p.Errorf(c.place("access"), "%s: role %q: "+format, append([]any{what, r.role}, args...)...)
	}
	text := maskKindOf(c.Type) == textKind
	room := maxChars(c.Type)
	format := r.format
	if format == "" {
		switch {
		case text:
			format = "text"
		case c.Type.Kind == logical.UUID:
			format = "uuid"
		case maskKindOf(c.Type) == dateKind:
			format = "shift"
		default:
			fail("a value of type %s has no pseudonym; those of text, uuid, dates and timestamps have; use mask or hide", c.Type)
			return
		}
	}
	switch {
	case format == "text" && text && c.Type.Kind != logical.Bpchar:
		r.Pseudonym.Format = keys.PseudonymText
		switch longest := keys.LongestValue(room); {
		case room < 0:
		case longest < 0:
			fail("a pseudonym of format text has at least %d characters, which %s has no room for; use format: nir for a NIR, or the type text", shortestText, c.Type)
		default:
			p.Warnf(c.place("access"), "%s: role %q: values of more than %d bytes have a pseudonym that is longer than %s, and are NULL", what, r.role, longest, c.Type)
		}
	case format == "uuid" && c.Type.Kind == logical.UUID:
		r.Pseudonym.Format = keys.PseudonymUUID
	case format == "uuid" && text && c.Type.Kind != logical.Bpchar && (room < 0 || room >= 36):
		r.Pseudonym.Format = keys.PseudonymTextUUID
		p.Warnf(c.place("access"), "%s: role %q: values of more than 15 bytes do not fit a uuid, and are NULL", what, r.role)
	case format == "nir" && text && (room < 0 || room >= nirLength):
		r.Pseudonym.Format = keys.PseudonymNIR
	case format == "shift" && maskKindOf(c.Type) == dateKind:
		r.Pseudonym.Format = keys.PseudonymInstant
		if c.Type.Kind == logical.Date {
			r.Pseudonym.Format = keys.PseudonymDate
		}
		if r.Search || r.Write {
			fail("dates that are shifted are neither searched nor written: nothing tells of whom a date in the statement is")
		}
	default:
		fail("a value of type %s has no pseudonym of format %s", c.Type, format)
	}
	if r.Write && c.Mode == Deterministic && !r.Search {
		fail("write needs search: true, because a unique constraint would tell whether a value exists")
	}
	if r.Write && r.Pseudonym.Format != keys.PseudonymText {
		p.Warnf(c.place("access"), "%s: role %q: pseudonyms of format %s carry no proof: one of another project or epoch is stored as a value that nobody has; a foreign key to the table of those who are there refuses it", what, r.role, format)
	}
	c.pseudonyms = true
}

// shortestText is how long a pseudonym of the format text is at least, in characters.
const shortestText = 64

// checkPseudonyms compares the columns' pseudonyms with what else there is.
func (p *fileParser) checkPseudonyms() {
	byValue := make(map[[2]string]*parsedColumn) // domain and role that searches it by real values
	shown := make(map[[2]string]*parsedColumn)   // domain and role that sees these
	for _, c := range p.columns {
		for role, a := range c.Access {
			switch at := [2]string{c.Domain, role}; {
			case c.Domain == "":
			case a.Verdict == Decrypt:
				shown[at] = c
			case a.Search && a.Verdict != Pseudonymize:
				byValue[at] = c
			}
		}
	}
	of := func(list map[[2]string]*parsedColumn, domain, role string) *parsedColumn {
		return cmp.Or(list[[2]string{domain, role}], list[[2]string{domain, PublicRole}])
	}
	for _, c := range p.columns {
		for _, role := range names(c.Access) {
			a := c.Access[role]
			if a.Verdict != Pseudonymize {
				continue
			}
			if other := of(shown, c.Domain, role); other != nil {
				p.Warnf(c.place("access"), "column %s: role %q sees pseudonyms here and the values of %s of the same domain: what joins the two, be it another column, tells it whose pseudonyms they are",
					c.QualifiedName(), role, other.QualifiedName())
			} else if other := of(byValue, c.Domain, role); other != nil {
				p.Warnf(c.place("access"), "column %s: role %q sees pseudonyms here and searches %s of the same domain by real values: by joining the two it finds the pseudonym of a value that it knows",
					c.QualifiedName(), role, other.QualifiedName())
			}
		}
	}
}

// checkShifted asks that every table whose dates are shifted says whom its rows are about.
func (p *fileParser) checkShifted(table relationName) {
	if len(p.Faults) > 0 {
		return // perhaps of the subject
	}
	for _, c := range p.columns {
		if c.Schema != table.schema || c.Table != table.name || c.Subject != nil {
			continue
		}
		var roles []string
		for _, role := range names(c.Access) {
			if a := c.Access[role]; a.Verdict == Pseudonymize && a.Pseudonym.Shifted() {
				roles = append(roles, quote(role))
			}
		}
		if len(roles) > 0 {
			p.Errorf(c.place("access"), "column %s: role %s: its dates are shifted by whom they are about, and the table has no subject, the column that says so", c.QualifiedName(), strings.Join(roles, ", "))
		}
	}
}
