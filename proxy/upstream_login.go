package proxy

import (
	"crypto/tls"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// LoginConfig returns how pgx connects to a database of the server: with the same
// TLS as clients' connections, and with nothing from the environment or from files
// of libpq.
func (u *UpstreamConfig) LoginConfig(user, password, database string) (*pgx.ConnConfig, error) {
	// What is given here wins over PG… variables, which could make it fail.
	config, err := pgx.ParseConfig("host=localhost port=5432 user=postgres password=x sslmode=disable sslrootcert='' sslcert='' sslkey='' " +
		"connect_timeout=0 target_session_attrs=any sslnegotiation=postgres min_protocol_version=3.0 max_protocol_version=3.0 " +
		"channel_binding=prefer require_auth='' sslcertmode=allow")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port = u.Host, 5432
	if u.Port != 0 {
		config.Port = uint16(u.Port)
	}
	config.User, config.Password, config.Database = user, password, database
	// Names are compared with those of the schema file: a database's own encoding is not that.
	config.RuntimeParams = map[string]string{"application_name": "pgveil", "client_encoding": "UTF8"}
	var attempts []*tls.Config
	switch mode := u.mode(); {
	case u.local() || mode == SSLDisable:
		attempts = []*tls.Config{nil}
	case mode == SSLAllow:
		attempts = []*tls.Config{nil, u.tlsConfig()}
	case mode == SSLPrefer:
		attempts = []*tls.Config{u.tlsConfig(), nil}
	default:
		attempts = []*tls.Config{u.tlsConfig()}
	}
	config.TLSConfig, config.Fallbacks = attempts[0], nil
	for _, attempt := range attempts[1:] {
		config.Fallbacks = append(config.Fallbacks, &pgconn.FallbackConfig{Host: config.Host, Port: config.Port, TLSConfig: attempt})
	}
	if !u.local() && slices.Contains(attempts, nil) {
		config.RequireAuth = "!password" // it would cross the network in clear
	}
	return config, nil
}
