package proxy

import (
	"net"
	"time"
)

const defaultUserTimeout = 2 * time.Minute

// dialer connects to the server so that a host which vanishes without a word ends its
// connections within UserTimeout: at rest by the probes of keepalive, else by
// TCP_USER_TIMEOUT, without which Linux sends again for a quarter of an hour.
func (u *UpstreamConfig) dialer() net.Dialer {
	within := u.UserTimeout
	if within == 0 {
		within = defaultUserTimeout
	}
	return net.Dialer{
		Timeout:         u.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: within / 2, Interval: within / 8, Count: 4},
		Control:         setUserTimeout(within),
	}
}
