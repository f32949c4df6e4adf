package proxy

import (
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/pgveil/pgveil/proxy/alert"
)

// sharedRoles finds roles that are used from several hosts, or by several applications,
// at the same time.
type sharedRoles struct {
	mu    sync.Mutex // of the beginning and end of sessions
	roles map[string]*roleUse
}

// roleUse counts the open sessions of a role.
type roleUse struct {
	sessions            int
	hosts, applications map[string]int
	// told are the places that were reported since the role was last unused.
	told map[string]bool
}

// sharedUse is what is reported.
type sharedUse struct{ hosts, applications []string }

// String lists the places.
func (u *sharedUse) String() string {
	return strings.Join(u.hosts, ", ") + " by " + strings.Join(u.applications, ", ")
}

// maxToldPlaces bounds how many places of a role are reported: who makes up names of applications
// would have people told without end.
const maxToldPlaces = 32

// enter counts a session. report is not nil if the role is used from a place that is not
// its only one, and that has not been reported. leave, to be called once, ends it.
func (s *sharedRoles) enter(role, host, application string) (report *sharedUse, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.roles == nil {
		s.roles = make(map[string]*roleUse)
	}
	use := s.roles[role]
	if use == nil {
		use = &roleUse{hosts: make(map[string]int), applications: make(map[string]int), told: make(map[string]bool)}
		s.roles[role] = use
	}
	use.sessions++
	use.hosts[host]++
	use.applications[application]++
	anew := false
	for kind, places := range map[string]map[string]int{"host ": use.hosts, "application ": use.applications} {
		if len(places) < 2 {
			continue
		}
		for place := range places {
			if key := kind + place; !use.told[key] && len(use.told) < maxToldPlaces {
				use.told[key], anew = true, true
			}
		}
	}
	if anew {
		report = &sharedUse{hosts: slices.Sorted(maps.Keys(use.hosts)), applications: slices.Sorted(maps.Keys(use.applications))}
	}
	return report, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		drop(use.hosts, host)
		drop(use.applications, application)
		if use.sessions--; use.sessions == 0 {
			delete(s.roles, role)
		}
	}
}

func drop(counts map[string]int, key string) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

// watchShared reports a role that is used from several places at once, unless its rule
// allows it.
func (s *Server) watchShared(c *conn, client net.Conn) (leave func()) {
	if s.access.Load().Of(c.params.user).Shared {
		return func() {}
	}
	host := "local"
	if tcp, ok := client.RemoteAddr().(*net.TCPAddr); ok {
		host = tcp.IP.String()
	}
	report, leave := s.shared.enter(c.params.user, host, c.params.application)
	if report != nil {
		c.alert(alert.Shared, c.loggedIn(), report.String(), "role is used at once from "+report.String())
	}
	return leave
}
