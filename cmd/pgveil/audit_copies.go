package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"

	"github.com/pgveil/pgveil/proxy/audit"
)

// auditCopies gives the places of audit.copy.
func (c *call) auditCopies(store *secrets) ([]audit.Copy, error) {
	var copies []audit.Copy
	for place := range strings.SplitSeq(c.config.Audit.Copy, ",") {
		place = strings.TrimSpace(place)
		scheme, address, _ := strings.Cut(place, "://")
		switch scheme {
		case "":
			continue
		case "stdout":
			copies = append(copies, audit.NewStreamCopy("stdout", c.out))
			continue
		case "postgres", "postgresql":
			to, err := c.tableCopy(place, store)
			if err != nil {
				return nil, err
			}
			copies = append(copies, to)
			continue
		case "syslog+tls", "syslog+tcp":
		default:
			return nil, c.config.Errorf("audit.copy", "%q is none of stdout, syslog+tls://host:port, syslog+tcp://host:port and postgres://user@host:port/database", place)
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || port == "" {
			return nil, c.config.Errorf("audit.copy", "%q names no host:port", place)
		}
		if scheme == "syslog+tcp" {
			copies = append(copies, audit.NewSyslogCopy(address, nil))
			continue
		}
		trusted, err := c.trusting("audit.copy_ca", c.config.Audit.CopyCA)
		if err != nil {
			return nil, err
		}
		trusted.ServerName = host
		copies = append(copies, audit.NewSyslogCopy(address, trusted))
	}
	return copies, nil
}

// trusting gives TLS to a place whose certificate is of an authority in a setting's file; of the
// system's without a file.
func (c *call) trusting(setting, file string) (*tls.Config, error) {
	trusted := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return trusted, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, c.config.Errorf(setting, "%v", err)
	}
	trusted.RootCAs = x509.NewCertPool()
	if !trusted.RootCAs.AppendCertsFromPEM(pem) {
		return nil, c.config.Errorf(setting, "%s holds no certificate", file)
	}
	return trusted, nil
}
