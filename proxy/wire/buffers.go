package wire

import (
	"math/bits"
	"sync"
)

// Buffers are lent while bytes are in flight: a session that waits holds none. Their
// capacities are powers of two, from 1<<leastBits to mostSize bytes; others are not kept.
const (
	leastBits = 15 // 32 KiB
	mostBits  = 20 // 1 MiB
	mostSize  = 1 << mostBits
)

var pools [mostBits - leastBits + 1]sync.Pool

// buffer is what is lent. It is kept with its bytes, so that giving back allocates nothing.
type buffer struct{ bytes []byte }

// lend gives a buffer of at least n bytes, whose contents are anybody's.
func lend(n int) *buffer {
	class := bits.Len(uint(max(n, 1)-1)) - leastBits
	if n < 1<<leastBits || class >= len(pools) {
		return &buffer{make([]byte, n)}
	}
	if b, ok := pools[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, 1<<(class+leastBits))}
}

// giveBack takes a buffer that nobody looks at any more; wiped, nobody can. Bytes that a
// Writer has appended may have moved it.
func giveBack(b *buffer, wiped bool) {
	switch {
	case poisoned:
		poison(b.bytes)
	case wiped:
		clear(b.bytes[:cap(b.bytes)])
	}
	class := bits.Len(uint(cap(b.bytes))) - 1 - leastBits
	if class < 0 || class >= len(pools) {
		return
	}
	n := 1 << (class + leastBits)
	b.bytes = b.bytes[:n:n]
	pools[class].Put(b)
}

// poison overwrites what was given back, so that whoever still reads it is found out.
func poison(p []byte) {
	p = p[:cap(p)]
	for i := range p {
		p[i] = 0xdb
	}
}
