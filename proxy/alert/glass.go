package alert

import (
	"strings"
	"time"
)

const (
	glassBegin = "glass broken until "
	glassThen  = ": "
)

// GlassText is the text of a [BreakGlass]: until when, and why. The reason is as the user has
// written it, so it has to be printable and short.
func GlassText(until time.Time, reason string) string {
	return glassBegin + until.UTC().Format(time.RFC3339) + glassThen + reason
}

// ParseGlass gives back what [GlassText] was made of. It is false for any other text.
func ParseGlass(text string) (until time.Time, reason string, ok bool) {
	text, begins := strings.CutPrefix(text, glassBegin)
	stamp, reason, ok := strings.Cut(text, glassThen)
	until, err := time.Parse(time.RFC3339, stamp)
	return until, reason, begins && ok && err == nil
}
