//go:build unix

package socket

import "syscall"

func writeAloud(fd int, p []byte) (int, error) { return aloud(syscall.Write, fd, p) }

// aloud makes a system call of which Go's scheduler is told.
func aloud(call func(fd int, p []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
