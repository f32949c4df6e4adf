package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/proxy/alert"
)

// networks remembers from which networks roles have connected: what this process has seen, in
// front of a table of each described database (schema.NetworkDDL), which all proxies share.
type networks struct {
	mu       sync.Mutex
	of       map[networkOwner]map[string]struct{}
	untabled map[string]bool // databases of which it was told that they have no table
}

// networkOwner is a login role, as of a database.
type networkOwner struct{ database, role string }

// maxNetworks bounds what is remembered of one role; beyond it this process forgets them.
const maxNetworks = 4096

// networkOf is the network that an address is in: 24 bits of an IPv4 address, 64 of an IPv6
// one, "local" for a Unix socket.
func networkOf(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return "local"
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(ip, bits).Masked().String()
}

// see notes a network; anew says that it was not known, another that others of the role were.
func (n *networks) see(owner networkOwner, network string) (anew, another bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		n.of, n.untabled = make(map[networkOwner]map[string]struct{}), make(map[string]bool)
	}
	known := n.of[owner]
	if _, ok := known[network]; ok {
		return false, false
	}
	another = len(known) > 0
	if known == nil || len(known) >= maxNetworks {
		known = make(map[string]struct{})
		n.of[owner] = known
	}
	known[network] = struct{}{}
	return true, another
}

// lacksTable notes that a database has no table, and tells whether that was known.
func (n *networks) lacksTable(database string) (known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	known = n.untabled[database]
	n.untabled[database] = true
	return known
}

// watchNetwork tells people of a role that connects from a network for the first time. The
// session goes on meanwhile.
func (s *Server) watchNetwork(c *conn, client net.Conn) {
	if !s.config.NewNetworks {
		return
	}
	network := networkOf(client.RemoteAddr())
	anew, another := s.networks.see(networkOwner{c.params.database, c.params.user}, network)
	if !anew {
		return
	}
	s.running.Go(func() {
		if c.tracked != nil {
			first, had, err := c.tracked.rememberNetwork(c.params.user, network)
			switch {
			case err == nil:
				anew, another = first, had
			case s.down.Err() != nil:
				return
			case noTable(err) && s.networks.lacksTable(c.tracked.name):
			default:
				s.config.Log.Warn("networks that roles connect from are remembered only until pgveil ends", "database", c.tracked.name, "error", err,
					"hint", "the owner of the database makes the table with pgveil schema sql --form networks")
			}
		}
		if anew && another {
			c.alert(alert.Network, c.loggedIn(), network, "role connects from network "+network+" for the first time")
		}
	})
}

// noTable tells whether the database does not have the table.
func noTable(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "42P01" || refused.Code == "3F000")
}

// rememberNetwork enters a network of a role in the table. first says that it was not there,
// had that others were.
func (t *tracked) rememberNetwork(role, network string) (first, had bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), ledgerTimeout)
	defer cancel()
	err = t.purse.with(ctx, t, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			WITH had AS (SELECT FROM pgveil.role_network WHERE role = $1 LIMIT 1),
				entered AS (INSERT INTO pgveil.role_network (role, network) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING role)
			SELECT EXISTS (SELECT FROM entered), EXISTS (SELECT FROM had)`,
			pgx.QueryExecModeExec, role, network).Scan(&first, &had)
	})
	return first, had, err
}
