package stack

import (
	"slices"
	"testing"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

func (s *Stack) pseudonymizer(column *schema.Column, which schema.Pseudonym) (*keys.Pseudonymizer, error) {
	s.exchange.Lock()
	defer s.exchange.Unlock()
	p, err := s.Keys[which.Key].Pseudonymizer(column.PseudonymSpec(which))
	if err == nil {
		s.made = append(s.made, p)
	}
	return p, err
}

// Pseudonyms gives all that makes pseudonyms so far.
func (s *Stack) Pseudonyms() []*keys.Pseudonymizer {
	s.exchange.RLock()
	defer s.exchange.RUnlock()
	return slices.Clone(s.made)
}

// Reload has pgveil go by another schema file, whose keys are those of before.
func (s *Stack) Reload(t testing.TB, text string) {
	t.Helper()
	file, err := schema.Parse("schema.yaml", []byte(text))
	if err == nil {
		err = s.Server.Reload(file.Databases)
	}
	if err != nil {
		t.Fatal(err)
	}
}
