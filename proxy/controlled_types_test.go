package proxy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// controlledTypes are a type each, what the researcher sees of it, and a value.
var controlledTypes = []struct{ name, logical, verdict, value string }{
	{"text", "text", "{mask: {keep_first: 2}}", "Lefèvre"},
	{"varchar", "varchar(40)", "{mask: {email: domain}}", "anne@exemple.fr"},
	{"char", "char(15)", "{mask: {nir: order}}", patient1},
	{"short", "char(20)", "{mask: {keep_last: 2}}", "Bernard"},
	{"int2", "smallint", "{mask: {bucket: 10}}", "-17"},
	{"int4", "integer", "{mask: {round: 1000}}", "123456"},
	{"int8", "bigint", "{mask: {bucket: {size: 5, from: 3}}}", "9007199254740993"},
	{"numeric", "numeric(12,3)", "{mask: {round: 0.5}}", "1234.567"},
	{"float4", "real", "{mask: {round: 1}}", "1.75"},
	{"float8", "double precision", "{mask: {round: 0.25}}", "-2.123456789"},
	{"bool", "boolean", "{mask: {fixed: false}}", "true"},
	{"date", "date", "{mask: {truncate: month}}", "1985-05-17"},
	{"old", "date", "{mask: {truncate: year}}", "0044-03-15 BC"},
	{"stamp", "timestamp", "{mask: {truncate: month}}", "1985-05-17 12:34:56.789"},
	{"instant", "timestamptz", "{mask: {truncate: year}}", "1885-05-17 12:34:56.789+01"},
	{"uuid", "uuid", "{verdict: pseudonym, project: cohort}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	{"nir", "char(15)", "{verdict: pseudonym, project: cohort, format: nir}", patient1},
	{"name", "text", "{verdict: pseudonym, project: cohort}", "Lefèvre"},
	{"jsonb", "jsonb", `{mask: {fixed: "{}"}}`, `{"a": 1}`},
	{"bytes", "bytea", "hide", `\x0102`},
}

// TestControlledTypes: of a controlled column a role sees, in every type and format, what it sees of a
// sealed one with the same values.
func TestControlledTypes(t *testing.T) {
	ctx := context.Background()
	file := strings.Replace(stack.SchemaHead, "profiles:", "projects:\n  cohort: {key: cohort-keys}\nprofiles:", 1) + "      lab.both:\n        columns:\n"
	table := "CREATE TABLE lab.both (id int"
	columns, values := "id", "1"
	for _, c := range controlledTypes {
		access := "access: {biologist: decrypt, researcher: " + c.verdict + "}"
		file += fmt.Sprintf("          s_%s: {type: '%s', encryption: randomized, key: medical, context: 'column:lab.both.c_%s', %s}\n", c.name, c.logical, c.name, access)
		file += fmt.Sprintf("          c_%s: {type: '%s', encryption: none, %s}\n", c.name, c.logical, access)
		table += fmt.Sprintf(", s_%s bytea, c_%s %s", c.name, c.name, c.logical)
		columns += fmt.Sprintf(", s_%s, c_%s", c.name, c.name)
		values += strings.Repeat(", '"+c.value+"'", 2)
	}
	s := stack.Start(t, stack.Options{Schema: file, Tables: []string{`CREATE SCHEMA lab`, table + ")", `GRANT USAGE ON SCHEMA lab TO PUBLIC`, `GRANT ALL ON lab.both TO PUBLIC`}})
	if got := show(t, s.Connect(t, "biologist"), `INSERT INTO lab.both (`+columns+`) VALUES (`+values+`)`); got != "" {
		t.Fatal(got)
	}
	for _, role := range []string{"biologist", "researcher"} {
		conn := s.Connect(t, role)
		for _, settings := range []string{"ISO, DMY; SET TimeZone = 'Europe/Paris'", "ISO, MDY; SET TimeZone = 'Asia/Kolkata'; SET bytea_output = escape; SET extra_float_digits = 0", "SQL, DMY; SET TimeZone = 'UTC'; RESET extra_float_digits", "Postgres, MDY; SET TimeZone = 'America/St_Johns'", "German; SET TimeZone = 'Europe/Paris'"} {
			if got := show(t, conn, `SET DateStyle = `+settings); got != "" {
				t.Fatal(got)
			}
			for _, c := range controlledTypes {
				sql := fmt.Sprintf("SELECT s_%s, c_%s FROM lab.both", c.name, c.name)
				for format := range int16(3) {
					var row [][]byte
					var err error
					if format == 2 {
						results, e := conn.PgConn().Exec(ctx, sql).ReadAll()
						if err = e; err == nil {
							row = results[0].Rows[0]
						}
					} else if r := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, []int16{format}).Read(); r.Err != nil {
						err = r.Err
					} else {
						row = r.Rows[0]
					}
					if c.name == "instant" && role == "researcher" && format != 1 && !strings.HasPrefix(settings, "ISO") {
						if !strings.Contains(fmt.Sprint(err), "XX001") { // whatever the value is
							t.Errorf("%s: %q, %v", settings, row, err)
						}
						continue
					}
					if strings.HasPrefix(c.name, "float") && role == "researcher" && strings.Contains(settings, "extra_float_digits = 0") {
						if !strings.Contains(fmt.Sprint(err), "0A000") { // it would be that of another number
							t.Errorf("%s, format %d, %s: %q, %v", settings, format, c.name, row, err)
						}
						continue
					}
					if err != nil || string(row[0]) != string(row[1]) || (row[0] == nil) != (row[1] == nil) {
						t.Errorf("%s, %s, format %d, %s: %q, %v", role, settings, format, c.name, row, err)
					}
				}
			}
		}
	}
}
