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
		trusted := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
		if name := c.config.Audit.CopyCA; name != "" {
			pem, err := os.ReadFile(name)
			if err != nil {
				return nil, c.config.Errorf("audit.copy_ca", "%v", err)
			}
			trusted.RootCAs = x509.NewCertPool()
			if !trusted.RootCAs.AppendCertsFromPEM(pem) {
				return nil, c.config.Errorf("audit.copy_ca", "%s holds no certificate", name)
			}
		}
		copies = append(copies, audit.NewSyslogCopy(address, trusted))
	}
	return copies, nil
}
