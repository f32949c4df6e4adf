package schema

import (
	"slices"
	"strings"
	"testing"
)

const changingTags = `
lab.patient:
  columns:
    id: {type: int, encryption: deterministic, key: d, domain: id}
    nir: {type: text, encryption: deterministic, key: d, was: {encryption: none}}
    name: {type: text, encryption: randomized, was: {encryption: deterministic, key: e, domain: name}}
    note: {type: text, encryption: none, was: {encryption: randomized}}
    raw: {type: bytea, encryption: randomized, was: {encryption: none}}
lab.visit:
  columns:
    id: {type: int, encryption: deterministic, key: d, domain: id}
lab.later:
  columns:
    id: {type: int, encryption: deterministic, key: d, domain: id}
`

// TestForms: how a column is stored is what its type and its CHECK constraint say.
func TestForms(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`)
	db := mustParse(t, changingTags)
	create := func(columns ...string) *Catalog {
		mustExec(t, super, `DROP TABLE IF EXISTS lab.patient`)
		mustExec(t, super, `CREATE TABLE lab.patient (`+strings.Join(columns, ", ")+`)`)
		return mustLoad(t, login, db)
	}
	form := func(c *Catalog, name string) *Column { return c.Relation("lab", "patient").Attribute(name).Tagged }
	file := func(name string) *Column { return db.Column("lab", "patient", name) }
	was := func(name string) string { return file(name).Was.Definition() }

	c := create("id bytea", "nir text", was("name"), was("note"), "raw bytea")
	if form(c, "nir") != nil || form(c, "raw") != nil {
		t.Error("what is in the clear is tagged")
	}
	if form(c, "name") != file("name").Was || form(c, "note") != file("note").Was {
		t.Errorf("before: %v, %v", form(c, "name"), form(c, "note"))
	}
	if gaps := c.Gaps(); len(gaps) != 2 || !slices.ContainsFunc(gaps, func(g string) bool { return strings.Contains(g, "lab.visit") }) {
		t.Errorf("gaps: %q", gaps)
	}
	if !c.Watched("patient") {
		t.Error("the table is not watched")
	}

	keyed := file("nir").WithKey(0x01020304)
	c = create("id bytea", keyed.Definition(), file("name").Definition(), "note text", file("raw").Definition())
	if nir := form(c, "nir"); nir.KeyID != 0x01020304 || nir.InFile() != file("nir") || nir.Mode != Deterministic || nir != form(mustLoad(t, login, db), "nir") {
		t.Errorf("nir: %+v", nir)
	}
	if form(c, "name") != file("name") || form(c, "note") != nil || form(c, "raw") != file("raw") {
		t.Errorf("after: %v, %v, %v", form(c, "name"), form(c, "note"), form(c, "raw"))
	}
	if checks := c.Relation("lab", "patient").Checks; len(checks) != 3 {
		t.Errorf("checks: %v", checks)
	}
	expect(t, problems(t, login, db),
		"error: lab.patient.id: its CHECK constraint is missing, so the server would store a value in clear",
		"error: table lab.visit: there is no such table",
		"error: table lab.later: there is no such table")
}

// TestDomainOfTwoKeys: columns that are sealed with different keys are not compared.
func TestDomainOfTwoKeys(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`)
	db := mustParse(t, changingTags)
	patient, visit := db.Column("lab", "patient", "id"), db.Column("lab", "visit", "id")
	mustExec(t, super, `CREATE TABLE lab.patient (`+patient.WithKey(7).Definition()+`)`)
	mustExec(t, super, `CREATE TABLE lab.visit (`+visit.Definition()+`)`)
	of := func(table string) *Column {
		return mustLoad(t, login, db).Relation("lab", table).Attribute("id").Tagged
	}
	if a, b := of("patient"), of("visit"); a.Domain == b.Domain || a.KeyID != 7 || b.KeyID != 0 || a.Context != b.Context || a != of("patient") {
		t.Errorf("%+v, %+v", a, b)
	}
	mustExec(t, super, `ALTER TABLE lab.visit DROP CONSTRAINT pgveil_id, ADD `+visit.WithKey(7).CheckConstraint())
	if a, b := of("patient"), of("visit"); a.Domain != b.Domain || b.KeyID != 7 {
		t.Errorf("%+v, %+v", a, b)
	}
	if later := mustLoad(t, login, db).Tags("lab", "later"); len(later) != 1 || later[0].KeyID != 7 {
		t.Errorf("a table that is still to be made: %+v", later)
	}
}

// TestChangedKey: the key that the constraint names tells which keyset seals.
func TestChangedKey(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`)
	db := mustParse(t, `
lab.patient:
  columns:
    nir: {type: text, encryption: deterministic, key: d, was: {encryption: deterministic, key: e}}
`)
	db.Holds = func(keyset string, id uint32) bool { return keyset == "d" && id == 1 || keyset == "e" && id == 2 }
	c := db.Column("lab", "patient", "nir")
	for key, want := range map[uint32]string{0: "e", 1: "d", 2: "e"} {
		mustExec(t, super, `DROP TABLE IF EXISTS lab.patient`)
		mustExec(t, super, `CREATE TABLE lab.patient (`+c.WithKey(key).Definition()+`)`)
		if got := mustLoad(t, login, db).Relation("lab", "patient").Attribute("nir").Tagged; got.Key != want || got.KeyID != key {
			t.Errorf("key %d: %+v", key, got)
		}
	}
}
