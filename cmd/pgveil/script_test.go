package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pgveil/pgveil/testenv"
)

// tests stops the servers that the scripts have shared.
type tests struct{ m *testing.M }

func (t tests) Run() int {
	code := t.m.Run()
	if err := stopServers(); err != nil {
		println(err.Error())
		return 1
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"pgveil": main})
}

// The scripts of testdata/script need no server.
func TestScript(t *testing.T) { runScripts(t, testscript.Params{Dir: "testdata/script"}) }

func TestPostgresScript(t *testing.T) {
	testenv.Require(t, testenv.PartPostgres, testenv.PartPsql)
	runScripts(t, testscript.Params{Dir: "testdata/script/postgres"})
}

func TestVaultScript(t *testing.T) {
	testenv.Require(t, testenv.PartPostgres, testenv.PartPsql, testenv.PartVault)
	runScripts(t, testscript.Params{Dir: "testdata/script/vault"})
}

func runScripts(t *testing.T, scripts testscript.Params) {
	scripts.RequireExplicitExec, scripts.RequireUniqueNames = true, true
	scripts.Setup = func(env *testscript.Env) error {
		psql, err := testenv.ClientProgram("psql")
		if err == nil {
			env.Setenv("PATH", env.Getenv("PATH")+string(filepath.ListSeparator)+filepath.Dir(psql))
		}
		// What a developer has set must not reach psql.
		env.Setenv("PGPASSFILE", os.DevNull)
		env.Setenv("PSQLRC", os.DevNull)
		// A second at the end of each pgveil, under the race detector.
		env.Setenv("GORACE", "atexit_sleep_ms=10")
		return nil
	}
	scripts.Cmds = map[string]func(*testscript.TestScript, bool, []string){
		"status":       status,
		"expand":       expand,
		"replace":      replace,
		"capture":      capture,
		"auditlog":     auditLog,
		"certificates": certificates,
		"postgres":     postgres,
		"superuser":    superuser,
		"vault":        vault,
		"health":       healthGet,
		"ownvault":     ownVault,
		"vaultdo":      vaultDo,
		"runbook":      runbook,
		"serving":      serving,
		"stopped":      stopped,
		"reloaded":     reloaded,
		"await":        await,
		"closedport":   closedPort,
		"receiver":     receiver,
		"laboratory":   laboratory,
		"locked":       locked,
	}
	testscript.Run(t, scripts)
}

// status N COMMAND…: the command ends with exit status N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [args…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, not %d", got, want)
	}
}

// expand FILE…: puts the values of $VARIABLES into files.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// replace FILE OLD NEW: changes the first OLD in the file.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: replace file old new")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}

// capture NAME PATTERN: NAME is what the first group of the pattern has matched in stdout.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture name pattern")
	}
	match := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(match) < 2 {
		ts.Fatalf("stdout does not match %s", args[1])
	}
	ts.Setenv(args[0], match[1])
}

// locked DIR DURATION: keeps commands waiting for so long that write an audit log.
func locked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: locked directory duration")
	}
	held, err := time.ParseDuration(args[1])
	ts.Check(err)
	dir, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	release := time.AfterFunc(held, func() { _ = dir.Close() })
	ts.Defer(func() {
		release.Stop()
		_ = dir.Close()
	})
}
