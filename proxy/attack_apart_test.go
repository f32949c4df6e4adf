package proxy_test

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestAttackApart: the parts of a Query that is sent in two messages have a verdict each,
// a record each, and one end.
func TestAttackApart(t *testing.T) {
	s := attackStack(t)
	if err := s.Postgres.ExecIn(context.Background(), s.Database, `INSERT INTO other.patient (id, nir) VALUES (1, 'other nir'); GRANT ALL ON other.patient TO alice; GRANT USAGE ON SCHEMA other TO alice`); err != nil {
		t.Fatal(err)
	}
	read := `SELECT nir FROM lab.patient WHERE id = 1; `
	masked := `"1` + strings.Repeat("*", 14) + `"`
	for _, test := range []struct {
		name    string
		in      messages
		has     []string // in this order
		hasNot  string
		records int
	}{
		{"masked, then not", messages{query(`BEGIN; SET LOCAL ROLE secretary; ` + read + `SET LOCAL ROLE biologist; ` + read + `COMMIT`)}, []string{masked, nir1, "CommandComplete COMMIT", "ReadyForQuery I"}, "", 2},
		{"not, then masked", messages{query(`BEGIN; SET LOCAL ROLE biologist; ` + read + `SET LOCAL ROLE secretary; ` + read + `COMMIT`)}, []string{nir1, masked, "CommandComplete COMMIT", "ReadyForQuery I"}, "", 2},
		{"then denied", messages{query(`BEGIN; SET LOCAL ROLE biologist; ` + read + `SET LOCAL ROLE researcher; SELECT nir FROM lab.patient WHERE nir = '` + nir1 + `'; COMMIT`), query(`ROLLBACK`)}, []string{nir1, "ErrorResponse ERROR 42501", "ReadyForQuery E", "CommandComplete ROLLBACK", "ReadyForQuery I"}, "COMMIT", 1},
		{"denied first", messages{query(`BEGIN; SET LOCAL ROLE researcher; SELECT nir FROM lab.patient WHERE nir = '` + nir1 + `'; SET LOCAL ROLE biologist; ` + read + `COMMIT`), query(`ROLLBACK`)}, []string{"ErrorResponse ERROR 42501", "ReadyForQuery E", "CommandComplete ROLLBACK", "ReadyForQuery I"}, nir1, 0},
		{"undone by ROLLBACK TO", messages{query(`BEGIN; SET LOCAL ROLE secretary; SAVEPOINT a; SET LOCAL ROLE biologist; ` + read + `ROLLBACK TO a; ` + read + `ROLLBACK`)}, []string{nir1, masked, "CommandComplete ROLLBACK", "ReadyForQuery I"}, "", 2},
		{"the path leads elsewhere", messages{query(`BEGIN; SET LOCAL search_path TO other; SELECT nir FROM patient WHERE id = 1; SET LOCAL search_path TO lab; SELECT nir FROM patient WHERE nir = '` + nir1 + `'; SET LOCAL search_path TO other; INSERT INTO patient (id, nir) VALUES (2, 'in the open'); COMMIT`)}, []string{`"other nir"`, nir1, "INSERT 0 1", "ReadyForQuery I"}, "ErrorResponse", 1},
		{"what follows in one write", messages{query(`BEGIN; SET LOCAL ROLE biologist; ` + read + `SET LOCAL ROLE secretary; ` + read + `COMMIT`), query(`SELECT 41`), query(read), query(`SELECT 43`)}, []string{nir1, masked, "ReadyForQuery I", `"41"`, "ReadyForQuery I", nir1, "ReadyForQuery I", `"43"`, "ReadyForQuery I"}, "ErrorResponse", 3},
		{"an error in the first part", messages{query(`BEGIN; SET LOCAL ROLE biologist; SELECT 1/0; SET LOCAL ROLE secretary; ` + read), query(read), query(`ROLLBACK`)}, []string{"ErrorResponse ERROR 22012", "ReadyForQuery E", "ErrorResponse ERROR 25P02", "ReadyForQuery E", "CommandComplete ROLLBACK"}, "RowDescription", 0},
		{"messages without Sync before", messages{parse("", `SELECT 40`), bind("", ""), execute("", 0), query(`BEGIN; SET LOCAL ROLE secretary; ` + read + `COMMIT`)}, []string{`"40"`, masked, "CommandComplete COMMIT", "ReadyForQuery I"}, nir1, 1},
		{"timeout in the first part", messages{query(`BEGIN; SET LOCAL statement_timeout TO 50; SELECT pg_sleep(10); SET LOCAL ROLE biologist; ` + read + `COMMIT`), query(`ROLLBACK`)}, []string{"ErrorResponse ERROR 57014", "ReadyForQuery E", "CommandComplete ROLLBACK"}, nir1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := dialWire(t, s.DSN("alice"))
			before := strings.Count(auditText(t, s), `"kind":"intent"`)
			got := c.everything(test.in)
			rest := got
			for _, want := range test.has {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%s is not there in its order:\n%s", want, got)
				}
				rest = after
			}
			if test.hasNot != "" && strings.Contains(got, test.hasNot) || strings.Count(got, "ReadyForQuery") != strings.Count(strings.Join(test.has, " "), "ReadyForQuery") && test.name != "an error in the first part" && test.name != "timeout in the first part" {
				t.Errorf("got\n%s", got)
			}
			if records := strings.Count(auditText(t, s), `"kind":"intent"`) - before; records != test.records {
				t.Errorf("%d records, not %d:\n%s", records, test.records, got)
			}
			if got := c.everything(messages{query(`SELECT 42`)}); !strings.Contains(got, `"42"`) {
				t.Errorf("afterwards: %s", got)
			}
		})
	}
}

// TestAttackApartCancelled: a cancel, or the end of the client, in the first part leaves
// nothing of the second to run.
func TestAttackApartCancelled(t *testing.T) {
	s := attackStack(t)
	ctx := context.Background()
	in := messages{query(`BEGIN; SET LOCAL ROLE biologist; SELECT pg_sleep(60); SET LOCAL ROLE biologist; INSERT INTO lab.patient (id, nir) VALUES (700, 'never'); COMMIT`)}
	asleep := func(pid uint32) {
		t.Helper()
		admin, err := s.Postgres.Conn(ctx, s.Database)
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close(ctx)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			var is bool
			if err := admin.QueryRow(ctx, `SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`, pid).Scan(&is); err != nil || time.Now().After(deadline) {
				t.Fatalf("it does not sleep: %v", err)
			}
			if is {
				return
			}
		}
	}
	c := dialWire(t, s.DSN("alice"))
	ready := c.put(in)
	asleep(c.PID)
	if err := c.cancel(c.SecretKey); err != nil {
		t.Fatal(err)
	}
	if got := c.receive(ready); !strings.Contains(got, "57014") || !strings.HasSuffix(got, "ReadyForQuery E") {
		t.Errorf("cancelled:\n%s", got)
	}
	if got := c.exchange(query(`ROLLBACK`), query(`SELECT count(*) FROM lab.patient WHERE id = 700`)); !strings.Contains(got, `["0"]`) {
		t.Errorf("afterwards:\n%s", got)
	}
	gone := dialWire(t, s.DSN("alice"))
	gone.put(in)
	asleep(gone.PID)
	_ = gone.Conn.Close()
	if err := s.Postgres.ExecIn(ctx, s.Database, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`); err != nil {
		t.Fatal(err)
	}
	if got := c.exchange(query(`SELECT count(*) FROM lab.patient WHERE id = 700`)); !strings.Contains(got, `["0"]`) {
		t.Errorf("after the client was gone:\n%s", got)
	}
}
