package proxy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv/stack"
)

// oracleColumn is a tagged column of lab.patient, in which the two databases differ.
type oracleColumn struct {
	name, typ, mode string
	values          [2]string // of patient 3 in either database; "" is NULL
	other           string    // a value that neither holds
	mask            string    // shows the same of both values
	search          bool      // for the role finder: which rows are equal is the same in both
}

var oracleColumns = []oracleColumn{
	{"nir", "char(15)", "deterministic", [2]string{"170017500100101", "270017500100194"}, "188017500100101", "{fixed: x}", true},
	{"blood", "text", "deterministic", [2]string{"O", "AB"}, "B", "{fixed: x}", false}, // O is that of others, AB of nobody else
	{"email", "varchar(120)", "deterministic", [2]string{"", "durand@exemple.fr"}, "nobody@exemple.fr", "", false},
	{"last_name", "varchar(80)", "randomized", [2]string{"Durand", "Dubois"}, "Martin", "{keep_first: 2}", false},
	{"born", "date", "randomized", [2]string{"1970-05-17", "1970-11-30"}, "1980-01-01", "{truncate: year}", false},
	{"weight", "int4", "randomized", [2]string{"71", "74"}, "60", "{bucket: 10}", false},
	{"score", "numeric(6,2)", "randomized", [2]string{"1.25", "1.75"}, "3.00", "{fixed: 0}", false},
	{"smoker", "bool", "randomized", [2]string{"t", "f"}, "f", "{fixed: false}", false},
	{"active", "bool", "deterministic", [2]string{"t", "f"}, "f", "{fixed: true}", false},
	{"ref", "uuid", "deterministic", [2]string{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, "c0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", `{fixed: "00000000-0000-0000-0000-000000000000"}`, true},
	{"seen", "timestamptz", "randomized", [2]string{"2024-02-03 04:05:06+00", "2024-02-09 04:05:06+00"}, "2020-01-01 00:00:00+00", "{truncate: month}", false},
	{"chart", "jsonb", "randomized", [2]string{`{"ct": 21}`, `{"ct": 35}`}, `{"ct": 1}`, `{fixed: "{}"}`, false},
	{"photo", "bytea", "randomized", [2]string{`\xdeadbeef`, `\xfeedbeef`}, `\x00`, `{fixed: "\\x00"}`, false},
}

// The roles of the oracle test. None reads a value whole but the reader, the control.
const oracleRoles = "denied hidden masked finder keeper reader"

func oracleSchema() string {
	column := func(c oracleColumn) string {
		key, masked, finder := "medical", "hide", "hide"
		if c.mode == "deterministic" {
			key = "identity"
		}
		if c.mask != "" {
			masked = "{mask: " + c.mask + "}"
			finder = fmt.Sprintf("{mask: %s, search: %t}", c.mask, c.search)
		}
		domain := ""
		if c.name == "nir" {
			domain = ", domain: nir"
		}
		return fmt.Sprintf("          %s: {type: %q, encryption: %s, key: %s%s, access: {reader: {verdict: decrypt, search: true}, hidden: hide, keeper: hide, masked: %s, finder: %s}}\n",
			c.name, c.typ, c.mode, key, domain, masked, finder)
	}
	named := func(name string, like oracleColumn) string { like.name = name; return column(like) }
	file := strings.Replace(stack.SchemaHead, "profiles:\n  care:\n    biologist: {verdict: decrypt, search: true}\n", "", 1) + "      lab.patient:\n        columns:\n"
	for _, c := range oracleColumns {
		file += column(c)
	}
	nir, name := oracleColumns[0], oracleColumns[3]
	for _, table := range []string{"result", "visit", "once"} {
		file += "      lab." + table + ":\n        columns:\n" + column(nir)
		if table == "result" {
			file += named("outcome", name)
		}
	}
	for _, table := range []string{"parted", "slot", "told"} {
		file += "      lab." + table + ":\n        columns:\n" + named("name", name)
	}
	file += "      lab.bare:\n        columns:\n" + column(oracleColumns[1]) + column(oracleColumns[2])
	return file
}

var oracleTables = func() []string {
	columns := ""
	for _, c := range oracleColumns {
		columns += ", " + c.name + " bytea"
		if c.name == "nir" {
			columns += " UNIQUE"
		}
	}
	ddl := []string{
		`CREATE SCHEMA lab`,
		`CREATE TABLE lab.patient (id int PRIMARY KEY` + columns + `, city text NOT NULL, age int CHECK (age > 0))`,
		`CREATE TABLE lab.result (id int PRIMARY KEY, patient int REFERENCES lab.patient, nir bytea, outcome bytea, at int)`,
		`CREATE TABLE lab.visit (id int PRIMARY KEY, nir bytea REFERENCES lab.patient (nir))`,
		`CREATE TABLE lab.once (nir bytea UNIQUE)`,
		`CREATE TABLE lab.plain (id int PRIMARY KEY, note text)`,
		`CREATE TABLE lab.parted (id int, day date NOT NULL, name bytea) PARTITION BY RANGE (day)`,
		`CREATE TABLE lab.parted_2024 PARTITION OF lab.parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')`,
		`CREATE TABLE lab.slot (id int, during daterange, name bytea, EXCLUDE USING gist (during WITH &&))`,
		`CREATE TABLE lab.told (id int, age int, name bytea)`,
		`CREATE TABLE lab.bare (id int PRIMARY KEY, blood bytea, email bytea, note text, age int)`, // which no view or trigger is about
		`CREATE FUNCTION lab.tells() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF new.age = 4 THEN RAISE WARNING 'was %', old; END IF;
			IF new.age = 5 THEN RAISE EXCEPTION 'was %', old USING DETAIL = old::text, HINT = new::text; END IF;
			RETURN new; END $$`,
		`CREATE TRIGGER tells BEFORE UPDATE ON lab.told FOR EACH ROW EXECUTE FUNCTION lab.tells()`,
		`CREATE FUNCTION lab.refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$`,
		`CREATE FUNCTION lab.leak() RETURNS SETOF bytea LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT last_name FROM lab.pati' || 'ent'; END $$`,
		`CREATE FUNCTION lab.leak_name(int) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE 'SELECT last_name FROM lab.pati' || 'ent WHERE id = $1' INTO r USING $1; RETURN r; END $$`,
		`CREATE FUNCTION lab.count_names(text) RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE r bigint; BEGIN EXECUTE 'SELECT count(*) FROM lab.pati' || 'ent WHERE last_name = convert_to($1, ''UTF8'')' INTO r USING $1; RETURN r; END $$`,
		`CREATE FUNCTION lab.count_rows() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE r bigint; BEGIN EXECUTE 'SELECT count(*) FROM lab.pati' || 'ent' INTO r; RETURN r; END $$`,
		`CREATE VIEW lab.seen AS SELECT * FROM lab.patient`,
		`CREATE VIEW lab.same AS SELECT * FROM lab.patient WHERE city <> 'Brest' WITH CHECK OPTION`,
		`CREATE VIEW lab.paris AS SELECT id, city FROM lab.patient WHERE city <> 'Brest' WITH CHECK OPTION`,
		`CREATE SEQUENCE lab.one`, `CREATE SEQUENCE lab.two START 100`,
	}
	for _, role := range strings.Fields(oracleRoles) {
		ddl = append(ddl, fmt.Sprintf(`CREATE ROLE %s LOGIN PASSWORD '%s'`, role, stack.Password))
	}
	ddl = append(ddl, `GRANT ALL ON SCHEMA lab, public TO PUBLIC`, `GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`, `GRANT ALL ON ALL SEQUENCES IN SCHEMA lab TO PUBLIC`)
	for _, table := range strings.Fields("patient result visit once parted parted_2024 slot told bare seen same paris") {
		ddl = append(ddl, "ALTER TABLE lab."+table+" OWNER TO keeper")
	}
	return ddl
}()

// oracleFill gives what fills either database: the same rows, by the same steps, but for the values
// of patient 3.
func oracleFill(side int) []string {
	var names []string
	for _, c := range oracleColumns {
		names = append(names, c.name)
	}
	row := func(id int, value func(c oracleColumn) string) string {
		var values []string
		for _, c := range oracleColumns {
			values = append(values, value(c))
		}
		return fmt.Sprintf("INSERT INTO lab.patient (id, %s, city, age) VALUES (%d, %s, '%s', %d)", strings.Join(names, ", "), id, strings.Join(values, ", "), []string{"Paris", "Lyon"}[id%2], 20+id)
	}
	third := func(c oracleColumn) string {
		if c.values[side] == "" {
			return "NULL"
		}
		return "'" + c.values[side] + "'"
	}
	var all []string
	for id := 1; id <= 8; id++ {
		if id == 3 {
			all = append(all, row(id, third))
			continue
		}
		all = append(all, row(id, func(c oracleColumn) string {
			switch {
			case c.name == "nir":
				return fmt.Sprintf("'19001750010010%d'", id)
			case c.name == "ref":
				return fmt.Sprintf("'a0eebc99-9c0b-4ef8-bb6d-00000000000%d'", id)
			case c.name == "blood" && id > 1:
				return fmt.Sprintf("'A%d'", id)
			case c.name == "email":
				return fmt.Sprintf("'p%d@exemple.fr'", id)
			}
			return "'" + c.values[0] + "'"
		}))
	}
	nir, blood, email, name := third(oracleColumns[0]), third(oracleColumns[1]), third(oracleColumns[2]), third(oracleColumns[3])
	return append(all,
		`INSERT INTO lab.result (id, patient, nir, outcome, at) VALUES (1, 1, '190017500100101', 'Dupont', 10), (3, 3, `+nir+`, `+name+`, 30)`,
		`INSERT INTO lab.visit (id, nir) VALUES (1, '190017500100101'), (3, `+nir+`)`,
		`INSERT INTO lab.once (nir) VALUES (`+nir+`)`,
		`INSERT INTO lab.plain (id, note) VALUES (1, 'a'), (3, 'c')`,
		`INSERT INTO lab.parted (id, day, name) VALUES (3, '2024-02-03', `+name+`)`,
		`INSERT INTO lab.slot (id, during, name) VALUES (1, '[2024-01-01,2024-01-02)', 'Durand'), (3, '[2024-01-02,2024-01-05)', `+name+`)`,
		`INSERT INTO lab.bare (id, blood, email, note, age) VALUES (1, 'O', 'p1@exemple.fr', 'a', 1), (2, 'A', 'p2@exemple.fr', 'b', 2), (3, `+blood+`, `+email+`, 'c', 3)`,
		`INSERT INTO lab.told (id, age, name) VALUES (3, 1, `+name+`)`,
	)
}

// oracleTest is one line of the files in testdata/oracle for one column.
type oracleTest struct {
	name  string
	steps []oracleStep
	owner bool // by the owner of the tables alone
	apart bool // not in a transaction block
	line  int  // of the files
}

type oracleStep struct {
	sql, data string
	params    []string
}

// readOracleTests reads the files for a role: what it compares with is a value of the first
// database, or of none where it may search. The role hidden, from which nothing but values is kept, gets
// each line for a column of either mode and for the one that is NULL; the others for one of these each.
func readOracleTests(t *testing.T, role string) []oracleTest {
	t.Helper()
	files, err := filepath.Glob("testdata/oracle/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no tests", err)
	}
	of := map[string][]oracleColumn{}
	for _, c := range oracleColumns {
		if c.name != "email" {
			of[c.mode] = append(of[c.mode], c)
		}
	}
	var all []oracleTest
	lines := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			if strings.HasPrefix(line, "#") {
				continue
			}
			lines++
			columns := []oracleColumn{{}}
			if strings.Contains(line, "{c}") {
				columns = []oracleColumn{of["deterministic"][i%len(of["deterministic"])], of["randomized"][i%len(of["randomized"])], oracleColumns[2]}
				if role != "hidden" && role != "keeper" {
					columns = columns[(i+len(role))%3:][:1]
				}
			}
			for _, c := range columns {
				test := c.test(file, line, role)
				test.line = lines
				if test.owner == (role == "keeper") || role == "reader" {
					all = append(all, test)
				}
			}
		}
	}
	return all
}

