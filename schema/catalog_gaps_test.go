package schema

import (
	"slices"
	"strings"
	"testing"
)

// TestCatalogGaps: what has parted from the schema file is known, also when the DDL
// was run beside pgveil.
func TestCatalogGaps(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`, `CREATE SCHEMA old`,
		`CREATE TABLE lab.patient (id int, nir bytea, name bytea)`)
	db := mustParse(t, patientTags+`
lab.visit:
  columns:
    note: {type: text, encryption: randomized}
`)
	mustExec(t, super, DDL(&Database{Columns: db.Columns[:2]}, AddConstraints))
	before, err := CatalogFingerprint(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, login, db)
	if got := c.Gaps(); !slices.Equal(got, []string{"table lab.visit, which the schema file names, does not exist"}) {
		t.Errorf("gaps: %q", got)
	}
	if !c.Awaited("visit") || c.Awaited("patient") || !c.Watched("visit") || !c.TaggedSchema("lab") || c.TaggedSchema("old") {
		t.Error("what is awaited")
	}
	if got := c.Tags("lab", "visit"); len(got) != 1 || got[0].Name != "note" {
		t.Errorf("tags of lab.visit: %v", got)
	}
	if c.Relation("lab", "patient").Orphan() != nil {
		t.Error("a tagged column is no orphan")
	}

	mustExec(t, super, `ALTER TABLE lab.patient RENAME COLUMN nir TO number`)
	mustExec(t, super, `ALTER TABLE lab.patient ADD CONSTRAINT other CHECK (octet_length(name) < 500)`)
	mustExec(t, super, `CREATE TABLE lab.visit (note text)`)
	mustExec(t, super, `CREATE TABLE old.copy (LIKE lab.patient INCLUDING ALL)`)
	mustExec(t, super, `ALTER TABLE old.copy RENAME CONSTRAINT pgveil_name TO c`)
	mustExec(t, super, `CREATE TABLE old.plain (number bytea CHECK (octet_length(number) > 3))`)
	mustExec(t, super, `CREATE VIEW old.v AS SELECT number FROM old.copy`)
	after, err := CatalogFingerprint(t.Context(), login)
	if err != nil || after == before {
		t.Errorf("the fingerprint stays: %v", err)
	}
	c = mustLoad(t, login, db)
	want := []string{
		"column lab.patient.nir, which the schema file names, does not exist",
		"column lab.patient.number holds sealed values and",
		"column lab.visit.note, which the schema file names, is not of type bytea",
		"column old.copy.name holds sealed values and",
		"column old.copy.number holds sealed values and",
	}
	got := c.Gaps()
	if len(got) != len(want) {
		t.Fatalf("gaps: %q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("gap %q, want %q", got[i], want[i])
		}
	}
	if !c.Relation("old", "copy").Reaches || !c.Relation("old", "v").Reaches || c.Relation("old", "plain").Reaches {
		t.Error("a table with an orphan is watched, and what reads it")
	}
}

// TestCatalogPartitionKeys: also those inside an expression are known.
func TestCatalogPartitionKeys(t *testing.T) {
	_, login := newDatabase(t, `CREATE SCHEMA lab`,
		`CREATE TABLE lab.patient (id int, nir bytea, name bytea) PARTITION BY RANGE (id, octet_length(nir))`)
	r := mustLoad(t, login, mustParse(t, patientTags)).Relation("lab", "patient")
	var keys []string
	for _, a := range r.Attributes {
		if a.PartitionKey {
			keys = append(keys, a.Name)
		}
	}
	if !slices.Equal(keys, []string{"id", "nir"}) {
		t.Errorf("partition keys: %q", keys)
	}
}

// TestCatalogChanges: the catalog that a definition will leave, beside the one that is.
func TestCatalogChanges(t *testing.T) {
	old := &Relation{OID: 1, Schema: "lab", Name: "patient", Kind: 'r', Attributes: []Attribute{{Name: "id", Num: 1}}}
	c := NewCatalog([]*Relation{old}, nil)
	made := &Relation{Schema: "lab", Name: "visit", Kind: 'r', Reaches: true}
	next := c.With(made)
	if next.Relation("lab", "visit") != made || next.ByOID(made.OID) != made || !next.Watched("visit") || len(next.Named("visit")) != 1 {
		t.Error("what was made is not there")
	}
	if c.Relation("lab", "visit") != nil || c.Watched("visit") || c.Named("visit") != nil {
		t.Error("the catalog itself has changed")
	}
	changed := *old
	if again := next.With(&changed); again.Relation("lab", "patient") != &changed || len(again.Named("patient")) != 1 || next.Relation("lab", "patient") != old {
		t.Error("what was altered stands beside what it was")
	}
	if gone := next.Without(old); gone.Relation("lab", "patient") != nil || gone.ByOID(1) != nil || len(gone.Named("patient")) != 0 || next.ByOID(1) != old {
		t.Error("what was dropped is there")
	}
}
