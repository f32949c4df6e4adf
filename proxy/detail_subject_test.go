package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestDetailOfUnnamed: a key that is opened and does not tell whose it is counts as such.
func TestDetailOfUnnamed(t *testing.T) {
	schemaText := strings.Replace(subjectSchema(), "access: {biologist: decrypt, secretary: decrypt}", "access: {biologist: {verdict: decrypt, search: true}, secretary: decrypt}", 1)
	s := stack.Start(t, stack.Options{Schema: schemaText, Tables: append(stack.Tables[:len(stack.Tables):len(stack.Tables)],
		`ALTER TABLE lab.patient ADD UNIQUE (email)`)})
	fill(t, s)
	conn := s.Connect(t, "biologist")
	for _, test := range []struct {
		sql            string
		unnamed, named int64
	}{
		{`UPDATE lab.patient SET email = 'x@example.org'`, 1, 0},
		{`INSERT INTO lab.patient (id, nir) VALUES (3, '` + nir1 + `')`, 0, 1},
	} {
		detailOf(t, conn, pgx.QueryExecModeSimpleProtocol, test.sql)
		found := statements(t, s, "DETAIL of error")
		if of := found[len(found)-1]; of.Outcome.Unnamed != test.unnamed || of.Outcome.Subjects != test.named {
			t.Errorf("%s: %d unnamed, %d subjects", test.sql, of.Outcome.Unnamed, of.Outcome.Subjects)
		}
	}
}
