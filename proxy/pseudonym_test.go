package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv/stack"
)

// Patients with keys that are right; the names of the second are those of the first.
const (
	patient1 = "185057800608491"
	patient2 = "278037512345643"
	patient3 = "190012A00100156"
)

// pseudonymSchema has two projects, of researcher and secretary; the biologist reads all.
const pseudonymSchema = `version: 1
keys:
  identity: deterministic
  medical: randomized
projects:
  cohort: {key: cohort-keys}
  registry: {key: registry-keys, epoch: 3}
profiles:
  nir:
    biologist: decrypt
    researcher: {verdict: pseudonym, project: cohort, format: nir, search: true, write: true}
    secretary: {verdict: pseudonym, project: registry, format: nir, search: true}
  plain:
    biologist: decrypt
    researcher: {verdict: pseudonym, project: cohort}
    secretary: {verdict: pseudonym, project: registry}
  found:
    biologist: decrypt
    researcher: {verdict: pseudonym, project: cohort, search: true, write: true}
    secretary: {verdict: pseudonym, project: registry, search: true}
databases:
  laboratory:
    tables:
      lab.shown:
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity, domain: nir, access: nir}
          nir13: {type: varchar(13), encryption: randomized, access: nir}
          name: {type: text, encryption: randomized, access: plain}
          mail: {type: varchar(120), encryption: deterministic, access: found}
          code: {type: text, encryption: deterministic, access: [found, {researcher: {verdict: pseudonym, project: cohort, format: uuid, search: true, write: true}}]}
          device: {type: uuid, encryption: deterministic, access: found}
      lab.result:
        columns:
          nir: {type: text, encryption: deterministic, key: identity, domain: nir, access: nir}
          outcome: {type: text, encryption: randomized, access: {biologist: decrypt, researcher: decrypt, secretary: decrypt}}
`

func pseudonymStack(t *testing.T) *stack.Stack {
	t.Helper()
	tables := append(shownTable("nir", "nir13", "name", "mail", "code", "device"),
		`CREATE UNIQUE INDEX ON lab.shown (nir)`, `CREATE TABLE lab.result (id int, nir bytea, outcome bytea)`,
		`GRANT ALL ON lab.result TO biologist, secretary, researcher`)
	s := stack.Start(t, stack.Options{Schema: pseudonymSchema, Tables: tables})
	conn := s.Connect(t, "biologist")
	for _, sql := range []string{
		`INSERT INTO lab.shown (id, nir, nir13, name, mail, code, device) VALUES
			(1, '` + patient1 + `', '` + patient1[:13] + `', 'Lefèvre', 'anne@exemple.fr', 'IPP-1', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
			(2, '` + patient2 + `', '` + patient2[:13] + `', 'Lefèvre', 'b@exemple.fr', 'IPP-2', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'),
			(3, 'not a NIR', 'nor this', repeat('x', 1), 'an-address-of-more-than-95-bytes-` + strings.Repeat("x", 70) + `@exemple.fr', 'a code of more than 15 bytes', NULL)`,
		`INSERT INTO lab.result (id, nir, outcome) VALUES (1, '` + patient1 + `', 'positif'), (2, '` + patient1 + `', 'négatif'), (3, '` + patient2 + `', 'négatif')`,
	} {
		sql = strings.Replace(sql, "repeat('x', 1)", "'x'", 1)
		if got := show(t, conn, sql); got != "" {
			t.Fatalf("%s: %s", sql, got)
		}
	}
	return s
}

// pseudonymOf gives the pseudonym of a column of a row that a role sees.
func pseudonymOf(t *testing.T, conn *pgx.Conn, column string, id int) string {
	t.Helper()
	return show(t, conn, fmt.Sprintf("SELECT %s FROM lab.shown WHERE id = %d", column, id))
}