func (c oracleColumn) test(file, line, role string) oracleTest {
	value := c.values[0]
	if value == "" || role == "finder" && c.search {
		value = c.other
	}
	raw := strings.NewReplacer("{c}", c.name, "{t}", c.typ, "{v}", value, "{raw}", strings.ReplaceAll(value, `\`, `\\`), "{long}", strings.Repeat("a long value ", 20_000), "{many}", strings.Repeat("1, ", 5_000)+"23")
	text := strings.NewReplacer("{v}", "'"+value+"'")
	test := oracleTest{name: filepath.Base(file) + ": " + strings.ReplaceAll(line, "{c}", c.name), owner: filepath.Base(file) == "owner.sql"}
	for _, part := range strings.Split(line, " ;; ") {
		words := strings.Split(part, " :: ")
		sql, data, _ := strings.Cut(words[0], " << ")
		step := oracleStep{sql: raw.Replace(text.Replace(sql)), data: raw.Replace(data)}
		for _, p := range words[1:] {
			step.params = append(step.params, raw.Replace(p))
		}
		test.steps = append(test.steps, step)
	}
	for _, word := range []string{"VACUUM", "LISTEN"} {
		test.apart = test.apart || strings.HasPrefix(line, word)
	}
	return test
}

// oracleClient is one role's session at one of the databases. It keeps what arrives, byte by byte.
type oracleClient struct {
	*pgconn.HijackedConn
	log  *os.File
	mine string // what its lines in the server's log have in common
	rest string // the beginning of a line of the log that is not all there
}

func dialOracle(t *testing.T, s *stack.Stack, role string) *oracleClient {
	t.Helper()
	conn, err := pgconn.Connect(context.Background(), s.DSN(role, "timezone=UTC"))
	if err != nil {
		t.Fatal(err)
	}
	pid := conn.PID()
	hijacked, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Open(s.Postgres.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hijacked.Conn.Close(); log.Close() })
	return &oracleClient{HijackedConn: hijacked, log: log, mine: fmt.Sprintf("[%d] %s@", pid, role)}
}

// The ways in which a statement is sent.
const (
	oracleSimple = iota
	oracleText
	oracleBinary
)

var oracleWays = [...]string{"simple", "extended, text", "extended, binary"}

// run runs a test in a transaction that it undoes. It gives what arrived, and what the server's log says
// that reached the server.
func (c *oracleClient) run(test oracleTest, way int) (arrived []byte, reached string, err error) {
	steps := test.steps
	if !test.apart {
		steps = append(append([]oracleStep{{sql: "BEGIN"}}, steps...), oracleStep{sql: "ROLLBACK"})
	}
	for _, step := range steps {
		frames, err := c.exchange(step.messages(way))
		arrived = append(arrived, frames...)
		if err != nil {
			return arrived, "", fmt.Errorf("%s: %w", step.sql, err)
		}
	}
	reached, err = c.logged()
	return arrived, reached, err
}

func (s oracleStep) messages(way int) (out []byte) {
	var in messages
	if way == oracleSimple && len(s.params) == 0 {
		in = messages{query(s.sql)}
	} else {
		b := bind("", "", s.params...)
		if way == oracleBinary {
			b.ResultFormatCodes = []int16{1}
		}
		in = messages{parse("", s.sql), describe('S', ""), b, describe('P', ""), execute("", 0)}
	}
	if s.data != "" {
		in = append(in, &pgproto3.CopyData{Data: []byte(s.data + "\n")}, &pgproto3.CopyDone{})
	}
	if len(in) > 1 && in[0] != nil {
		if _, simple := in[0].(*pgproto3.Query); !simple {
			in = append(in, sync_)
		}
	}
	for _, m := range in {
		out, _ = m.Encode(out)
	}
	return out
}

// exchange sends messages that one ReadyForQuery answers, and gives the frames that arrive, the
// number of a process in a notification apart.
func (c *oracleClient) exchange(out []byte) (frames []byte, err error) {
	_ = c.Conn.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := c.Conn.Write(out); err != nil {
		return nil, err
	}
	for {
		var header [5]byte
		if _, err := io.ReadFull(c.Conn, header[:]); err != nil {
			return frames, err
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(c.Conn, body); err != nil {
			return frames, err
		}
		if header[0] == 'A' {
			clear(body[:4])
		}
		frames = append(append(frames, header[:]...), body...)
		if header[0] == 'Z' {
			return frames, nil
		}
	}
}

var (
	logPrefix    = regexp.MustCompile(`^\S+ \S+ \S+ \[\d+\] \S+ `)
	sealedInText = regexp.MustCompile(`\\x[0-9a-f]{32,}`)
)

// logged gives what the server has logged of this session since the last call, with the length in the place
// of sealed values.
func (c *oracleClient) logged() (string, error) {
	more, err := io.ReadAll(c.log)
	if err != nil {
		return "", err
	}
	all := c.rest + string(more)
	end := strings.LastIndexByte(all, '\n') + 1
	c.rest = all[end:]
	var out strings.Builder
	mine := false
	for _, line := range strings.SplitAfter(all[:end], "\n") {
		if !strings.HasPrefix(line, "\t") {
			mine = strings.Contains(line, c.mine)
		}
		if mine && !strings.HasPrefix(line, "\t") { // what the server says of a row is its own
			text := logPrefix.ReplaceAllString(line, "")
			mine = strings.HasPrefix(text, "LOG:") || strings.HasPrefix(text, "DETAIL:  parameters:")
		}
		if mine {
			out.WriteString(sealedInText.ReplaceAllStringFunc(logPrefix.ReplaceAllString(line, ""), func(s string) string { return fmt.Sprintf(`\x(%d)`, len(s)) }))
		}
	}
	return out.String(), nil
}

// refusedAlone reports whether frames say that pgveil refused a statement.
func refusedAlone(frames []byte) bool {
	return bytes.Contains(frames, []byte("C0A000\x00")) || bytes.Contains(frames, []byte("C42501\x00Mpermission denied: role"))
}

// readable shows frames for the message of a failed test.
func readable(frames []byte) string {
	var out strings.Builder
	for len(frames) >= 5 {
		n := binary.BigEndian.Uint32(frames[1:5]) + 1
		fmt.Fprintf(&out, "  %c %.600q\n", frames[0], frames[5:n])
		frames = frames[n:]
	}
	return out.String()
}
