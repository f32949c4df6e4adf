package logical

import (
	"bytes"
	"math"
	"strconv"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// moment is what a date or timestamp in text says.
type moment struct {
	infinite int // 1 infinity, -1 -infinity, else 0
	civil
	micros  int64 // of the day, up to 24:00:00
	hasZone bool
	offset  int64 // seconds east of UTC
}

const (
	isoHint = "Write it in ISO 8601: 2022-07-31, 2022-07-31 23:59:59.5+02."
	// maxDatetimeText is a length in bytes that keeps clear of the limit of the server's own buffer (128).
	maxDatetimeText = 100
)

// timeReader reads dates and timestamps: dates in numbers, in the order that DateStyle says
// unless the year stands first in three digits at least, or with the name of the month (see
// date_parse.go); hours, minutes and seconds with colons, AM or PM; an offset from UTC; BC. Ranges are checked in the server's order, so that its error is the
// one that is given. Other forms are refused, unless they are clearly none.
// Source: PostgreSQL manual, "Date/Time Input" and "Date/Time Input Interpretation".
type timeReader struct {
	kind  Kind
	value []byte // all of the text, for errors
	rest  []byte // what is still to be read
	m     moment

	order            dateOrder
	year, month, day []byte // digits; year is nil while it is still to come, after the time
	monthName        int    // 0: the month is in digits
	era, bc          bool   // AD or BC was there, BC was
	half             byte   // a of AM, p of PM, else 0
}

// parseMoment reads the text of a date, timestamp or timestamptz.
func (k Kind) parseMoment(value []byte, s *Settings) (moment, error) {
	r := timeReader{kind: k, value: value, rest: trimSpace(value)}
	_, r.order = s.dates()
	switch {
	case equalFoldASCII(r.rest, "infinity"):
		return moment{infinite: 1}, nil
	case equalFoldASCII(r.rest, "-infinity"):
		return moment{infinite: -1}, nil
	case equalFoldASCII(r.rest, "epoch"):
		return moment{civil: civil{1970, 1, 1}, hasZone: true}, nil
	}
	if len(r.rest) > maxDatetimeText || !r.date() {
		return moment{}, r.unreadable()
	}
	return r.m, r.readRest()
}

// readRest reads what follows the date: time, zone and era, each at most once, the
// time first; then it checks the date. The server splits all of the text before it looks at
// ranges, so the first error of a range counts only if all of the text can be read.
func (r *timeReader) readRest() error {
	hasTime := false
	var first error
	take := func(ok bool, err error) bool {
		if ok && first == nil {
			first = err
		}
		return ok
	}
	for {
		r.skipSpace()
		if len(r.rest) == 0 {
			switch {
			case r.year == nil || r.half != 0 && !hasTime:
				return r.unreadable()
			case first != nil:
				return first
			}
			if err := r.checkDate(); err != nil {
				return err
			}
			return r.checkHalf()
		}
		var ok bool
		switch c := r.rest[0]; {
		case c >= '0' && c <= '9' && r.year == nil && hasTime:
			ok = r.lateYear()
		case c >= '0' && c <= '9':
			ok = !hasTime && !r.m.hasZone && take(r.time())
			hasTime = true
		case (c|0x20) == 't' && !hasTime && !r.m.hasZone:
			r.rest = r.rest[1:]
			r.skipSpace()
			ok = take(r.compactTime()) || take(r.time())
			hasTime = true
		case c == '+' || c == '-':
			ok = !r.m.hasZone && take(true, r.offset()) && r.m.hasZone
		default:
			ok = r.word()
		}
		if !ok {
			return r.unreadable()
		}
	}
}

func (r *timeReader) skipSpace() {
	for len(r.rest) > 0 && isSpace(r.rest[0]) {
		r.rest = r.rest[1:]
	}
}

// digits takes all digits at the start of the rest.
func (r *timeReader) digits() []byte {
	n := 0
	for n < len(r.rest) && r.rest[n] >= '0' && r.rest[n] <= '9' {
		n++
	}
	d := r.rest[:n]
	r.rest = r.rest[n:]
	return d
}

// take takes the byte c if it comes next.
func (r *timeReader) take(c byte) bool {
	if len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// number is the value of a few digits.
func number(digits []byte) int64 {
	var v int64
	for _, c := range digits {
		v = v*10 + int64(c-'0')
	}
	return v
}

// time reads H:M, H:M:S or H:M:S.fraction.
func (r *timeReader) time() (ok bool, err error) {
	h := r.digits()
	if len(h) == 0 || len(h) > 2 || !r.take(':') {
		return false, nil
	}
	m := r.digits()
	var s []byte
	var fraction int64
	if len(m) == 0 || len(m) > 2 {
		return false, nil
	}
	if r.take(':') {
		s = r.digits()
		if len(s) == 0 || len(s) > 2 {
			return false, nil
		}
		if r.take('.') {
			fraction = r.fraction()
		}
	}
	// "10:20.5" would be minutes and seconds.
	if len(r.rest) > 0 && (r.rest[0] == '.' || r.rest[0] == ':') {
		return false, nil
	}
	r.m.micros = number(h)*microsPerHour + number(m)*microsPerMinute + number(s)*microsPerSecond + fraction
	if number(m) > 59 || number(s) > 60 || r.m.micros > microsPerDay {
		return true, r.outOfRange()
	}
	return true, nil
}

// compactTime reads HHMM, HHMMSS or HHMMSS.fraction. It leaves the rest as it was
// if there is none in range: the server does not check the ranges of this form.
func (r *timeReader) compactTime() (ok bool, err error) {
	before := r.rest
	d := r.digits()
	if len(d) != 4 && len(d) != 6 || len(r.rest) > 0 && r.rest[0] == ':' {
		r.rest = before
		return false, nil
	}
	var seconds, fraction int64
	if len(d) == 6 {
		seconds = number(d[4:])
		if len(r.rest) > 1 && r.rest[0] == '.' && r.rest[1] >= '0' && r.rest[1] <= '9' {
			r.rest = r.rest[1:]
			fraction = r.fraction()
		}
	}
	r.m.micros = number(d[:2])*microsPerHour + number(d[2:4])*microsPerMinute + seconds*microsPerSecond + fraction
	if number(d[:2]) > 23 || number(d[2:4]) > 59 || seconds > 59 || len(r.rest) > 0 && r.rest[0] == '.' {
		r.rest = before
		return false, nil
	}
	return true, nil
}

// fraction reads the digits behind the decimal point of seconds, rounded to microseconds as
// the server does it, in floating point.
func (r *timeReader) fraction() int64 {
	d := r.digits()
	if len(d) <= 6 {
		v := number(d)
		for range 6 - len(d) {
			v *= 10
		}
		return v
	}
	f, _ := strconv.ParseFloat("0."+string(d), 64)
	return int64(math.RoundToEven(f * microsPerSecond))
}

// offset reads a numeric zone: ±H, ±HH:MM, ±HH:MM:SS, ±HHMM. What it cannot read leaves hasZone false.
func (r *timeReader) offset() error {
	sign := int64(1)
	if r.rest[0] == '-' {
		sign = -1
	}
	r.rest = r.rest[1:]
	h := r.digits()
	var m, s []byte
	if len(h) == 3 || len(h) == 4 {
		h, m = h[:len(h)-2], h[len(h)-2:]
	} else if len(h) != 0 && len(h) <= 2 && r.take(':') {
		if m = r.digits(); len(m) == 0 || len(m) > 2 {
			return nil
		}
		if r.take(':') {
			if s = r.digits(); len(s) == 0 || len(s) > 2 {
				return nil
			}
		}
	}
	if len(h) == 0 || len(h) > 2 || len(r.rest) > 0 && bytes.IndexByte([]byte(":.-+"), r.rest[0]) >= 0 {
		return nil
	}
	r.m.hasZone = true
	r.m.offset = sign * (number(h)*3600 + number(m)*60 + number(s))
	if number(h) > 15 || number(m) > 59 || number(s) > 59 {
		return pgerror.New(codeZoneDisplacement, "time zone displacement out of range: \"%s\"", r.value)
	}
	return nil
}

// word reads an era or a name of UTC.
func (r *timeReader) word() bool {
	w := r.letters()
	if len(r.rest) > 0 && !isSpace(r.rest[0]) && r.rest[0] != '+' && r.rest[0] != '-' {
		return false
	}
	switch {
	case equalFoldASCII(w, "am"), equalFoldASCII(w, "pm"):
		if r.half != 0 {
			return false
		}
		r.half = w[0] | 0x20
		return true
	case equalFoldASCII(w, "bc"), equalFoldASCII(w, "ad"):
		if r.era {
			return false
		}
		r.era = true
		r.bc = w[0]|0x20 == 'b'
		return true
	case equalFoldASCII(w, "z"), equalFoldASCII(w, "utc"), equalFoldASCII(w, "gmt"), equalFoldASCII(w, "zulu"):
		// "UTC+3" would be another zone.
		if r.m.hasZone || len(r.rest) > 0 && !isSpace(r.rest[0]) {
			return false
		}
		r.m.hasZone = true
		return true
	}
	return false
}

// checkDate checks and keeps the date.
func (r *timeReader) checkDate() error {
	year, err := strconv.ParseInt(string(r.year), 10, 32)
	short := len(r.year) <= 2 && !r.bc
	if err != nil || year == 0 && !short {
		return r.outOfRange() // there is no year 0
	}
	switch {
	case r.bc:
		year = 1 - year
	case short && year < 70:
		year += 2000
	case short:
		year += 1900
	}
	r.m.civil = civil{year: int(year), month: r.monthName, day: int(number(r.day))}
	if r.monthName == 0 {
		r.m.month = int(number(r.month))
	}
	if r.m.month < 1 || r.m.month > 12 || r.m.day < 1 || r.m.day > 31 {
		return r.outOfRange().WithHint("Perhaps you need a different \"datestyle\" setting.")
	}
	if r.m.day > daysInMonth(r.m.year, r.m.month) {
		return r.outOfRange()
	}
	return nil
}

func (r *timeReader) outOfRange() *pgerror.Error {
	return pgerror.New(pgerror.DatetimeOverflow, "date/time field value out of range: \"%s\"", r.value)
}

// unreadable decides on text outside the grammar. What has no digit and none of the words that
// stand for a moment is no date for the server either; the rest is refused.
func (r *timeReader) unreadable() error {
	if err := checkUTF8(r.value); err != nil {
		return err
	}
	readable := bytes.ContainsAny(r.value, "0123456789")
	lower := bytes.ToLower(r.value)
	for _, w := range [...]string{"now", "today", "tomorrow", "yesterday", "epoch", "infinity"} {
		readable = readable || bytes.Contains(lower, []byte(w))
	}
	if readable {
		return Type{Kind: r.kind, Typmod: -1}.inexact(isoHint)
	}
	name := r.kind.String()
	if r.kind == Timestamp {
		name = "timestamp"
	}
	return pgerror.New(pgerror.InvalidDatetimeFormat, "invalid input syntax for type %s: \"%s\"", name, r.value)
}
