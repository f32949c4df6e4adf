// Package stack puts the parts together for tests and benchmarks: a real
// PostgreSQL, pgveil in this process in front of it, keys in an insecure local
// store, an audit log, and a database with tagged tables.
package stack
