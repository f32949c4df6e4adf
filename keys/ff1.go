package keys

import (
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
)

// ff1 is FF1, the format-preserving encryption of NIST SP 800-38G: ten rounds of a Feistel
// network over numerals, whose round function is a CBC-MAC of AES. It is written here because
// no maintained Go library has it, and tested with NIST's own samples. It is for numbers of n
// digits in a radix whose longer half, of n - n/2 digits, is below 2^56. It is safe for
// concurrent use.
type ff1 struct {
	block      cipher.Block
	tweak      []byte
	b, d       int    // bytes of a half, and of what is added to the other
	powU, powV uint64 // radix to the number of digits of either half
	start      [16]byte
}

// newFF1 is for numbers of n digits in a radix.
func newFF1(block cipher.Block, radix uint64, n int, tweak []byte) *ff1 {
	u := n / 2
	f := &ff1{block: block, tweak: tweak, powU: power(radix, u), powV: power(radix, n-u)}
	f.b = (bits.Len64(f.powV-1) + 7) / 8
	f.d = 4*((f.b+3)/4) + 4
	p := [16]byte{1, 2, 1, byte(radix >> 16), byte(radix >> 8), byte(radix), 10, byte(u)}
	binary.BigEndian.PutUint32(p[8:], uint32(n))
	binary.BigEndian.PutUint32(p[12:], uint32(len(tweak)))
	block.Encrypt(f.start[:], p[:]) // the first block of each CBC-MAC is the same
	return f
}

func power(radix uint64, n int) uint64 {
	p := uint64(1)
	for range n {
		p *= radix
	}
	return p
}

// Scratch is memory that one goroutine uses again and again for pseudonyms. The zero value is
// ready.
type Scratch struct {
	mac   [16]byte
	input []byte
	block [2][16]byte
}

// encrypt is for numbers that are below 2^64.
func (f *ff1) encrypt(x uint64, s *Scratch) uint64 {
	a, b := f.rounds(x/f.powV, x%f.powV, s)
	return a*f.powV + b
}

func (f *ff1) decrypt(x uint64, s *Scratch) uint64 {
	a, b := f.unrounds(x/f.powV, x%f.powV, s)
	return a*f.powV + b
}

// rounds encrypts a number given as its two halves.
func (f *ff1) rounds(a, b uint64, s *Scratch) (uint64, uint64) {
	for i := range 10 {
		a, b = b, (a+f.round(i, b, s))%f.modulus(i)
	}
	return a, b
}

func (f *ff1) unrounds(a, b uint64, s *Scratch) (uint64, uint64) {
	for i := 9; i >= 0; i-- {
		m := f.modulus(i)
		a, b = (b+m-f.round(i, a, s))%m, a
	}
	return a, b
}

// modulus gives what the half that round i changes is below.
func (f *ff1) modulus(i int) uint64 {
	if i%2 == 0 {
		return f.powU
	}
	return f.powV
}

// round gives what round i adds to one half by the other, below the modulus.
func (f *ff1) round(i int, half uint64, s *Scratch) uint64 {
	pad := (16 - (len(f.tweak)+f.b+1)%16) % 16
	in := append(s.input[:0], f.tweak...)
	for range pad {
		in = append(in, 0)
	}
	in = append(in, byte(i))
	for k := f.b - 1; k >= 0; k-- {
		in = append(in, byte(half>>(8*k)))
	}
	s.input, s.mac = in, f.start
	for ; len(in) > 0; in = in[16:] {
		for k := range s.mac {
			s.mac[k] ^= in[k]
		}
		f.block.Encrypt(s.mac[:], s.mac[:])
	}
	var y [16]byte
	copy(y[16-f.d:], s.mac[:f.d])
	return bits.Rem64(binary.BigEndian.Uint64(y[:8]), binary.BigEndian.Uint64(y[8:]), f.modulus(i))
}
