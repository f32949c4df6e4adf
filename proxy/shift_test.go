package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv/stack"
)

// shiftSchema shifts dates of patients and of their results for a project.
const shiftSchema = `version: 1
keys:
  identity: deterministic
  medical: randomized
projects:
  cohort: {key: cohort-keys, shift: 40}
  registry: {key: registry-keys, shift: 40}
profiles:
  dates:
    biologist: decrypt
    researcher: {verdict: pseudonym, project: cohort}
    secretary: {verdict: pseudonym, project: registry, format: shift}
  nir:
    biologist: decrypt
    researcher: {verdict: pseudonym, project: cohort, format: nir, search: true}
    secretary: hide
databases:
  laboratory:
    tables:
      lab.shown:
        subject: nir
        columns:
          nir: {type: char(15), encryption: deterministic, domain: nir, access: nir}
          birth: {type: date, encryption: randomized, access: dates}
          seen: {type: timestamptz, encryption: randomized, access: dates}
          died: {type: date, encryption: deterministic, access: dates}
      lab.result:
        subject: nir
        columns:
          nir: {type: char(15), encryption: deterministic, domain: nir, access: nir}
          sampled: {type: timestamp, encryption: randomized, access: dates}
`

func shiftStack(t *testing.T) *stack.Stack {
	t.Helper()
	s := stack.Start(t, stack.Options{Schema: shiftSchema, Tables: append(shownTable("nir", "birth", "seen", "died"),
		`CREATE TABLE lab.result (id int, nir bytea, sampled bytea)`, `GRANT ALL ON lab.result TO biologist, secretary, researcher`)})
	conn := s.Connect(t, "biologist", "timezone=UTC")
	for _, sql := range []string{
		`INSERT INTO lab.shown (id, nir, birth, seen, died) VALUES
			(1, '` + patient1 + `', '1985-05-17', '2020-02-03 04:05:06.7+00', NULL),
			(2, '` + patient2 + `', '1978-03-01', '2020-02-03 04:05:06.7+00', '2021-12-31'),
			(3, NULL, '1978-03-01', '2020-01-01 00:00:00+00', NULL), (4, '` + patient3 + `', 'infinity', '-infinity', '5874897-12-31')`,
		`INSERT INTO lab.result (id, nir, sampled) VALUES (1, '` + patient1 + `', '2020-02-03 10:00:00'), (2, '` + patient2 + `', '2020-02-04 11:00:00')`,
	} {
		if got := show(t, conn, sql); got != "" {
			t.Fatalf("%s: %s", sql, got)
		}
	}
	return s
}

// daysOff gives by how many days a date, the beginning of a text, is off another.
func daysOff(t *testing.T, got, from string) int {
	t.Helper()
	a, err := time.Parse(time.DateOnly, got[:min(10, len(got))])
	if err != nil {
		t.Fatalf("%q is no date", got)
	}
	b, _ := time.Parse(time.DateOnly, from)
	return int(a.Sub(b).Hours() / 24)
}

// TestShiftedDates: all dates of a patient are as many days off, in all tables, by every way out
// that has the patient beside them, and by others in another project.
func TestShiftedDates(t *testing.T) {
	s := shiftStack(t)
	offsets := make(map[string]int)
	for _, role := range []string{"researcher", "secretary"} {
		conn := s.Connect(t, role, "timezone=UTC")
		for id, birth := range map[int]string{1: "1985-05-17", 2: "1978-03-01"} {
			row := strings.Split(show(t, conn, fmt.Sprintf(`SELECT nir, birth, seen, died FROM lab.shown WHERE id = %d`, id)), "|")
			off := daysOff(t, row[1], birth)
			if off == 0 || off > 40 || off < -40 {
				t.Errorf("%s, patient %d: %d days off", role, id, off)
			}
			offsets[fmt.Sprint(role, id)] = off
			if daysOff(t, row[2], "2020-02-03") != off || !strings.HasSuffix(row[2], " 04:05:06.7+00") {
				t.Errorf("%s, patient %d: seen at %s, born %d days off", role, id, row[2], off)
			}
			if id == 2 && daysOff(t, row[3], "2021-12-31") != off {
				t.Errorf("%s, patient %d: died at %s, born %d days off", role, id, row[3], off)
			}
			result := strings.Split(show(t, conn, fmt.Sprintf(`SELECT sampled, nir FROM lab.result WHERE id = %d`, id)), "|")
			if daysOff(t, result[0], "2020-02-02") != off+id {
				t.Errorf("%s, patient %d: a result of %s, born %d days off", role, id, result[0], off)
			}
			want := row[1] + "|" + row[0]
			for _, sql := range []string{
				`SELECT birth, nir FROM lab.shown WHERE id = %d`,
				`SELECT birth, nir FROM lab.seen WHERE id = %d`,
				`SELECT s.birth, s.nir FROM lab.shown s JOIN lab.result r ON r.id = s.id WHERE s.id = %d`,
				`WITH w AS (SELECT * FROM lab.shown) SELECT birth, nir FROM w WHERE id = %d`,
				`SELECT birth, nir FROM (SELECT id, nir, birth FROM lab.seen) x WHERE id = %d`,
				`UPDATE lab.shown SET plain = plain WHERE id = %d RETURNING birth, nir`,
				`BEGIN; DECLARE c CURSOR FOR SELECT birth, nir FROM lab.shown WHERE id = %d; FETCH ALL FROM c; COMMIT`,
				`PREPARE p AS SELECT birth, nir FROM lab.shown WHERE id = %d; EXECUTE p; DEALLOCATE p`,
				`SELECT birth::text, nir FROM lab.shown WHERE id = %d`,
			} {
				if got := show(t, conn, fmt.Sprintf(sql, id)); got != want {
					t.Errorf("%s, %s: %q, not %q", role, sql, got, want)
				}
			}
			for _, format := range []int16{0, 1} {
				result := conn.PgConn().ExecParams(t.Context(), `SELECT birth, nir FROM lab.shown WHERE id = $1`, [][]byte{fmt.Append(nil, id)}, nil, nil, []int16{format}).Read()
				if result.Err != nil || len(result.Rows) != 1 || asText(t, conn, result.FieldDescriptions[0].DataTypeOID, format, result.Rows[0][0]) != row[1] {
					t.Errorf("%s in format %d: %q, %v", role, format, result.Rows, result.Err)
				}
			}
		}
		if got := show(t, conn, `SELECT birth, seen, nir FROM lab.shown WHERE id = 3`); got != "NULL|NULL|NULL" {
			t.Errorf("of nobody: %q", got)
		}
		row := strings.Split(show(t, conn, `SELECT birth, seen, died, nir FROM lab.shown WHERE id = 4`), "|")
		if row[0] != "infinity" || row[1] != "-infinity" || row[2] == "5874897-12-31" {
			t.Errorf("the ends of time: %q", row)
		}
	}
	if len(offsets) != 4 || offsets["researcher1"] == offsets["researcher2"] && offsets["secretary1"] == offsets["secretary2"] {
		t.Errorf("offsets: %v", offsets)
	}
	if got := show(t, s.Connect(t, "biologist"), `SELECT birth FROM lab.shown WHERE id = 1`); got != "1985-05-17" {
		t.Errorf("the biologist sees %q", got)
	}
}

