package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// runbookDone has what each script has run of the runbook.
var runbookDone sync.Map

// runbookCommands are the commands of docs/rotation-runbook.md, in their order.
func runbookCommands(ts *testscript.TestScript) (list []string) {
	page, err := os.ReadFile(filepath.FromSlash("../../docs/rotation-runbook.md")) // of the package's directory
	ts.Check(err)
	for line := range strings.Lines(string(page)) {
		line, _, _ = strings.Cut(line, "#")
		command := strings.TrimSpace(line)
		if strings.HasPrefix(line, "    ") && (strings.HasPrefix(command, "pgveil ") || strings.HasPrefix(command, "vault ")) {
			list = append(list, command)
		}
	}
	return list
}

// runbook COMMAND [FLAG]…: runs the next command of the runbook, which has to be that, with
// $OLD for OLD-KEY and more flags that make it quicker. runbook end: there is none left.
func runbook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: runbook command [flags…]")
	}
	all, done := runbookCommands(ts), 0
	if n, ok := runbookDone.Load(ts); ok {
		done = n.(int)
	}
	if args[0] == "end" {
		if done != len(all) || done == 0 {
			ts.Fatalf("%d of %d commands of the runbook were run", done, len(all))
		}
		return
	}
	if done == len(all) || all[done] != args[0] {
		ts.Fatalf("the next command of the runbook is %q", all[min(done, len(all)-1)])
	}
	runbookDone.Store(ts, done+1)
	words := strings.Fields(strings.ReplaceAll(args[0], "OLD-KEY", ts.Getenv("OLD")))
	if words[0] == "vault" {
		if !slices.Equal(words[:3], []string{"vault", "write", "-f"}) {
			ts.Fatalf("only vault write -f is known")
		}
		vaultDo(ts, false, []string{"write", words[3]})
		return
	}
	ts.Check(ts.Exec(words[0], append(words[1:], args[1:]...)...))
}
