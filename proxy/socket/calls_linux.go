//go:build !race

package socket

import (
	"syscall"
	"unsafe"
)

// mostQuiet is how much is written at once, in bytes, without Go's scheduler being told.
//
// A system call that it is told of wakes the runtime's monitor thread whenever the process was
// idle before, as it is twice in each round trip of a client that waits for its answer, and that thread
// then runs every 20 µs for a while. These calls do not block, so the monitor need not know. It is needed where much
// flows, for it has goroutines take turns.
const mostQuiet = 8 << 10

func read(fd int, p []byte) (int, error) { return transferNow(syscall.SYS_READ, fd, p) }

func write(fd int, p []byte) (int, error) {
	if len(p) > mostQuiet {
		return writeAloud(fd, p)
	}
	return transferNow(syscall.SYS_WRITE, fd, p)
}

func transferNow(call uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch e {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, e
		}
	}
}
