// Package bench measures pgveil beside other ways to the same server, in one run:
// the server directly, PgBouncer in session mode, and a bare TCP relay. It prints
// ratios; absolute numbers belong to the machine. make bench runs it.
package bench