// TestPseudonymsByEveryWay: one value has one pseudonym, whichever way it leaves; it has the form
// of its format, and is not the one of another project.
func TestPseudonymsByEveryWay(t *testing.T) {
	s := pseudonymStack(t)
	cohort, registry := s.Connect(t, "researcher"), s.Connect(t, "secretary")
	for column, c := range map[string]struct {
		form string
		id3  bool // whether the third row's value has a pseudonym
	}{
		"nir":    {`^(\d(1[3-9]|4[3-9])|[0569]\d\d\d\d)\d{2,}$`, false},
		"nir13":  {`^[0-9]{13}$`, false},
		"name":   {`^[A-Za-z0-9_-]{64}$`, true},
		"mail":   {`^[A-Za-z0-9_-]{64}$`, false},
		"code":   {`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, false},
		"device": {`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, false},
	} {
		if column == "nir" {
			c.form = `^(\d\d\d(1[3-9]|4[3-9])|[0569]\d{4})\d{10}$`
		}
		var seen []string
		for id := 1; id <= 3; id++ {
			want := pseudonymOf(t, cohort, column, id)
			for way, got := range waysOut(t, cohort, column, id) {
				if got != want {
					t.Errorf("%s of row %d, %s: %q, not %q", column, id, way, got, want)
				}
			}
			if id == 3 && !c.id3 {
				if want != "NULL" {
					t.Errorf("%s of row 3 is %q, and has no pseudonym", column, want)
				}
				continue
			}
			if !regexp.MustCompile(c.form).MatchString(want) {
				t.Errorf("%s of row %d has the pseudonym %q", column, id, want)
			}
			if other := pseudonymOf(t, registry, column, id); other == want || other == "NULL" {
				t.Errorf("%s of row %d is %q in both projects", column, id, want)
			}
			seen = append(seen, want)
		}
		if equal := seen[0] == seen[1]; equal != (column == "name") {
			t.Errorf("%s: %q", column, seen)
		}
	}
	if short, long := pseudonymOf(t, cohort, "nir13", 1), pseudonymOf(t, cohort, "nir", 1); short == long[:13] {
		t.Errorf("columns of different domains have the same pseudonym %s", long)
	}
}

// TestPseudonymsJoin: joins and counts by pseudonyms, in the database and outside, are those
// of the values.
func TestPseudonymsJoin(t *testing.T) {
	s := pseudonymStack(t)
	biologist, cohort := s.Connect(t, "biologist"), s.Connect(t, "researcher")
	for _, sql := range []string{
		`SELECT count(*), count(DISTINCT nir) FROM lab.result`,
		`SELECT s.id, count(*) FROM lab.shown s JOIN lab.result r USING (nir) GROUP BY s.id ORDER BY s.id`,
		`SELECT count(*) FROM lab.shown WHERE nir IN (SELECT nir FROM lab.result)`,
		`SELECT count(*) FROM (SELECT nir FROM lab.result GROUP BY nir HAVING count(*) > 1) x`,
		`SELECT count(*) FROM lab.shown WHERE nir IS NULL`,
	} {
		if want, got := show(t, biologist, sql), show(t, cohort, sql); got != want {
			t.Errorf("%s: %q, not %q", sql, got, want)
		}
	}
	for _, project := range []string{"researcher", "secretary"} {
		conn := s.Connect(t, project)
		if a, b := pseudonymOf(t, conn, "nir", 1), show(t, conn, `SELECT DISTINCT nir FROM lab.result WHERE id <= 2`); a != b {
			t.Errorf("%s: one patient is %q and %q", project, a, b)
		}
	}
}

