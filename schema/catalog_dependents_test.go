package schema

import (
	"slices"
	"testing"
)

// What belongs to a tagged table: its own CHECK constraints told from others, whatever
// they are called, and the columns of its indexes.
func TestLoadDependents(t *testing.T) {
	db := mustParse(t, patientTags)
	super, login := newDatabase(t,
		`CREATE SCHEMA lab`,
		`CREATE TABLE lab.patient (id int PRIMARY KEY, gone int, nir bytea, name bytea,
			CONSTRAINT pgveil_id CHECK (id > 0), CONSTRAINT pgveil_other CHECK (octet_length(nir) >= 10)) PARTITION BY RANGE (id)`,
		`ALTER TABLE lab.patient DROP COLUMN gone`,
		`CREATE TABLE lab.plain (nir bytea UNIQUE CHECK (octet_length(nir) > 1))`,
	)
	nir, name := db.Column("lab", "patient", "nir"), db.Column("lab", "patient", "name")
	mustExec(t, super,
		nir.addConstraint(), name.addConstraint(),
		`ALTER TABLE lab.patient RENAME CONSTRAINT pgveil_name TO "Name is sealed"`,
		`CREATE INDEX ON lab.patient (nir, lower('x'), id) INCLUDE (name)`,
		`CREATE TABLE lab.patient_1 PARTITION OF lab.patient FOR VALUES FROM (0) TO (10)`,
	)
	// What the catalog is read with may be a client's session.
	mustExec(t, login, `SET bytea_output = escape`, `SET quote_all_identifiers = on`)
	c := mustLoad(t, login, db)
	for _, table := range []string{"patient", "patient_1"} {
		r := c.Relation("lab", table)
		var names []string
		for _, k := range r.Checks {
			names = append(names, k.Name)
		}
		slices.Sort(names)
		if !slices.Equal(names, []string{"Name is sealed", "pgveil_nir"}) {
			t.Errorf("%s: constraints %q", table, names)
		}
		var want []int16
		for _, name := range []string{"nir", "", "id", "name"} {
			n := int16(0)
			if a := r.Attribute(name); a != nil {
				n = a.Num // another one in the partition, which never had the dropped column
			}
			want = append(want, n)
		}
		if !slices.ContainsFunc(r.Indexes, func(i Index) bool { return slices.Equal(i.Columns, want) }) || len(r.Indexes) != 2 {
			t.Errorf("%s: indexes %v", table, r.Indexes)
		}
	}
	if r := c.Relation("lab", "plain"); len(r.Checks)+len(r.Indexes) != 0 {
		t.Errorf("of a table without tags: %v %v", r.Checks, r.Indexes)
	}
}
