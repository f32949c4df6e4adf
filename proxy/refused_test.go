package proxy_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// refused are statements that pgveil must not let reach the server: %s stands for a
// secret. The ways in which other proxies have been passed are among them.
var refused = []string{
	// What cannot be done on ciphertext.
	`SELECT id FROM lab.patient WHERE last_name = '%s'`,
	`SELECT id FROM lab.patient WHERE last_name LIKE '%s'`,
	`SELECT id FROM lab.patient WHERE nir LIKE '%s'`,
	`SELECT id FROM lab.patient WHERE nir > '%s'`,
	`SELECT id FROM lab.patient WHERE nir BETWEEN '%s' AND 'z'`,
	`SELECT id FROM lab.patient WHERE nir || 'x' = '%s'`,
	`SELECT id FROM lab.patient WHERE upper(nir) = '%s'`,
	`SELECT id FROM lab.patient WHERE nir ~ '%s'`,
	`SELECT id FROM lab.patient WHERE nir = initcap('%s')`,
	`SELECT id FROM lab.patient WHERE nir = (SELECT '%s')`,
	`SELECT id FROM lab.patient WHERE nir IN (SELECT '%s' UNION SELECT 'x')`,
	`SELECT id FROM lab.patient WHERE nir IN (VALUES ('%s'), (clock_timestamp()::text))`,
	`SELECT id FROM lab.patient p WHERE p = ROW(1, '%s', NULL, NULL, NULL, NULL)`,
	`SELECT id, '%s' FROM lab.patient ORDER BY last_name`,
	`SELECT DISTINCT last_name, '%s' FROM lab.patient`,
	`SELECT count(DISTINCT last_name), '%s' FROM lab.patient`,
	`SELECT max(nir), '%s' FROM lab.patient`,
	`SELECT upper(row_to_json(p)::text), '%s' FROM lab.patient p`,
	`SELECT p, '%s' FROM lab.patient p`,
	`SELECT p.*::text, '%s' FROM lab.patient p`,
	`SELECT last_name::int, '%s' FROM lab.patient`,
	`SELECT nir FROM lab.patient UNION SELECT '%s'`,
	`SELECT id FROM lab.patient p JOIN lab.plain q ON p.nir = q.nir AND q.note = '%s'`,
	`SELECT id FROM lab.patient p JOIN lab.result r ON p.email = r.nir WHERE r.nir = '%s'`,
	// What slipped past other proxies.
	`SELECT 1; INSERT INTO lab.patient SELECT 10, initcap('%s')`,
	`WITH x AS (SELECT '%s' AS n) INSERT INTO lab.patient (id, last_name, city) SELECT 10, n, n FROM x`,
	`INSERT INTO lab.patient (id, last_name) SELECT 10, n || 'x' FROM (SELECT '%s' AS n) x`,
	`INSERT INTO lab.patient (id, last_name) VALUES (10, initcap('%s'))`,
	`INSERT INTO lab.patient (id, last_name) VALUES (10, repeat('a', 3) || '%s')`,
	`INSERT INTO lab.patient (id, last_name) VALUES (10, (SELECT initcap('%s')))`,
	`INSERT INTO lab.patient (id, last_name) VALUES (10, coalesce(clock_timestamp()::text, '%s'))`,
	`INSERT INTO lab.patient VALUES (1, NULL) ON CONFLICT (id) DO UPDATE SET last_name = excluded.city || '%s'`,
	`INSERT INTO lab.patient AS p VALUES (1, NULL) ON CONFLICT (id) DO UPDATE SET last_name = p.city WHERE p.nir = '%s'`,
	`MERGE INTO lab.patient USING (VALUES (10, '%s')) v (id, n) ON patient.id = v.id WHEN NOT MATCHED THEN INSERT (id, last_name) VALUES (v.id, v.n || 'x')`,
	`DO $$ BEGIN INSERT INTO lab.patient (id, last_name) VALUES (10, '%s'); END $$`,
	`COPY lab.patient (id, last_name) TO PROGRAM 'cat > /dev/null' WITH (NULL '%s')`,
	`COPY (SELECT upper(last_name), '%s' FROM lab.patient) TO STDOUT`,
	`UPDATE lab.patient SET last_name = first || '%s' FROM (SELECT 'x' AS first) q`,
	`UPDATE lab.patient SET last_name = city || '%s'`,
	`UPDATE lab.patient SET (city, last_name) = ('x', initcap('%s'))`,
	`UPDATE lab.patient SET (city, last_name) = (SELECT 'x', city || '%s')`,
	`UPDATE lab.patient SET last_name = email WHERE city = '%s'`,
	`UPDATE lab.plain SET note = '%s' FROM lab.patient p WHERE p.last_name = note`,
	`UPDATE lab.plain SET note = (SELECT last_name FROM lab.patient WHERE city = '%s')`,
	`INSERT INTO lab.plain (id, note) SELECT 10, last_name FROM lab.patient WHERE city <> '%s'`,
	`CREATE TABLE lab.copied AS SELECT last_name, '%s' AS x FROM lab.patient`,
	`SELECT last_name, '%s' AS x INTO lab.copied FROM lab.patient`,
	`CREATE VIEW lab.seen AS SELECT upper(last_name), '%s' AS x FROM lab.patient`,
	`CREATE VIEW lab.seen AS SELECT id FROM lab.patient WHERE last_name = '%s'`,
	`CREATE FUNCTION lab.f() RETURNS text LANGUAGE sql AS $$ SELECT '%s' FROM lab.patient $$`,
	`PREPARE p AS SELECT id FROM lab.patient WHERE last_name = '%s'`,
	`DECLARE c CURSOR FOR SELECT id FROM lab.patient WHERE last_name = '%s'`,
	`ALTER TABLE lab.patient ADD CONSTRAINT c CHECK (last_name <> '%s')`,
	`ALTER TABLE lab.patient ALTER COLUMN last_name SET DEFAULT (SELECT '%s')`,
	`CREATE INDEX ON lab.patient (id) WHERE last_name = '%s'`,
	`CREATE TRIGGER t BEFORE UPDATE ON lab.patient FOR EACH ROW WHEN (NEW.last_name > '%s') EXECUTE FUNCTION f()`,
	`CREATE POLICY p ON lab.patient USING (last_name = '%s')`,
	`SET search_path TO other; INSERT INTO patient (id, nir) VALUES (1, '%s')`,
	`SET ROLE secretary; SELECT last_name, '%s' FROM lab.patient`,
	`SELECT query_to_xml('SELECT last_name FROM lab.patient WHERE city = ''%s''', true, true, '')`,
	`SELECT U&"l\0061st_name", '%s' FROM lab.patient`,
	`INSERT INTO lab.patient (id, last_name) VALUES (10, U&'%s\00')`,
	`SELECT last_name FROM lab.patient WHERE city = '%s`,
	`SELECT last_name, '%s' FROM lab.patient WHERE`,
	`TABLE lab.patient ORDER BY '%s', last_name`,
	`SELECT '%s' FROM lab.patient WHERE last_name IS NOT DISTINCT FROM city`,
	`SELECT '%s', max(nir) OVER (ORDER BY id) FROM lab.patient`,
	`SELECT '%s' FROM lab.patient GROUP BY last_name`,
	`SELECT '%s', last_name FROM lab.patient ORDER BY 2`,
	`DELETE FROM lab.patient WHERE last_name = '%s'`,
}

