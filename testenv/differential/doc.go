// Package differential compares pgveil with PostgreSQL itself: random statements
// of a grammar run through pgveil on tagged tables and directly on an untagged
// twin of the same tables, and have to give the same rows, types, command tags,
// errors and transaction states, or a refusal that the grammar foresaw.
//
// PGVEIL_SEED and PGVEIL_STATEMENTS say where the run begins and how long it is;
// make test-differential makes a long one and writes docs/differential.md.
package differential
