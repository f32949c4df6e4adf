package logical

import (
	"time"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// castToDatetime casts between date, timestamp and timestamptz; the last one by the session's zone.
func (k Kind) castToDatetime(dst, plain []byte, source Kind, s *Settings) ([]byte, error) {
	if source == Date {
		days, err := canonicalDate(plain)
		if err != nil {
			return dst, err
		}
		micros, err := k.stampOfDay(days, s)
		if err != nil {
			return dst, err
		}
		return appendStamp(dst, micros), nil
	}
	micros, err := source.canonicalStamp(plain)
	if err != nil {
		return dst, err
	}
	if k == Date {
		days, err := dayOfStamp(micros, source, s)
		if err != nil {
			return dst, err
		}
		return appendDay(dst, days), nil
	}
	if micros, err = k.stampOfStamp(micros, s); err != nil {
		return dst, err
	}
	return appendStamp(dst, micros), nil
}

// stampOfDay gives the start of a day as a timestamp or timestamptz.
func (k Kind) stampOfDay(days int64, s *Settings) (int64, error) {
	switch days {
	case dateInfinity:
		return stampInfinity, nil
	case dateMinusInf:
		return stampMinusInf, nil
	}
	outOfRange := pgerror.New(pgerror.DatetimeOverflow, "date out of range for timestamp")
	if days >= endOfStamped {
		return 0, outOfRange
	}
	micros := days * microsPerDay
	if k == Timestamptz {
		if s == nil || s.Location == nil {
			return 0, k.needZone()
		}
		micros -= localOffset(s.Location, micros) * microsPerSecond
		if !validStamp(micros) {
			return 0, outOfRange
		}
	}
	return micros, nil
}

// dayOfStamp gives the day of a timestamp or, in the session's zone, of a timestamptz.
func dayOfStamp(micros int64, source Kind, s *Settings) (int64, error) {
	switch micros {
	case stampInfinity:
		return dateInfinity, nil
	case stampMinusInf:
		return dateMinusInf, nil
	}
	if source == Timestamptz {
		if s == nil || s.Location == nil {
			return 0, source.needZone()
		}
		micros += zoneOffset(s.Location, micros) * microsPerSecond
	}
	days, _ := splitStamp(micros)
	return days, nil
}

// stampOfStamp casts a timestamp to a timestamptz, or back, whichever k is.
func (k Kind) stampOfStamp(micros int64, s *Settings) (int64, error) {
	if micros == stampInfinity || micros == stampMinusInf {
		return micros, nil
	}
	if s == nil || s.Location == nil {
		return 0, Timestamptz.needZone()
	}
	if k == Timestamptz {
		micros -= localOffset(s.Location, micros) * microsPerSecond
	} else {
		micros += zoneOffset(s.Location, micros) * microsPerSecond
	}
	if !validStamp(micros) {
		return 0, stampOutOfRange()
	}
	return micros, nil
}

// skipped says whether clocks were put forward so shortly before a moment that local
// times which never were stand for it too.
func skipped(loc *time.Location, micros int64) bool {
	t := instant(loc, micros)
	start, _ := t.ZoneBounds()
	if start.IsZero() {
		return false
	}
	_, before := start.Add(-time.Second).Zone()
	_, now := t.Zone()
	return now > before && t.Unix()-start.Unix() < int64(now-before)
}