// TestRefused: each is refused with an error that helps, in both protocols, and
// nothing of it reaches the server, which logs every statement it gets.
func TestRefused(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	fill(t, s)
	conn := s.Connect(t, "biologist")
	const secret = "Quasimodo-Esmeralda"
	codes := map[string]bool{"0A000": true, "42601": true, "42703": true, "54001": true, "42804": true}
	for _, form := range refused {
		sql := strings.ReplaceAll(form, "%s", secret)
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			_, err := conn.Exec(ctx, sql, mode)
			var e *pgconn.PgError
			switch {
			case !errors.As(err, &e):
				t.Errorf("%v: %s: not refused: %v", mode, sql, err)
			case !codes[e.Code]:
				t.Errorf("%v: %s: %s %s", mode, sql, e.Code, e.Message)
			case e.Code == "0A000" && e.Hint == "":
				t.Errorf("%v: %s: no hint beside %q", mode, sql, e.Message)
			case e.Code != "42601" && strings.Contains(e.Message+e.Detail+e.Hint, secret): // a syntax error quotes the text, as the server's does
				t.Errorf("%v: %s: the error holds the value", mode, sql)
			}
			if status := conn.PgConn().TxStatus(); status != 'I' {
				t.Fatalf("%v: %s: transaction status %c", mode, sql, status)
			}
		}
	}
	if got := show(t, conn, `SELECT count(*) FROM lab.patient`); got != "2" {
		t.Errorf("%s patients, want 2", got)
	}
	log, err := os.ReadFile(s.Postgres.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), secret) {
		for _, line := range strings.Split(string(log), "\n") {
			if strings.Contains(line, secret) {
				t.Errorf("reached the server: %s", line)
			}
		}
	}
	if !strings.Contains(string(log), "pgveil refused a statement") {
		t.Error("the server's log does not say that pgveil refused: is it the right log?")
	}
}

