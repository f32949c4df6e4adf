package access

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Methods of authentication, in the words of pg_hba.conf.
const (
	MethodSCRAM = "scram-sha-256"
	MethodCert  = "cert" // the certificate alone; it needs pgveil to authenticate clients
)

// What a rule wants of certificates.
const (
	CertificateIgnore   = "ignore"   // it is only recorded
	CertificateOptional = "optional" // one that is shown has to be the role's
	CertificateRequire  = "require"  // there has to be one, and it has to be the role's
)

// everyone is the key of the rule for roles that have none of their own.
const everyone = "*"

// Rules are a file's; immutable. Nil has no rule.
type Rules struct {
	roles        map[string]*Rule
	certificates []certificate
}

// Rule is what holds for a role. The zero value lets everyone in.
type Rule struct {
	Networks    []netip.Prefix // empty: any, if Local is not set either
	Local       bool           // by the Unix socket
	TLS         bool           // TLS is required
	Certificate string
	Method      string
	Hours       []Hours // empty: any
	Shared      bool    // use from several places is not reported
}

// Hours are a time of day on some days. Those that end before they begin end on the
// next day.
type Hours struct {
	Days     []time.Weekday
	From, To time.Duration // since midnight
	Zone     *time.Location
}

// certificate maps certificates to a role, as a line of pg_ident.conf does.
type certificate struct {
	dn      bool // its subject, not its common name
	is      string
	matches *regexp.Regexp // instead of is
	role    string         // in which \1 stands for what the first group matches
}

// Client is who connects.
type Client struct {
	Role    string
	Address net.Addr
	TLS     *tls.ConnectionState // nil in clear
	At      time.Time
}

// nothing is the rule where there is none.
var nothing = &Rule{Certificate: CertificateIgnore, Method: MethodSCRAM}

// Of gives the rule of a role, never nil.
func (r *Rules) Of(role string) *Rule {
	if r == nil {
		return nothing
	}
	if rule := r.roles[role]; rule != nil {
		return rule
	}
	if rule := r.roles[everyone]; rule != nil {
		return rule
	}
	return nothing
}

// Each calls f with all rules and their roles, in no order.
func (r *Rules) Each(f func(role string, rule *Rule)) {
	for role, rule := range r.roles {
		f(role, rule)
	}
}

// Check gives "", or why the client may not connect, for pgveil's log.
func (r *Rules) Check(c Client) (why string) {
	rule := r.Of(c.Role)
	switch {
	case !rule.from(c.Address):
		return "its network is not one of the role's"
	case rule.TLS && c.TLS == nil && !isLocal(c.Address):
		return "it does not use TLS"
	case !rule.at(c.At):
		return "it is not one of the role's hours"
	}
	if rule.Certificate == CertificateIgnore {
		return ""
	}
	shown := verified(c.TLS)
	switch {
	case shown == nil && rule.Certificate == CertificateRequire:
		return "it shows no certificate"
	case shown != nil && !r.maps(shown, c.Role):
		return "its certificate is not the role's"
	}
	return ""
}

func isLocal(address net.Addr) bool {
	_, local := address.(*net.UnixAddr)
	return local
}

func (rule *Rule) from(address net.Addr) bool {
	if len(rule.Networks) == 0 && !rule.Local {
		return true
	}
	if isLocal(address) {
		return rule.Local
	}
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip, ok := netip.AddrFromSlice(tcp.IP)
	ip = ip.Unmap()
	return ok && slices.ContainsFunc(rule.Networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}

func (rule *Rule) at(now time.Time) bool {
	return len(rule.Hours) == 0 || slices.ContainsFunc(rule.Hours, func(h Hours) bool { return h.contain(now) })
}

func (h *Hours) contain(now time.Time) bool {
	now = now.In(h.Zone)
	// What a clock shows, on the days when it is set as well.
	clock := time.Duration(now.Hour())*time.Hour + time.Duration(now.Minute())*time.Minute + time.Duration(now.Second())*time.Second
	today, yesterday := now.Weekday(), (now.Weekday()+6)%7
	if h.From < h.To {
		return slices.Contains(h.Days, today) && clock >= h.From && clock < h.To
	}
	return slices.Contains(h.Days, today) && clock >= h.From || slices.Contains(h.Days, yesterday) && clock < h.To
}

// verified gives the client's certificate, nil if it has shown none.
func verified(state *tls.ConnectionState) *x509.Certificate {
	if state == nil || len(state.VerifiedChains) == 0 {
		return nil
	}
	return state.VerifiedChains[0][0]
}

// maps reports whether a certificate is one of the role's. Without a mapping its common
// name has to be the role, as in PostgreSQL.
func (r *Rules) maps(shown *x509.Certificate, role string) bool {
	if len(r.certificates) == 0 {
		return shown.Subject.CommonName == role
	}
	return slices.ContainsFunc(r.certificates, func(c certificate) bool { return c.maps(shown, role) })
}

func (c *certificate) maps(shown *x509.Certificate, role string) bool {
	name := shown.Subject.CommonName
	if c.dn {
		name = shown.Subject.String()
	}
	// PostgreSQL's guard, too: a zero byte ends a name elsewhere.
	if name == "" || strings.Contains(name, "\x00") {
		return false
	}
	if c.matches == nil {
		return name == c.is && c.role == role
	}
	groups := c.matches.FindStringSubmatch(name)
	switch {
	case groups == nil:
		return false
	case len(groups) > 1:
		return strings.Replace(c.role, `\1`, groups[1], 1) == role
	}
	return c.role == role
}
