package logical

import "time"

// LoadLocation gives the zone that a session's TimeZone names, nil when this machine does not know it.
func LoadLocation(name string) *time.Location {
	if name == "" || name == "Local" {
		return nil // time.LoadLocation would give this machine's own zone
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return loc
}
