package proxy

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv"
)

func TestThrottle(t *testing.T) {
	now := time.Now()
	wrong, right := func() bool { return false }, func() bool { return true }
	th := newThrottle(5, time.Minute)
	is := func(what string, role, address string, verify func() bool, want string) {
		t.Helper()
		ok, limited := th.judge(attempt{role, address}, now, verify)
		if got := fmt.Sprint(ok, limited); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	is("it works", "app", "10.0.0.9", right, "true false")
	for i := range 5 {
		is("a guess", "app", fmt.Sprint("10.0.0.", i), wrong, "false false")
	}
	is("guesses from everywhere", "app", "10.0.0.7", right, "false true")
	is("another role", "other", "10.0.0.7", right, "true false")
	is("where it has logged in", "app", "10.0.0.9", right, "true false")
	for i := range 5 {
		is("many roles from one address", fmt.Sprint("role", i), "10.0.0.66", wrong, "false false")
	}
	is("one more", "role9", "10.0.0.66", right, "false true")
	for range 5 {
		is("its own failures", "app", "10.0.0.9", wrong, "false false")
	}
	is("its own failures", "app", "10.0.0.9", right, "false true")
	if failures, limited := th.totals(); failures != 5+1+5+1+5+1 || limited != 3 {
		t.Errorf("%d failures, %d limited", failures, limited)
	}
	now = now.Add(12 * time.Second) // a fifth of a minute
	is("a place is free again", "app", "10.0.0.9", wrong, "false false")
	is("and taken", "app", "10.0.0.9", right, "false true")
	now = now.Add(12 * time.Second)
	who := attempt{"app", "10.0.0.9"}
	is("one that is taken back", who.role, who.address, wrong, "false false")
	th.forgive(who, now)
	is("it counts no more", "app", "10.0.0.9", right, "true false")
	now = now.Add(25 * time.Hour)
	for i := range 5 {
		is("a guess", "app", fmt.Sprint("10.0.1.", i), wrong, "false false")
	}
	is("too long ago", "app", "10.0.0.9", right, "false true")

	for i := range 3 * maxBuckets {
		th.judge(attempt{fmt.Sprint("made up", i), fmt.Sprint("address", i)}, now, wrong)
		th.judge(attempt{fmt.Sprint("good", i), fmt.Sprint("good", i)}, now, right)
	}
	if len(th.buckets) > maxBuckets || len(th.good) > maxBuckets {
		t.Errorf("%d and %d are remembered", len(th.buckets), len(th.good))
	}
	is("the worst are not forgotten for them", "app", "10.0.0.9", right, "false true")

	for address, want := range map[net.Addr]string{
		&net.TCPAddr{IP: net.ParseIP("10.1.2.3"), Port: 5}: "10.1.2.3", &net.TCPAddr{IP: net.ParseIP("::ffff:10.1.2.3")}: "10.1.2.3",
		&net.TCPAddr{IP: net.ParseIP("2001:db8:1:2:3:4:5:6")}: "2001:db8:1:2::", &net.UnixAddr{Name: "@"}: "local",
	} {
		if got := network(address); got != want {
			t.Errorf("%v: %s", address, got)
		}
	}
}

// Whoever guesses on gets the same answer, with the right password too.
func TestTerminatedThrottle(t *testing.T) {
	s := startTerminating(t, testenv.PostgresOptions{}, []string{"alice", "bob"}, func(c *Config) {
		c.Terminate.MaxFailures, c.Terminate.FailureWindow = 3, time.Hour
	})
	const failed = `FATAL 28P01 password authentication failed for user "?"`
	if got := s.ask(t, "bob", secret); got != "bob" {
		t.Fatal(got)
	}
	for _, role := range []string{"alice", "alice", "nobody", "alice", "nobody"} {
		if got := s.ask(t, role, "wrong battery"); got != strings.ReplaceAll(failed, "?", role) {
			t.Error(got)
		}
	}
	if got := s.ask(t, "alice", secret); got != strings.ReplaceAll(failed, "?", "alice") {
		t.Errorf("the right password after too many wrong ones: %s", got)
	}
	if got := s.ask(t, "bob", secret); got != "bob" {
		t.Errorf("who has logged in from there before: %s", got)
	}
	log := s.log.String()
	if strings.Count(log, "limited=true") != 3 || strings.Count(log, "limited=false") != 3 || !strings.Contains(log, "failures=6") {
		t.Error(log)
	}
}
