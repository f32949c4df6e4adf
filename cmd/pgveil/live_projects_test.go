package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// TestProjectKeys: pseudonyms are withheld while the store has not confirmed their keyset for too
// long, also those that are asked for then, and end when it was destroyed.
func TestProjectKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatching(t)
		defer w.stop()
		if _, err := w.store.Create(t.Context(), "cohort", keys.TypePseudonym); err != nil {
			t.Fatal(err)
		}
		column := &schema.Column{Schema: "lab", Table: "patient", Name: "name", Context: "column:lab.patient.name"}
		project := schema.Pseudonym{Project: "cohort", Key: "cohort", Epoch: 1, Format: keys.PseudonymText}
		if p, err := w.pseudonyms(column, project); err == nil {
			t.Errorf("before the key has come: %v", p)
		}
		if err := w.add(t.Context(), []neededKey{{"cohort", keys.TypePseudonym}}); err != nil {
			t.Fatal(err)
		}
		make := func() *keys.Pseudonymizer {
			p, err := w.pseudonyms(column, project)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		early := make()
		code := func(p *keys.Pseudonymizer) string {
			_, err := p.Append(nil, []byte("Durand"), &keys.Scratch{})
			if e, ok := pgerror.As(err); ok {
				return e.Code
			}
			if err != nil {
				t.Fatal(err)
			}
			return ""
		}
		after(time.Minute)
		if got := code(early); got != "" {
			t.Errorf("at first: %s", got)
		}
		w.store.set(always(keys.ErrUnreachable), nil, nil)
		after(25 * time.Hour)
		late := make()
		if a, b := code(early), code(late); a != "58000" || b != "58000" {
			t.Errorf("without Vault: %q and %q", a, b)
		}
		w.serves(t, "name", false)
		w.store.set(nil, nil, nil)
		after(time.Minute)
		if a, b := code(early), code(late); a != "" || b != "" {
			t.Errorf("with Vault again: %q and %q", a, b)
		}
		w.store.set(nil, only("cohort", keys.ErrDestroyed), nil)
		after(2 * time.Minute)
		if a, b := code(early), code(late); a != "55000" || b != "55000" {
			t.Errorf("destroyed: %q and %q", a, b)
		}
		var e *pgerror.Error
		if _, err := w.pseudonyms(column, project); !errors.As(err, &e) || e.Code != "55000" {
			t.Errorf("asked for when destroyed: %v", err)
		}
		w.serves(t, "name", true)
	})
}
