package main

import (
	"fmt"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// pseudonyms is for proxy.Config: it makes what makes the pseudonyms of a column.
func (l *liveKeys) pseudonyms(column *schema.Column, which schema.Pseudonym) (*keys.Pseudonymizer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := l.keys[which.Key]
	if key == nil {
		return nil, fmt.Errorf("key %q of project %q is not there", which.Key, which.Project)
	}
	if !key.ring.Info().Destroyed.IsZero() {
		return nil, destroyedProject(key.name)
	}
	p, err := key.ring.Pseudonymizer(column.PseudonymSpec(which))
	if err != nil {
		return nil, err
	}
	key.made = append(key.made, p)
	if key.withheld {
		p.Withhold(withheldProject(key.name, l.maxStale))
	}
	return p, nil
}

// withheldProject is withheldError for pseudonyms.
func withheldProject(key string, maxStale time.Duration) error {
	return pgerror.New(pgerror.SystemError, "pseudonyms can be neither made nor taken back at this moment: key %q is withheld", key).
		WithDetail("Vault has not confirmed the key for more than %v (keys.max_stale).", maxStale).
		WithHint("Try again when whoever runs pgveil has brought Vault back: pgveil's log and /readyz say what is wrong with it.")
}

// destroyedProject is for clients, once the keyset of a project was destroyed.
func destroyedProject(key string) error {
	return pgerror.New(pgerror.ObjectNotInPrerequisiteState, "there are no pseudonyms any more: key %q of their project was destroyed", key).
		WithHint("Take the project out of the schema file, or give it another key.")
}