// TestPseudonymSearch: a pseudonym finds its row in every form that a value of a statement has, and
// anything else, the value itself included, finds nothing.
func TestPseudonymSearch(t *testing.T) {
	ctx := context.Background()
	s := pseudonymStack(t)
	cohort, registry := s.Connect(t, "researcher"), s.Connect(t, "secretary")
	for column, value := range map[string]string{
		"nir": patient1, "mail": "anne@exemple.fr", "code": "IPP-1", "device": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
	} {
		mine, other := pseudonymOf(t, cohort, column, 1), pseudonymOf(t, registry, column, 1)
		for given, want := range map[string]string{mine: "1", other: "", value: ""} {
			for _, sql := range []string{
				`SELECT id FROM lab.shown WHERE %[1]s = '%[2]s'`,
				`SELECT id FROM lab.shown WHERE %[1]s IN ('%[2]s')`,
				`SELECT id FROM lab.shown WHERE %[1]s = ANY ('{%[2]s}')`,
				`SELECT id FROM lab.shown WHERE %[1]s = ANY (ARRAY['%[2]s'])`,
				`SELECT id FROM lab.seen WHERE '%[2]s' = %[1]s`,
				`SELECT id FROM lab.shown WHERE NOT %[1]s <> '%[2]s'`,
				`SELECT id FROM lab.shown WHERE %[1]s IS NOT DISTINCT FROM '%[2]s'`,
				`SELECT s.id FROM lab.shown s JOIN lab.shown o ON o.id = s.id AND o.%[1]s = '%[2]s'`,
				`SELECT s.id FROM lab.shown s JOIN (VALUES ('%[2]s')) v (x) ON v.x = s.%[1]s`,
				`PREPARE p AS SELECT id FROM lab.shown WHERE %[1]s = $1; EXECUTE p('%[2]s')`,
				`DEALLOCATE p; UPDATE lab.shown SET plain = plain WHERE %[1]s = '%[2]s' RETURNING id`,
			} {
				sql = fmt.Sprintf(sql, column, given)
				if column == "device" { // there is no = of uuid and text
					sql = strings.NewReplacer("')) v", "'::uuid)) v", "'])", "'::uuid])").Replace(sql)
				}
				if got := show(t, cohort, sql); got != want {
					t.Errorf("%s: %q, not %q", sql, got, want)
				}
			}
			for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
				rows, _ := cohort.Query(ctx, `SELECT id FROM lab.shown WHERE `+column+` = $1`, mode, given)
				ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
				if err != nil || fmt.Sprint(ids) != "["+want+"]" {
					t.Errorf("%s = $1 in mode %v, %s: %v, %v", column, mode, given, ids, err)
				}
			}
			rows, _ := cohort.Query(ctx, `SELECT id FROM lab.shown WHERE `+column+` = ANY ($1)`, []string{given})
			ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
			if err != nil || fmt.Sprint(ids) != "["+want+"]" {
				t.Errorf("%s = ANY ($1), %s: %v, %v", column, given, ids, err)
			}
		}
		everyone := show(t, cohort, `SELECT count(*) FROM lab.shown WHERE `+column+` <> '`+value+`'`)
		if all := show(t, cohort, `SELECT count(`+column+`) FROM lab.shown`); everyone != all {
			t.Errorf("%s <> a real value: %s rows of %s", column, everyone, all)
		}
	}
}

