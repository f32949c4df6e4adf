package proxy

import (
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUserTimeout: a server's host that vanishes is noticed.
func TestUserTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := dialPlain(t.Context(), &UpstreamConfig{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, UserTimeout: 80 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int{unix.TCP_USER_TIMEOUT: 80_000, unix.TCP_KEEPIDLE: 40, unix.TCP_KEEPINTVL: 10, unix.TCP_KEEPCNT: 4} {
		if err := raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); err != nil || got != want {
				t.Errorf("option %d is %d, not %d: %v", option, got, want, err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}
