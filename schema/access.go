package schema

// Verdict says what a role sees of a tagged column. A greater one permits more.
type Verdict uint8

// The verdicts. The zero value denies.
const (
	Deny    Verdict = iota // the statement fails with 42501
	Hide                   // NULL instead of the value
	Mask                   // the value through a [Pattern]
	Decrypt                // the value
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
	Verdict Verdict
	Search  bool    // may compare the column with values
	Mask    Pattern // for the verdict [Mask]
}

// AccessFor returns what a session may do with the column. roles are its
// current_user and every role that one inherits from. The most permissive
// verdict wins; of several masks, the one that shows more. The right to search
// is there if any of the roles has it. Without any entry the answer is [Deny]
// and no search.
func (c *Column) AccessFor(roles []string) Access {
	best := c.Access[PublicRole]
	for _, role := range roles {
		a, ok := c.Access[role]
		if !ok {
			continue
		}
		search := best.Search || a.Search
		if a.Verdict > best.Verdict || a.Verdict == Mask && best.Verdict == Mask && a.Mask.showsMore(best.Mask) {
			best = a
		}
		best.Search = search
	}
	return best
}
