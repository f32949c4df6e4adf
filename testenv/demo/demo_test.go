package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv"
)

// programs are the demo and pgveil, built once.
var programs = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "demo-test-"); err != nil {
		return "", err
	}
	for name, source := range map[string]string{"demo": ".", "pgveil": "../../cmd/pgveil"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), source).CombinedOutput(); err != nil {
			return dir, fmt.Errorf("%w\n%s", err, out)
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, _ := programs(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// running is a demo as a process of its own.
type running struct {
	*exec.Cmd
	mark   string
	out    io.ReadCloser // its standard output, unread if the test does not read it
	said   safeBuffer
	ended  chan error
	mu     sync.Mutex
	places map[string]bool // temporary directories that its processes named
}

// safeBuffer collects output that a test looks at meanwhile.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start starts a demo on free ports and follows what it starts.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres)
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{
		mark: "DEMO_TEST_MARK=" + t.Name() + strconv.Itoa(os.Getpid()), ended: make(chan error, 1), places: make(map[string]bool),
	}
	args = append([]string{"--pgveil", filepath.Join(dir, "pgveil"), "--port", "0", "--server-port", "0"}, args...)
	r.Cmd = exec.Command(filepath.Join(dir, "demo"), args...)
	// The options of the make that runs the tests are not for this demo.
	for _, name := range variables {
		r.Env = append(r.Env, name+"=")
	}
	// Nor are libpq's variables.
	r.Env = append(r.Env, r.mark, "PGHOST=nowhere.invalid", "PGSSLMODE=verify-full")
	r.Env = append(os.Environ(), r.Env...)
	r.Stderr = &r.said
	if r.out, err = r.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(&r.said, r.out)
		r.ended <- r.Wait()
	}()
	watched := make(chan struct{})
	go func() {
		for {
			r.processes()
			select {
			case <-watched:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(watched)
		for _, pid := range r.processes() {
			t.Errorf("process %d was left", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("the demo said:\n%s", r.said.String())
		}
	})
	return r
}

// temporary is a directory of the demo or of what it started.
var temporary = regexp.MustCompile(`/[^\s\x00]*/pgveil-(demo|pg|vault)-[0-9]+`)

// processes returns the ids of the demo and of all that it started, which inherit
// its environment, and notes the directories on their command lines.
func (r *running) processes() []int {
	var pids []int
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		env, err := os.ReadFile(path)
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), r.mark) {
			continue
		}
		dir := filepath.Dir(path)
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if state, err := os.ReadFile(dir + "/stat"); err != nil || bytes.Contains(state, []byte(") Z ")) {
			continue
		}
		pids = append(pids, pid)
		line, _ := os.ReadFile(dir + "/cmdline")
		r.mu.Lock()
		for _, place := range temporary.FindAll(line, -1) {
			r.places[string(place)] = true
		}
		r.mu.Unlock()
	}
	return pids
}

// wait waits for the end of the demo and returns its exit status, -1 if a signal
// ended it.
func (r *running) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-r.ended:
		return r.ProcessState.ExitCode()
	case <-time.After(90 * time.Second):
		_ = r.Process.Kill()
		t.Fatal("the demo does not end")
		return 0
	}
}

