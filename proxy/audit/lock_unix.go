//go:build unix

package audit

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lock takes the exclusive lock of a file without waiting for another process that
// has it; inUse of a verifier may have it for a moment.
func lock(f *os.File) error {
	var err error
	for range 20 {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return os.NewSyscallError("flock", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return ErrInUse
}

// inUse tells whether a process has the lock of a directory.
func inUse(dir string) bool {
	d, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer d.Close()
	return errors.Is(syscall.Flock(int(d.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
