package schema

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

const patientTags = `
lab.patient:
  columns:
    nir: {type: char(15), encryption: deterministic}
    name: {type: text, encryption: randomized}
`

func TestNewCatalog(t *testing.T) {
	column := &Column{Schema: "lab", Table: "patient", Name: "nir"}
	patient := &Relation{OID: 1, Schema: "lab", Name: "patient", Kind: 'r', Attributes: []Attribute{{Name: "id", Num: 1}, {Name: "nir", Num: 2, TypeOID: 17, Tagged: column}}}
	other := &Relation{OID: 2, Schema: "old", Name: "patient", Kind: 'r'}
	temp := &Relation{OID: 3, Schema: "pg_temp_3", Name: "patient", Kind: 'r'}
	view := &Relation{OID: 4, Schema: "lab", Name: "people", Kind: 'v', Reaches: true}
	c := NewCatalog([]*Relation{patient, other, temp, view}, []string{"find_patient"})
	if !patient.Reaches || other.Reaches {
		t.Error("a tagged attribute makes its relation reach, and no other")
	}
	if c.Relation("lab", "patient") != patient || c.Relation("lab", "nobody") != nil || c.ByOID(2) != other || c.ByOID(9) != nil {
		t.Error("wrong relation by name or OID")
	}
	if got := c.Named("patient"); !slices.Equal(got, []*Relation{patient, other}) {
		t.Errorf("named patient: %v", got)
	}
	if c.Relation("pg_temp_3", "patient") != temp {
		t.Error("a temporary relation is found by its schema")
	}
	if got := c.WatchedNames(); !slices.Equal(got, []string{"find_patient", "patient", "people"}) {
		t.Errorf("watched: %q", got)
	}
	if !c.Watched("people") || c.Watched("People") || !c.Function("find_patient") || c.Function("people") {
		t.Error("wrong answers about watched names")
	}
	if a := patient.Attribute("nir"); a == nil || a.Tagged != column || patient.Attribute("NIR") != nil {
		t.Errorf("attribute nir: %v", a)
	}
}

func TestBodyMentions(t *testing.T) {
	for _, test := range []struct {
		source, name string
		want         bool
	}{
		{"SELECT * FROM patient", "patient", true},
		{"SELECT * FROM PATIENT;", "patient", true},
		{`SELECT * FROM "Patient"`, "Patient", true},
		{"SELECT * FROM patients", "patient", false},
		{"SELECT * FROM my_patient", "patient", false},
		{"EXECUTE 'SELECT 1 FROM lab.patient'", "patient", true},
		{"EXECUTE $q$patient$q$", "patient", true},
		{`EXECUTE E'SELECT *\nFROM\npatient'`, "patient", true},
		{"-- patient", "patient", true},
		{`SELECT * FROM U&"p\0061tient"`, "patient", true},
		{`SELECT * FROM "my table"`, "my table", true},
		{`SELECT * FROM "say ""hi"""`, `say "hi"`, true},
		{`EXECUTE 'SELECT * FROM "say ""hi"""'`, `say "hi"`, true},
		{"SELECT * FROM été", "été", true},
		{"SELECT * FROM a$b", "a$b", true},
		{"SELECT * FROM " + strings.Repeat("p", 70), strings.Repeat("p", 63), true},
		{"SELECT 1", "patient", false},
		{"", "patient", false},
	} {
		if got := newBody(test.source).mentions(test.name); got != test.want {
			t.Errorf("%s mentions %s: %v", test.source, test.name, got)
		}
	}
}

