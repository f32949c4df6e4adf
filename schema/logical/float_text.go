package logical

import (
	"bytes"
	"math"
	"math/big"
	"math/bits"
	"strconv"
)

// shortest appends v as d.ddde±dd with the fewest digits that read back as v, of these the
// nearest to v, and of two equally near ones the even one.
//
// It is strconv's shortest form but for two cases, in which the server decides otherwise. A decimal that lies
// exactly between v and its neighbour reads back as v only by the rule of rounding to even, on which the
// server does not rely: it writes another digit. And of two decimals equally far from v, strconv takes
// the upper one.
func (k Kind) shortest(dst []byte, v float64) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'e', -1, k.bits())
	mantissa, unit := k.parts(v)
	if mantissa == 0 {
		return dst
	}
	for digits := mantissaDigits(dst[start:]); digits < 17 && k.isHalfway(dst[start:], v, mantissa, unit); digits++ {
		dst = strconv.AppendFloat(dst[:start], v, 'e', digits, k.bits())
	}
	// Two decimals are equally far from v only if v itself has exactly one digit more.
	zeros := bits.TrailingZeros64(mantissa)
	if unit+zeros < 0 && decimals(dst[start:])+1 != -(unit+zeros) {
		return dst
	}
	end := len(dst)
	dst = strconv.AppendFloat(dst, v, 'e', mantissaDigits(dst[start:])-1, k.bits())
	even := dst[end:]
	if back, err := strconv.ParseFloat(string(even), k.bits()); err == nil && back == v && !k.isHalfway(even, v, mantissa, unit) {
		end = start + copy(dst[start:], even)
	}
	return dst[:end]
}

// parts gives |v| as mantissa × 2^unit, the mantissa as wide as the type has it. It is
// 0 for zero, and v is finite.
func (k Kind) parts(v float64) (mantissa uint64, unit int) {
	width, all := 52, math.Float64bits(v)
	if k == Float4 {
		width, all = 23, uint64(math.Float32bits(float32(v)))
	}
	exponents := k.bits() - 1 - width // bits of the exponent
	mantissa = all & (1<<width - 1)
	unit = int(all >> width & (1<<exponents - 1))
	if unit == 0 {
		unit = 1 // subnormal
	} else {
		mantissa |= 1 << width
	}
	return mantissa, unit - (1<<(exponents-1) - 1) - width
}

// mantissaDigits counts the digits before the e.
func mantissaDigits(e []byte) int {
	n := 0
	for n < len(e) && e[n] != 'e' {
		n++
	}
	digits := n
	for _, c := range e[:n] {
		if c == '-' || c == '.' {
			digits--
		}
	}
	return digits
}

// decimals counts the digits behind the decimal point that d.ddde±dd has when written without
// an exponent and without trailing zeros.
func decimals(e []byte) int {
	mark := bytes.IndexByte(e, 'e')
	if mark < 0 {
		return 0
	}
	exponent, _ := strconv.Atoi(string(e[mark+1:]))
	mantissa := e[:mark]
	if bytes.IndexByte(mantissa, '.') >= 0 {
		mantissa = bytes.TrimRight(mantissa, "0")
	}
	return mantissaDigits(mantissa) - 1 - exponent
}

// isHalfway says whether the decimal text, which reads back as v, lies exactly between v and a neighbour.
func (k Kind) isHalfway(text []byte, v float64, mantissa uint64, unit int) bool {
	if mantissa&1 != 0 {
		return false // only an even mantissa attracts what lies halfway
	}
	// A point halfway between two floats is an odd number of 2^(unit-1), or of 2^(unit-2) below a
	// power of two. With a fraction, it has just as many decimals. This spares nearly
	// all values the exact comparison.
	if n := decimals(text); unit < 1 && n != 1-unit && n != 2-unit {
		return false
	}
	decimal, ok := new(big.Rat).SetString(string(text))
	if !ok {
		return false
	}
	below, above := math.Nextafter(v, math.Inf(-1)), math.Nextafter(v, math.Inf(1))
	if k == Float4 {
		below = float64(math.Nextafter32(float32(v), float32(math.Inf(-1))))
		above = float64(math.Nextafter32(float32(v), float32(math.Inf(1))))
	}
	exact := new(big.Rat).SetFloat64(v)
	for _, neighbour := range [...]float64{below, above} {
		if math.IsInf(neighbour, 0) {
			continue
		}
		middle := new(big.Rat).SetFloat64(neighbour)
		middle.Add(middle, exact).Mul(middle, big.NewRat(1, 2))
		if decimal.Cmp(middle) == 0 {
			return true
		}
	}
	return false
}
