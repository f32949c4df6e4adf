package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/lab"
	"github.com/pgveil/pgveil/testenv/stack"
)

// serverOptions keep checkpoints and reads of the server's files out of the measurements.
var serverOptions = testenv.PostgresOptions{
	DiscardWAL: true, Settings: map[string]string{"max_wal_size": "8GB", "shared_buffers": "512MB", "max_connections": "600"},
}

// connect connects one of the test's own connections.
func (w *ways) connect(b *testing.B, way string) *pgconn.PgConn {
	b.Helper()
	conn, err := pgconn.Connect(context.Background(), fmt.Sprintf("postgres://biologist:%s@%s/%s?sslmode=disable", stack.Password, w.addr[way], stack.Database))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// fill makes pgbench's tables, the sealed patients (through pgveil) and their twin in
// the clear; it gives the NIR of one of them.
func (w *ways) fill(b *testing.B) string {
	b.Helper()
	ctx := context.Background()
	for _, ddl := range []string{
		`CREATE SCHEMA clear`,
		`CREATE TABLE clear.patient (id int PRIMARY KEY, nir char(15) UNIQUE, email varchar(120), last_name varchar(80), birth_date date, city text)`,
		`GRANT ALL ON SCHEMA clear TO biologist`,
		`GRANT ALL ON ALL TABLES IN SCHEMA clear TO biologist`,
	} {
		if err := w.Postgres.ExecIn(ctx, stack.Database, ddl); err != nil {
			b.Fatal(err)
		}
	}
	w.pgbenchTables(b)
	conn := w.connect(b, veil)
	var insert strings.Builder
	nir, written := "", 0
	flush := func() {
		if insert.Len() == 0 {
			return
		}
		for _, table := range []string{"lab.patient", "clear.patient"} {
			sql := "INSERT INTO " + table + " (id, nir, last_name, birth_date) VALUES " + insert.String()
			if err := conn.Exec(ctx, sql).Close(); err != nil {
				b.Fatal(err)
			}
		}
		insert.Reset()
	}
	laboratory, err := lab.New(1, int64(*rows), 0)
	if err != nil {
		b.Fatal(err)
	}
	for patient := range laboratory.Patients() {
		if insert.Len() > 0 {
			insert.WriteByte(',')
		}
		nir = patient.NIR
		fmt.Fprintf(&insert, "(%d,'%s','%s','%s')", patient.ID, patient.NIR, strings.ReplaceAll(patient.LastName, "'", "''"), patient.BirthDate.Format(time.DateOnly))
		if written++; written%1000 == 0 {
			flush()
		}
	}
	flush()
	if err := w.Postgres.ExecIn(ctx, stack.Database, "VACUUM ANALYZE"); err != nil {
		b.Fatal(err)
	}
	return nir
}

// pgbenchTables makes pgbench's own tables.
func (w *ways) pgbenchTables(b *testing.B) {
	b.Helper()
	if err := w.Postgres.ExecIn(context.Background(), stack.Database, `GRANT ALL ON SCHEMA public TO biologist`); err != nil {
		b.Fatal(err)
	}
	w.pgbench(b, direct, "disable", b.TempDir(), "-i", "-q", "-s", "5")
}
