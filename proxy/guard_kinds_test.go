package proxy_test

import (
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestSealedBehindPooler: the same behind a pooler of transactions, with fewer server
// processes than clients.
func TestSealedBehindPooler(t *testing.T) {
	s := startBehindTransactions(t, 3, stack.Options{Schema: guardSchema, Tables: guardTables})
	b := newBesideClients(t, s)
	b.clients = b.clients[:2] // without statements that are prepared by name
	b.each("before")
	j := seal(t, s)
	awaitShadows(t, s)
	b.each("filling")
	tx, err := b.clients[1].Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.work("in a transaction", b.clients[1], tx)
	close(j.resume)
	b.work("in a transaction that may be waited for", b.clients[1], tx)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		b.each("swapping")
	}
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
	b.each("after")
}

// TestStoredOtherwiseBesideClients: the same for every other way in which columns can be
// stored otherwise.
func TestStoredOtherwiseBesideClients(t *testing.T) {
	const head = `version: 1
keys: {identity: deterministic, other: deterministic, medical: randomized, newer: randomized}
profiles: {care: {biologist: {verdict: decrypt, search: true}}}
databases:
  laboratory:
    tables:
`
	for name, change := range map[string]struct{ nir, note string }{
		"key": {
			"encryption: deterministic, domain: nir, key: other, was: {encryption: deterministic, domain: nir, key: identity}",
			"encryption: randomized, key: newer, was: {encryption: randomized, key: medical}",
		},
		"domain and mode": {
			"encryption: deterministic, domain: nir, key: identity, padding: 64, was: {encryption: deterministic, domain: old, key: identity}",
			"encryption: deterministic, key: other, was: {encryption: randomized, key: medical}",
		},
		"unsealed": {
			"encryption: none, was: {encryption: deterministic, domain: nir, key: identity}",
			"encryption: none, was: {encryption: randomized, key: medical}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := head + `      lab.patient:
        columns:
          nir: {type: char(15), access: care, ` + change.nir + `}
          note: {type: text, access: care, ` + change.note + `}
      lab.visit:
        columns:
          nir: {type: char(15), access: care, ` + change.nir + `}
`
			file, err := schema.Parse("change.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var tables []string
			for _, sql := range guardTables {
				for _, c := range file.Databases[stack.Database].Columns {
					if strings.Contains(sql, "CREATE TABLE lab."+c.Table+" ") {
						inClear := map[string]string{"nir": "nir char(15)", "note": "note text"}[c.Name]
						sql = strings.Replace(sql, inClear, c.Was.Definition(), 1)
					}
				}
				tables = append(tables, sql)
			}
			s := stack.Start(t, stack.Options{Schema: text, Tables: tables})
			b := newBesideClients(t, s)
			b.each("before")
			j := seal(t, s)
			awaitShadows(t, s)
			b.each("filling")
			close(j.resume)
			for range 8 {
				b.each("swapping")
			}
			if err := <-j.done; err != nil {
				t.Fatal(err)
			}
			b.each("after")
			login, err := s.Postgres.Conn(t.Context(), s.Database)
			if err != nil {
				t.Fatal(err)
			}
			defer login.Close(t.Context())
			problems, err := schema.Check(t.Context(), login, s.File.Databases[s.Database])
			if err != nil || schema.HasErrors(problems) {
				t.Errorf("%v, %v", problems, err)
			}
		})
	}
}
