package drivers

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// secrets are what the dumped database holds in its tagged columns.
var secrets = []string{"185057800608436", "Zéphyrine", "1942-03-05", "anne@exemple.fr"}

// dumped are the rows that are dumped, with quotes, newlines and NULLs.
var dumped = []string{
	`INSERT INTO lab.patient (id, nir, email, last_name, birth_date, city) VALUES (1, '185057800608436', 'anne@exemple.fr', 'Zéphyrine', '1942-03-05', 'Paris'), (2, NULL, NULL, '', NULL, NULL)`,
	`INSERT INTO lab.result (id, patient, nir, outcome, document) VALUES (1, 1, '185057800608436', 'a''b\c', '{"a": ["Zéphyrine", 1.50]}')`,
	`INSERT INTO lab.every (id, plain, r_text, d_text, r_char, r_int2, d_int8, r_numeric, r_real, r_bool, d_date, r_timestamp, r_timestamptz, d_uuid, r_bytea) VALUES
		(1, 'x', E'Zéphyrine\n\t\\.', 'Zéphyrine', 'abc', -7, 9000000000, 1.5, 0.1, true, '1942-03-05', '2024-05-06 07:08:09.5', '2024-05-06 07:08:09+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\x00ff')`,
	`INSERT INTO lab.plain VALUES (1, 'not sealed', NULL)`,
}

// run runs one of PostgreSQL's programs as a client of a server or of pgveil.
func run(t *testing.T, port int, user, name string, args ...string) []byte {
	t.Helper()
	program, err := testenv.ClientProgram(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(side{port: port}.environ(), "PGUSER="+user)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, said.Bytes())
	}
	return out.Bytes()
}

// changing is what differs from one dump of the same database to another.
var changing = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`)

func dump(t *testing.T, port int, args ...string) []byte {
	t.Helper()
	return changing.ReplaceAll(run(t, port, role, "pg_dump", append([]string{"-O", "-x"}, args...)...), nil)
}

// empty makes the database of a stack one without tables, in which role may create.
func empty(t *testing.T, s *stack.Stack) {
	t.Helper()
	for _, sql := range []string{`DROP SCHEMA lab CASCADE`, `DROP SCHEMA other CASCADE`, `GRANT CREATE ON DATABASE ` + stack.Database + ` TO ` + role} {
		if err := s.Postgres.ExecIn(context.Background(), stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDump dumps a tagged database through pgveil, restores it through pgveil into an
// empty one, and dumps that: the same. What a dump beside pgveil yields is sealed, and
// is a working tagged database once it is restored.
func TestDump(t *testing.T) {
	testenv.Require(t, testenv.PartPostgres, testenv.PartPsql)
	ctx := context.Background()
	from, to := stack.Start(t, stack.Options{}), stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	conn := from.Connect(t, role)
	for _, sql := range dumped {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	want := dump(t, from.Port)
	for _, secret := range secrets {
		if !bytes.Contains(want, []byte(secret)) {
			t.Errorf("the dump through pgveil lacks %s:\n%s", secret, want)
		}
	}
	file := filepath.Join(t.TempDir(), "dump")
	for _, c := range []struct {
		name    string
		options []string
		restore []string
	}{
		{"plain", nil, []string{"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file}},
		{"custom", []string{"-Fc"}, []string{"pg_restore", "-e", "-O", "-x", "-d", stack.Database, file}},
		{"inserts in one transaction", []string{"--inserts"}, []string{"psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", file}},
	} {
		t.Run(c.name, func(t *testing.T) {
			empty(t, to)
			dump(t, from.Port, append(c.options, "-f", file)...)
			run(t, to.Port, role, c.restore[0], c.restore[1:]...)
			if got := dump(t, to.Port); !bytes.Equal(got, want) {
				t.Errorf("restored, it is dumped as\n%s\nfrom\n%s", got, want)
			}
		})
	}
	to.Postgres.NoPlaintext(t, stack.Database, secrets...)
	// Beside pgveil.
	run(t, from.Postgres.Port(), role, "pg_dump", "-O", "-x", "-f", file)
	sealed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if bytes.Contains(sealed, []byte(secret)) || bytes.Contains(sealed, []byte(hex.EncodeToString([]byte(secret)))) {
			t.Errorf("%s is in the dump beside pgveil", secret)
		}
	}
	empty(t, from)
	run(t, from.Postgres.Port(), role, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file)
	if err := from.Server.Check(ctx); err != nil {
		t.Errorf("the restored database: %v", err)
	}
	if got := dump(t, from.Port); !bytes.Equal(got, want) {
		t.Errorf("restored beside pgveil, it is dumped as\n%s\nfrom\n%s", got, want)
	}
}
