package audit

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSyncer: a file is synced in the background and not, again and again, without an
// allocation; what cannot be synced is an error either way, and so it is without asynchronous I/O.
func TestSyncer(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer pipe.Close()

	s := newSyncer()
	background := s.context != 0
	t.Logf("asynchronous I/O: %t", background)
	for _, shared := range []bool{true, false} {
		if n := testing.AllocsPerRun(20, func() {
			if _, err := file.WriteString("a record\n"); err != nil {
				t.Fatal(err)
			}
			if err := s.datasync(file, shared); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("shared %t: %v allocations", shared, n)
		}
		if err := s.datasync(pipe, shared); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("shared %t: a pipe gave %v", shared, err)
		}
	}
	if background {
		if !s.submit(file) {
			t.Error("the kernel does not take a request")
		} else if err := s.wait(); err != nil {
			t.Error(err)
		}
	}
	s.close()
	s.close()
	if err := s.datasync(file, true); err != nil {
		t.Error("after close:", err)
	}
}
