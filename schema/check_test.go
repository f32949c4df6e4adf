package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// problems runs Check as the role of least rights and gives one line each.
func problems(t *testing.T, conn *pgx.Conn, db *Database) []string {
	t.Helper()
	list, err := Check(t.Context(), conn, db)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range list {
		if p.Database != db.Name || p.Object == "" || p.Message == "" {
			t.Errorf("incomplete: %+v", p)
		}
		p.Place = ""
		line := p.String()
		if p.Fix != "" {
			line += " | " + p.Fix
		}
		lines = append(lines, line)
	}
	return lines
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d problems, not %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

func TestCheckNames(t *testing.T) {
	_, login := newDatabase(t,
		`CREATE SCHEMA lab`, `CREATE SCHEMA old`,
		`CREATE TABLE lab.patient (id int, nirr bytea, name text)`,
		`CREATE TABLE old.doctor (id int)`,
		`CREATE VIEW lab.people AS SELECT * FROM lab.patient`,
	)
	db := mustParse(t, `
lab.patient: {columns: {nir: {type: char(15), encryption: deterministic, access: {biologits: decrypt, public: hide, secretary: decrypt}}, name: {type: text, encryption: randomized, access: {biologits: decrypt}}}}
lab.patients: {columns: {nir: {type: text, encryption: randomized}}}
lab.doctor: {columns: {nir: {type: text, encryption: randomized}}}
lap.patient: {columns: {nir: {type: text, encryption: randomized}}}
lab.people: {columns: {nir: {type: text, encryption: randomized}}}`)
	list := problems(t, login, db)
	expect(t, list,
		`error: lab.patient.nir: there is no such column; did you mean "nirr"? | ALTER TABLE "lab"."patient" ADD COLUMN "nir" bytea CONSTRAINT "pgveil_nir" CHECK (`,
		`warning: role biologits: there is no such role, and its access has no effect; did you mean "biologist"? | CREATE ROLE "biologits";`,
		`error: lab.patient.name: its type is text, and a sealed column is bytea`,
		`error: table lab.patients: there is no such table; did you mean "patient"?`,
		`error: table lab.doctor: there is no such table; there is one named old.doctor`,
		`error: table lap.patient: there is no such table, as there is no table in a schema lap; did you mean "lab"?`,
		`error: lab.people: it is not a table and cannot be tagged`,
	)

	all, err := Check(t.Context(), login, db)
	if err != nil || !HasErrors(all) {
		t.Fatal(all, err)
	}
	if got := all[0].Place; got != "test.yaml:6:31" {
		t.Errorf("place = %q", got)
	}
}

func TestCheckServer(t *testing.T) {
	_, login := newDatabase(t)
	f, err := Parse("f", []byte(strings.Replace(column(fine), "shop", "postgers", 1)+strings.SplitAfter(strings.Replace(column(fine), "shop", "postgres", 1), "databases:\n")[1]))
	if err != nil {
		t.Fatal(err)
	}
	list, err := CheckServer(t.Context(), login, f)
	if err != nil || len(list) != 1 || list[0].Database != "postgers" || !strings.Contains(list[0].Message, `did you mean "postgres"?`) {
		t.Errorf("%v %v", list, err)
	}
	if !HasErrors(list) || HasErrors(nil) || HasErrors([]Problem{{Severity: SeverityWarning}}) {
		t.Error("HasErrors")
	}
}

func TestCheckConstraints(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`, `CREATE TABLE lab.patient (id int, nir bytea, name bytea, "note" text)`)
	db := mustParse(t, patientTags)
	nir, name := db.Columns[0], db.Columns[1]

	list, err := Check(t.Context(), login, db)
	if err != nil || len(list) != 2 || list[0].Severity != SeverityError || !strings.HasPrefix(list[0].Message, "its CHECK constraint is missing") {
		t.Fatalf("%v %v", list, err)
	}
	for _, p := range list {
		mustExec(t, super, p.Fix)
	}
	expect(t, problems(t, login, db))

	// Another column's constraint, and one that no value fulfils.
	mustExec(t, super, `ALTER TABLE lab.patient DROP CONSTRAINT pgveil_nir, DROP CONSTRAINT pgveil_name`,
		`ALTER TABLE lab.patient ADD CONSTRAINT pgveil_nir CHECK (`+strings.ReplaceAll(name.CheckExpression(), "name", "nir")+`)`,
		`ALTER TABLE lab.patient ADD CONSTRAINT pgveil_name CHECK (`+strings.Replace(name.CheckExpression(), ">= 41", ">= 42", 1)+`)`)
	list, err = Check(t.Context(), login, db)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v %v", list, err)
	}
	for _, p := range list {
		if p.Severity != SeverityError || !strings.Contains(p.Message, "asks for values of another column, mode or context") {
			t.Errorf("%+v", p)
		}
		mustExec(t, super, p.Fix)
	}
	expect(t, problems(t, login, db))

	mustExec(t, super, `ALTER TABLE lab.patient DROP CONSTRAINT pgveil_nir, DROP CONSTRAINT pgveil_name`,
		`ALTER TABLE lab.patient ADD CONSTRAINT other_name CHECK (`+nir.CheckExpression()+`) NOT VALID`,
		`ALTER TABLE lab.patient ADD CONSTRAINT pgveil_name CHECK (`+name.CheckExpression()+`) NO INHERIT`)
	list, err = Check(t.Context(), login, db)
	if err != nil || len(list) != 2 || list[0].Severity != SeverityWarning || list[1].Severity != SeverityWarning {
		t.Fatalf("%v %v", list, err)
	}
	for _, p := range list {
		mustExec(t, super, p.Fix)
	}
	expect(t, problems(t, login, db))

	// Constraints that read the plaintext, and some that do not.
	mustExec(t, super,
		`ALTER TABLE lab.patient ADD CONSTRAINT a CHECK (length(nir) = 15)`,
		`ALTER TABLE lab.patient ADD CONSTRAINT b CHECK (nir IS NOT NULL OR name IS NULL)`,
		`ALTER TABLE lab.patient ADD CONSTRAINT c CHECK (note <> 'nir')`,
		`ALTER TABLE lab.patient ADD CONSTRAINT d CHECK (nir IS NULL OR name < '\x00')`,
		`ALTER TABLE lab.patient ALTER COLUMN name SET NOT NULL`,
	)
	expect(t, problems(t, login, db),
		`error: constraint "a" on lab.patient: it reads the sealed column nir and would see ciphertext | ALTER TABLE "lab"."patient" DROP CONSTRAINT "a";`,
		`error: constraint "d" on lab.patient: it reads the sealed column name and would see ciphertext`,
	)
	mustExec(t, super, `ALTER TABLE lab.patient DROP CONSTRAINT a, DROP CONSTRAINT d`)

	// A sealed table that got another name keeps its constraints.
	mustExec(t, super, `ALTER TABLE lab.patient RENAME TO person`, `CREATE TABLE lab.patient (nir bytea, name bytea)`, DDL(db, AddConstraints))
	expect(t, problems(t, login, db),
		`warning: lab.person.nir: it has pgveil's CHECK constraint "other_name" and is not tagged`,
		`warning: lab.person.name: it has pgveil's CHECK constraint "pgveil_name" and is not tagged`,
	)
}