// TestPseudonymWrite: a row is stored by a pseudonym, sealed as the value that it stands for, where
// the file allows it; nothing else is.
func TestPseudonymWrite(t *testing.T) {
	ctx := context.Background()
	s := pseudonymStack(t)
	cohort, registry := s.Connect(t, "researcher"), s.Connect(t, "secretary")
	mine, theirs := pseudonymOf(t, cohort, "nir", 1), pseudonymOf(t, registry, "nir", 1)
	if got := show(t, cohort, `INSERT INTO lab.result (id, nir) VALUES (4, '`+mine+`') RETURNING nir`); got != mine {
		t.Errorf("inserted as %q", got)
	}
	if _, err := cohort.Exec(ctx, `INSERT INTO lab.result (id, nir) VALUES ($1, $2)`, 5, mine); err != nil {
		t.Error(err)
	}
	if _, err := cohort.PgConn().CopyFrom(ctx, strings.NewReader("6\t"+mine+"\n"), `COPY lab.result (id, nir) FROM STDIN`); err != nil {
		t.Error(err)
	}
	if got := show(t, cohort, `UPDATE lab.result SET nir = '`+mine+`' WHERE id = 3 RETURNING nir`); got != mine {
		t.Errorf("updated as %q", got)
	}
	var stored [][]byte
	rows, _ := s.Direct(t, "biologist").Query(ctx, `SELECT DISTINCT nir FROM lab.result`)
	stored, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(stored) != 1 {
		t.Fatalf("%d values are stored, %v", len(stored), err)
	}
	column := s.File.Databases[s.Database].Column("lab", "shown", "nir")
	sealer, err := column.Sealer(s.Keys)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := sealer.Seal(nil, []byte(patient1)); err != nil || !bytes.Equal(stored[0], want) {
		t.Errorf("stored is %x, not %x, %v", stored[0], want, err)
	}
	if got := show(t, s.Connect(t, "biologist"), `SELECT count(*) FROM lab.result WHERE nir = '`+patient1+`'`); got != "6" {
		t.Errorf("the biologist finds %s", got)
	}
	for _, c := range []struct {
		conn      *pgx.Conn
		sql, want string
	}{
		{cohort, `INSERT INTO lab.result (id, nir) VALUES (9, '` + patient2 + `') RETURNING nir`, "22023"},
		{cohort, `INSERT INTO lab.shown (id, mail) VALUES (9, '` + pseudonymOf(t, registry, "mail", 1) + `')`, "22023"},
		{cohort, `UPDATE lab.result SET nir = '` + patient2 + `'`, "22023"},
		{cohort, `INSERT INTO lab.shown (id, nir) VALUES (9, '` + patient3 + `') ON CONFLICT DO NOTHING RETURNING nir`, "22023"},
		{cohort, `INSERT INTO lab.shown (id, name) VALUES (9, 'Lefèvre') RETURNING name`, "42501"},
		{registry, `INSERT INTO lab.result (id, nir) VALUES (9, '` + theirs + `')`, "42501"},
		{registry, `INSERT INTO lab.shown (id, name) VALUES (9, 'Lefèvre') RETURNING name`, "42501"},
		{cohort, `SELECT coalesce(nir, '` + patient2 + `') FROM lab.shown`, "22023"},
		{cohort, `SELECT nir FROM lab.shown WHERE id = 1 UNION ALL SELECT '` + patient2 + `'`, "22023"},
		{cohort, `SELECT CASE WHEN id > 0 THEN '` + patient2 + `' ELSE nir END FROM lab.result`, "22023"},
		{cohort, `INSERT INTO lab.result (id, outcome) SELECT id, nir FROM lab.shown`, "0A000"},
		{registry, `INSERT INTO lab.shown (id, nir) SELECT id + 10, nir FROM lab.shown`, "42501"},
		{cohort, `INSERT INTO lab.result (id, nir) VALUES (9, NULL) RETURNING id`, "9"},
		{cohort, `SELECT coalesce(nullif(nir, nir), '` + mine + `') FROM lab.shown WHERE id = 2`, mine},
		{cohort, `SELECT coalesce(mail, '` + pseudonymOf(t, cohort, "mail", 2) + `') FROM lab.shown WHERE id = 1 UNION SELECT '` + pseudonymOf(t, cohort, "mail", 1) + `'`, pseudonymOf(t, cohort, "mail", 1)},
		{cohort, `UPDATE lab.shown SET nir = '` + pseudonymOf(t, cohort, "nir", 2) + `' WHERE id = 1`, "23505"},
	} {
		if got := show(t, c.conn, c.sql); got != c.want {
			t.Errorf("%s: %q, not %q", c.sql, got, c.want)
		}
	}
	_, err = cohort.PgConn().CopyFrom(ctx, strings.NewReader("10\t"+patient2+"\n"), `COPY lab.result (id, nir) FROM STDIN`)
	if sqlstate(err) != "22023" {
		t.Errorf("a real value in a COPY: %v", err)
	}
	if _, err := cohort.Exec(ctx, `INSERT INTO lab.result (id, nir) VALUES ($1, $2)`, 10, patient2); sqlstate(err) != "22023" {
		t.Errorf("a real value as a parameter: %v", err)
	}
	if got := show(t, cohort, `SELECT count(*) FROM lab.result`); got != "7" {
		t.Errorf("there are %s rows", got)
	}
}

