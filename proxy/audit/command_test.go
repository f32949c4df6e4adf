package audit

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"
)

func sampleCommand(name string) *Command {
	return &Command{
		Command: name, Keys: []string{"medical", "billing"}, ID: 4275108073, User: "officer", UID: 1000, Host: "desk", PID: 42,
		Store: "https://vault.example:8200 secret/pgveil/keys", Token: Token{Name: "approle", Accessor: "a", Entity: "e", Role: "r"},
	}
}

// TestCommand: a command's record is written by one Open of the log and its outcome by
// another, between which others write.
func TestCommand(t *testing.T) {
	dir := logDir(t)
	begin := func(name string) uint64 {
		t.Helper()
		l := mustOpen(t, options(dir))
		i := l.BeginCommand(sampleCommand(name))
		if err := i.Wait(); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
		return i.Seq()
	}
	first, second := begin("keys retire"), begin("keys rotate")
	if r := verify(t, dir); len(r.Unfinished) != 2 || r.Unfinished[0].Command != "keys retire" || r.Unfinished[0].User != "officer" || r.Unfinished[0].Seq != first {
		t.Errorf("%+v", r.Unfinished)
	}
	l := mustOpen(t, options(dir))
	l.Begun(first).EndCommand(CommandOutcome{
		Changes:  []KeyChange{{Key: "medical", ID: 4275108073, Change: "retired"}, {Key: "billing", Change: "destroyed"}},
		Duration: 1500 * time.Microsecond, Ended: "ok",
	})
	mustClose(t, l)
	r := verify(t, dir)
	wantOK(t, r)
	if r.Kinds["command"] != 2 || r.Kinds["outcome"] != 1 || len(r.Unfinished) != 1 || r.Unfinished[0].Seq != second {
		t.Errorf("%+v", r)
	}
	const command = `"kind":"command","command":"keys retire","keys":["medical","billing"],"id":4275108073,"user":"officer","uid":1000,` +
		`"host":"desk","pid":42,"store":"https://vault.example:8200 secret/pgveil/keys","token":"approle","token_accessor":"a",` +
		`"token_entity":"e","token_role":"r","mac":"`
	if lines := readLines(t, filepath.Join(dir, "pgveil-000001.jsonl")); !bytes.Contains(lines[2], []byte(command)) {
		t.Errorf("command is %s", lines[2])
	}
	const outcome = `"kind":"outcome","intent":3,"changes":[{"key":"medical","id":4275108073,"change":"retired"},{"key":"billing","id":0,"change":"destroyed"}],` +
		`"duration_us":1500,"ended":"ok","mac":"`
	if lines := readLines(t, filepath.Join(dir, "pgveil-000003.jsonl")); !bytes.Contains(lines[2], []byte(outcome)) {
		t.Errorf("outcome is %s", lines[2])
	}

	// Who changes what a command has done is found out.
	path := filepath.Join(dir, "pgveil-000003.jsonl")
	lines := readLines(t, path)
	lines[2] = bytes.Replace(lines[2], []byte(`"ended":"ok"`), []byte(`"ended":"no"`), 1)
	writeLines(t, path, lines)
	if r := verify(t, dir); r.OK() {
		t.Error("a changed outcome is not noticed")
	}
}

// TestCommandNotDurable: without its record a command learns that it may not begin.
func TestCommandNotDurable(t *testing.T) {
	l := mustOpen(t, options(logDir(t)))
	mustClose(t, l)
	if err := l.BeginCommand(sampleCommand("keys destroy")).Wait(); err == nil {
		t.Error("the record of a closed log is durable")
	}
}
