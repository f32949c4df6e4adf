package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// syncsVariable makes the test program do nothing but what [besideSyncs] asks of it.
const syncsVariable = "PGVEIL_BENCH_SYNCS"

func TestMain(m *testing.M) {
	if task := os.Getenv(syncsVariable); task != "" {
		if err := appendAndSync(task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// besideSyncs starts a process that appends size bytes to a file and syncs it, once in every
// interval, until stop is called.
func besideSyncs(b *testing.B, size int64, every time.Duration) (stop func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", syncsVariable, size, every, filepath.Join(b.TempDir(), "file")))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); cmd.ProcessState.Exited() {
			b.Fatal("the process that syncs ended by itself: ", err)
		}
	}
}

func appendAndSync(task string) error {
	var size, every int64
	var path string
	if _, err := fmt.Sscan(task, &size, &every, &path); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	record := make([]byte, size)
	for next := time.Now(); ; next = next.Add(time.Duration(every)) {
		time.Sleep(time.Until(next))
		if _, err := f.Write(record); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
}
