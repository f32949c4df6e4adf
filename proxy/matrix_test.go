package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv/stack"
)

// matrixTypes are the logical types, each with a value, and what a mask makes of it. also and alsoMasked are other spellings
// of these that JSON and drivers have. A pseudonym of uuid is a uuid; of other types but these two there is none.
var matrixTypes = []struct {
	typ, value, mask, masked string
	also, alsoMasked         []string
	pseudonym                bool
}{
	{"text", "Lefèvre", "{keep_first: 1, keep_last: 2}", "L********re", nil, nil, true},
	{"varchar(80)", "anne@exemple.fr", "{email: domain}", "*@exemple.fr", nil, nil, true},
	{"char(15)", nir1, "{keep_first: 1}", "1**************", nil, nil, false},
	{"int2", "37", "{round: 10}", "40", nil, nil, false},
	{"int4", "1234567", "{bucket: 1000}", "1234000", nil, nil, false},
	{"int8", "9007199254740995", "{fixed: 0}", "0", nil, nil, false},
	{"numeric(6,2)", "2.99", "{bucket: 0.5}", "2.50", nil, []string{"2.5"}, false},
	{"float4", "37.5", "{bucket: 10}", "30", nil, nil, false},
	{"float8", "37.25", "{round: 0.5}", "37.5", nil, nil, false},
	{"bool", "t", "{fixed: false}", "f", []string{"true"}, []string{"false"}, false},
	{"date", "1985-05-17", "{truncate: year}", "1985-01-01", nil, nil, false},
	{"timestamp", "1985-05-17 03:04:05", "{truncate: month}", "1985-05-01 00:00:00", []string{"1985-05-17T03:04:05"}, []string{"1985-05-01T00:00:00"}, false},
	{"timestamptz", "1985-05-17 03:04:05+00", "{truncate: year}", "1985-01-01 00:00:00+00", []string{"1985-05-17T03:04:05+00:00", "1985-05-17 03:04:05Z"}, []string{"1985-01-01T00:00:00+00:00", "1985-01-01 00:00:00Z"}, false},
	{"uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", `{fixed: "00000000-0000-0000-0000-000000000000"}`, "00000000-0000-0000-0000-000000000000", nil, nil, true},
	{"jsonb", `["smokes"]`, `{fixed: "[]"}`, "[]", []string{"[smokes]"}, nil, false},
	{"bytea", `\xdeadbeef`, `{fixed: "\\x00"}`, `\x00`, nil, nil, false},
}

// matrixVerdicts are the roles of the schema file, one for each verdict.
var matrixVerdicts = []string{"decrypt", "mask", "pseudonym", "hide", "deny"}

// The ways to have the rights of a role. The roles that log in are called after the way and the verdict.
var matrixMembers = []struct{ way, ddl string }{
	{"member", `CREATE ROLE %[1]s LOGIN PASSWORD '%[3]s' IN ROLE %[2]s`},
	{"nested", `CREATE ROLE %[1]s_between IN ROLE %[2]s; CREATE ROLE %[1]s LOGIN PASSWORD '%[3]s' IN ROLE %[1]s_between`},
	{"setting", `CREATE ROLE %[1]s LOGIN NOINHERIT PASSWORD '%[3]s' IN ROLE %[2]s`},
}

func matrixStack(t *testing.T) (s *stack.Stack, columns []string) {
	t.Helper()
	file := strings.NewReplacer("databases:", "projects:\n  cohort: {key: cohort}\ndatabases:", "profiles:\n  care:\n    biologist: {verdict: decrypt, search: true}\n", "").Replace(stack.SchemaHead) + "      lab.shown:\n        columns:\n"
	var literals []string
	for i, c := range matrixTypes {
		column := fmt.Sprintf("c%d", i)
		columns, literals = append(columns, column), append(literals, "'"+c.value+"'")
		mode := "randomized, key: medical"
		if i%2 == 0 && (i < 3 || c.typ == "int4") {
			mode = "deterministic, key: identity"
		}
		pseudonym := ""
		if c.pseudonym {
			pseudonym = ", pseudonym: {verdict: pseudonym, project: cohort}"
		}
		file += fmt.Sprintf("          %s: {type: %q, encryption: %s, access: {biologist: {verdict: decrypt, search: true}, decrypt: decrypt, mask: {mask: %s}, hide: hide, deny: deny%s}}\n", column, c.typ, mode, c.mask, pseudonym)
	}
	tables := shownTable(columns...)
	for _, verdict := range matrixVerdicts {
		tables = append(tables, "CREATE ROLE "+verdict)
		for _, m := range matrixMembers {
			tables = append(tables, fmt.Sprintf(m.ddl, m.way+"_"+verdict, verdict, stack.Password))
		}
	}
	tables = append(tables, `GRANT USAGE ON SCHEMA lab TO PUBLIC`, `GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`)
	s = stack.Start(t, stack.Options{Schema: file, Tables: tables})
	if got := show(t, s.Connect(t, "biologist"), fmt.Sprintf("INSERT INTO lab.shown (id, %s) VALUES (1, %s)", strings.Join(columns, ", "), strings.Join(literals, ", "))); got != "" {
		t.Fatal(got)
	}
	return s, columns
}

