// Package keylife lets keys live their whole life under a workload: columns are sealed,
// keys rotated, values sealed anew, the KEK rotated, old keys retired and destroyed, while
// clients write and read through two pgveils that are processes of their own, before a real
// PostgreSQL and a real Vault; in some runs each part is killed at random moments.
//
// Writers keep a ledger of what they wrote, and every row that is read has to agree with it.
// PGVEIL_SEED says where the run begins, PGVEIL_KEYLIFE=N how many lives with kills follow
// the short run, PGVEIL_KEYLIFE_RACE=1 that pgveil is built with the race detector; make
// test-keylife makes a long run.
package keylife
