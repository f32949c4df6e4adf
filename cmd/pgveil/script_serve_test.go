package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds every wait of the scripts.
const patience = 20 * time.Second

// served is a pgveil serve that a script has started.
type served struct {
	cmd   *exec.Cmd
	ended chan error
}

// running has the served of each script.
var running sync.Map

// serving [ARG]…: starts pgveil serve on a free port, with its output in serve.log,
// and waits until it is ready. PORT is the port.
func serving(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("see status")
	}
	log, err := os.Create(ts.MkAbs("serve.log"))
	ts.Check(err)
	defer log.Close()
	cmd := exec.Command(pgveilPath(ts), append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environment(ts)
	cmd.Stdout, cmd.Stderr = log, log
	ts.Check(cmd.Start())
	s := &served{cmd, make(chan error, 1)}
	go func() { s.ended <- cmd.Wait() }()
	running.Store(ts, s)
	ts.Defer(func() { _ = cmd.Process.Kill() })
	ready := regexp.MustCompile(`"?msg"?[=:]"?ready\b.*\btcp"?[=:]"?[^ ]*:(\d+)`)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text := ts.ReadFile("serve.log")
		if m := ready.FindStringSubmatch(text); m != nil {
			ts.Setenv("PORT", m[1])
			return
		}
		select {
		case err := <-s.ended:
			ts.Fatalf("pgveil serve ended: %v\n%s", err, text)
		default:
		}
		if time.Now().After(end) {
			ts.Fatalf("pgveil serve is not ready\n%s", text)
		}
	}
}

// reloaded: sends HUP.
func reloaded(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := running.Load(ts)
	if neg || len(args) != 0 || !ok {
		ts.Fatalf("usage: reloaded, while serve runs")
	}
	ts.Check(v.(*served).cmd.Process.Signal(syscall.SIGHUP))
}

// stopped SIGNAL: sends TERM or INT and waits for the end, with exit status 0.
func stopped(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT}
	if neg || len(args) != 1 || signals[args[0]] == 0 {
		ts.Fatalf("usage: stopped TERM|INT")
	}
	v, ok := running.Load(ts)
	if !ok {
		ts.Fatalf("nothing is serving")
	}
	s := v.(*served)
	ts.Check(s.cmd.Process.Signal(signals[args[0]]))
	select {
	case err := <-s.ended:
		if err != nil {
			ts.Fatalf("pgveil serve: %v\n%s", err, ts.ReadFile("serve.log"))
		}
	case <-time.After(patience):
		ts.Fatalf("pgveil serve does not end\n%s", ts.ReadFile("serve.log"))
	}
}

// await FILE PATTERN: waits until the file matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await file pattern")
	}
	pattern := regexp.MustCompile(args[1])
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		data, _ := os.ReadFile(ts.MkAbs(args[0]))
		if pattern.Match(data) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s does not match %s:\n%s", args[0], args[1], bytes.TrimSpace(data))
		}
	}
}

// closedPort NAME: NAME is a port of 127.0.0.1 that nobody listens on.
func closedPort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

// environment gives the script's environment, which testscript shows to programs
// alone.
func environment(ts *testscript.TestScript) []string {
	ts.Check(ts.Exec("env", "-0"))
	return strings.Split(strings.TrimRight(ts.ReadFile("stdout"), "\x00"), "\x00")
}

// pgveilPath finds pgveil, which is first on the script's PATH.
func pgveilPath(ts *testscript.TestScript) string {
	dir := filepath.SplitList(ts.Getenv("PATH"))[0]
	return filepath.Join(dir, "pgveil")
}

// health PATH STATUS PATTERN: what serve says at health.listen, until it is as it has to be.
func healthGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: health path status pattern")
	}
	at := regexp.MustCompile(`msg=health tcp=(\S+)`).FindStringSubmatch(ts.ReadFile("serve.log"))
	if at == nil {
		ts.Fatalf("serve was not started with --health-listen")
	}
	pattern, said := regexp.MustCompile(args[2]), ""
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get("http://" + at[1] + args[0])
		ts.Check(err)
		body, err := io.ReadAll(answer.Body)
		ts.Check(errors.Join(err, answer.Body.Close()))
		said = fmt.Sprintf("%d %s", answer.StatusCode, body)
		if fmt.Sprint(answer.StatusCode) == args[1] && pattern.Match(body) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s says %s", args[0], said)
		}
	}
}