func TestCheckDefaultsAndGenerated(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`,
		`CREATE TABLE lab.patient (id int, nir bytea DEFAULT NULL, name bytea DEFAULT '\x00',
			n int GENERATED ALWAYS AS (octet_length(nir)) STORED, m int GENERATED ALWAYS AS (id + 1) STORED)`)
	db := mustParse(t, patientTags)
	mustExec(t, super, DDL(db, AddConstraints))
	list, err := Check(t.Context(), login, db)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, problems(t, login, db),
		`error: lab.patient.n: this generated column computes with the sealed column nir`,
		`error: lab.patient.name: its default is a value in clear | ALTER TABLE "lab"."patient" ALTER COLUMN "name" DROP DEFAULT;`,
	)
	for _, p := range list {
		mustExec(t, super, p.Fix)
	}
	expect(t, problems(t, login, db))

	mustExec(t, super, `ALTER TABLE lab.patient DROP COLUMN nir`, `ALTER TABLE lab.patient ADD COLUMN nir bytea GENERATED ALWAYS AS (NULL::bytea) STORED`,
		db.Columns[0].addConstraint())
	expect(t, problems(t, login, db), `error: lab.patient.nir: it is a generated column`)
}

func TestCheckIndexes(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`, `CREATE EXTENSION btree_gist`,
		`CREATE TABLE lab.patient (id int, nir bytea, name bytea, "user" bytea, PRIMARY KEY (id))`)
	db := mustParse(t, patientTags)
	mustExec(t, super, DDL(db, AddConstraints),
		`CREATE INDEX fine1 ON lab.patient USING hash (nir)`,
		`CREATE INDEX fine2 ON lab.patient (id) INCLUDE (name)`,
		`CREATE INDEX fine3 ON lab.patient (id) WHERE name IS NOT NULL`,
		`CREATE INDEX i1 ON lab.patient (id, name)`,
		`CREATE INDEX i2 ON lab.patient (nir)`,
		`CREATE INDEX i3 ON lab.patient USING brin (nir)`,
		`CREATE INDEX i4 ON lab.patient (length(nir))`,
		`CREATE INDEX i5 ON lab.patient (id) WHERE name = '\x00'`,
		`ALTER TABLE lab.patient ADD CONSTRAINT u1 UNIQUE (id, name)`,
		`ALTER TABLE lab.patient ADD CONSTRAINT u2 UNIQUE (nir)`,
		`ALTER TABLE lab.patient ADD CONSTRAINT x1 EXCLUDE USING gist (nir WITH =)`,
	)
	list, err := Check(t.Context(), login, db)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, problems(t, login, db),
		`notice: index "i2" on lab.patient: on the sealed column nir it serves equality only`,
		`warning: index "i3" on lab.patient: an index of type brin is of no use on the sealed column nir; btree and hash serve equality | DROP INDEX "lab"."i3";`,
		`error: index "i4" on lab.patient: it computes with the sealed column nir`,
		`notice: constraint "u2" on lab.patient: on the sealed column nir it serves equality only`,
		`error: constraint "x1" on lab.patient: this exclusion constraint compares the sealed column nir as ciphertext | ALTER TABLE "lab"."patient" DROP CONSTRAINT "x1";`,
		`warning: index "i1" on lab.patient: the column name is randomized, so this index finds no value`,
		`error: index "i5" on lab.patient: it computes with the sealed column name`,
		`error: constraint "u1" on lab.patient: the column name is randomized, so equal values differ and nothing is kept unique`,
	)
	for _, p := range list {
		if _, sql, ok := strings.Cut(p.Fix, ": "); ok {
			mustExec(t, super, sql)
		} else if p.Fix != "" {
			mustExec(t, super, p.Fix)
		}
	}
	expect(t, problems(t, login, db), `notice: index "i2"`, `notice: constraint "u2"`)
}

