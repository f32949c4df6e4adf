package proxy_test

import (
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestControlledConversions: neither a client encoding that lacks a character of a value which the role does not see,
// nor a setting that changes from row to row, tells of it.
func TestControlledConversions(t *testing.T) {
	s := startControlled(t)
	statements := []string{
		`SELECT name FROM lab.person ORDER BY id`, `SELECT born FROM lab.person ORDER BY id`, `SELECT weight FROM lab.person ORDER BY id`, `SELECT called FROM lab.people ORDER BY id`,
		`UPDATE lab.person SET city = city WHERE id = 1 RETURNING name`, `SELECT id FROM lab.person WHERE name IS NULL`,
		`DECLARE c CURSOR FOR SELECT name FROM lab.person ORDER BY id; FETCH 1 FROM c`,
		`PREPARE q AS SELECT name FROM lab.person ORDER BY id; EXECUTE q; DEALLOCATE q`,
		`SELECT set_config('client_encoding', 'LATIN1', true), name FROM lab.person ORDER BY id`,
		`SELECT "set_config"('DateStyle', 'SQL, DMY', true), born FROM lab.person ORDER BY id`,
		`WITH x AS (SELECT pg_catalog.set_config('DateStyle', 'German', true)) SELECT born FROM lab.person, x ORDER BY id`,
		`DECLARE d CURSOR FOR SELECT set_config('DateStyle', 'SQL, DMY', true), born FROM lab.person ORDER BY id; FETCH 1 FROM d`,
		`PREPARE p AS SELECT set_config('DateStyle', 'SQL, DMY', true), born FROM lab.person ORDER BY id; EXECUTE p; DEALLOCATE p`,
		`BEGIN; SELECT set_config('DateStyle', 'SQL, DMY', true); SELECT born FROM lab.person ORDER BY id`,
	}
	for _, client := range append([]string{"UTF8", "SQL_ASCII"}, singleByte...) {
		for role, first := range map[string]person{
			"secretary":  {"Lukasz", "1985-05-17", "70.5"}, // who sees when he was born
			"researcher": {"Lukasz", "1985-12-11", "70.5"},
		} {
			conn, notices := connectNoting(t, s, role)
			show(t, conn, `SET client_encoding TO `+client)
			answers := func(p person) (list []string) {
				fillControlled(t, s, p)
				for _, sql := range statements {
					list = append(list, seenBy(t, conn, notices, sql))
				}
				return list
			}
			before := answers(first)
			second := first
			second.name = "LΩçasz"
			if role == "researcher" {
				second.born, second.weight = "1985-05-17", "71"
			}
			for i, after := range answers(second) {
				if after != before[i] {
					t.Errorf("%s, %s: %s:\n%s\n%s", client, role, statements[i], before[i], after)
				}
			}
		}
	}
	// It is what the role may not see that is refused, and no more.
	fillControlled(t, s, person{"Łukasz", "1985-12-11", "70.5"})
	for _, test := range [][4]string{
		{"biologist", "LATIN2", statements[0], "\xa3ukasz\nBernard\nNULL"},
		{"biologist", "LATIN1", statements[0], "22P05"},
		{"biologist", "UTF8", statements[9], "SQL, DMY|11/12/1985\nSQL, DMY|01/03/1978\nSQL, DMY|NULL"},
		{"secretary", "UTF8", statements[0], "Ł*****\nB******\nNULL"},
		{"secretary", "LATIN1", statements[0], "0A000"},
		{"secretary", "LATIN1", statements[1], "1985-12-11\n1978-03-01\nNULL"},
		{"researcher", "LATIN1", statements[0], "0A000"},
		{"researcher", "LATIN1", statements[1], "1985-01-01\n1978-01-01\nNULL"},
		{"researcher", "UTF8", statements[9], "42501"},
	} {
		conn := s.Connect(t, test[0])
		show(t, conn, `SET client_encoding TO `+test[1])
		if got := show(t, conn, test[2]); got != test[3] {
			t.Errorf("%s, %s: %s: %q, not %q", test[0], test[1], test[2], got, test[3])
		}
	}
}

// TestControlledFloats: a mask shows of a number what it shows, however many digits of it the server is
// told to send.
func TestControlledFloats(t *testing.T) {
	s := stack.Start(t, stack.Options{
		Schema: `version: 1
keys: {medical: randomized}
databases:
  laboratory:
    tables:
      lab.value:
        access: {biologist: decrypt, researcher: {mask: {bucket: 10}}, secretary: hide}
        columns:
          double: {type: double precision, encryption: none}
          single: {type: real, encryption: none}
`,
		Tables: []string{
			`CREATE SCHEMA lab`, `CREATE TABLE lab.value (id int, double float8, single real)`, `INSERT INTO lab.value VALUES (1, 39.96, 39.96)`,
			`GRANT USAGE ON SCHEMA lab TO PUBLIC`, `GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`, `GRANT pg_read_all_data TO pgveil`,
		},
	})
	for role, want := range map[string]string{"biologist": "39.96|39.96", "researcher": "30|30", "secretary": "NULL|NULL"} {
		conn := s.Connect(t, role)
		for _, digits := range []string{"1", "3", "0", "-12", "-3", "-15"} {
			show(t, conn, `SET extra_float_digits = `+digits)
			got := show(t, conn, `SELECT double, single FROM lab.value`)
			lossy := digits == "0" || digits[0] == '-'
			switch {
			case role == "researcher" && lossy:
				if got != "0A000" {
					t.Errorf("%s, %s digits: %q", role, digits, got)
				}
			case role == "biologist" && lossy: // the server's own
			case got != want:
				t.Errorf("%s, %s digits: %q, not %q", role, digits, got, want)
			}
		}
		show(t, conn, `RESET extra_float_digits`)
		if got := show(t, conn, `SELECT double, single FROM lab.value`); got != want {
			t.Errorf("%s: %q, not %q", role, got, want)
		}
	}
}
