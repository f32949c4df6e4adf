package proxy

import (
	"context"
	"log/slog"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/access"
	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
)

// Sealer seals and opens the values of one column. Both append to dst.
type Sealer interface {
	Seal(dst, plaintext []byte) ([]byte, error)
	Open(dst, sealed []byte) ([]byte, error)
}

// Config is what a Server needs. All fields but Subjects, EndUser, Alerts, NewNetworks, Access, Terminate and the limits are required.
type Config struct {
	// Databases are the described databases by name; one that is not in it passes
	// untouched.
	Databases map[string]*schema.Database
	// Sealer gives the sealer of a tagged column.
	Sealer func(*schema.Column) (Sealer, error)
	// Pseudonyms gives what makes a role's pseudonyms of a column. It may be nil where no role
	// sees any.
	Pseudonyms func(*schema.Column, schema.Pseudonym) (*keys.Pseudonymizer, error)
	// Audit takes the records of what was opened.
	Audit *audit.Log
	// Subjects is the key of the tags of those of whom values are opened; nil where
	// nobody is tagged.
	Subjects *audit.TagKey
	// Clients is how clients connect, Upstreams how the server is reached.
	Clients   *ClientTLS
	Upstreams *Upstreams
	// EndUser finds, with its first group, whom an application acts for in its
	// application_name; nil where these do not tell. Where a session has set
	// pgveil.end_user, that counts.
	EndUser *regexp.Regexp
	// Alerts tells people of what should not wait; nil for a Desk that tells the audit log and
	// Log alone.
	Alerts *alert.Desk
	// NewNetworks says that people are told of a role that connects from a network for the first
	// time.
	NewNetworks bool
	// Access says who may connect from where, how and when; nil lets everyone. SetAccess
	// changes it.
	Access *access.Rules
	// Terminate has pgveil authenticate clients itself; nil relays the server's
	// authentication.
	Terminate *Terminate
	// Login opens a connection of pgveil's own to a described database. It is
	// closed again within half a second of its last use: an idle one would block
	// CREATE DATABASE … TEMPLATE and DROP DATABASE.
	Login func(ctx context.Context, database string) (*pgx.Conn, error)
	// Refresh is how often the catalog is compared with the server's; 5 s when 0.
	Refresh time.Duration
	// StartupTimeout bounds startup and authentication; 60 s when 0, as
	// PostgreSQL's authentication_timeout.
	StartupTimeout time.Duration
	// MaxConnections bounds client connections; 0 means no bound.
	MaxConnections int
	// MaxMessage bounds, in bytes, a message that must be held in memory; 1 GiB
	// when 0, as in PostgreSQL.
	MaxMessage int
	Log        *slog.Logger
}

func (c *Config) setDefaults() {
	if c.Refresh == 0 {
		c.Refresh = 5 * time.Second
	}
	if c.StartupTimeout == 0 {
		c.StartupTimeout = time.Minute
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = 1 << 30
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Alerts == nil {
		c.Alerts = alert.New(alert.Options{Audit: c.Audit, Log: c.Log})
	}
}

// endUser gives whom a session claims to act for, by its settings.
func (c *Config) endUser(declared, application string) string {
	if declared != "" || c.EndUser == nil {
		return declared
	}
	groups := c.EndUser.FindStringSubmatch(application)
	if len(groups) < 2 {
		return ""
	}
	return groups[1]
}