func TestCheckForeignKeys(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`,
		`CREATE TABLE lab.patient (nir bytea UNIQUE, name bytea UNIQUE, code bytea UNIQUE)`,
		`CREATE TABLE lab.result (nir bytea REFERENCES lab.patient (nir), name bytea REFERENCES lab.patient (name), code bytea REFERENCES lab.patient (code),
			plain bytea REFERENCES lab.patient (nir))`)
	db := mustParse(t, `
lab.patient:
  columns:
    nir: {type: char(15), encryption: deterministic, domain: nir}
    name: {type: text, encryption: randomized}
    code: {type: text, encryption: deterministic}
lab.result:
  columns:
    nir: {type: char(15), encryption: deterministic, domain: nir}
    name: {type: text, encryption: randomized}
    code: {type: text, encryption: deterministic}`)
	mustExec(t, super, DDL(db, AddConstraints))
	var got []string
	for _, line := range problems(t, login, db) {
		if strings.Contains(line, "foreign key") {
			got = append(got, line)
		}
	}
	expect(t, got,
		`error: constraint "result_plain_fkey" on lab.result: this foreign key compares lab.result.plain with lab.patient.nir, and only one of them is sealed`,
		`error: constraint "result_name_fkey" on lab.result: this foreign key compares lab.result.name with lab.patient.name, and a randomized value equals no other`,
		`error: constraint "result_code_fkey" on lab.result: this foreign key compares lab.result.code with lab.patient.code, which are of different domains`,
	)
}

func TestCheckPartitionsTriggersPolicies(t *testing.T) {
	super, login := newDatabase(t, `CREATE SCHEMA lab`,
		`CREATE TABLE lab.patient (id int, nir bytea, name bytea) PARTITION BY HASH (nir)`,
		`CREATE TABLE lab.patient_0 PARTITION OF lab.patient FOR VALUES WITH (MODULUS 1, REMAINDER 0)`,
		`CREATE TABLE lab.log (name bytea) PARTITION BY LIST (name)`,
		`CREATE TABLE lab.person (nir bytea)`,
		`CREATE TABLE lab.doctor () INHERITS (lab.person)`,
		`CREATE FUNCTION lab.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
		`CREATE TRIGGER stamp BEFORE INSERT ON lab.patient FOR EACH ROW EXECUTE FUNCTION lab.stamp()`,
		`CREATE RULE quiet AS ON DELETE TO lab.patient DO INSTEAD NOTHING`,
		`CREATE POLICY own ON lab.patient USING (nir = convert_to(current_user, 'UTF8'))`,
		`CREATE POLICY present ON lab.patient USING (nir IS NOT NULL)`,
	)
	db := mustParse(t, patientTags+`
lab.log: {columns: {name: {type: text, encryption: deterministic}}}
lab.doctor: {columns: {nir: {type: text, encryption: randomized}}}`)
	mustExec(t, super, DDL(db, AddConstraints))
	expect(t, problems(t, login, db),
		`notice: rule "quiet" on lab.patient: this rule sees sealed values`,
		`notice: trigger "stamp" on lab.patient: its function lab.stamp sees sealed values in the tagged columns`,
		`error: policy "own" on lab.patient: this row security policy reads the sealed column nir`,
		`error: lab.log: it is partitioned by the sealed column name`,
		`error: lab.person.nir: its CHECK constraint is missing, so the server would store a value in clear | ALTER TABLE "lab"."person" ADD CONSTRAINT "pgveil_nir"`,
	)

	// Tags that meet in one tree are reported, not left to LoadCatalog.
	db = mustParse(t, patientTags+"lab.patient_0: {columns: {nir: {type: char(15), encryption: deterministic}}}")
	if got := problems(t, login, db); !slices.ContainsFunc(got, func(line string) bool {
		return strings.Contains(line, "lab.patient.nir and lab.patient_0.nir are tagged apart") || strings.Contains(line, "lab.patient_0.nir and lab.patient.nir are tagged apart")
	}) {
		t.Errorf("no conflict in %q", got)
	}
}

