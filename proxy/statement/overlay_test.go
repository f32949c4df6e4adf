package statement

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// overlayNames are the relations that have one.
var overlayNames = []string{
	"pg_catalog.pg_attribute", "pg_catalog.pg_class", "pg_catalog.pg_constraint", "information_schema.columns",
	"information_schema.column_udt_usage", "information_schema.table_constraints", "information_schema.check_constraints",
	"information_schema.constraint_column_usage",
}

// sealedFixture is the fixture with pgveil's CHECK constraint on a column, and names
// that are hard to write.
func sealedFixture(t *testing.T) (*pgx.Conn, *Analyzer) {
	t.Helper()
	conn, _ := startFixture(t)
	f := readFixture(t)
	odd := *f.columns[0]
	odd.Schema, odd.Table, odd.Name = "lab", `Dossier "é" 🧪`, `it's \ nir`
	odd.Context = "column:odd"
	for _, sql := range []string{
		`CREATE TABLE lab."Dossier ""é"" 🧪" ("it's \ nir" bytea)`,
		`ALTER TABLE lab.patient ADD CONSTRAINT own CHECK (` + f.columns[0].CheckExpression() + `), ADD CONSTRAINT other CHECK (id > 0)`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	c, err := schema.LoadCatalog(t.Context(), conn, &schema.Database{Name: "postgres", Columns: append(f.columns, &odd)})
	if err != nil {
		t.Fatal(err)
	}
	return conn, NewAnalyzer(c)
}

// TestOverlaysOnServer: each overlay has the columns of what it stands for, whatever the
// session's settings are, and is pulled up, so that indexes are used.
func TestOverlaysOnServer(t *testing.T) {
	conn, a := sealedFixture(t)
	describe := func(from, columns string) []string {
		t.Helper()
		var out []string
		d, err := conn.Prepare(t.Context(), "", "SELECT "+columns+" FROM "+from+" AS r")
		if err != nil {
			t.Fatalf("%s: %v", from, err)
		}
		for _, f := range d.Fields {
			out = append(out, fmt.Sprint(f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier))
		}
		return out
	}
	for _, setting := range []string{
		`RESET ALL`, `SET standard_conforming_strings = off`, `SET search_path = lab, pg_catalog`, `SET client_encoding = 'LATIN1'`,
	} {
		if _, err := conn.Exec(t.Context(), setting); err != nil {
			t.Fatal(err)
		}
		for _, name := range overlayNames {
			schemaName, relation, _ := strings.Cut(name, ".")
			o := a.overlayOf(schemaName, relation)
			if o == nil {
				t.Fatalf("%s has no overlay", name)
			}
			if got, want := describe(o.text(nil), "*"), describe(name, "*"); !slices.Equal(got, want) {
				t.Errorf("%s: %s\ngot  %v\nwant %v", setting, name, got, want)
			}
			if schemaName == "pg_catalog" {
				system := "tableoid, xmin, ctid"
				if got, want := describe(o.text([]string{"ctid", "tableoid", "xmin"}), system), describe(name, system); !slices.Equal(got, want) {
					t.Errorf("%s: %s\ngot  %v\nwant %v", setting, name, got, want)
				}
			}
			if text := o.text(nil); len(text) != utf8.RuneCountInString(text) {
				t.Errorf("%s: its text is not ASCII", name)
			}
		}
	}
	if _, err := conn.Exec(t.Context(), `RESET ALL`); err != nil {
		t.Fatal(err)
	}
	checkStoredTypes(t, conn)
	if _, err := conn.Exec(t.Context(), `SET enable_seqscan = off`); err != nil { // small tables
		t.Fatal(err)
	}
	shows := func(want, query string, relations ...string) {
		t.Helper()
		for _, name := range relations {
			schemaName, relation, _ := strings.Cut(name, ".")
			query = strings.ReplaceAll(query, name+" ", a.overlayOf(schemaName, relation).text(nil)+" ")
		}
		rows, err := conn.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(got, "\n"); !strings.Contains(all, want) {
			t.Errorf("%s\ngot  %s\nwant %s", query, all, want)
		}
	}
	shows("pg_attribute_relid_attnum_index", `EXPLAIN SELECT attname, atttypid, atttypmod FROM pg_catalog.pg_attribute a WHERE attrelid = 'lab.patient'::regclass AND attnum > 0`, "pg_catalog.pg_attribute")
	shows("pg_class_oid_index", `EXPLAIN SELECT relname, relchecks FROM pg_catalog.pg_class c WHERE oid = 'lab.patient'::regclass`, "pg_catalog.pg_class")
	shows("pg_constraint_conrelid", `EXPLAIN SELECT conname FROM pg_catalog.pg_constraint c WHERE conrelid = 'lab.patient'::regclass`, "pg_catalog.pg_constraint")
	shows("character(15)", `SELECT format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute a WHERE attrelid = 'lab."Dossier ""é"" 🧪"'::regclass AND attnum = 1`, "pg_catalog.pg_attribute")
	shows("character", `SELECT data_type FROM information_schema.columns c WHERE table_name LIKE 'Dossier%'`, "information_schema.columns")
	shows("other,patient_nir_key,patient_pkey", `SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_catalog.pg_constraint c WHERE conrelid = 'lab.patient'::regclass`, "pg_catalog.pg_constraint")
	shows("1", `SELECT relchecks::text FROM pg_catalog.pg_class c WHERE oid = 'lab.patient'::regclass`, "pg_catalog.pg_class")
}

// checkStoredTypes: what the overlays say of logical types is what the server's pg_type
// says.
func checkStoredTypes(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for kind, s := range storedTypes {
		want := logical.Type{Kind: kind}
		var name, align, storage string
		var size int16
		var byValue bool
		var collation uint32
		err := conn.QueryRow(t.Context(), `SELECT typname, typlen, typbyval, typalign::text, typstorage::text, typcollation FROM pg_type WHERE oid = $1`, want.OID()).
			Scan(&name, &size, &byValue, &align, &storage, &collation)
		if err != nil {
			t.Fatal(err)
		}
		if got := (stored{name, byValue, align[0], storage[0], collation}); got != s || size != want.Size() {
			t.Errorf("%v: %+v %d, in the catalog %+v %d", kind, s, want.Size(), got, size)
		}
	}
	for k := logical.Text; k < logical.Bytea; k++ {
		if _, ok := storedTypes[k]; !ok {
			t.Errorf("%v is missing", k)
		}
	}
}
