package logical

import "math"

// PostgreSQL counts days, and microseconds, from 2000-01-01.
// Source: PostgreSQL manual, "Date/Time Types"; timestamp.h.
const (
	microsPerSecond = 1000000
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 60 * microsPerMinute
	microsPerDay    = 24 * microsPerHour
	secondsPerDay   = 86400

	epochDays = 10957 // 2000-01-01 in days since 1970-01-01

	firstDay      = -2451545             // 4714-11-24 BC, Julian day 0
	endOfDays     = 2147483494 - 2451545 // the day behind 5874897-12-31
	endOfStamped  = 109203528 - 2451545  // the day behind 294276-12-31
	firstStamp    = int64(firstDay) * microsPerDay
	endOfStamps   = int64(endOfStamped) * microsPerDay
	dateInfinity  = math.MaxInt32
	dateMinusInf  = math.MinInt32
	stampInfinity = math.MaxInt64
	stampMinusInf = math.MinInt64
)

// civil is a day of the Gregorian calendar; year 0 is 1 BC.
type civil struct {
	year, month, day int
}

// days counts the days from 2000-01-01.
func (c civil) days() int64 {
	// Years begin in March here, so that the leap day is the last one.
	y, m := int64(c.year), int64(c.month)
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv64(y, 400)
	yearOfEra := y - era*400
	dayOfYear := (153*(m-3)+2)/5 + int64(c.day) - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return era*146097 + dayOfEra - 719468 - epochDays
}

// civilDay is the inverse of days.
func civilDay(days int64) civil {
	z := days + epochDays + 719468
	era := floorDiv64(z, 146097)
	dayOfEra := z - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	mp := (5*dayOfYear + 2) / 153
	c := civil{year: int(yearOfEra + era*400), month: int(mp + 3), day: int(dayOfYear - (153*mp+2)/5 + 1)}
	if c.month > 12 {
		c.month -= 12
		c.year++
	}
	return c
}

func floorDiv64(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func daysInMonth(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// validDay says whether date can hold the day, validStamp whether timestamp can hold the microsecond.
func validDay(days int64) bool { return days >= firstDay && days < endOfDays }

func validStamp(micros int64) bool { return micros >= firstStamp && micros < endOfStamps }

// splitStamp gives the day and the microsecond within it.
func splitStamp(micros int64) (days, rest int64) {
	days = floorDiv64(micros, microsPerDay)
	return days, micros - days*microsPerDay
}

// roundStamp rounds to the given number of digits of the second, half away from 2000-01-01.
func roundStamp(micros int64, precision int32) int64 {
	if micros == stampInfinity || micros == stampMinusInf || precision < 0 || precision >= maxTimePrec {
		return micros
	}
	unit := int64(1)
	for range maxTimePrec - precision {
		unit *= 10
	}
	if micros < 0 {
		return -((-micros + unit/2) / unit * unit)
	}
	return (micros + unit/2) / unit * unit
}