func TestMentionsColumn(t *testing.T) {
	for _, test := range []struct {
		sql, column string
		want        bool
	}{
		{"(length(nir) = 15)", "nir", true},
		{"(patient.nir = 1)", "nir", true},
		{"nir", "nir", true},
		{"(my_nir = 1)", "nir", false},
		{"(nir$ = 1)", "nir", false},
		{"(a$ = 1)", "a$", true},
		{`("Nir" = 1)`, "Nir", true},
		{`("user" = 1)`, "user", true},
		{"(Nir = 1)", "Nir", false},
		{"(x = (CURRENT_USER)::name)", "name", false},
		{"(x = (y)::timestamp(3) without time zone)", "time", false},
		{"(name = (CURRENT_USER)::name)", "name", true},
		{"(x <> 'it''s a name'::text)", "name", false},
		{"(date(x) = y)", "date", false},
		{"((date)::text = y)", "date", true},
	} {
		if got := mentionsColumn(test.sql, test.column); got != test.want {
			t.Errorf("%s mentions %s: %v", test.sql, test.column, got)
		}
	}
	nir := &Attribute{Name: "nir", Tagged: &Column{Name: "nir", Mode: Deterministic, Context: "domain:nir"}}
	header := fmt.Sprintf("%x", nir.Tagged.Header())
	works := strings.ReplaceAll(`((nir IS NOT NULL) OR ("nir" IS NULL) OR (nir = '\xHEAD00ff'::bytea) OR ('\xHEAD00'::bytea <> nir)
		OR (nir = ANY (ARRAY['\xHEAD01'::bytea, '\xHEAD02'::bytea])) OR (nir IS DISTINCT FROM '\xHEAD03'::bytea))`, "HEAD", header)
	if got := withoutTests(works, nir); mentionsColumn(got, "nir") {
		t.Errorf("left: %s", got)
	}
	for _, sql := range []string{`(nir = '\x00'::bytea)`, `(nir > '\x` + header + `00'::bytea)`, `(nir = 'x'::text)`, `(length(nir) = 2)`} {
		if got := withoutTests(sql, nir); !mentionsColumn(got, "nir") {
			t.Errorf("%s: taken for a test that works", sql)
		}
	}
}
