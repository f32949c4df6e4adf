package testenv

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// watcher starts a server and ends it when the pipe on its standard input is
// closed, which the kernel does if this process dies, however it dies. The
// kernel's own means, PR_SET_PDEATHSIG, follows the thread that forked, and Go
// ends threads while the process lives on; it also leaves the files behind.
//
// $1 is the signal that ends the server, $2 the directory to remove at the end
// unless it holds a file .keep, and the rest is the command. Descriptor 3 takes
// "pid N" and "exit STATUS".
const watcher = `
sig=$1 dir=$2
shift 2
exec 4<&0
"$@" </dev/null 3>&- 4<&- &
child=$!
trap '' PIPE
echo "pid $child" >&3
(
	read -r _ <&4
	kill -s "$sig" $child || exit
	n=0
	while [ $n -lt 150 ]; do
		kill -0 $child || exit
		sleep 0.1
		n=$((n+1))
	done
	kill -s KILL $child
) </dev/null >/dev/null 2>&1 3>&- &
guard=$!
wait $child
echo "exit $?" >&3
exec 3>&- >/dev/null 2>&1
read -r _ <&4
kill $guard
[ -n "$dir" ] && [ ! -e "$dir/.keep" ] && rm -rf "$dir"
exit 0
`

// stopTimeout bounds a stop: the watcher's own 15 s before SIGKILL, and a margin.
const stopTimeout = 20 * time.Second

// command says how to run a server under a watcher.
type command struct {
	name   string // for messages
	args   []string
	env    []string // added to this process's environment
	signal string   // ends the server cleanly: INT, TERM
	dir    string   // removed once the server has ended
	as     account
	stdout *os.File // nil: discarded
	stderr *os.File
}

// process is a running server.
type process struct {
	name   string
	dir    string
	pid    int           // of the server, not the watcher
	exited chan struct{} // closed when the server has ended

	watcher *exec.Cmd
	hold    *os.File // open as long as the server shall run
	stop    sync.Once
	stopErr error
}

// start runs c. The server lives until stop, whatever context the caller has.
func (c command) start() (*process, error) {
	stdin, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	status, statusOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, hold.Close())
	}
	defer statusOut.Close()

	cmd := exec.Command("/bin/sh", append([]string{"-c", watcher, "watcher", c.signal, c.dir}, c.args...)...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdin = stdin
	// A nil *os.File in an io.Writer is not a nil io.Writer.
	if c.stdout != nil {
		cmd.Stdout = c.stdout
	}
	if c.stderr != nil {
		cmd.Stderr = c.stderr
	}
	cmd.ExtraFiles = []*os.File{statusOut}
	// A group of its own keeps the terminal's Ctrl-C away from the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.as.apply(cmd)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", c.name, err), hold.Close(), status.Close())
	}

	p := &process{name: c.name, dir: c.dir, watcher: cmd, hold: hold, exited: make(chan struct{})}
	lines := bufio.NewReader(status)
	first, err := lines.ReadString('\n')
	p.pid, _ = strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(first, "pid ")))
	if err != nil || p.pid <= 0 {
		err = fmt.Errorf("start %s: no process id from its watcher", c.name)
		return nil, errors.Join(err, status.Close(), p.close(false))
	}
	go func() {
		defer close(p.exited)
		defer status.Close()
		// Either "exit N", or the end of the pipe if the watcher was killed.
		_, _ = io.Copy(io.Discard, lines)
	}()
	return p, nil
}

// running reports whether the server has not ended.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// close ends the server and waits for it; with keep, its directory stays.
// Further calls return what the first returned.
func (p *process) close(keep bool) error {
	p.stop.Do(func() { p.stopErr = p.end(keep) })
	return p.stopErr
}

func (p *process) end(keep bool) error {
	if keep {
		f, err := os.Create(filepath.Join(p.dir, ".keep"))
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		defer os.Remove(f.Name())
	}
	// A paused server takes no signal but SIGKILL.
	_ = p.cont()
	errs := []error{p.hold.Close()}

	ended := make(chan error, 1)
	go func() { ended <- p.watcher.Wait() }()
	select {
	case err := <-ended:
		errs = append(errs, err)
	case <-time.After(stopTimeout):
		// The group is the watcher's and the server's.
		_ = syscall.Kill(-p.watcher.Process.Pid, syscall.SIGKILL)
		<-ended
		errs = append(errs, fmt.Errorf("stop %s: killed after %v", p.name, stopTimeout))
	}
	if !keep && p.dir != "" {
		// What another user put there is not the watcher's to remove.
		errs = append(errs, os.RemoveAll(p.dir))
	}
	return errors.Join(errs...)
}

// pause freezes the server, so that it keeps its connections and answers none.
func (p *process) pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	// The signal takes a moment to reach every thread.
	for range 1000 {
		stopped, err := p.stopped()
		if stopped || err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("pause %s: it does not stop", p.name)
}

// stopped reports whether every thread of the server is stopped.
func (p *process) stopped() (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.pid))
	if err != nil {
		return false, err
	}
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		// The state follows the name, which is in parentheses (proc(5)).
		_, after, _ := strings.Cut(string(stat), ") ")
		if !strings.HasPrefix(after, "T") {
			return false, nil
		}
	}
	return len(threads) > 0, nil
}

// cont undoes pause.
func (p *process) cont() error { return p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) error {
	if !p.running() || p.pid <= 0 {
		return fmt.Errorf("%s is not running", p.name)
	}
	return syscall.Kill(p.pid, s)
}
