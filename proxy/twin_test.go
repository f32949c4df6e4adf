package proxy_test

import (
	"context"
	"testing"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// conversation is what a client sends, one exchange after the other.
type conversation struct {
	name string
	in   []messages
}

// inTheClear is a server of its own, without pgveil, that has run these statements.
func inTheClear(t *testing.T, statements ...string) *testenv.Postgres {
	t.Helper()
	pg, err := testenv.StartPostgres(context.Background(), testenv.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pg.Stop() })
	if err := pg.Exec(context.Background(), statements...); err != nil {
		t.Fatal(err)
	}
	return pg
}

// twinOfAll is a server with the tables and rows of fill in the clear.
func twinOfAll(t *testing.T) *testenv.Postgres {
	t.Helper()
	clear := twin(t)
	if err := clear.Exec(context.Background(),
		`CREATE TABLE lab.patient (id int PRIMARY KEY, nir char(15) UNIQUE, email varchar(120), last_name varchar(80), birth_date date, city text)`,
		`CREATE TABLE lab.result (id int PRIMARY KEY, patient int REFERENCES lab.patient, nir char(15), outcome varchar(20), document jsonb, sampled timestamptz)`,
		`CREATE TABLE lab.plain (id int PRIMARY KEY, note text, nir text)`,
		`INSERT INTO lab.patient (id, nir, email, last_name, birth_date, city) VALUES
			(1, '`+nir1+`', 'anne@exemple.fr', 'Lefèvre', '1985-05-17', 'Paris'), (2, '`+nir2+`', NULL, 'Bernard', '1978-03-01', 'Lyon')`,
		`INSERT INTO lab.result (id, patient, nir, outcome, document) VALUES
			(1, 1, '`+nir1+`', 'positif', '{"ct": 21.5}'), (2, 2, '`+nir2+`', 'négatif', NULL)`,
		`INSERT INTO lab.plain VALUES (1, 'a note', 'not sealed')`,
		`ALTER ROLE postgres SET TimeZone TO 'UTC'`,
	); err != nil {
		t.Fatal(err)
	}
	return clear
}

// sameAnswers has each conversation with pgveil and, in the clear, with a server: every
// message of the answers must be the same.
func sameAnswers(t *testing.T, s *stack.Stack, clear *testenv.Postgres, conversations []conversation) {
	t.Helper()
	for _, c := range conversations {
		t.Run(c.name, func(t *testing.T) {
			through := dialWire(t, s.DSN("biologist"))
			direct := dialWire(t, clear.DSN(clear.Superuser(), clear.SuperPassword(), "postgres"))
			for i, in := range c.in {
				got, want := through.exchange(in...), direct.exchange(in...)
				if got != want {
					t.Errorf("exchange %d\nthrough pgveil\n%s\ndirectly\n%s", i, got, want)
				}
			}
		})
	}
}
