package keys

import (
	"crypto/aes"
	"encoding/binary"
	"math"
)

// The epoch of dates is 2000-01-01; the greatest and the least of either type are the
// infinities. Source: PostgreSQL's datatype/timestamp.h.
const (
	firstDate     = -2451545 // 4714-11-24 BC
	lastDate      = 2145031948
	firstInstant  = int64(firstDate) * microsPerDay
	lastInstant   = int64(106751983)*microsPerDay - 1 // of 294276-12-31
	microsPerDay  = 86400 * 1000000
	maxShiftInput = 1 << 16
)

// Shift appends a date or timestamp, some days off: as many for all dates of one subject, whose
// canonical value is given, so that the time between two of them stays what it is. The
// infinities stay. The error is [ErrNoPseudonym] for what would be no date of PostgreSQL's.
func (p *Pseudonymizer) Shift(dst, date, subject []byte, s *Scratch) ([]byte, error) {
	if err := p.Withheld(); err != nil {
		return dst, err
	}
	switch {
	case len(subject) > maxShiftInput:
	case p.spec.Format == PseudonymDate && len(date) == 4:
		day := int64(int32(binary.BigEndian.Uint32(date)))
		if day == math.MaxInt32 || day == math.MinInt32 {
			return append(dst, date...), nil
		}
		if day += p.offset(subject, s); day >= firstDate && day <= lastDate {
			return binary.BigEndian.AppendUint32(dst, uint32(day)), nil
		}
	case p.spec.Format == PseudonymInstant && len(date) == 8:
		at := int64(binary.BigEndian.Uint64(date))
		if at == math.MaxInt64 || at == math.MinInt64 {
			return append(dst, date...), nil
		}
		by := p.offset(subject, s) * microsPerDay
		if at >= firstInstant && at <= lastInstant && at+by >= firstInstant && at+by <= lastInstant {
			return binary.BigEndian.AppendUint64(dst, uint64(at+by)), nil
		}
	}
	return dst, ErrNoPseudonym
}

// offset gives the days of a subject, from -Days to Days and never 0. It is a CBC-MAC of AES-256
// over the subject behind its length, which makes that a pseudorandom function of texts of
// any length (Bellare, Kilian, Rogaway, 2000).
func (p *Pseudonymizer) offset(subject []byte, s *Scratch) int64 {
	in := binary.BigEndian.AppendUint64(s.input[:0], uint64(len(subject)))
	in = append(in, subject...)
	for len(in)%aes.BlockSize != 0 {
		in = append(in, 0)
	}
	s.input, s.mac = in, [16]byte{}
	for ; len(in) > 0; in = in[aes.BlockSize:] {
		for i := range s.mac {
			s.mac[i] ^= in[i]
		}
		p.block.Encrypt(s.mac[:], s.mac[:])
	}
	clear(s.input)
	span := uint64(2 * p.spec.Days)
	days := int64(binary.BigEndian.Uint64(s.mac[:])%span) - int64(p.spec.Days)
	if days >= 0 {
		days++
	}
	return days
}
