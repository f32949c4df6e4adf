package main

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/access"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

// accessRules reads the rules of who may connect, nil if there are none.
func (c *call) accessRules(clients *proxy.ClientTLS) (*access.Rules, error) {
	if c.config.Auth.Access == "" {
		return nil, nil
	}
	rules, err := access.ReadFile(c.config.Auth.Access)
	var faults yamlfile.Errors
	switch {
	case errors.As(err, &faults):
		return nil, &exitError{status: statusUsage, err: err}
	case err != nil:
		return nil, c.config.Errorf("auth.access", "auth.access: %v", err)
	}
	rules.Each(func(role string, rule *access.Rule) {
		switch {
		case rule.Method == access.MethodCert && c.config.Auth.Mode != "terminate":
			err = errors.Join(err, fmt.Errorf("role %s: method cert needs auth.mode terminate", role))
		case rule.Certificate != access.CertificateIgnore && clients.ClientCAs == nil:
			err = errors.Join(err, fmt.Errorf("role %s: certificates need tls.client_ca", role))
		case rule.TLS && c.config.TLS.Mode == proxy.ClientTLSDisable:
			err = errors.Join(err, fmt.Errorf("role %s: TLS needs tls.mode allow or require", role))
		}
	})
	if err != nil {
		return nil, c.config.Errorf("auth.access", "auth.access: %v", err)
	}
	return rules, nil
}

// endUser compiles what finds the end user in application_name, nil if nothing does.
func (c *call) endUser() (*regexp.Regexp, error) {
	if c.config.Audit.EndUser == "" {
		return nil, nil
	}
	pattern, err := regexp.Compile(c.config.Audit.EndUser)
	switch {
	case err != nil:
		return nil, c.config.Errorf("audit.end_user", "audit.end_user: %v", err)
	case pattern.NumSubexp() == 0:
		return nil, c.config.Errorf("audit.end_user", "audit.end_user: %q has no group, such as in ^lims \\((.*)\\)$", pattern)
	}
	return pattern, nil
}
