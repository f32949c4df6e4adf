package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// memberships says, for every role, which roles were granted to it. Being a
// superuser grants none here: administrators of the server only ever see
// ciphertext.
type memberships struct {
	granted   map[string][]string // directly
	inherited map[string][]string // directly, and their rights without SET ROLE
}

// grants lists the memberships and whether their rights are inherited.
// Source: PostgreSQL manual, "Role Membership" (INHERIT; per grant since 16).
const (
	grants = `SELECT m.rolname, g.rolname, %s
		FROM pg_catalog.pg_auth_members a
		JOIN pg_catalog.pg_roles m ON m.oid = a.member
		JOIN pg_catalog.pg_roles g ON g.oid = a.roleid
		ORDER BY 1, 2, 3`
	inheritBefore16 = `m.rolinherit`
	inheritSince16  = `a.inherit_option`
)

// loadMemberships reads all memberships and a fingerprint of them.
func loadMemberships(ctx context.Context, login *pgx.Conn) (memberships, string, error) {
	m := memberships{granted: make(map[string][]string), inherited: make(map[string][]string)}
	var version int
	if err := login.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return m, "", err
	}
	inherit := inheritBefore16
	if version >= 160000 {
		inherit = inheritSince16
	}
	rows, err := login.Query(ctx, fmt.Sprintf(grants, inherit))
	if err != nil {
		return m, "", err
	}
	hash := sha256.New()
	var member, role string
	var inherits bool
	_, err = pgx.ForEachRow(rows, []any{&member, &role, &inherits}, func() error {
		m.granted[member] = append(m.granted[member], role)
		if inherits {
			m.inherited[member] = append(m.inherited[member], role)
		}
		fmt.Fprintf(hash, "%q %q %v\n", member, role, inherits)
		return nil
	})
	return m, hex.EncodeToString(hash.Sum(nil)), err
}

// of gives the roles whose rights count for a session that logged in as login and
// now acts as current: current first, then all that it inherits. A role that login
// only acts as because it is a superuser counts for nothing.
func (m memberships) of(login, current string) []string {
	if current != login && !slices.Contains(closure(m.granted, login), current) {
		return []string{""}
	}
	return closure(m.inherited, current)
}

// closure gives start and everything reachable from it, start first.
func closure(edges map[string][]string, start string) []string {
	all := []string{start}
	for i := 0; i < len(all); i++ {
		for _, next := range edges[all[i]] {
			if !slices.Contains(all, next) {
				all = append(all, next)
			}
		}
	}
	return all
}
