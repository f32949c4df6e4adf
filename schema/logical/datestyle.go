package logical

import "strings"

// dateStyle is how dates are written, dateOrder what a date in numbers alone means.
// Source: PostgreSQL manual, "Date/Time Output".
type (
	dateStyle uint8
	dateOrder uint8
)

const (
	styleISO dateStyle = iota
	styleSQL
	stylePostgres
	styleGerman
)

const (
	orderMDY dateOrder = iota
	orderDMY
	orderYMD
)

// dates reads DateStyle as the server reports it: "SQL, DMY". An unset one counts as
// the server's default.
func (s *Settings) dates() (dateStyle, dateOrder) {
	if s == nil || s.DateStyle == "" {
		return styleISO, orderMDY
	}
	word, order, _ := strings.Cut(s.DateStyle, ", ")
	style := styleISO
	switch word {
	case "SQL":
		style = styleSQL
	case "Postgres":
		style = stylePostgres
	case "German":
		style = styleGerman
	}
	switch order {
	case "DMY":
		return style, orderDMY
	case "YMD":
		return style, orderYMD
	}
	return style, orderMDY
}

var (
	monthNames   = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
	weekdayNames = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
)

// appendDate appends a date without its era.
func (c civil) appendDate(dst []byte, style dateStyle, order dateOrder) []byte {
	year := c.year
	if year <= 0 {
		year = 1 - year
	}
	first, second, separator := c.month, c.day, byte('-')
	switch style {
	case styleISO:
		dst = append(appendDigits(dst, year, 4), '-')
		dst = append(appendDigits(dst, c.month, 2), '-')
		return appendDigits(dst, c.day, 2)
	case styleSQL:
		separator = '/'
	case styleGerman:
		separator, order = '.', orderDMY
	}
	if order == orderDMY {
		first, second = second, first
	}
	dst = append(appendDigits(dst, first, 2), separator)
	dst = append(appendDigits(dst, second, 2), separator)
	return appendDigits(dst, year, 4)
}

// appendMoment appends a date and a time of day. zone is the name of the zone or its
// offset, empty when there is none.
func (c civil) appendMoment(dst []byte, day, micros int64, style dateStyle, order dateOrder, zone []byte) []byte {
	if style != stylePostgres {
		dst = append(c.appendDate(dst, style, order), ' ')
		dst = appendTime(dst, micros)
		if len(zone) > 0 && style != styleISO {
			dst = append(dst, ' ')
		}
		return appendEra(append(dst, zone...), c)
	}
	year := c.year
	if year <= 0 {
		year = 1 - year
	}
	dst = append(append(dst, weekdayNames[((day+6)%7+7)%7]...), ' ')
	if order == orderDMY {
		dst = append(appendDigits(dst, c.day, 2), ' ')
		dst = append(append(dst, monthNames[c.month-1]...), ' ')
	} else {
		dst = append(append(dst, monthNames[c.month-1]...), ' ')
		dst = append(appendDigits(dst, c.day, 2), ' ')
	}
	dst = append(appendTime(dst, micros), ' ')
	dst = appendDigits(dst, year, 4)
	if len(zone) > 0 {
		dst = append(append(dst, ' '), zone...)
	}
	return appendEra(dst, c)
}
