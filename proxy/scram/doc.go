// Package scram is SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as PostgreSQL speaks them: the
// side that checks a client, with verifiers as in pg_authid and mock ones for roles
// that nobody knows, and the side that proves a password to the server. It knows
// nothing of sockets; the conversation itself is xdg-go/scram's.
//
// Source: RFC 5802, RFC 7677, RFC 5929 section 4, PostgreSQL manual, "SASL
// Authentication", and auth-scram.c, whose errors these are.
package scram
