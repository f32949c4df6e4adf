package proxy

import (
	"fmt"
	"net"
	"testing"
)

func TestNetworkOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.77": "192.0.2.0/24", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "::1": "::/64",
	} {
		if got := networkOf(&net.TCPAddr{IP: net.ParseIP(address), Port: 4711}); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := networkOf(&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}); got != "fe80::/64" {
		t.Error(got)
	}
	if got := networkOf(&net.UnixAddr{Name: "@", Net: "unix"}); got != "local" {
		t.Error(got)
	}
}

// What is remembered is bounded, and kept apart by database and role.
func TestNetworksSeen(t *testing.T) {
	var n networks
	for i, c := range []struct {
		owner         networkOwner
		network       string
		anew, another bool
	}{
		{networkOwner{"a", "x"}, "1", true, false},
		{networkOwner{"a", "x"}, "1", false, false},
		{networkOwner{"a", "x"}, "2", true, true},
		{networkOwner{"b", "x"}, "2", true, false},
		{networkOwner{"a", "y"}, "2", true, false},
		{networkOwner{"a", "x"}, "1", false, false},
	} {
		if anew, another := n.see(c.owner, c.network); anew != c.anew || another != c.another {
			t.Errorf("%d: %v, %v", i, anew, another)
		}
	}
	for i := range 3 * maxNetworks {
		n.see(networkOwner{"a", "x"}, fmt.Sprint("network ", i))
	}
	if len(n.of[networkOwner{"a", "x"}]) > maxNetworks {
		t.Error("not bounded")
	}
}
