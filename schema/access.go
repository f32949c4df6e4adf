package schema

// Verdict says what a role sees of a tagged column. A greater one permits more.
type Verdict uint8

// The verdicts. The zero value denies.
const (
	Deny         Verdict = iota // the statement fails with 42501
	Hide                        // NULL instead of the value
	Mask                        // the value through a [Pattern]
	Pseudonymize                // a pseudonym of the value
	Decrypt                     // the value
)

// String gives the word of the schema file.
func (v Verdict) String() string {
	switch v {
	case Deny:
		return "deny"
	case Hide:
		return "hide"
	case Mask:
		return "mask"
	case Pseudonymize:
		return "pseudonym"
	case Decrypt:
		return "decrypt"
	default:
		return "invalid verdict"
	}
}

// PublicRole is the name under which an access holds for every role, as PUBLIC
// does in GRANT. No PostgreSQL role can have it.
const PublicRole = "public"

// Access is what a role may do with a tagged column.
type Access struct {
	Verdict   Verdict
	Search    bool      // may compare the column with values
	Mask      Pattern   // for the verdict [Mask]
	Pseudonym Pseudonym // for the verdict [Pseudonymize]
	// Write says that values may be stored that are given by their pseudonyms, which are the only
	// ones that can be stored under the verdict [Pseudonymize].
	Write bool
}

// AccessFor returns what a session may do with the column. roles are its
// current_user and every role that one inherits from. The most permissive
// verdict wins; of several masks, the one that shows more. A pseudonym comes before a mask,
// since it tells which rows are of one patient, and can be taken back. Pseudonyms of
// different projects do not go together: who has both could tell which are of one patient, and so sees
// neither. The right to search is there if any of the roles has it. Without any entry the
// answer is [Deny] and no search.
func (c *Column) AccessFor(roles []string) Access {
	best := c.Access[PublicRole]
	clash := false
	for _, role := range roles {
		a, ok := c.Access[role]
		if !ok && c.glass[role] {
			a, ok = Access{Verdict: Decrypt, Search: true}, true
		}
		if !ok {
			continue
		}
		search := best.Search || a.Search
		switch both := a.Verdict == best.Verdict; {
		case both && a.Verdict == Pseudonymize && a.Pseudonym == best.Pseudonym:
			best.Write = best.Write || a.Write
		case both && a.Verdict == Pseudonymize:
			clash = true
		case a.Verdict > best.Verdict, both && a.Verdict == Mask && a.Mask.showsMore(best.Mask):
			best = a
		}
		best.Search = search
	}
	if clash && best.Verdict == Pseudonymize {
		return Access{Pseudonym: best.Pseudonym}
	}
	return best
}

// Clashes reports whether nothing is permitted only because the roles are of two projects.
func (a Access) Clashes() bool { return a.Verdict == Deny && a.Pseudonym != Pseudonym{} }
