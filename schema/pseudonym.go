package schema

import (
	"github.com/pgveil/pgveil/keys"
)

// Project is what pseudonyms are of: each has its own, which only its keyset takes back.
type Project struct {
	Name  string
	Key   string // name of the keyset, of this project alone
	Epoch int    // another one gives other pseudonyms
	Shift int    // by how many days dates are shifted at most, either way
}

// Pseudonym says which pseudonyms a role sees of a column.
type Pseudonym struct {
	Project string
	Key     string
	Epoch   int
	Shift   int
	Format  keys.PseudonymFormat
}

// Shifted reports whether the pseudonyms are dates, which need the subject of their row.
func (p Pseudonym) Shifted() bool {
	return p.Format == keys.PseudonymDate || p.Format == keys.PseudonymInstant
}

// HasPseudonyms reports whether any role sees pseudonyms of the column.
func (c *Column) HasPseudonyms() bool { return c.pseudonyms }

// PseudonymSpec says how pseudonyms of the column are made. They are of the context that the
// file gives the column, so that they are the same for all columns of a domain, and stay while the
// column is sealed anew; those of dates are of the domain of their subjects.
func (c *Column) PseudonymSpec(p Pseudonym) keys.PseudonymSpec {
	spec := keys.PseudonymSpec{Project: p.Project, Epoch: p.Epoch, Format: p.Format, Days: p.Shift}
	file := c.InFile()
	switch {
	case p.Shifted() && file.Subject != nil:
		spec.Domain = "subject:" + file.Subject.SubjectDomain()
	case file.Context == "" && file.Was != nil:
		spec.Domain = file.Was.Context
	default:
		spec.Domain = file.Context
	}
	if p.Format == keys.PseudonymText {
		spec.Room = max(maxChars(c.Type), 0)
	}
	return spec
}