func mustLoad(t *testing.T, conn *pgx.Conn, db *Database) *Catalog {
	t.Helper()
	c, err := LoadCatalog(t.Context(), conn, db)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoadCatalog(t *testing.T) {
	super, login := newDatabase(t,
		`CREATE SCHEMA lab`, `CREATE SCHEMA other`,
		`CREATE TABLE lab.patient (id int PRIMARY KEY, gone int, nir bytea, name bytea, "Note" text)`,
		`ALTER TABLE lab.patient DROP COLUMN gone`,
		`CREATE TABLE lab.visit (id int, patient_id int)`,
		`CREATE TABLE other.patient (id int, nir text)`,
		`CREATE VIEW lab.people AS SELECT id, nir FROM lab.patient WHERE name IS NOT NULL`,
		`CREATE VIEW other.people_again AS SELECT p.* FROM lab.people p`,
		`CREATE MATERIALIZED VIEW lab.snapshot AS SELECT count(*) AS n FROM other.people_again`,
		`CREATE VIEW lab.visits AS SELECT * FROM lab.visit`,
		`CREATE TABLE lab.inbox (nir text)`,
		`CREATE RULE fill AS ON INSERT TO lab.inbox DO ALSO INSERT INTO lab.patient (id) VALUES (1)`,
		`CREATE FUNCTION lab.find_one() RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT nir FROM lab.patient LIMIT 1); END $$`,
		`CREATE FUNCTION lab.calls_it() RETURNS bytea LANGUAGE sql AS $$ SELECT lab.find_one() $$`,
		`CREATE VIEW lab.by_function AS SELECT lab.calls_it() AS x`,
		`CREATE FUNCTION lab.harmless() RETURNS int LANGUAGE sql AS $$ SELECT 1 FROM lab.visits $$`,
		`CREATE FUNCTION lab.step(bytea, int) RETURNS bytea LANGUAGE sql AS $$ SELECT lab.calls_it() $$`,
		`CREATE AGGREGATE lab.gather(int) (SFUNC = lab.step, STYPE = bytea)`,
		`CREATE FUNCTION lab.rows_of(t text) RETURNS SETOF lab.patient LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE t; END $$`,
		`CREATE FUNCTION lab.takes_rows(lab.people[]) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$`,
		`CREATE FUNCTION lab.other_rows(lab.visit[]) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$`,
		`CREATE SEQUENCE lab.numbers`,
	)
	if server.postgres.Major() >= 14 {
		mustExec(t, super, `CREATE FUNCTION lab.standard() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM lab.patient; END`)
	}
	db := mustParse(t, patientTags)
	c := mustLoad(t, login, db)

	patient := c.Relation("lab", "patient")
	if patient == nil || patient.Kind != 'r' || !patient.Reaches || c.ByOID(patient.OID) != patient {
		t.Fatalf("lab.patient: %+v", patient)
	}
	var attributes []string
	for _, a := range patient.Attributes {
		attributes = append(attributes, a.Name)
		tagged := a.Name == "nir" || a.Name == "name"
		if (a.Tagged != nil) != tagged || tagged && (a.Tagged != db.Column("lab", "patient", a.Name) || a.TypeOID != 17) {
			t.Errorf("attribute %+v", a)
		}
	}
	if !slices.Equal(attributes, []string{"id", "nir", "name", "Note"}) || patient.Attributes[1].Num != 3 {
		t.Errorf("attributes: %q %+v", attributes, patient.Attributes)
	}
	if other := c.Relation("other", "patient"); other == nil || other.Reaches || other.Attribute("nir").Tagged != nil || len(c.Named("patient")) != 2 {
		t.Errorf("other.patient: %+v, %d named patient", other, len(c.Named("patient")))
	}

	// A view that the file names by mistake is watched, and not taken for a table.
	view := mustLoad(t, login, mustParse(t, "lab.visits: {columns: {id: {type: int, encryption: randomized}}}")).Relation("lab", "visits")
	if view.Attribute("id").Tagged != nil || !view.Reaches || view.Definition == "" {
		t.Errorf("a tagged view: %+v", view)
	}

	reaching := []string{"lab.by_function", "lab.inbox", "lab.patient", "lab.people", "lab.snapshot", "other.people_again"}
	var got []string
	for _, r := range c.byOID {
		if r.Reaches && !keepsSamples(r) {
			got = append(got, r.Schema+"."+r.Name)
		}
		if hasView := r.Reaches && strings.ContainsRune("vm", rune(r.Kind)); hasView != (r.Definition != "") {
			t.Errorf("definition of %s: %q", r.Name, r.Definition)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, reaching) {
		t.Errorf("reaching: %q", got)
	}
	watched := []string{"by_function", "calls_it", "find_one", "gather", "inbox", "patient", "people", "people_again", "rows_of", "snapshot", "step", "takes_rows"}
	if server.postgres.Major() >= 14 {
		watched = slices.Insert(watched, len(watched)-2, "standard")
	}
	if got := watchedByTags(c); !slices.Equal(got, watched) {
		t.Errorf("watched: %q", got)
	}
	if !c.Function("calls_it") || !c.Function("gather") || c.Function("patient") || c.Function("harmless") {
		t.Error("wrong watched functions")
	}
	if def := c.Relation("other", "people_again").Definition; !strings.Contains(def, "FROM lab.people p") {
		t.Errorf("definition: %s", def)
	}
	for _, name := range [][2]string{{"pg_catalog", "pg_class"}, {"information_schema", "columns"}, {"lab", "numbers"}, {"lab", "visits"}} {
		if r := c.Relation(name[0], name[1]); r == nil || len(r.Attributes) == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if super.PgConn().TxStatus() != 'I' || login.PgConn().TxStatus() != 'I' {
		t.Error("a transaction is left open")
	}
}

// watchedByTags gives the watched names but for those of the server's statistics,
// which must be among them.
func watchedByTags(c *Catalog) []string {
	if !c.Watched("pg_stats") || !c.Watched("pg_statistic") {
		return nil
	}
	return slices.DeleteFunc(c.WatchedNames(), func(name string) bool { return strings.HasPrefix(name, "pg_stat") })
}

func TestLoadCatalogOfAnEmptyDatabase(t *testing.T) {
	_, login := newDatabase(t)
	c := mustLoad(t, login, mustParse(t, patientTags))
	if !c.Watched("patient") || c.Relation("lab", "patient") != nil {
		t.Error("a tagged table that does not exist is watched all the same")
	}
	if got := watchedByTags(c); !slices.Equal(got, []string{"patient"}) {
		t.Errorf("watched: %q", got)
	}
}

func TestLoadCatalogInheritance(t *testing.T) {
	super, login := newDatabase(t,
		`CREATE SCHEMA lab`,
		`CREATE TABLE lab.patient (id int, nir bytea, name bytea) PARTITION BY RANGE (id)`,
		`CREATE INDEX ON lab.patient (id)`,
		`CREATE TABLE lab.patient_1 PARTITION OF lab.patient FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id)`,
		`CREATE TABLE lab.patient_1a PARTITION OF lab.patient_1 FOR VALUES FROM (0) TO (5)`,
		`CREATE TABLE lab.person (nir bytea, born date)`,
		`CREATE TABLE lab.doctor (rpps text) INHERITS (lab.person)`,
		`CREATE TABLE lab.sibling () INHERITS (lab.person)`,
		`CREATE TABLE lab.apart (nir bytea)`,
	)
	db := mustParse(t, patientTags+"lab.doctor: {columns: {nir: {type: text, encryption: randomized}, rpps: {type: text, encryption: randomized}}}")
	c := mustLoad(t, login, db)
	for _, test := range []struct {
		table, column string
		want          *Column
	}{
		{"patient", "nir", db.Column("lab", "patient", "nir")},
		{"patient_1", "nir", db.Column("lab", "patient", "nir")},
		{"patient_1a", "nir", db.Column("lab", "patient", "nir")},
		{"patient_1a", "name", db.Column("lab", "patient", "name")},
		{"patient_1a", "id", nil},
		{"doctor", "nir", db.Column("lab", "doctor", "nir")},
		{"person", "nir", db.Column("lab", "doctor", "nir")},
		{"sibling", "nir", db.Column("lab", "doctor", "nir")},
		{"sibling", "born", nil},
		{"apart", "nir", nil},
	} {
		r := c.Relation("lab", test.table)
		if got := r.Attribute(test.column).Tagged; got != test.want {
			t.Errorf("%s.%s: %v", test.table, test.column, got)
		}
		if r.Reaches != (test.table != "apart") || c.Watched(test.table) != r.Reaches {
			t.Errorf("%s reaches: %v", test.table, r.Reaches)
		}
	}

	// A temporary child of another session is in the tree too.
	mustExec(t, super, `CREATE TEMP TABLE here () INHERITS (lab.person)`, `CREATE TEMP TABLE unrelated (nir bytea)`,
		`CREATE TEMP VIEW spy AS SELECT nir FROM lab.person`)
	c = mustLoad(t, login, db)
	if !c.Watched("here") || !c.Watched("spy") || len(c.Named("here")) != 0 {
		t.Error("temporary relations that reach are watched and not among the named")
	}
	if c.Watched("unrelated") || slices.ContainsFunc(relationsOf(c), func(r *Relation) bool { return r.Name == "unrelated" }) {
		t.Error("an unrelated temporary table is in the catalog")
	}

	// Two tags that meet.
	for _, tags := range []string{
		patientTags + "lab.patient_1: {columns: {nir: {type: char(15), encryption: deterministic}}}",
		"lab.doctor: {columns: {nir: {type: text, encryption: randomized}}}\nlab.sibling: {columns: {nir: {type: text, encryption: randomized}}}",
	} {
		_, err := LoadCatalog(t.Context(), login, mustParse(t, tags))
		var conflict *tagConflict
		if !errors.As(err, &conflict) {
			t.Errorf("conflicting tags: %v", err)
		}
	}
	shared := patientTags + "lab.patient_1: {columns: {nir: {type: char(15), encryption: deterministic, domain: nir}}}"
	shared = strings.Replace(shared, "char(15), encryption: deterministic}", "char(15), encryption: deterministic, domain: nir}", 1)
	db = mustParse(t, shared)
	c = mustLoad(t, login, db)
	if got := c.Relation("lab", "patient_1a").Attribute("nir").Tagged; got == nil || got.Domain != "nir" {
		t.Errorf("tags of one domain: %v", got)
	}
}

func relationsOf(c *Catalog) []*Relation {
	var list []*Relation
	for _, r := range c.byOID {
		list = append(list, r)
	}
	return list
}

func TestCatalogFingerprint(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`, `CREATE TABLE lab.patient (id int, nir bytea)`, `CREATE TABLE lab.item (id int)`,
		`CREATE VIEW v AS SELECT 1 AS a`)
	fingerprint := func() string {
		t.Helper()
		s, err := CatalogFingerprint(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	last := fingerprint()
	for _, sql := range []string{
		`CREATE TABLE lab.x (id int)`,
		`ALTER TABLE lab.x RENAME TO y`,
		`ALTER TABLE lab.y RENAME COLUMN id TO no`,
		`ALTER TABLE lab.y ADD COLUMN more text`,
		`ALTER TABLE lab.y DROP COLUMN more`,
		`ALTER TABLE lab.y ALTER COLUMN no TYPE bigint`,
		`ALTER TABLE lab.y SET SCHEMA public`,
		`ALTER SCHEMA lab RENAME TO lab2`,
		`ALTER TABLE public.y INHERIT lab2.item; ALTER TABLE lab2.item RENAME TO item2`,
		`CREATE OR REPLACE VIEW v AS SELECT 2 AS a`,
		`CREATE RULE r AS ON INSERT TO y DO INSTEAD NOTHING`,
		`DROP RULE r ON y`,
		`CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'`,
		`ALTER FUNCTION f() RENAME TO g`,
		`DROP TABLE y`,
		`CREATE TEMP VIEW tv AS SELECT 1 AS a`,
		`CREATE TEMP TABLE child () INHERITS (lab2.item2)`,
		`CREATE INDEX ON lab2.patient (id)`,
		`ALTER TABLE lab2.patient ADD CONSTRAINT positive CHECK (id > 0)`,
		`ALTER TABLE lab2.patient RENAME CONSTRAINT positive TO above`,
		`CREATE SCHEMA pgveil`,
		`CREATE TABLE pgveil.epoch (n bigint)`,
		`COMMENT ON TABLE pgveil.epoch IS 'a job'`,
	} {
		before := last
		if strings.Contains(sql, "INHERIT lab") {
			mustExec(t, super, `ALTER TABLE lab2.item RENAME COLUMN id TO no`, `ALTER TABLE lab2.item ALTER COLUMN no TYPE bigint`)
			before = fingerprint()
		}
		mustExec(t, super, sql)
		if last = fingerprint(); last == before {
			t.Errorf("no change after %s", sql)
		}
	}
	for _, sql := range []string{
		`CREATE TEMP TABLE session (id int CHECK (id > 0))`, `CREATE INDEX ON session (id)`,
		`INSERT INTO lab2.patient SELECT g, '\x00' FROM generate_series(1, 1000) g`,
		`ANALYZE lab2.patient`, `VACUUM lab2.patient`, `TRUNCATE lab2.patient`,
		`CREATE ROLE another`, `DROP ROLE another`, `ANALYZE pg_catalog.pg_class`,
	} {
		mustExec(t, super, sql)
		if s := fingerprint(); s != last {
			t.Errorf("changed after %s:\n%s\n%s", sql, last, s)
			last = s
		}
	}
}
