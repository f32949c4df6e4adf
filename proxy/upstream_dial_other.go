//go:build !linux

package proxy

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing where there is no TCP_USER_TIMEOUT.
func setUserTimeout(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
