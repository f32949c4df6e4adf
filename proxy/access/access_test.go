package access

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

const example = `
roles:
  biologist:
    networks: [10.1.0.0/16, 192.0.2.7, "2001:db8::/32"]
    tls: require
    hours: [{days: [mon, tue, wed, thu, fri], from: "07:00", to: "19:30", time_zone: Europe/Paris}, {days: sat, to: "12:00", time_zone: Europe/Paris}]
  night: {hours: {days: [fri], from: "22:00", to: "06:00", time_zone: UTC}}
  machine: {networks: local, method: cert}
  doctor: {certificate: optional}
  "*": {networks: [local, 127.0.0.0/8], shared: allow}
`

const mapped = example + `
certificates:
  - {cn: app-1, role: machine}
  - {cn: '/^(.*)@lab\.example$', role: '\1'}
  - {dn: 'CN=dr,O=Lab', role: doctor}
  - {cn: /machine/, role: nobody}
`

func parse(t *testing.T, text string) *Rules {
	t.Helper()
	r, err := Parse("access.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tcp(address string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(address), Port: 4711} }

var unix net.Addr = &net.UnixAddr{Name: "@", Net: "unix"}

func shows(subject pkix.Name) *tls.ConnectionState {
	return &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: subject}}}}
}

func named(cn string) *tls.ConnectionState { return shows(pkix.Name{CommonName: cn}) }

