//go:build unix && !linux

package socket

import "syscall"

func read(fd int, p []byte) (int, error)  { return aloud(syscall.Read, fd, p) }
func write(fd int, p []byte) (int, error) { return writeAloud(fd, p) }
