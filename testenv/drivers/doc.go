// Package drivers holds tests that run real drivers through pgveil: psql, pgx,
// lib/pq, psycopg2, psycopg 3 and pgjdbc.
//
// Each driver runs one program twice at the same time: through pgveil on tagged
// tables, and directly on a twin, a second PostgreSQL where the same tables have
// their logical types in the clear. Both must say the same, step by step, but for
// steps named "refused …", which pgveil refuses with the SQLSTATE in their name.
package drivers
