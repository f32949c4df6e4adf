package proxy_test

import (
	"context"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestReferencesPrimaryKey: REFERENCES without columns means those of the primary key,
// sealed or not, as it is on a database without tags.
func TestReferencesPrimaryKey(t *testing.T) {
	ctx := context.Background()
	s, twin := ddlStack(t, "")
	for _, database := range []string{stack.Database, "twin"} {
		if err := s.Postgres.ExecIn(ctx, database, `DROP SCHEMA lab CASCADE; CREATE SCHEMA lab AUTHORIZATION biologist`); err != nil {
			t.Fatal(err)
		}
	}
	texts := []string{
		`CREATE TABLE lab.patient (id int, last_name varchar(80), nir char(15), PRIMARY KEY (nir) INCLUDE (id))`,
		`INSERT INTO lab.patient VALUES (1, 'Lefèvre', '185057800608436')`,
		`CREATE TABLE lab.result (id int, nir char(15) REFERENCES lab.patient)`,
		`INSERT INTO lab.result VALUES (1, '185057800608436')`,
		`INSERT INTO lab.result VALUES (2, '278037500100114')`,
		`DELETE FROM lab.patient WHERE nir = '185057800608436'`,
		`DROP TABLE lab.result`,
		`BEGIN`,
		`ALTER TABLE lab.patient DROP CONSTRAINT patient_pkey`,
		`ALTER TABLE lab.patient ADD PRIMARY KEY (nir, id)`,
		`CREATE TABLE lab.result (id int, patient int, nir char(15), FOREIGN KEY (nir, patient) REFERENCES lab.patient ON DELETE CASCADE)`,
		`INSERT INTO lab.result VALUES (1, 1, '185057800608436')`,
		`SAVEPOINT s`,
		`INSERT INTO lab.result VALUES (1, 2, '185057800608436')`,
		`ROLLBACK TO s`,
		`COMMIT`,
		`CREATE TABLE lab.other (id int, nir char(15), FOREIGN KEY (id) REFERENCES lab.patient)`,
		`DELETE FROM lab.patient WHERE nir = '185057800608436'`,
		`SELECT count(*) FROM lab.result`,
	}
	conn := s.Connect(t, "biologist")
	sealed, plain := answers(t, conn, texts), answers(t, twin(), texts)
	for i := range texts {
		if sealed[i] != plain[i] {
			t.Errorf("through pgveil\n\t%s\nwithout it\n\t%s", sealed[i], plain[i])
		}
	}
	for _, sql := range []string{
		`ALTER TABLE lab.result ADD FOREIGN KEY (id, nir) REFERENCES lab.patient`, // the other way round
		`DROP TABLE lab.result; ALTER TABLE lab.patient DROP CONSTRAINT patient_pkey; CREATE TABLE lab.result (id int, nir char(15) REFERENCES lab.patient)`,
		`ALTER TABLE lab.result ADD FOREIGN KEY (nir) REFERENCES lab.patient`, // whose primary key has two columns
	} {
		if got := show(t, conn, sql); got != "0A000" {
			t.Errorf("%s: %s", sql, got)
		}
	}
	if got := show(t, s.Direct(t, "biologist"), `SELECT count(*), bool_and(substring(nir FROM 1 FOR 2) = '\xfe9d') IS NOT FALSE FROM lab.patient`); got != "0|t" {
		t.Errorf("stored: %s", got)
	}
}
