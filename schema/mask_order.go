package schema

import "cmp"

// emailWeight is what the domain of an address counts for in the order of masks: more than
// other texts show.
const emailWeight = 2*maxMaskLength + 1

// shown tells how much of a text m shows, -1 for a mask that shows nothing of any value.
func (m Pattern) shown() int {
	switch {
	case m.HasFixed:
		return -1
	case m.Email:
		return emailWeight
	case m.NIR:
		return nirOrderDigits
	}
	return m.KeepFirst + m.KeepLast
}

// showsMore reports whether m shows more of a value than other does. It is an
// order over all patterns, so that the answer does not depend on the order of a
// session's roles.
func (m Pattern) showsMore(other Pattern) bool {
	if c := cmp.Compare(m.shown(), other.shown()); c != 0 {
		return c > 0
	}
	return cmp.Or(
		cmp.Compare(m.KeepLast, other.KeepLast), cmp.Compare(rank(m.NIR), rank(other.NIR)),
		cmp.Compare(m.Truncate, other.Truncate), // none, year, month
		finer(m.Round, other.Round), finer(m.Bucket, other.Bucket), cmp.Compare(m.From, other.From),
		cmp.Compare(rank(m.Length == SameLength), rank(other.Length == SameLength)), cmp.Compare(other.Length, m.Length),
		cmp.Compare(other.Fill, m.Fill), cmp.Compare(other.Fixed, m.Fixed),
	) > 0
}

func rank(more bool) int {
	if more {
		return 1
	}
	return 0
}

// finer compares two units by how much rounding to them shows: none is the least.
func finer(a, b string) int {
	x, xOK := parseDecimal(a)
	y, yOK := parseDecimal(b)
	if !xOK || !yOK {
		return cmp.Compare(rank(xOK), rank(yOK))
	}
	return cmp.Or(y.Cmp(x), cmp.Compare(b, a))
}