// TestShiftRefused: a date is not shown where it is not known whose it is, or where another's subject
// stands beside it; nor is it searched or grouped.
func TestShiftRefused(t *testing.T) {
	s := shiftStack(t)
	conn := s.Connect(t, "researcher")
	for sql, want := range map[string]string{
		`SELECT birth FROM lab.shown`: "0A000",
		`SELECT birth, nir FROM lab.shown UNION ALL SELECT birth, nir FROM lab.shown`:                                 "0A000",
		`SELECT a.birth, b.nir FROM lab.shown a, lab.shown b`:                                                         "0A000",
		`WITH w AS (SELECT nir, birth FROM lab.shown) SELECT a.birth, b.nir FROM w a, w b`:                            "0A000",
		`SELECT a.birth, b.nir FROM lab.seen a, lab.seen b`:                                                           "0A000",
		`SELECT s.birth, r.nir FROM lab.shown s JOIN lab.result r USING (id)`:                                         "0A000",
		`SELECT birth, (SELECT nir FROM lab.shown x WHERE x.id = 2) FROM lab.shown`:                                   "0A000",
		`SELECT birth, lag(nir) OVER (ORDER BY id) FROM lab.shown`:                                                    "0A000",
		`SELECT lag(birth) OVER (ORDER BY id), nir FROM lab.shown`:                                                    "0A000",
		`SELECT birth, coalesce(nir, NULL) FROM lab.shown`:                                                            "0A000",
		`SELECT CASE WHEN id = 1 THEN birth END, nir FROM lab.shown`:                                                  "0A000",
		`SELECT array_agg(birth), array_agg(nir) FROM lab.shown`:                                                      "0A000",
		`SELECT unnest(b), unnest(n) FROM (SELECT array_agg(birth ORDER BY id) b, array_agg(nir) n FROM lab.shown) x`: "0A000",
		`SELECT json_build_object('b', birth, 'n', nir) FROM lab.shown`:                                               "0A000",
		`SELECT row_to_json(s) FROM (SELECT birth, nir FROM lab.shown) s`:                                             "0A000",
		`COPY lab.shown (nir, birth) TO STDOUT`:                                                                       "0A000",
		`COPY (SELECT nir, birth FROM lab.shown) TO STDOUT`:                                                           "0A000",
		`WITH RECURSIVE w AS (SELECT nir, birth, 1 AS n FROM lab.shown UNION ALL SELECT w.nir, s.birth, n + 1 FROM w, lab.shown s WHERE n < 2) SELECT nir, birth FROM w`: "0A000",
		`SELECT id FROM lab.shown WHERE died = '2021-12-31'`:         "42501",
		`SELECT nir, died FROM lab.shown GROUP BY nir, died`:         "42501",
		`UPDATE lab.shown SET birth = '2000-01-01'`:                  "42501",
		`INSERT INTO lab.shown (id, birth) VALUES (9, '2000-01-01')`: "42501",
		`SELECT count(birth) FROM lab.shown`:                         "4",
		`SELECT id FROM lab.shown WHERE birth IS NULL`:               "",
	} {
		if got := show(t, conn, sql); got != want {
			t.Errorf("%s: %q, not %q", sql, got, want)
		}
	}
	// The way that is described for the extended protocol is refused as well, at its Parse or Bind.
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		rows, err := conn.Query(t.Context(), `SELECT birth FROM lab.shown WHERE id = $1`, mode, 1)
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		if sqlstate(err) != "0A000" || !strings.Contains(err.Error(), "its dates are shifted") {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}