// until waits until the demo has said text.
func (r *running) until(t *testing.T, text string) {
	t.Helper()
	for range 6000 {
		if strings.Contains(r.said.String(), text) {
			return
		}
		select {
		case err := <-r.ended:
			t.Fatalf("the demo ended (%v) before it said %q", err, text)
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatalf("the demo does not say %q", text)
}

// checkNothingLeft fails the test if a process or a directory of the demo is there.
// A demo that was killed could not wait for their end; after another one no more
// than the last sleep of testenv's watchers may still run.
func (r *running) checkNothingLeft(t *testing.T) {
	t.Helper()
	patience := 5 * time.Second
	if !r.ProcessState.Exited() {
		patience = 15 * time.Second
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		left := []string{}
		for _, pid := range r.processes() {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			left = append(left, fmt.Sprintf("process %d %q", pid, line))
		}
		r.mu.Lock()
		if len(r.places) < 2 {
			t.Errorf("the directories of the demo were not seen: %v", r.places)
		}
		for place := range r.places {
			if _, err := os.Lstat(place); err == nil {
				left = append(left, place)
			}
		}
		r.mu.Unlock()
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %v", left)
		}
	}
}

func TestTour(t *testing.T) {
	for _, keys := range []string{"local", "vault"} {
		t.Run(keys, func(t *testing.T) {
			if keys == "vault" {
				testenv.Require(t, testenv.PartVault)
			}
			r := start(t, "--once", "--patients", "60", "--results", "150", "--keys", keys)
			if status := r.wait(t); status != 0 {
				t.Fatalf("exit status %d", status)
			}
			r.checkNothingLeft(t)
			said := r.said.String()
			for _, text := range []string{
				"60 patients in", "150 results in", "everything shown was checked",
				"ERROR:  permission denied", "HINT:", "pgveil audit verify", "biologist", "secretary", "researcher",
			} {
				if !strings.Contains(said, text) {
					t.Errorf("the demo did not say %q", text)
				}
			}
			if strings.Contains(said, "\x1b") {
				t.Error("there are control sequences in what is no terminal")
			}
		})
	}
}

// A newcomer pastes what is printed, and presses Ctrl-C with psql still open.
func TestPaste(t *testing.T) {
	testenv.Require(t, testenv.PartPsql)
	r := start(t, "--patients", "20", "--results", "30")
	r.until(t, "until Ctrl-C")
	said := r.said.String()
	paste := regexp.MustCompile(`(?m)^  connect +(psql '\S+')$`).FindStringSubmatch(said)
	query := regexp.MustCompile(`(?m)^  query +(SELECT .*;)$`).FindStringSubmatch(said)
	if paste == nil || query == nil {
		t.Fatal("there is nothing to paste")
	}
	psql := exec.Command("sh", "-c", paste[1]+` -At`)
	stdin, err := psql.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var answer safeBuffer
	psql.Stdout, psql.Stderr = &answer, &answer
	if err := psql.Start(); err != nil {
		t.Fatal(err)
	}
	defer psql.Wait()
	defer stdin.Close()
	if _, err := io.WriteString(stdin, query[1]+"\n\\echo done\n"); err != nil {
		t.Fatal(err)
	}
	for n := 0; !strings.Contains(answer.String(), "done"); n++ {
		if n == 1000 {
			t.Fatalf("psql said %q", answer.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	got := strings.Split(answer.String(), "\n")
	if len(got) < 3 || strings.Contains(got[0], `\x`) {
		t.Fatalf("psql said %q", got)
	}
	for _, row := range got[:3] {
		for cell := range strings.SplitSeq(row, "|") {
			if !strings.Contains(said, cell) {
				t.Errorf("psql shows %q, and the demo did not", cell)
			}
		}
	}

	began := time.Now()
	if err := r.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status := r.wait(t); status != 0 {
		t.Errorf("exit status %d after Ctrl-C", status)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
	r.checkNothingLeft(t)
}

// However the demo is ended in the middle of loading, nothing is left.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		name   string
		end    func(*running) error
		status int
	}{
		{"SIGINT", func(r *running) error { return r.Process.Signal(syscall.SIGINT) }, exitInterrupted},
		{"SIGTERM", func(r *running) error { return r.Process.Signal(syscall.SIGTERM) }, exitInterrupted},
		{"SIGHUP", func(r *running) error { return r.Process.Signal(syscall.SIGHUP) }, exitInterrupted},
		{"SIGKILL", func(r *running) error { return r.Process.Signal(syscall.SIGKILL) }, -1},
		{"output closed", func(r *running) error { return r.out.Close() }, exitInterrupted},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "SIGHUP" && signal.Ignored(syscall.SIGHUP) {
				t.Skip("what nohup starts goes on ignoring SIGHUP")
			}
			r := start(t, "--once", "--patients", "5000000", "--results", "1")
			r.until(t, "patients: ")
			if err := c.end(r); err != nil {
				t.Fatal(err)
			}
			if status := r.wait(t); status != c.status {
				t.Errorf("exit status %d instead of %d", status, c.status)
			}
			r.checkNothingLeft(t)
			if strings.Contains(r.said.String(), "patients in") {
				t.Error("it was not in the middle of loading")
			}
		})
	}
}

// If pgveil itself ends, so does the demo, and says why.
func TestProxyKilled(t *testing.T) {
	r := start(t, "--patients", "10", "--results", "10")
	r.until(t, "until Ctrl-C")
	killed := false
	for _, pid := range r.processes() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(line), "\x00serve\x00") {
			killed = syscall.Kill(pid, syscall.SIGKILL) == nil
		}
	}
	if !killed {
		t.Fatal("pgveil serve is not among the demo's processes")
	}
	if status := r.wait(t); status != exitFailed {
		t.Errorf("exit status %d", status)
	}
	r.checkNothingLeft(t)
	if !strings.Contains(r.said.String(), "pgveil ended by itself") {
		t.Error("it does not say why")
	}
}

func TestBusyPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	for flag, variable := range map[string]string{"--port": "PORT=", "--server-port": "SERVER_PORT="} {
		r := start(t, flag, port)
		if status := r.wait(t); status != exitFailed {
			t.Errorf("%s: exit status %d", flag, status)
		}
		if said := r.said.String(); !strings.Contains(said, "port "+port) || !strings.Contains(said, "make demo "+variable) {
			t.Errorf("%s: it said %q", flag, said)
		}
	}
}