// hostile texts of about 1 MB each must neither crash nor stall the process.
func hostile() map[string]string {
	const size = 1 << 20
	return map[string]string{
		"nested parentheses": `SELECT last_name, ` + strings.Repeat("(", size/2) + "1" + strings.Repeat(")", size/2) + ` FROM lab.patient`,
		"1+1+…":              `SELECT last_name, ` + strings.Repeat("1+", size/2) + `1 FROM lab.patient`,
		"NOT NOT …":          `SELECT last_name FROM lab.patient WHERE ` + strings.Repeat("NOT ", size/4) + `true`,
		"nested subqueries":  `SELECT last_name FROM ` + strings.Repeat("(SELECT * FROM ", size/15) + `lab.patient` + strings.Repeat(") x", size/15),
		"IN list":            `SELECT id FROM lab.patient WHERE nir IN ('1'` + strings.Repeat(", '185057800608436'", 100_000) + `)`,
		"joins":              `SELECT last_name FROM lab.patient` + strings.Repeat(" CROSS JOIN lab.plain", size/21),
		"unions":             `SELECT last_name FROM lab.patient` + strings.Repeat(" UNION ALL SELECT NULL", size/22),
		"casts":              `SELECT id FROM lab.patient WHERE nir = 'x'` + strings.Repeat("::text", size/6),
		"semicolons":         `SELECT id FROM lab.patient` + strings.Repeat(";", size),
		"statements":         strings.Repeat("SELECT id FROM lab.patient;", size/27),
		"rows":               `INSERT INTO lab.patient (id, nir) VALUES (100, '1')` + strings.Repeat(", (1, 'x')", size/10),
		"ANDs":               `SELECT id FROM lab.patient WHERE true` + strings.Repeat(" AND nir <> 'x'", size/15),
		"open comment":       `SELECT last_name FROM lab.patient ` + strings.Repeat("/*", size/2),
		"brackets":           `SELECT last_name, ARRAY` + strings.Repeat("[", size) + ` FROM lab.patient`,
		"CASE":               `SELECT last_name, ` + strings.Repeat("CASE WHEN ", size/10) + ` FROM lab.patient`,
		"operators":          `SELECT last_name FROM lab.patient WHERE id = ` + strings.Repeat("+", size) + `1`,
		"one long name":      `SELECT last_name AS ` + strings.Repeat("a", size) + ` FROM lab.patient`,
		"zero bytes of SQL":  `SELECT last_name FROM lab.patient WHERE city = $$` + strings.Repeat("\n", size) + `$$`,
	}
}

// TestHostileTexts: while they are sent, another connection goes on working.
func TestHostileTexts(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	other := s.Connect(t, "biologist")
	stop, worked := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				worked <- n
				return
			default:
			}
			if rows, err := other.Query(ctx, `SELECT nir FROM lab.patient WHERE id = 1`); err == nil {
				for rows.Next() {
					n++
				}
			}
		}
	}()
	for name, sql := range hostile() {
		conn := s.Connect(t, "biologist")
		began := time.Now()
		results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		var e *pgconn.PgError
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s: %d results, %v, %v", name, len(results), err, time.Since(began).Round(time.Millisecond))
		if got := show(t, conn, `SELECT nir FROM lab.patient WHERE id = 1`); got != nir1 {
			t.Errorf("%s: afterwards %q", name, got)
		}
	}
	close(stop)
	if n := <-worked; n < 10 {
		t.Errorf("the other connection only read %d rows meanwhile", n)
	}
}

// TestStatisticsRefused: who asks for the samples that ANALYZE keeps is told why not.
func TestStatisticsRefused(t *testing.T) {
	conn := stack.Start(t, stack.Options{}).Connect(t, "biologist")
	for _, sql := range []string{`SELECT * FROM pg_stats`, `SELECT starelid FROM pg_catalog.pg_statistic`} {
		_, err := conn.Exec(context.Background(), sql)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "0A000" || !strings.HasSuffix(e.Message, `"pg_catalog.pg_statistic": ANALYZE keeps samples of sealed columns in it`) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