// TestVerdictMatrix: each verdict shows the same of a value of each type by every way out, to a member of
// its role, to a member of a member, and after SET ROLE.
func TestVerdictMatrix(t *testing.T) {
	s, columns := matrixStack(t)
	pseudonyms := make(map[string]string) // by column: the same for all
	for _, verdict := range matrixVerdicts {
		for _, m := range matrixMembers {
			conn := s.Connect(t, m.way+"_"+verdict, "timezone=UTC")
			who := m.way + " of " + verdict
			if m.way == "setting" {
				refusedByEveryWay(t, conn, who+" before SET ROLE", columns[:1])
				show(t, conn, "SET ROLE "+verdict)
			}
			var readable []string
			for i, c := range matrixTypes {
				if verdict != "deny" && (verdict != "pseudonym" || c.pseudonym) {
					readable = append(readable, columns[i])
				}
			}
			refusedByEveryWay(t, conn, who, slices.DeleteFunc(slices.Clone(columns), func(column string) bool { return slices.Contains(readable, column) }))
			if len(readable) == 0 {
				continue
			}
			for way, row := range rowWaysOut(t, conn, readable, 1) {
				if len(row) != len(readable) {
					t.Fatalf("%s, %s: %q", who, way, row)
				}
				for i, got := range row {
					c := matrixTypes[slices.Index(columns, readable[i])]
					want := map[string]string{"decrypt": c.value, "mask": c.masked, "hide": "NULL"}[verdict]
					if verdict == "pseudonym" {
						if pseudonyms[readable[i]] == "" && got != c.value && got != c.masked && got != "NULL" && len(got) > 15 {
							pseudonyms[readable[i]] = got
						}
						want = pseudonyms[readable[i]]
					}
					also := map[string][]string{"decrypt": c.also, "mask": c.alsoMasked}[verdict]
					if got != want && !slices.Contains(also, got) {
						t.Errorf("%s, %s of %s: %q, not %q", who, way, c.typ, got, want)
					}
				}
			}
		}
	}
}

// refusedByEveryWay checks that each of the columns is denied, whichever way it would leave.
func refusedByEveryWay(t *testing.T, conn *pgx.Conn, who string, columns []string) {
	t.Helper()
	ctx := context.Background()
	for _, column := range columns {
		query := "SELECT " + column + " FROM lab.shown"
		ways := sqlWays([]string{column}, 1)
		for _, options := range []string{"", " (FORMAT csv)", " (FORMAT binary)"} {
			ways = append(ways, sqlWay{"COPY" + options, []string{"COPY (" + query + ") TO STDOUT" + options}, ""})
		}
		ways = append(ways, sqlWay{"json", []string{"SELECT json_build_object('V', " + column + ") FROM lab.shown"}, ""}, sqlWay{"row_to_json", []string{"SELECT row_to_json(x) FROM (" + query + ") x"}, ""})
		for _, way := range ways {
			if got := show(t, conn, strings.Join(way.statements, "; ")); got != "42501" {
				t.Errorf("%s, %s of %s: %q", who, way.name, column, got)
			}
			show(t, conn, way.after)
		}
		for _, format := range []int16{0, 1} {
			if err := conn.PgConn().ExecParams(ctx, query, nil, nil, nil, []int16{format}).Read().Err; sqlstate(err) != "42501" {
				t.Errorf("%s, extended, of %s: %v", who, column, err)
			}
		}
		if _, err := conn.PgConn().Prepare(ctx, "shown", query, nil); err == nil { // what its rows are is no secret
			if err := conn.PgConn().ExecPrepared(ctx, "shown", nil, nil, nil).Read().Err; sqlstate(err) != "42501" {
				t.Errorf("%s, prepared, of %s: %v", who, column, err)
			}
			if err := conn.PgConn().Deallocate(ctx, "shown"); err != nil {
				t.Error(err)
			}
		} else if sqlstate(err) != "42501" {
			t.Errorf("%s, prepared, of %s: %v", who, column, err)
		}
	}
}
