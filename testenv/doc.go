// Package testenv starts the real parts that pgveil's tests, demo and
// benchmarks run against: PostgreSQL, Vault, PgBouncer, and a bare TCP relay as
// the benchmarks' yardstick.
//
// Everything listens on 127.0.0.1, keeps its files in a temporary directory of
// its own, and ends with Stop. A part also ends, and its directory goes, when
// the process that started it is killed.
//
// PostgreSQL and PgBouncer refuse to run as root: a root process starts them as
// the user postgres, or nobody where there is no such user.
//
// A part that is not installed is an error naming the Debian package that has
// it; [Require] turns that into a test failure, or into a skip where
// PGVEIL_TEST_SKIP_MISSING=1 asks for one.
//
// Vault is built once from its own source by the nested module vaultd, into the
// user's cache directory, unless a vault or bao command is found.
package testenv
