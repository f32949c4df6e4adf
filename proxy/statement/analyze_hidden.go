package statement

import (
	"strings"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// spellOut puts names in the place of a *, which stands behind so many qualifiers, where
// the server would give columns, too, that clients do not see.
func (x *analysis) spellOut(items []*item, token int32, qualifiers int, s *scope) {
	hides := false
	for _, it := range items {
		hides = hides || it.hides
	}
	if !hides || x.err != nil {
		return
	}
	if token < 0 || x.text == nil { // TABLE patient
		x.fail(refuseHidden("this form of *"), token)
		return
	}
	var b strings.Builder
	for _, it := range items {
		for i := range it.columns {
			c := &it.columns[i]
			if b.Len() > 0 {
				b.WriteString(", ")
			}
			via := c.via
			if !it.unnamed {
				via = it.name
			}
			if via == "" && s.ambiguous(c.name) {
				if via = c.side; via == "" {
					x.fail(refuseHidden("* with two columns of one name"), token)
					return
				}
			}
			if via != "" {
				b.WriteString(quoteName(via) + ".")
			}
			b.WriteString(quoteName(c.name))
		}
	}
	if b.Len() == 0 {
		x.fail(refuseHidden("* without columns"), token)
		return
	}
	last := token + 2*int32(qualifiers)
	x.edits = append(x.edits, edit{kind: editText, first: token, last: last, token: token, text: b.String()})
}

// ambiguous reports whether a bare name stands for several columns.
func (s *scope) ambiguous(name string) bool {
	total := 0
	for _, it := range s.items {
		if !it.qualifiedOnly {
			_, n := it.find(name)
			total += n
		}
	}
	return total > 1
}

// visibleOnly refuses what would give columns, too, that clients do not see.
func (x *analysis) visibleOnly(it *item, token int32) {
	if it.hides {
		x.fail(refuseHidden("a whole row"), token)
	}
}

// refuseHidden is about a table whose columns are being changed.
func refuseHidden(form string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot use %s of a table while pgveil schema apply changes how its columns are stored", form).
		WithHint("Name the columns, or wait until it has ended: pgveil schema status.")
}

// refuseShadow is about a column that clients do not see.
func refuseShadow(a *schema.Attribute) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "column %q is pgveil's own while pgveil schema apply runs", a.Name)
}

// shiftsNames reports whether some of the first columns of a join, which gets so many names for
// them, have others before them that clients do not see: to the server the names would be those
// of other columns.
func shiftsNames(names, merged int, left, right *item) bool {
	if left.hides { // a table's own are its last
		return left.of == nil && names > merged || names > len(left.columns)
	}
	return right.of == nil && names > len(left.columns)
}
