package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// janitor keeps the demo's temporary directory, and ends the processes that use
// it and removes it when the demo ends in whatever way: the kernel closes the pipe
// on its standard input even if the demo is killed.
type janitor struct {
	dir   string
	shell *exec.Cmd
	hold  *os.File // open as long as the demo runs
}

// sweep reads the process ids to end, a line each, until the end of its input.
const sweep = `
pids=
while read -r pid; do pids="$pids $pid"; done
[ -n "$pids" ] && kill -s TERM $pids
n=0
while [ -n "$pids" ] && kill -s 0 $pids && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
[ -n "$pids" ] && kill -s KILL $pids
rm -rf "$1"
`

// newJanitor makes the directory, for this user alone.
func newJanitor() (*janitor, error) {
	dir, err := os.MkdirTemp("", "pgveil-demo-")
	if err != nil {
		return nil, err
	}
	stdin, hold, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	defer stdin.Close()
	j := &janitor{dir: dir, hold: hold, shell: exec.Command("/bin/sh", "-c", sweep, "janitor", dir)}
	j.shell.Stdin = stdin
	j.shell.Dir = "/"
	// A session of its own keeps the terminal's signals away.
	j.shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := j.shell.Start(); err != nil {
		return nil, errors.Join(err, hold.Close(), os.Remove(dir))
	}
	return j, nil
}

// path names a file in the directory.
func (j *janitor) path(elem ...string) string {
	return filepath.Join(append([]string{j.dir}, elem...)...)
}

// watch makes the process one to end.
func (j *janitor) watch(pid int) error {
	_, err := io.WriteString(j.hold, fmt.Sprintln(pid))
	return err
}

// close ends the processes, removes the directory and waits for both.
func (j *janitor) close() error {
	return errors.Join(j.hold.Close(), j.shell.Wait())
}
