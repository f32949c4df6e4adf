package keylife

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/pgveil/pgveil/keys"
)

// How often the proxies compare, and what the commands' waits follow from.
const (
	catalogRefresh = 700 * time.Millisecond
	keysRefresh    = 200 * time.Millisecond

	commandBound = 2 * time.Minute
)

// job is the command that runs, for the killer.
type job struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	kills int
}

// kill ends the command by SIGKILL, and tells which that was.
func (j *job) kill() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cmd == nil {
		return ""
	}
	j.kills++
	_ = j.cmd.Process.Kill()
	return strings.Join(j.cmd.Args[1:3], " ")
}

// once runs a command to its end.
func (l *life) once(ctx context.Context, args ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandBound)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.program, args...)
	cmd.Dir, cmd.Env = l.dir, append(append([]string{}, l.env...), l.officer...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	l.job.mu.Lock()
	err = cmd.Start()
	if err == nil {
		l.job.cmd = cmd
	}
	l.job.mu.Unlock()
	if err != nil {
		return "", err
	}
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	err = <-waited
	l.job.mu.Lock()
	l.job.cmd = nil
	l.job.mu.Unlock()
	if ctx.Err() != nil {
		return "", fmt.Errorf("pgveil %s hangs: more than %v\n%s%s", strings.Join(args, " "), commandBound, stdout.Bytes(), stderr.Bytes())
	}
	if err != nil {
		return "", fmt.Errorf("pgveil %s: %w\n%s%s", strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String(), nil
}

// command runs a command, again where something may have been killed meanwhile.
func (l *life) command(ctx context.Context, args ...string) (string, error) {
	var errs []error
	for end := time.Now().Add(commandBound); ; {
		kills := l.kills.Load()
		out, err := l.once(ctx, args...)
		if err == nil || ctx.Err() != nil {
			return out, err
		}
		if errs = append(errs, err); kills == l.kills.Load() && !l.killed.recently() {
			return "", errors.Join(errs[max(0, len(errs)-3):]...)
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("still after %d times: %w", len(errs), err)
		}
		l.logf("again: %s", firstLine(err))
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func firstLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	return text[:min(len(text), 300)]
}

// keyset reads a keyset as keys show has it.
func (l *life) keyset(ctx context.Context, name string) (info keys.Info, err error) {
	out, err := l.command(ctx, "keys", "show", name, "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &info)
	}
	return info, err
}

// sealing gives the key with which a keyset's values are sealed.
func sealing(info keys.Info) uint32 {
	for _, k := range info.Keys {
		if k.Primary {
			return k.ID
		}
	}
	return 0
}

// apply runs schema apply, slowly enough to be met by clients and by kills.
func (l *life) apply(ctx context.Context) error {
	_, err := l.command(ctx, "schema", "apply", "--batch", "100", "--rate", fmt.Sprint(l.rate), "--settle", "2200ms")
	return err
}

// retire retires all keys of a keyset that seal no more, and destroys them.
func (l *life) retire(ctx context.Context, name string) error {
	for {
		info, err := l.keyset(ctx, name)
		if err != nil {
			return err
		}
		var next *keys.KeyInfo
		for i, k := range info.Keys {
			if !k.Primary {
				next = &info.Keys[i]
			}
		}
		if next == nil {
			return nil
		}
		id := fmt.Sprint(next.ID)
		args := []string{"keys", "retire", name, id, "--wait", "700ms"}
		if next.Retired() {
			args = []string{"keys", "destroy", name, id, "--wait", "700ms", "--yes-destroy", name, "--keys-max-stale", "500ms"}
		}
		// What a kill has left undone, or done without saying so, keys show tells.
		kills := l.kills.Load()
		if _, err := l.once(ctx, args...); err != nil {
			if ctx.Err() != nil || kills == l.kills.Load() && !l.killed.recently() {
				return err
			}
			l.logf("again: %s", firstLine(err))
			time.Sleep(100 * time.Millisecond)
		}
	}
}
