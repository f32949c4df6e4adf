package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestCopyTables copies tables with generated and dropped columns, partitions and
// changes of the table between one COPY and the next.
func TestCopyTables(t *testing.T) {
	ctx := context.Background()
	tables := append([]string{}, stack.Tables...)
	for i, ddl := range tables {
		if strings.HasPrefix(ddl, "CREATE TABLE lab.patient ") {
			tables[i] = `CREATE TABLE lab.patient (gone int, twice int GENERATED ALWAYS AS (id * 2) STORED, id int, nir bytea, email bytea, last_name bytea, birth_date bytea, city text) PARTITION BY RANGE (id);
				ALTER TABLE lab.patient DROP COLUMN gone, ADD PRIMARY KEY (id);
				CREATE TABLE lab.low (city text, last_name bytea, id int NOT NULL, nir bytea, email bytea, birth_date bytea, twice int GENERATED ALWAYS AS (id * 2) STORED);
				ALTER TABLE lab.patient ATTACH PARTITION lab.low FOR VALUES FROM (0) TO (100);
				CREATE TABLE lab.high PARTITION OF lab.patient FOR VALUES FROM (100) TO (200)`
		}
	}
	s := stack.Start(t, stack.Options{Tables: tables})
	conn := s.Connect(t, "biologist").PgConn()
	in := func(sql, data, code string) {
		t.Helper()
		if err := copyIn(conn, sql, []byte(data)); sqlstate(err) != code {
			t.Errorf("%s: %v, want %q", sql, err, code)
		}
	}
	out := func(sql, want string) {
		t.Helper()
		if got := string(copyOut(t, conn, sql)); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	in(`COPY lab.patient FROM STDIN`, "1\t"+nir1+"\t\\N\tLow\t1942-03-05\tParis\n101\t"+nir2+"\t\\N\tHigh\t\\N\tLyon\n", "")
	in(`COPY lab.low FROM STDIN`, "Nice\tLower\t2\t\\N\t\\N\t\\N\n", "")
	in(`COPY lab.low (twice, id) FROM STDIN`, "1\t2\n", "42P10")
	in(`COPY lab.patient (id, last_name) FROM STDIN`, "500\tnowhere\n", "23514")
	out(`COPY lab.low TO STDOUT`, "Paris\tLow\t1\t"+nir1+"\t\\N\t1942-03-05\nNice\tLower\t2\t\\N\t\\N\t\\N\n")
	out(`COPY (SELECT * FROM lab.patient ORDER BY id) TO STDOUT`, "2\t1\t"+nir1+"\t\\N\tLow\t1942-03-05\tParis\n4\t2\t\\N\t\\N\tLower\t\\N\tNice\n202\t101\t"+nir2+"\t\\N\tHigh\t\\N\tLyon\n")
	if err := s.Postgres.ExecIn(ctx, stack.Database, `ALTER TABLE lab.patient DROP COLUMN city; ALTER TABLE lab.patient ADD COLUMN town text`); err != nil {
		t.Fatal(err)
	}
	if err := s.Server.Check(ctx); err != nil { // it reads the catalog
		t.Fatal(err)
	}
	in(`COPY lab.patient FROM STDIN`, "3\t\\N\t\\N\tThird\t\\N\tLille\n", "")
	out(`COPY (SELECT last_name, town FROM lab.patient WHERE id = 3) TO STDOUT`, "Third\tLille\n")
}
