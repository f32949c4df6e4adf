package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/testenv/stack"
)

// canarySchema is subjectSchema with canaries, if any, as lines of the database.
func canarySchema(canaries string) string {
	return strings.Replace(subjectSchema(), "databases:\n  laboratory:\n", "databases:\n  laboratory:\n"+canaries, 1)
}

// startCanary starts a stack in which the first of the two patients is a canary.
func startCanary(t *testing.T, rule string) *stack.Stack {
	t.Helper()
	s := stack.Start(t, stack.Options{Schema: subjectSchema()})
	fill(t, s)
	s.Reload(t, canarySchema(fmt.Sprintf("    canaries: {ward-3: {tags: [%q]%s}}\n", canaryTag(t, s, s.Subjects), rule)))
	return s
}

func canaryTag(t *testing.T, s *stack.Stack, key *audit.TagKey) string {
	t.Helper()
	tag, err := proxy.SubjectTag(key, s.File.Databases["laboratory"].Subjects()[0], nir1)
	if err != nil {
		t.Fatal(err)
	}
	return tag.String()
}

// raised tells how many alerts of canaries there were so far.
func raised(s *stack.Stack) uint64 { return s.Server.Stats().Alerts.Raised[alert.Canary] }

// TestCanary: every way in which values of a canary are opened is told, and no other row.
func TestCanary(t *testing.T) {
	s := startCanary(t, "")
	ctx := t.Context()
	conn := s.Connect(t, "biologist")
	secretary := s.Connect(t, "secretary") // who sees the number masked
	if _, err := conn.Prepare(ctx, "prepared", `SELECT last_name FROM lab.patient WHERE id = $1`); err != nil {
		t.Fatal(err)
	}
	must(t, conn, `BEGIN`, `DECLARE c CURSOR FOR SELECT last_name, nir FROM lab.patient WHERE id = 1`)
	copyOut := func(sql string) func() {
		return func() {
			if _, err := conn.PgConn().CopyTo(ctx, &bytes.Buffer{}, sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask := func(conn *pgx.Conn, sql string, args ...any) func() {
		return func() {
			if got := asked(conn, sql, args...); strings.Contains(got, "42") && len(got) == 5 {
				t.Errorf("%s: %s", sql, got)
			}
		}
	}
	simple, binary := pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement
	for name, c := range map[string]struct {
		run  func()
		want bool
	}{
		"simple":            {ask(conn, `SELECT nir, last_name FROM lab.patient`, simple), true},
		"extended":          {ask(conn, `SELECT nir, last_name FROM lab.patient`, binary), true},
		"subject not shown": {ask(conn, `SELECT last_name FROM lab.patient WHERE id = 1`, simple), true},
		"prepared":          {ask(conn, "prepared", 1), true},
		"cursor":            {ask(conn, `FETCH c`, simple), true},
		"view":              {ask(conn, `SELECT last_name FROM lab.positive`, simple), true},
		"join":              {ask(conn, `SELECT r.outcome FROM lab.patient p JOIN lab.result r ON r.patient = p.id WHERE p.id = 1`, simple), true},
		"masked":            {ask(secretary, `SELECT nir FROM lab.patient WHERE id = 1`, simple), true},
		"RETURNING":         {ask(conn, `UPDATE lab.patient SET city = 'Nice' WHERE id = 1 RETURNING last_name`, simple), true},
		"JSON":              {ask(conn, `SELECT json_agg(p) FROM (SELECT nir, last_name FROM lab.patient) p`, simple), true},
		"array":             {ask(conn, `SELECT array_agg(nir) FROM lab.patient`, simple), true},
		"COPY":              {copyOut(`COPY lab.patient TO STDOUT`), true},
		"COPY of a query":   {copyOut(`COPY (SELECT last_name, nir FROM lab.patient WHERE id = 1) TO STDOUT`), true},
		"searched":          {ask(conn, `SELECT id FROM lab.patient WHERE nir = '`+nir1+`'`, simple), true},
		"searched by bind":  {ask(conn, `SELECT id FROM lab.patient WHERE nir = $1`, binary, nir1), true},

		"another":              {ask(conn, `SELECT nir, last_name FROM lab.patient WHERE id = 2`, simple), false},
		"another by search":    {ask(conn, `SELECT last_name FROM lab.patient WHERE nir = $1`, binary, nir2), false},
		"another prepared":     {ask(conn, "prepared", 2), false},
		"nothing opened":       {ask(conn, `SELECT id, city FROM lab.patient`, simple), false},
		"nothing of it opened": {ask(conn, `SELECT id FROM lab.patient WHERE nir IS NOT NULL`, simple), false},
	} {
		before := raised(s)
		c.run()
		if told := raised(s) > before; told != c.want {
			t.Errorf("%s: told is %v", name, told)
		}
	}
	must(t, conn, `COMMIT`)
	// Its number in the DETAIL of an error.
	before := raised(s)
	_, err := conn.Exec(ctx, `INSERT INTO lab.patient (id, nir) SELECT 9, nir FROM lab.patient WHERE id = 1`)
	var e *pgconn.PgError
	if !errors.As(err, &e) || !strings.Contains(e.Detail, nir1) || raised(s) == before {
		t.Errorf("%v, %d", err, raised(s)-before)
	}
	texts := strings.Join(alertsOf(t, s, 3, "canary"), "\n") // a search and an opening are told apart, each once
	for _, want := range []string{"biologist canary canary ward-3 is searched, by lab.patient.nir", "biologist canary values of canary ward-3 are opened, by lab.patient.nir", "secretary canary values of canary ward-3 are opened, by lab.patient.nir"} {
		if !strings.Contains(texts, want) {
			t.Errorf("no %q: %s", want, texts)
		}
	}
	if strings.Contains(auditText(t, s), nir1) {
		t.Error("the number is in the log")
	}
}

// TestCanaryStops: before anything of the canary leaves, the session is over; other sessions go on.
func TestCanaryStops(t *testing.T) {
	s := startCanary(t, ", stop: true")
	ctx := t.Context()
	bystander := s.Connect(t, "biologist")
	stopped := func(name string, run func(conn *pgx.Conn) (string, error)) {
		t.Helper()
		conn := s.Connect(t, "biologist")
		got, err := run(conn)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "42501" || e.Severity != "FATAL" || strings.Contains(e.Message+e.Detail+e.Hint, "canary") {
			t.Errorf("%s: %v", name, err)
		}
		for _, secret := range []string{"Lefèvre", nir1, "1985-05-17"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: the client has %q", name, got)
			}
		}
		if conn.Ping(ctx) == nil {
			t.Errorf("%s: the session goes on", name)
		}
	}
	query := func(sql string, args ...any) func(conn *pgx.Conn) (string, error) {
		return func(conn *pgx.Conn) (string, error) {
			rows, err := conn.Query(ctx, sql, args...)
			if err != nil {
				return "", err
			}
			var got []string
			for rows.Next() {
				got = append(got, fmt.Sprintf("%q", rows.RawValues()))
			}
			return strings.Join(got, " "), rows.Err()
		}
	}
	simple := pgx.QueryExecModeSimpleProtocol
	stopped("simple", query(`SELECT last_name, birth_date, nir FROM lab.patient ORDER BY id DESC`, simple))
	stopped("extended", query(`SELECT last_name, birth_date, nir FROM lab.patient ORDER BY id DESC`))
	stopped("subject not shown", query(`SELECT last_name FROM lab.patient`))
	stopped("join", query(`SELECT p.last_name, r.outcome FROM lab.patient p JOIN lab.result r ON r.patient = p.id`))
	stopped("JSON", query(`SELECT json_agg(p) FROM (SELECT last_name, nir FROM lab.patient) p`, simple))
	stopped("searched and opened", query(`SELECT last_name FROM lab.patient WHERE nir = $1`, nir1))
	stopped("COPY", func(conn *pgx.Conn) (string, error) {
		var out bytes.Buffer
		_, err := conn.PgConn().CopyTo(ctx, &out, `COPY lab.patient TO STDOUT`)
		return out.String(), err
	})
	stopped("cursor in a transaction", func(conn *pgx.Conn) (string, error) {
		must(t, conn, `BEGIN`, `UPDATE lab.patient SET city = 'gone' WHERE id = 2`, `DECLARE c CURSOR FOR SELECT last_name, nir FROM lab.patient ORDER BY id DESC`)
		return query(`FETCH ALL FROM c`, simple)(conn)
	})
	stopped("pipeline", func(conn *pgx.Conn) (string, error) {
		batch := &pgx.Batch{}
		batch.Queue(`SELECT last_name FROM lab.patient WHERE id = 2`)
		batch.Queue(`SELECT last_name FROM lab.patient WHERE id = 1`)
		batch.Queue(`SELECT birth_date FROM lab.patient WHERE id = 1`)
		results := conn.SendBatch(ctx, batch)
		defer results.Close()
		var name string
		if err := results.QueryRow().Scan(&name); err != nil || name != "Bernard" {
			t.Errorf("%s, %v", name, err)
		}
		return name, results.QueryRow().Scan(&name)
	})
	if got := asked(bystander, `SELECT city FROM lab.patient WHERE id = 2`); got != "Lyon" {
		t.Errorf("what the stopped transaction did: %s", got)
	}
	if got := asked(bystander, `SELECT last_name FROM lab.patient WHERE id = 2`); got != "Bernard" {
		t.Error(got)
	}
	// An error does not quote its number.
	_, err := bystander.Exec(ctx, `INSERT INTO lab.patient (id, nir) SELECT 9, nir FROM lab.patient WHERE id = 1`)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "23505" || strings.Contains(e.Detail, nir1) {
		t.Errorf("%v", err)
	}
	if text := auditText(t, s); !strings.Contains(text, `"ended":"42501"`) {
		t.Error(text)
	}
}

// TestCanaryReloaded: what the schema file says of canaries holds for open sessions once it is read again.
func TestCanaryReloaded(t *testing.T) {
	s := startCanary(t, "")
	conn := s.Connect(t, "biologist")
	read := func() bool {
		before := raised(s)
		asked(conn, readName)
		return raised(s) > before
	}
	if !read() {
		t.Error("not told")
	}
	s.Reload(t, subjectSchema())
	if read() {
		t.Error("told of what is no canary any more")
	}
}

// TestCanaryOfOlderKey: an entry that was made before the key of tags was rotated counts.
func TestCanaryOfOlderKey(t *testing.T) {
	var mac, next *keys.MAC
	for _, m := range []**keys.MAC{&mac, &next} {
		store, err := keys.CreateInsecureLocal(filepath.Join(t.TempDir(), "insecure-keys"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Create(context.Background(), "tags", keys.TypeMAC); err != nil {
			t.Fatal(err)
		}
		ring, err := store.Open(context.Background(), "tags")
		if err != nil {
			t.Fatal(err)
		}
		if *m, err = ring.MAC(); err != nil {
			t.Fatal(err)
		}
	}
	before, err := audit.NewTagKey(mac)
	if err != nil {
		t.Fatal(err)
	}
	after, err := audit.NewTagKey(next, mac, next)
	if err != nil {
		t.Fatal(err)
	}
	s := stack.Start(t, stack.Options{Schema: subjectSchema(), Change: func(c *proxy.Config) { c.Subjects = after }})
	fill(t, s)
	conn := s.Connect(t, "biologist")
	for _, key := range []*audit.TagKey{before, after} {
		s.Reload(t, canarySchema(fmt.Sprintf("    canaries: {ward-3: {tags: [%q]}}\n", canaryTag(t, s, key))))
		told := raised(s)
		asked(conn, readName)
		if raised(s) == told {
			t.Error("not told")
		}
		told = raised(s)
		asked(conn, `SELECT id FROM lab.patient WHERE nir = $1`, nir1)
		if raised(s) == told {
			t.Error("a search is not told")
		}
	}
}
