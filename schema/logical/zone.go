package logical

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

const epochSeconds = int64(epochDays) * secondsPerDay

// LoadLocation gives the zone that a session's TimeZone names: a name of the IANA database, which
// the server writes as the database does, or what SET TIME ZONE with a number or an
// interval gives, such as "<+02>-02". It is nil for a name that this machine does not know.
// Names that stand for a machine's own zone are not known either: the server may run on another one.
// Source: PostgreSQL manual, "Time Zones" and "POSIX Time Zone Specifications".
func LoadLocation(name string) *time.Location {
	if strings.HasPrefix(name, "<") {
		return fixedLocation(name)
	}
	// time.LoadLocation gives this machine's own zone for "Local" and UTC for "".
	switch {
	case name == "", strings.EqualFold(name, "local"), strings.EqualFold(name, "localtime"), strings.EqualFold(name, "posixrules"),
		strings.HasPrefix(name, "posix/"), strings.HasPrefix(name, "right/"):
		return nil
	}
	if loc, ok := locations.Load(name); ok {
		return loc.(*time.Location)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	locations.Store(name, loc)
	return loc
}

// locations holds the zones that were read, which are as many as the database has names at most.
var locations sync.Map

// fixedLocation reads "<+02:30>-02:30": a name, then the offset west of UTC.
func fixedLocation(spec string) *time.Location {
	name, west, found := strings.Cut(spec[1:], ">")
	if !found || west == "" {
		return nil
	}
	sign := -1
	switch west[0] {
	case '-':
		sign = 1
		west = west[1:]
	case '+':
		west = west[1:]
	}
	seconds, unit := 0, 3600
	for i, part := range strings.Split(west, ":") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || i > 2 || i > 0 && n > 59 || n > 167 {
			return nil
		}
		seconds += int(n) * unit
		unit /= 60
	}
	return time.FixedZone(name, sign*seconds)
}

// zoneOffset is the zone's offset from UTC, in seconds east, at a moment of a timestamptz.
func zoneOffset(loc *time.Location, micros int64) int64 {
	_, offset := instant(loc, micros).Zone()
	return int64(offset)
}

func instant(loc *time.Location, micros int64) time.Time {
	return time.Unix(floorDiv64(micros, microsPerSecond)+epochSeconds, 0).In(loc)
}

// localOffset is the offset that the server assumes for a local time in the zone: of the two that
// a change of clocks leaves open, the one before it where clocks go forward, and the one after
// it where they go back. local is in microseconds.
// Source: PostgreSQL manual, "Handling of Invalid or Ambiguous Timestamps".
func localOffset(loc *time.Location, local int64) int64 {
	seconds := floorDiv64(local, microsPerSecond) + epochSeconds
	// The last change that can matter is the first one from a day before, taken as UTC.
	dayBefore := time.Unix(seconds-secondsPerDay, 0).In(loc)
	_, before := dayBefore.Zone()
	_, change := dayBefore.ZoneBounds()
	if change.IsZero() {
		return int64(before)
	}
	_, after := change.Zone()
	boundary := change.Unix()
	byBefore, byAfter := seconds-int64(before), seconds-int64(after)
	switch {
	case byBefore < boundary && byAfter < boundary:
		return int64(before)
	case byBefore > boundary && byAfter >= boundary:
		return int64(after)
	case byBefore > byAfter:
		return int64(before)
	}
	return int64(after)
}
