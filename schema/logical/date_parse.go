package logical

// date reads a date at the start of the text:
//
//   - three numbers with the same - / or . between, or two and a month's name;
//   - YYYYMMDD;
//   - "31 July 2022", "July 31, 2022", a day of the week before; the year may come after the
//     time, as the server's style "Postgres" has it.
//
// Source: PostgreSQL manual, "Date/Time Input Interpretation".
func (r *timeReader) date() bool {
	weekday := r.weekday()
	if len(r.rest) == 0 {
		return false
	}
	if c := r.rest[0]; c < '0' || c > '9' {
		return r.monthByName() && r.dayAndYear(nil)
	}
	first := r.digits()
	if len(r.rest) == 0 || r.rest[0] != '-' && r.rest[0] != '/' && r.rest[0] != '.' {
		if len(first) == 8 {
			r.year, r.month, r.day = first[:4], first[4:6], first[6:]
			return true
		}
		r.skipSpace()
		return len(first) <= 4 && r.monthByName() && r.dayAndYear(first)
	}
	if weekday {
		return false // with a time behind it the server reads this otherwise
	}
	separator := r.rest[0]
	r.rest = r.rest[1:]
	var second []byte
	if !r.monthByName() {
		second = r.digits()
	}
	if !r.take(separator) {
		return false
	}
	third := r.digits()
	if len(r.rest) > 0 && r.rest[0] == separator {
		return false
	}
	if r.monthName != 0 {
		return r.aroundMonth(first, third) && (len(r.rest) == 0 || r.rest[0]|0x20 < 'a' || r.rest[0]|0x20 > 'z')
	}
	return r.inOrder(first, second, third)
}

// inOrder takes three numbers for what DateStyle says.
func (r *timeReader) inOrder(first, second, third []byte) bool {
	switch {
	case len(first) >= 3 || r.order == orderYMD:
		r.year, r.month, r.day = first, second, third
	case r.order == orderDMY:
		r.day, r.month, r.year = first, second, third
	default:
		r.month, r.day, r.year = first, second, third
	}
	return isDayNumber(r.month) && isDayNumber(r.day) && len(r.year) > 0
}

// aroundMonth takes two numbers that stand with a month's name for day and year.
func (r *timeReader) aroundMonth(first, second []byte) bool {
	r.day, r.year = first, second
	if (len(first) >= 3 || r.order == orderYMD) && (len(first) >= 3 || len(second) < 3) {
		r.day, r.year = second, first
	}
	return isDayNumber(r.day) && len(r.year) > 0
}

func isDayNumber(digits []byte) bool { return len(digits) == 1 || len(digits) == 2 }

// dayAndYear reads what stands after a month's name; first is the number before it, nil
// if there is none.
func (r *timeReader) dayAndYear(first []byte) bool {
	r.skipSpaceAndComma()
	if first == nil {
		first = r.digits()
		if len(first) == 0 || len(first) > 4 || len(r.rest) > 0 && !isSpace(r.rest[0]) && r.rest[0] != ',' {
			return false
		}
		r.skipSpaceAndComma()
	} else if r.order == orderMDY && len(first) <= 2 && (number(first) < 1 || number(first) > 31) {
		return false // the server takes it for a month until it reads the name
	}
	before := r.rest
	second := r.digits()
	if len(r.rest) > 0 && r.rest[0] == ':' { // a time
		r.rest, second = before, nil
	}
	switch {
	case second == nil && isDayNumber(first):
		r.day = first
		return true
	case len(second) == 0 || len(second) > 4 || len(r.rest) > 0 && !isSpace(r.rest[0]):
		return false
	}
	return r.aroundMonth(first, second)
}

// lateYear reads the year behind the time.
func (r *timeReader) lateYear() bool {
	r.year = r.digits()
	// Two digits of a year would come before the day under YMD.
	return len(r.year) <= 4 && (len(r.year) >= 3 || r.order != orderYMD) && (len(r.rest) == 0 || isSpace(r.rest[0]))
}

func (r *timeReader) skipSpaceAndComma() {
	r.skipSpace()
	if r.take(',') {
		r.skipSpace()
	}
}

// letters takes all letters at the start of the rest.
func (r *timeReader) letters() []byte {
	n := 0
	for n < len(r.rest) && (r.rest[n]|0x20 >= 'a' && r.rest[n]|0x20 <= 'z') {
		n++
	}
	w := r.rest[:n]
	r.rest = r.rest[n:]
	return w
}

// weekday passes over the name of a day of the week, which says nothing, and reports
// whether there was one.
func (r *timeReader) weekday() bool {
	before := r.rest
	w := r.letters()
	for _, name := range weekdays {
		if equalFoldASCII(w, name) && len(r.rest) > 0 && (isSpace(r.rest[0]) || r.rest[0] == ',') {
			r.skipSpaceAndComma()
			return true
		}
	}
	r.rest = before
	return false
}

// monthByName reads the name of a month; what is none stays.
func (r *timeReader) monthByName() bool {
	before := r.rest
	w := r.letters()
	for i, name := range months {
		if equalFoldASCII(w, name) || equalFoldASCII(w, name[:3]) || i == 8 && equalFoldASCII(w, "sept") {
			r.monthName = i + 1
			return true
		}
	}
	r.rest = before
	return false
}

// weekdays and months are the names that the server knows.
// Source: PostgreSQL manual, "Date/Time Key Words".
var (
	weekdays = [...]string{
		"sunday", "sun", "monday", "mon", "tuesday", "tue", "tues", "wednesday", "wed", "weds",
		"thursday", "thu", "thur", "thurs", "friday", "fri", "saturday", "sat",
	}
	months = [...]string{
		"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
	}
)

// checkHalf applies AM and PM.
func (r *timeReader) checkHalf() error {
	const noon = 12 * microsPerHour
	switch {
	case r.half == 0:
	case r.m.micros >= noon+microsPerHour:
		return r.outOfRange()
	case r.half == 'a' && r.m.micros >= noon:
		r.m.micros -= noon
	case r.half == 'p' && r.m.micros < noon:
		r.m.micros += noon
	}
	return nil
}