// TestPseudonymRoles: who has pseudonyms of two projects sees neither; the greater verdict holds
// over a pseudonym, and a pseudonym over a mask.
func TestPseudonymRoles(t *testing.T) {
	ctx := context.Background()
	s := pseudonymStack(t)
	for _, sql := range []string{
		`CREATE ROLE twice LOGIN PASSWORD '` + stack.Password + `' IN ROLE researcher, secretary`,
		`CREATE ROLE chief LOGIN PASSWORD '` + stack.Password + `' IN ROLE researcher, biologist`,
	} {
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	mine := pseudonymOf(t, s.Connect(t, "researcher"), "nir", 1)
	theirs := pseudonymOf(t, s.Connect(t, "secretary"), "nir", 1)
	both, chief := s.Connect(t, "twice"), s.Connect(t, "chief")
	const read = `SELECT nir FROM lab.shown WHERE id = 1`
	for _, step := range []struct {
		conn      *pgx.Conn
		sql, want string
	}{
		{both, read, "42501"},
		{both, `SELECT id FROM lab.shown WHERE nir = '` + mine + `'`, "42501"},
		{both, `INSERT INTO lab.shown (id, name) VALUES (20, 'Lefèvre')`, "42501"},
		{both, `SELECT count(*) FROM lab.shown WHERE name IS NULL`, "42501"},
		{both, `SET ROLE researcher`, ""},
		{both, read, mine},
		{both, `SELECT id FROM lab.shown WHERE nir = '` + mine + `'`, "1"},
		{both, `SET ROLE secretary`, ""},
		{both, read, theirs},
		{both, `SELECT id FROM lab.shown WHERE nir = '` + mine + `'`, ""},
		{chief, read, patient1},
		{chief, `SELECT id FROM lab.shown WHERE nir = '` + patient1 + `'`, "1"},
		{chief, `SET ROLE researcher`, ""},
		{chief, read, mine},
		{chief, `SELECT id FROM lab.shown WHERE nir = '` + patient1 + `'`, ""},
	} {
		if got := show(t, step.conn, step.sql); got != step.want {
			t.Errorf("%s: %q, not %q", step.sql, got, step.want)
		}
	}
}

// TestPseudonymsWithheld: without the project's keyset nothing is shown, and the rest goes on.
func TestPseudonymsWithheld(t *testing.T) {
	s := pseudonymStack(t)
	conn := s.Connect(t, "researcher")
	mine := pseudonymOf(t, conn, "nir", 1)
	for _, p := range s.Pseudonyms() {
		p.Withhold(keys.ErrDestroyed)
	}
	for _, sql := range []string{
		`SELECT nir FROM lab.shown`, `SELECT id FROM lab.shown WHERE nir = '` + mine + `'`, `INSERT INTO lab.result (nir) VALUES ('` + mine + `')`,
		`COPY (SELECT nir FROM lab.shown) TO STDOUT`,
	} {
		if got := show(t, conn, sql); got != "58000" {
			t.Errorf("%s: %q", sql, got)
		}
	}
	if got := show(t, conn, `SELECT outcome FROM lab.result WHERE id = 1`); got != "positif" {
		t.Errorf("another column is %q", got)
	}
	for _, p := range s.Pseudonyms() {
		p.Withhold(nil)
	}
	if got := pseudonymOf(t, conn, "nir", 1); got != mine {
		t.Errorf("afterwards it is %q, not %q", got, mine)
	}
}

// TestPseudonymEpoch: another epoch gives other pseudonyms, to open sessions too, and those of before
// find nothing any more.
func TestPseudonymEpoch(t *testing.T) {
	s := pseudonymStack(t)
	conn := s.Connect(t, "researcher")
	columns := []string{"nir", "name", "mail", "code", "device"}
	var before []string
	for _, column := range columns {
		before = append(before, pseudonymOf(t, conn, column, 1))
	}
	s.Reload(t, strings.Replace(pseudonymSchema, "{key: cohort-keys}", "{key: cohort-keys, epoch: 2}", 1))
	for i, column := range columns {
		after := pseudonymOf(t, conn, column, 1)
		if after == before[i] || after == "NULL" {
			t.Errorf("%s is still %q", column, after)
		}
		if column == "name" {
			continue
		}
		if got := show(t, conn, fmt.Sprintf(`SELECT id FROM lab.shown WHERE %s IN ('%s')`, column, before[i])); got != "" {
			t.Errorf("the pseudonym of before finds %q", got)
		}
		if got := show(t, conn, fmt.Sprintf(`SELECT id FROM lab.shown WHERE %s IN ('%s')`, column, after)); got != "1" {
			t.Errorf("the new pseudonym finds %q", got)
		}
	}
	if other := pseudonymOf(t, s.Connect(t, "secretary"), "nir", 1); slices.Contains(before, other) {
		t.Error("the other project has the same")
	}
}

// TestPseudonymOracle: a role that sees pseudonyms has the same answer to a statement with a number
// that is in the table and to one with a number that is not.
func TestPseudonymOracle(t *testing.T) {
	s := pseudonymStack(t)
	conn := s.Connect(t, "researcher")
	answer := func(sql string) string {
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		text := fmt.Sprint(err)
		for _, r := range results {
			text += fmt.Sprintf(" %s %q", r.CommandTag, r.Rows)
		}
		return text
	}
	for _, sql := range []string{
		`SELECT * FROM lab.shown WHERE nir = '%s'`,
		`SELECT count(*) FROM lab.shown WHERE nir <> '%s'`,
		`SELECT count(*) FROM lab.shown WHERE nir NOT IN ('%s', 'x')`,
		`SELECT id, nir = '%[1]s', nir IS DISTINCT FROM '%[1]s' FROM lab.shown ORDER BY id`,
		`SELECT CASE nir WHEN '%s' THEN 1 ELSE 2 END FROM lab.shown`,
		`SELECT nullif(nir, '%s') FROM lab.shown ORDER BY id`,
		`SELECT coalesce(nir, '%s') FROM lab.shown`,
		`SELECT nir FROM lab.shown UNION ALL SELECT '%s'`,
		`SELECT nir FROM lab.shown EXCEPT SELECT '%s'`,
		`SELECT nir FROM lab.shown INTERSECT SELECT '%s'`,
		`SELECT array_agg(nir) FROM lab.shown WHERE nir = ANY ('{%s}')`,
		`SELECT count(*) FILTER (WHERE nir = '%s') FROM lab.shown`,
		`SELECT id FROM lab.shown ORDER BY nir = '%s', id`,
		`SELECT nir = '%s', count(*) FROM lab.shown GROUP BY 1`,
		`SELECT r.id FROM lab.result r JOIN lab.shown s USING (nir) WHERE s.nir = '%s'`,
		`SELECT EXISTS (SELECT FROM lab.result WHERE nir = '%s')`,
		`SELECT (SELECT id FROM lab.shown WHERE nir = '%s')`,
		`WITH w AS (SELECT nir FROM lab.result) SELECT count(*) FROM w WHERE nir = '%s'`,
		`SELECT 1 / (CASE WHEN nir = '%s' THEN 0 ELSE 1 END) FROM lab.shown`,
		`EXPLAIN SELECT * FROM lab.shown WHERE nir = '%s'`,
		`EXPLAIN (ANALYZE, TIMING off, SUMMARY off, COSTS off) SELECT id FROM lab.result WHERE nir = '%s'`,
		`BEGIN; DECLARE c CURSOR FOR SELECT id FROM lab.shown WHERE nir = '%s'; FETCH ALL FROM c; ROLLBACK`,
		`PREPARE p AS SELECT id FROM lab.shown WHERE nir = $1; EXECUTE p('%s'); DEALLOCATE p`,
		`UPDATE lab.shown SET plain = 'seen' WHERE nir = '%s' RETURNING id`,
		`DELETE FROM lab.shown WHERE nir = '%s'`,
		`INSERT INTO lab.shown (id, nir) VALUES (90, '%s')`,
		`INSERT INTO lab.shown (id, nir) VALUES (90, '%s') ON CONFLICT (nir) DO NOTHING`,
		`UPDATE lab.shown SET nir = '%s' WHERE id = 2`,
		`MERGE INTO lab.shown s USING (VALUES (1)) v (x) ON s.nir = '%s' WHEN MATCHED THEN UPDATE SET plain = 'm'`,
		`COPY (SELECT id FROM lab.shown WHERE nir = '%s') TO STDOUT`,
		`BEGIN; CREATE TEMP TABLE found AS SELECT id FROM lab.shown WHERE nir = '%s'; ROLLBACK`,
	} {
		there, absent := answer(fmt.Sprintf(sql, patient1)), answer(fmt.Sprintf(sql, patient3))
		if there != absent {
			t.Errorf("%s\n%s\n%s", sql, there, absent)
		}
		for _, nir := range []string{patient1, patient3} {
			if strings.Contains(there+absent, nir) {
				t.Errorf("%s: the answer has the number in it: %s", sql, there)
			}
		}
	}
	if got := show(t, s.Connect(t, "biologist"), `SELECT count(*), count(plain) FROM lab.shown`); got != "3|0" {
		t.Errorf("the table has changed: %s", got)
	}
}