func TestCheck(t *testing.T) {
	const (
		network = "its network is not one of the role's"
		plain   = "it does not use TLS"
		hours   = "it is not one of the role's hours"
		none    = "it shows no certificate"
		other   = "its certificate is not the role's"
	)
	anon := &tls.ConnectionState{}
	monday := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for _, c := range []struct {
		file string
		Client
		want string
	}{
		{example, Client{"biologist", tcp("10.1.255.1"), anon, monday}, ""},
		{example, Client{"biologist", tcp("::ffff:10.1.255.1"), anon, monday}, ""},
		{example, Client{"biologist", tcp("192.0.2.7"), anon, monday}, ""},
		{example, Client{"biologist", tcp("2001:db8:1::1"), anon, monday}, ""},
		{example, Client{"biologist", tcp("192.0.2.8"), anon, monday}, network},
		{example, Client{"biologist", tcp("10.2.0.1"), anon, monday}, network},
		{example, Client{"biologist", tcp("2001:db9::1"), anon, monday}, network},
		{example, Client{"biologist", unix, anon, monday}, network},
		{example, Client{"biologist", tcp("10.1.0.1"), nil, monday}, plain},
		// In Paris it is an hour later, two in summer.
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-03-02T05:59:59Z")}, hours},
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-03-02T06:00:00Z")}, ""},
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-07-06T05:00:00Z")}, ""},
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-03-02T18:29:59Z")}, ""},
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-03-02T18:30:00Z")}, hours},
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-03-07T10:59:00Z")}, ""},
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-03-07T11:00:00Z")}, hours},
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-03-08T10:00:00Z")}, hours},
		// On the day when the clocks go forward, and by Paris' date, not UTC's.
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-03-27T23:30:00Z")}, ""},
		{example, Client{"biologist", tcp("10.1.0.1"), anon, at("2026-03-29T10:00:00Z")}, hours},
		{example, Client{"night", tcp("10.9.9.9"), nil, at("2026-03-06T21:59:00Z")}, hours},
		{example, Client{"night", tcp("10.9.9.9"), nil, at("2026-03-06T22:00:00Z")}, ""},
		{example, Client{"night", tcp("10.9.9.9"), nil, at("2026-03-07T05:59:00Z")}, ""},
		{example, Client{"night", tcp("10.9.9.9"), nil, at("2026-03-07T06:00:00Z")}, hours},
		{example, Client{"night", tcp("10.9.9.9"), nil, at("2026-03-06T05:00:00Z")}, hours},
		{example, Client{"nobody", tcp("127.0.0.1"), nil, monday}, ""},
		{example, Client{"nobody", unix, nil, monday}, ""},
		{example, Client{"nobody", tcp("10.1.0.1"), nil, monday}, network},
		{example, Client{"nobody", nil, nil, monday}, network},
		// Without a mapping the common name is the role.
		{example, Client{"machine", unix, nil, monday}, none},
		{example, Client{"machine", unix, anon, monday}, none},
		{example, Client{"machine", unix, named("machine"), monday}, ""},
		{example, Client{"machine", unix, named("app-1"), monday}, other},
		{example, Client{"machine", unix, named(""), monday}, other},
		{example, Client{"doctor", unix, anon, monday}, ""},
		{example, Client{"doctor", unix, named("doctor"), monday}, ""},
		{example, Client{"doctor", unix, named("machine"), monday}, other},
		{mapped, Client{"machine", unix, named("machine"), monday}, other},
		{mapped, Client{"machine", unix, named("app-1"), monday}, ""},
		{mapped, Client{"machine", unix, named("machine@lab.example"), monday}, ""},
		{mapped, Client{"machine", unix, named("machine@lab.example.org"), monday}, other},
		{mapped, Client{"machine", unix, named("doctor@lab.example"), monday}, other},
		{mapped, Client{"machine", unix, named("app-1\x00.example"), monday}, other},
		{mapped, Client{"doctor", unix, shows(pkix.Name{CommonName: "dr", Organization: []string{"Lab"}}), monday}, ""},
		{mapped, Client{"doctor", unix, named("dr"), monday}, other},
	} {
		if got := parse(t, c.file).Check(c.Client); got != c.want {
			t.Errorf("%s from %v at %v: %q, want %q", c.Role, c.Address, c.At, got, c.want)
		}
	}
	var without *Rules
	if got := without.Check(Client{Role: "x"}); got != "" || without.Of("x").Method != MethodSCRAM {
		t.Error(got)
	}
	if r := parse(t, example); !r.Of("nobody").Shared || r.Of("night").Shared || r.Of("machine").Certificate != CertificateRequire {
		t.Error("rules")
	}
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "the file is empty",
		"role: {}":                              `unknown key "role"; did you mean "roles"?`,
		"roles: {a: {network: local}}":          `did you mean "networks"?`,
		"roles: {a: {networks: [10.1.2.3/16]}}": `"10.1.2.3/16" is neither a network`,
		"roles: {a: {networks: [lab]}}":         `"lab" is neither a network`,
		"roles: {a: {networks: ['::ffff:10.1.1.1']}}":                         "is neither a network",
		"roles: {a: {networks: []}}":                                          `"networks" is empty`,
		"roles: {a: {tls: yes}}":                                              `unknown tls "yes"`,
		"roles: {a: {certificate: needed}}":                                   `unknown certificate "needed"`,
		"roles: {a: {method: cert, certificate: optional}}":                   "method cert needs the certificate",
		"roles: {a: {hours: {from: '07:00', to: '19:00'}}}":                   "time_zone is missing",
		"roles: {a: {hours: {from: '7', time_zone: UTC}}}":                    `"7" is not a time of day`,
		"roles: {a: {hours: {from: '07:00', to: '07:00', time_zone: UTC}}}":   "from and to are the same time",
		"roles: {a: {hours: {time_zone: Europe/Pari}}}":                       `"Europe/Pari" is not a time zone`,
		"roles: {a: {hours: {time_zone: Local}}}":                             `"Local" is not a time zone`,
		"roles: {a: {hours: {days: [monday], time_zone: UTC}}}":               `unknown days "monday"`,
		"roles: {a: {tls: require}}\ncertificates: [{role: a}]":               "neither cn nor dn",
		"roles: {a: {tls: require}}\ncertificates: [{cn: x}]":                 "there is no role",
		"roles: {a: {tls: require}}\ncertificates: [{cn: x, dn: y, role: a}]": "cn and dn exclude each other",
		"roles: {a: {tls: require}}\ncertificates: [{cn: '/(', role: a}]":     "is not a regular expression",
		"roles: {a: {tls: require}}\ncertificates: [{cn: x, role: '\\1'}]":    "needs a regular expression with a group",
		"roles: {a: {tls: require}, a: {tls: allow}}":                         "twice",
	} {
		r, err := Parse("access.yaml", []byte(text))
		if err == nil || r != nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "access.yaml:") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := ReadFile("/nonexistent/access.yaml"); err == nil {
		t.Error("a file that is not there")
	}
}

// The manual's example is a file of rules.
func TestManualPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```\nroles:\n")
	text, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the page has no example")
	}
	r := parse(t, "roles:\n"+text)
	monday := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	if why := r.Check(Client{"biologist", tcp("10.1.0.1"), &tls.ConnectionState{}, monday}); why != "" {
		t.Error(why)
	}
	if why := r.Check(Client{"interface", tcp("10.2.0.5"), named("analyser-1.lab.example"), monday}); why != "" || r.Of("interface").Method != MethodCert {
		t.Error(why)
	}
	if why := r.Check(Client{"nobody", tcp("10.1.0.1"), nil, monday}); why == "" {
		t.Error("a role that is not named comes from anywhere")
	}
}
