package alert

import "fmt"

// Kind says what an alert is about.
type Kind uint8

// Kinds of alert.
const (
	Network    Kind = iota // a role connects from a network that it has not come from before
	Rejected               // many clients do not get in
	Shared                 // a role is used from several hosts, or by several applications, at once
	Refusals               // a role is refused many statements, as it lacks the right
	Failures               // values cannot be opened
	Budget                 // a budget has stopped a statement
	Canary                 // somebody has opened values of a patient whom nobody should read
	BreakGlass             // somebody has opened what their verdict denies
	kinds
)

var kindNames = [kinds]string{
	Network: "network", Rejected: "rejected", Shared: "shared", Refusals: "refusals",
	Failures: "failures", Budget: "budget", Canary: "canary", BreakGlass: "break_glass",
}

// String gives the word of the kind in records, metrics and messages.
func (k Kind) String() string {
	if k >= kinds {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Kinds lists all kinds of alert.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}
