package proxy

import "runtime"

// ballastSize is what Ballast holds, in bytes of address space.
const ballastSize = 48 << 20

// Ballast makes the garbage collector run less often while the heap is small, as a
// proxy's is: Tink's AES-SIV allocates for each value, and a collection every few
// megabytes costs more than the opening itself. The memory is never touched, so that
// it takes address space and nothing else; a large heap is collected as ever. It
// lasts until release is called.
func Ballast() (release func()) {
	ballast := make([]byte, ballastSize)
	return func() { runtime.KeepAlive(ballast) }
}
