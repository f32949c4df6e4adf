// Package pipeline is the queue of responses that a PostgreSQL server still owes:
// which frontend message each backend message answers, what an error skips, and
// whose answer it is, the client's or the proxy's own.
//
// It is a plain value without sockets, clocks or locks; its caller serialises
// access. Source: PostgreSQL manual, "Frontend/Backend Protocol", sections
// "Message Flow" and "Pipelining", and postgres.c (ignore_till_sync).
package pipeline
