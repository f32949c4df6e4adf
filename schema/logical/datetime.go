package logical

import (
	"encoding/binary"

	"github.com/pgveil/pgveil/schema/pgerror"
)

func isDatetime(k Kind) bool { return k == Date || k == Timestamp || k == Timestamptz }

func stampOutOfRange() error { return pgerror.New(pgerror.DatetimeOverflow, "timestamp out of range") }

// quotedOutOfRange is the error of text whose moment the type cannot hold.
func quotedOutOfRange(what string, value []byte) error {
	return pgerror.New(pgerror.DatetimeOverflow, "%s out of range: \"%s\"", what, value)
}

func appendDay(dst []byte, days int64) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(int32(days)))
}

func appendStamp(dst []byte, micros int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(micros))
}

func readDate(dst, value []byte, format int16, s *Settings) ([]byte, error) {
	if format != 0 {
		if len(value) < 4 {
			return dst, insufficientData()
		}
		days := int64(int32(binary.BigEndian.Uint32(value)))
		if days != dateInfinity && days != dateMinusInf && !validDay(days) {
			return dst, pgerror.New(pgerror.DatetimeOverflow, "date out of range")
		}
		return append(dst, value...), wantLength(value, 4)
	}
	m, err := Date.parseMoment(value, s)
	switch {
	case err != nil:
		return dst, err
	case m.infinite > 0:
		return appendDay(dst, dateInfinity), nil
	case m.infinite < 0:
		return appendDay(dst, dateMinusInf), nil
	}
	days := m.days()
	if !validDay(days) {
		return dst, quotedOutOfRange("date", value)
	}
	return appendDay(dst, days), nil
}

// readStamp reads a timestamp or timestamptz, without applying a modifier.
func (k Kind) readStamp(dst, value []byte, format int16, s *Settings) ([]byte, error) {
	if format != 0 {
		if len(value) < 8 {
			return dst, insufficientData()
		}
		micros := int64(binary.BigEndian.Uint64(value))
		if micros != stampInfinity && micros != stampMinusInf && !validStamp(micros) {
			return dst, stampOutOfRange()
		}
		return append(dst, value...), wantLength(value, 8)
	}
	m, err := k.parseMoment(value, s)
	switch {
	case err != nil:
		return dst, err
	case m.infinite > 0:
		return appendStamp(dst, stampInfinity), nil
	case m.infinite < 0:
		return appendStamp(dst, stampMinusInf), nil
	}
	days := m.days()
	// Checked before multiplying; a zone moves it by less than a day.
	if days < firstDay-1 || days > endOfStamped+1 {
		return dst, quotedOutOfRange("timestamp", value)
	}
	micros := days*microsPerDay + m.micros
	if k == Timestamptz {
		if !m.hasZone {
			if s == nil || s.Location == nil {
				return dst, k.needZone()
			}
			m.offset = localOffset(s.Location, micros)
		}
		micros -= m.offset * microsPerSecond
	}
	if !validStamp(micros) {
		return dst, quotedOutOfRange("timestamp", value)
	}
	return appendStamp(dst, micros), nil
}

// needZone refuses what depends on a time zone that this machine does not know.
func (k Kind) needZone() error {
	return pgerror.New(pgerror.FeatureNotSupported, "the session's TimeZone is not known to pgveil, so that a value of type %s cannot be read or shown", k).
		WithHint("SET TimeZone to a name of the IANA database, such as 'Europe/Paris' or 'UTC'.")
}

func canonicalDate(canonical []byte) (int64, error) {
	if len(canonical) != 4 {
		return 0, corrupt(Date)
	}
	return int64(int32(binary.BigEndian.Uint32(canonical))), nil
}

func (k Kind) canonicalStamp(canonical []byte) (int64, error) {
	if len(canonical) != 8 {
		return 0, corrupt(k)
	}
	return int64(binary.BigEndian.Uint64(canonical)), nil
}

func writeDate(dst, canonical []byte, format int16, s *Settings) ([]byte, error) {
	days, err := canonicalDate(canonical)
	switch {
	case err != nil:
		return dst, err
	case format != 0:
		return append(dst, canonical...), nil
	case days == dateInfinity:
		return append(dst, "infinity"...), nil
	case days == dateMinusInf:
		return append(dst, "-infinity"...), nil
	}
	c := civilDay(days)
	style, order := s.dates()
	return appendEra(c.appendDate(dst, style, order), c), nil
}

func (k Kind) writeStamp(dst, canonical []byte, format int16, s *Settings) ([]byte, error) {
	micros, err := k.canonicalStamp(canonical)
	switch {
	case err != nil:
		return dst, err
	case format != 0:
		return append(dst, canonical...), nil
	case micros == stampInfinity:
		return append(dst, "infinity"...), nil
	case micros == stampMinusInf:
		return append(dst, "-infinity"...), nil
	}
	style, order := s.dates()
	var zone [12]byte
	name := zone[:0]
	if k == Timestamptz {
		if s == nil || s.Location == nil {
			return dst, k.needZone()
		}
		abbreviation, offset := instant(s.Location, micros).Zone()
		micros += int64(offset) * microsPerSecond
		if style == styleISO {
			name = appendOffset(name, int64(offset))
		} else {
			name = append(name, abbreviation[:min(len(abbreviation), maxZoneName)]...)
		}
	}
	days, rest := splitStamp(micros)
	return civilDay(days).appendMoment(dst, days, rest, style, order, name), nil
}

// maxZoneName is the server's MAXTZLEN, in bytes.
const maxZoneName = 10

func appendEra(dst []byte, c civil) []byte {
	if c.year <= 0 {
		return append(dst, " BC"...)
	}
	return dst
}

// appendTime appends a time of day, its fraction without trailing zeros.
func appendTime(dst []byte, micros int64) []byte {
	dst = appendDigits(dst, int(micros/microsPerHour), 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, int(micros/microsPerMinute%60), 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, int(micros/microsPerSecond%60), 2)
	if fraction := int(micros % microsPerSecond); fraction != 0 {
		dst = append(dst, '.')
		dst = appendDigits(dst, fraction, 6)
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return dst
}

// appendOffset appends an offset from UTC in seconds as +HH, +HH:MM or +HH:MM:SS.
func appendOffset(dst []byte, offset int64) []byte {
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = append(dst, sign)
	dst = appendDigits(dst, int(offset/3600), 2)
	if offset%3600 == 0 {
		return dst
	}
	dst = append(dst, ':')
	dst = appendDigits(dst, int(offset/60%60), 2)
	if offset%60 == 0 {
		return dst
	}
	dst = append(dst, ':')
	return appendDigits(dst, int(offset%60), 2)
}

// appendDigits appends v, which is not negative, in at least width digits.
func appendDigits(dst []byte, v, width int) []byte {
	var buf [20]byte
	i := len(buf)
	for v > 0 || width > 0 {
		i--
		buf[i] = '0' + byte(v%10)
		v /= 10
		width--
	}
	return append(dst, buf[i:]...)
}
