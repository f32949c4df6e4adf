//go:build unix

package audit

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the exclusive lock of a file without waiting for it.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrInUse
	}
	return os.NewSyscallError("flock", err)
}
