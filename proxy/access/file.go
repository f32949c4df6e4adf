package access

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// ReadFile reads a file of rules. The error is a [yamlfile.Errors] with every fault, or
// that of reading.
func ReadFile(name string) (*Rules, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

// Parse is ReadFile of a text.
func Parse(name string, data []byte) (*Rules, error) {
	p := &parser{Decoder: yamlfile.Decoder{File: name, BeginsWith: "roles:"}}
	rules := &Rules{roles: make(map[string]*Rule)}
	if root := p.Document(data); root != nil {
		fields := p.Fields(root, "the access file", []string{"roles", "certificates"})
		if e, ok := fields["roles"]; ok {
			for _, role := range p.Mapping(e.Value, "roles") {
				rules.roles[role.Key] = p.rule(role)
			}
		}
		if e, ok := fields["certificates"]; ok {
			for _, item := range p.list(e, "certificates") {
				rules.certificates = append(rules.certificates, p.certificate(item))
			}
		}
	}
	if len(p.Faults) > 0 {
		return nil, p.Faults.Sorted()
	}
	return rules, nil
}

type parser struct{ yamlfile.Decoder }

// list gives the items of a sequence, or the one that stands alone.
func (p *parser) list(e yamlfile.Entry, what string) []ast.Node {
	s, ok := e.Value.(*ast.SequenceNode)
	if !ok {
		return []ast.Node{e.Value}
	}
	if len(s.Values) == 0 {
		p.Errorf(yamlfile.PositionOf(e.Value), "%s: %q is empty", what, e.Key)
	}
	return s.Values
}

// texts gives the texts of a sequence, or the one that stands alone, and where they are.
func (p *parser) texts(e yamlfile.Entry, what string, each func(text string, at yamlfile.Position)) {
	for _, node := range p.list(e, what) {
		if text, ok := p.Text(yamlfile.Entry{Key: e.Key, At: e.At, Value: node}, what); ok {
			each(text, yamlfile.PositionOf(node))
		}
	}
}

func (p *parser) rule(role yamlfile.Entry) *Rule {
	what := "role " + role.Key
	rule := &Rule{Certificate: CertificateIgnore, Method: MethodSCRAM}
	fields := p.Fields(role.Value, what, []string{"networks", "tls", "certificate", "method", "hours", "shared"})
	if e, ok := fields["networks"]; ok {
		p.texts(e, what, func(text string, at yamlfile.Position) {
			if text == "local" {
				rule.Local = true
				return
			}
			network, err := parseNetwork(text)
			if err != nil {
				p.Errorf(at, "%s: %q is neither a network such as 10.1.0.0/16, nor an address, nor local", what, text)
			}
			rule.Networks = append(rule.Networks, network)
		})
	}
	if e, ok := fields["tls"]; ok {
		word, _ := p.Choice(e, what, "require", "allow")
		rule.TLS = word == "require"
	}
	if e, ok := fields["certificate"]; ok {
		rule.Certificate, _ = p.Choice(e, what, CertificateIgnore, CertificateOptional, CertificateRequire)
	}
	if e, ok := fields["method"]; ok {
		rule.Method, _ = p.Choice(e, what, MethodSCRAM, MethodCert)
		if rule.Method == MethodCert {
			if _, said := fields["certificate"]; said && rule.Certificate != CertificateRequire {
				p.Errorf(e.At, "%s: method cert needs the certificate; leave certificate out, or set it to require", what)
			}
			rule.Certificate = CertificateRequire
		}
	}
	if e, ok := fields["hours"]; ok {
		for _, item := range p.list(e, what) {
			rule.Hours = append(rule.Hours, p.hours(item, what))
		}
	}
	if e, ok := fields["shared"]; ok {
		word, _ := p.Choice(e, what, "report", "allow")
		rule.Shared = word == "allow"
	}
	return rule
}

// parseNetwork takes an address as a network of its own. Bits behind the prefix are a
// mistake.
func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Is4In6() || address.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is no address", text)
		}
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil || network != network.Masked() || network.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is no network", text)
	}
	return network, nil
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (p *parser) hours(node ast.Node, what string) Hours {
	what += ", hours"
	h := Hours{To: 24 * time.Hour, Zone: time.UTC}
	fields := p.Fields(node, what, []string{"days", "from", "to", "time_zone"})
	if e, ok := fields["days"]; ok {
		for _, item := range p.list(e, what) {
			word, ok := p.Choice(yamlfile.Entry{Key: "days", At: e.At, Value: item}, what, weekdays...)
			for day, name := range weekdays {
				if ok && name == word {
					h.Days = append(h.Days, time.Weekday(day))
				}
			}
		}
	} else {
		h.Days = []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	}
	for key, to := range map[string]*time.Duration{"from": &h.From, "to": &h.To} {
		if e, ok := fields[key]; ok {
			*to = p.clock(e, what)
		}
	}
	if h.From == h.To {
		p.Errorf(yamlfile.PositionOf(node), "%s: from and to are the same time", what)
	}
	e, ok := fields["time_zone"]
	if !ok {
		p.Errorf(yamlfile.PositionOf(node), "%s: time_zone is missing, such as Europe/Paris", what)
		return h
	}
	if name, ok := p.Text(e, what); ok {
		zone, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			p.Errorf(yamlfile.PositionOf(e.Value), "%s: %q is not a time zone such as Europe/Paris", what, name)
			return h
		}
		h.Zone = zone
	}
	return h
}

// clock reads a time such as "07:30", to "24:00".
func (p *parser) clock(e yamlfile.Entry, what string) time.Duration {
	text, ok := p.Text(e, what)
	if !ok {
		return 0
	}
	if text == "24:00" {
		return 24 * time.Hour
	}
	at, err := time.Parse("15:04", text)
	if err != nil {
		p.Errorf(yamlfile.PositionOf(e.Value), "%s: %q is not a time of day such as \"07:30\"", what, text)
		return 0
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
}

func (p *parser) certificate(node ast.Node) certificate {
	const what = "certificates"
	var c certificate
	fields := p.Fields(node, what, []string{"cn", "dn", "role"})
	name, byName := fields["cn"]
	if dn, ok := fields["dn"]; ok {
		if byName {
			p.Errorf(dn.At, "%s: cn and dn exclude each other", what)
		}
		name, c.dn = dn, true
	} else if !byName {
		p.Errorf(yamlfile.PositionOf(node), "%s: neither cn nor dn says which certificate", what)
		return c
	}
	if text, ok := p.Text(name, what); ok {
		c.is = text
		if pattern, ok := strings.CutPrefix(text, "/"); ok {
			var err error
			if c.matches, err = regexp.Compile(pattern); err != nil {
				p.Errorf(yamlfile.PositionOf(name.Value), "%s: %q is not a regular expression", what, pattern)
			}
		}
	}
	e, ok := fields["role"]
	if !ok {
		p.Errorf(yamlfile.PositionOf(node), "%s: there is no role", what)
		return c
	}
	c.role, _ = p.Text(e, what)
	if c.role != "" && strings.Contains(c.role, `\1`) && (c.matches == nil || c.matches.NumSubexp() == 0) {
		p.Errorf(yamlfile.PositionOf(e.Value), `%s: \1 in the role needs a regular expression with a group`, what)
	}
	return c
}
