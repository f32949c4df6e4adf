package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

// KeySpec is a key that the file names; the key itself is in Vault.
type KeySpec struct {
	Name string
	Mode Mode // what the key is for
	// Retain is for how long what the key seals is to be kept, from when the key was made; zero
	// for no bound. Nothing is erased by it: it makes the key's destruction due.
	Retain Period
	// ByValue says that it is a family: a keyset for each value of a column, and no other. ByYear
	// says that the values are years.
	ByValue, ByYear bool
}

var keyKeys = []string{"type", "retain"}

// Period is a time in days, months or years, of the calendar.
type Period struct {
	N    int
	Unit string // days, months or years
}

// String gives the period as the schema file has it.
func (p Period) String() string {
	if p.N == 1 {
		return "1 " + strings.TrimSuffix(p.Unit, "s")
	}
	return fmt.Sprintf("%d %s", p.N, p.Unit)
}

// IsZero reports whether there is none.
func (p Period) IsZero() bool { return p.N == 0 }

// After gives when the period that begins at a moment is over.
func (p Period) After(t time.Time) time.Time {
	switch p.Unit {
	case "days":
		return t.AddDate(0, 0, p.N)
	case "months":
		return t.AddDate(0, p.N, 0)
	default:
		return t.AddDate(p.N, 0, 0)
	}
}

func (p *fileParser) parseKeys(e yamlfile.Entry) {
	for _, e := range p.Mapping(e.Value, "keys") {
		if err := keys.CheckName(e.Key); err != nil {
			p.Errorf(e.At, "%v", err)
			continue
		}
		if _, _, member := keys.SplitMember(e.Key); member {
			p.Errorf(e.At, "key %q: such a name is that of a key by value; give it another", e.Key)
			continue
		}
		what := "key " + quote(e.Key)
		spec := KeySpec{Name: e.Key, Mode: Randomized}
		kind := e.As("type")
		if yamlfile.IsMapping(e.Value) {
			fields := p.Fields(e.Value, what, keyKeys)
			if retain, ok := fields["retain"]; ok {
				spec.Retain = p.parsePeriod(retain, what)
			}
			var ok bool
			if kind, ok = fields["type"]; !ok {
				p.Errorf(e.At, "%s has no type; it is %s or %s", what, Randomized, Deterministic)
				continue
			}
		}
		if s, ok := p.Choice(kind, what, Randomized.String(), Deterministic.String()); ok {
			if s == Deterministic.String() {
				spec.Mode = Deterministic
			}
			p.keys[e.Key] = &keyUse{KeySpec: spec, at: e.At}
			p.file.Keys[e.Key] = spec
		}
	}
}

var (
	periodUnits = []string{"days", "months", "years"}
	periodForm  = regexp.MustCompile(`^([1-9][0-9]{0,3}) ([a-z]+)$`)
)

// parsePeriod reads such as "3 years".
func (p *fileParser) parsePeriod(e yamlfile.Entry, what string) Period {
	text, ok := p.Text(e, what)
	if !ok {
		return Period{}
	}
	at := yamlfile.PositionOf(e.Value)
	m := periodForm.FindStringSubmatch(text)
	if m == nil {
		p.Errorf(at, "%s: retain is a number of %s, such as 3 years, and not %q", what, strings.Join(periodUnits, ", "), text)
		return Period{}
	}
	unit := m[2]
	if m[1] == "1" && !strings.HasSuffix(unit, "s") {
		unit += "s"
	}
	if !slices.Contains(periodUnits, unit) {
		p.Errorf(at, "%s: unknown unit %q of retain%s", what, m[2], yamlfile.DidYouMean(unit, periodUnits))
		return Period{}
	}
	n, _ := strconv.Atoi(m[1]) // of four digits
	return Period{n, unit}
}
