// Package conformance runs PostgreSQL's own test suites through pgveil, on a
// database with tagged tables in it, and directly: both must give the same, down to
// the messages. See docs/conformance.md.
package conformance
