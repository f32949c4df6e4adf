package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// faultyDisk makes segments whose writes fail as long as it is told so.
type faultyDisk struct {
	create, write, sync atomic.Bool
	hold                sync.RWMutex // Datasync waits while it is locked
	created             atomic.Int32
}

type faultyFile struct {
	segmentFile
	disk *faultyDisk
}

func (d *faultyDisk) open(path string) (segmentFile, error) {
	if d.create.Load() {
		return nil, syscall.ENOSPC
	}
	d.created.Add(1)
	f, err := createSegment(path)
	return &faultyFile{f, d}, err
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if f.disk.write.Load() {
		// As a full disk does it: a part fits.
		n, _ := f.segmentFile.Write(p[:len(p)/2])
		return n, syscall.ENOSPC
	}
	return f.segmentFile.Write(p)
}

func (f *faultyFile) Datasync(shared bool) error {
	f.disk.hold.RLock()
	defer f.disk.hold.RUnlock()
	if f.disk.sync.Load() {
		return syscall.EIO
	}
	return f.segmentFile.Datasync(shared)
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestDiskFails(t *testing.T) {
	tests := []struct {
		name  string
		fault func(*faultyDisk) []*atomic.Bool
		errno error
	}{
		{"write", func(d *faultyDisk) []*atomic.Bool { return []*atomic.Bool{&d.write} }, syscall.ENOSPC},
		{"sync", func(d *faultyDisk) []*atomic.Bool { return []*atomic.Bool{&d.sync} }, syscall.EIO},
		{"write and create", func(d *faultyDisk) []*atomic.Bool { return []*atomic.Bool{&d.write, &d.create} }, syscall.ENOSPC},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, disk := logDir(t), new(faultyDisk)
			o := options(dir)
			o.create = disk.open
			l := mustOpen(t, o)
			before := l.Begin(sample("before"))
			if err := before.Wait(); err != nil {
				t.Fatal(err)
			}
			faults := test.fault(disk)
			for _, f := range faults {
				f.Store(true)
			}
			failing := l.Begin(sample("failing"))
			if err := failing.Wait(); !errors.Is(err, test.errno) {
				t.Fatalf("Wait: %v", err)
			}
			if err := l.Err(); !errors.Is(err, test.errno) {
				t.Errorf("Err: %v", err)
			}
			failing.End(Outcome{Ended: "58030"})
			before.End(Outcome{Rows: 12345, Ended: "ok"}) // has to be written later
			l.Refused(sample("r"), "42501")
			for range 20 { // attempts go on meanwhile
				if err := l.Begin(sample("again")).Wait(); err == nil {
					t.Fatal("an intent is durable on a faulty disk")
				}
				time.Sleep(o.Retry)
			}
			numbers, _, err := listSegments(dir)
			if err != nil || len(numbers) > 2 {
				t.Errorf("attempts leave segments %v, %v", numbers, err)
			}
			for _, f := range faults {
				f.Store(false)
			}
			waitFor(t, "recovery", func() bool { return l.Err() == nil })
			do(t, l, "after")
			mustClose(t, l)

			r := verify(t, dir)
			wantOK(t, r)
			if r.Kinds["intent"] != 2 || r.Kinds["outcome"] != 2 || r.Kinds["refused"] != 0 || len(r.Unfinished) != 0 {
				t.Errorf("report is %+v", r)
			}
			data, err := os.ReadFile(filepath.Join(dir, segmentName(2)))
			if err != nil {
				t.Fatal(err)
			}
			var lost recovered
			for _, line := range bytes.Split(data, []byte("\n")) {
				if bytes.Contains(line, []byte(`"kind":"recovered"`)) {
					var r recovered
					if err := json.Unmarshal(line, &r); err != nil {
						t.Fatal(err)
					}
					lost.Intents += r.Intents
					lost.Refused += r.Refused
				}
			}
			if lost.Intents != 21 || lost.Refused != 1 {
				t.Errorf("lost: %+v", lost)
			}
			for _, want := range []string{`"rows":12345`, test.errno.Error()} {
				if !bytes.Contains(data, []byte(want)) {
					t.Errorf("%s is not in the new segment", want)
				}
			}
			// The end of the old segment is accounted for, also by a later process.
			mustClose(t, mustOpen(t, options(dir)))
			wantOK(t, verify(t, dir))
		})
	}
}

func TestRotationFails(t *testing.T) {
	dir, disk := logDir(t), new(faultyDisk)
	o := options(dir)
	o.create = disk.open
	o.SegmentSize = 1 // a new segment after each write
	l := mustOpen(t, o)
	do(t, l, "a")
	disk.create.Store(true)
	i := l.Begin(sample("b")) // durable, then no new segment
	err := i.Wait()
	waitFor(t, "failure", func() bool { return l.Err() != nil })
	if err == nil {
		i.End(Outcome{Ended: "ok"})
	}
	if err := l.Begin(sample("c")).Wait(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Wait: %v", err)
	}
	disk.create.Store(false)
	waitFor(t, "recovery", func() bool { return l.Err() == nil })
	do(t, l, "d")
	mustClose(t, l)
	r := verify(t, dir)
	wantOK(t, r)
	if len(r.Unfinished) != 0 {
		t.Errorf("unfinished: %+v", r.Unfinished)
	}
}

// TestDiskFull uses a file system that is full for real.
func TestDiskFull(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=128k,mode=700"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	dir := filepath.Join(mount, "audit")
	l := mustOpen(t, options(dir))
	durable := 0
	var intents []*Intent
	for {
		i := l.Begin(sample("s"))
		if err := i.Wait(); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
		intents = append(intents, i)
		durable++
	}
	for _, i := range intents {
		i.End(Outcome{Rows: 1, Ended: "ok"})
	}
	if err := l.Begin(sample("s")).Wait(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Wait: %v", err)
	}
	if err := syscall.Mount("tmpfs", mount, "tmpfs", syscall.MS_REMOUNT, "size=4m,mode=700"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "recovery", func() bool { return l.Err() == nil })
	do(t, l, "after")
	mustClose(t, l)
	r := verify(t, dir)
	wantOK(t, r)
	if r.Kinds["intent"] != durable+1 || r.Kinds["outcome"] != durable+1 {
		t.Errorf("%d intents were durable; the log has %v", durable, r.Kinds)
	}
}

// TestHeadFails loses the head while the log is open.
func TestHeadFails(t *testing.T) {
	dir := logDir(t)
	l := mustOpen(t, options(dir))
	do(t, l, "a")
	if err := l.writer.head.close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Begin(sample("b")).Wait(); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("Wait: %v", err)
	}
	waitFor(t, "recovery", func() bool { return l.Err() == nil })
	do(t, l, "c")
	mustClose(t, l)
	r := verify(t, dir)
	wantOK(t, r)
	if r.Kinds["intent"] != 2 || len(r.Notes) == 0 {
		t.Errorf("report is %+v", r)
	}
}

type faultyMAC struct {
	testMAC
	fail atomic.Bool
}

func (m *faultyMAC) ComputeMAC(data []byte) ([]byte, error) {
	if m.fail.Load() {
		return nil, errors.New("the key is gone")
	}
	return m.testMAC.ComputeMAC(data)
}

func TestKeyFails(t *testing.T) {
	dir, mac := logDir(t), &faultyMAC{testMAC: theMAC}
	o := options(dir)
	o.MAC = mac
	l := mustOpen(t, o)
	mac.fail.Store(true)
	if err := l.Begin(sample("a")).Wait(); err == nil || !strings.Contains(err.Error(), "the key is gone") {
		t.Fatalf("Wait: %v", err)
	}
	mac.fail.Store(false)
	waitFor(t, "recovery", func() bool { return l.Err() == nil })
	do(t, l, "b")
	mustClose(t, l)
	wantOK(t, verify(t, dir))
}

// TestSegmentChangedUnderneath lets somebody else at the segment being written.
func TestSegmentChangedUnderneath(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(path string) error
		kind ProblemKind
	}{
		{"removed", os.Remove, Missing},
		{"cut", func(path string) error { return os.Truncate(path, 100) }, ""},
		{"appended to", func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("{}\n")
			return errors.Join(err, f.Close())
		}, "none"},
		{"replaced", func(path string) error {
			data, err := os.ReadFile(path)
			return errors.Join(err, os.Remove(path), os.WriteFile(path, data, 0o600))
		}, "none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := logDir(t)
			l := mustOpen(t, options(dir))
			do(t, l, "a")
			waitFor(t, "the outcome", func() bool { return len(verify(t, dir).Unfinished) == 0 })
			if err := test.do(filepath.Join(dir, segmentName(1))); err != nil {
				t.Fatal(err)
			}
			if err := l.Begin(sample("b")).Wait(); err == nil {
				t.Error("an intent is durable in a file that somebody changed")
			}
			waitFor(t, "recovery", func() bool { return l.Err() == nil })
			do(t, l, "c")
			mustClose(t, l)
			r := verify(t, dir)
			switch {
			case test.kind == "none":
				// Nothing of what was acknowledged is lost.
				wantOK(t, r)
			case r.OK():
				t.Error("nothing found")
			case test.kind != "" && r.Problems[0].Kind != test.kind:
				t.Errorf("first problem is [%s] %s", r.Problems[0].Kind, r.Problems[0])
			}
		})
	}
}

func TestBeginBlocksWhenTheQueueIsFull(t *testing.T) {
	dir, disk := logDir(t), new(faultyDisk)
	o := options(dir)
	o.create = disk.open
	o.Queue = 4
	l := mustOpen(t, o)
	disk.hold.Lock()
	first := l.Begin(sample("0"))
	waitFor(t, "the write", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.queue) == 0 })
	var begun atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			i := l.Begin(sample("s"))
			begun.Add(1)
			if err := i.Wait(); err != nil {
				t.Error(err)
			}
			i.End(Outcome{Ended: "ok"})
		})
	}
	waitFor(t, "the full queue", func() bool { return begun.Load() == 4 })
	time.Sleep(20 * time.Millisecond)
	if n := begun.Load(); n != 4 {
		t.Errorf("%d intents were begun", n)
	}
	first.End(Outcome{Ended: "ok"}) // an outcome never blocks
	disk.hold.Unlock()
	wg.Wait()
	mustClose(t, l)
	r := verify(t, dir)
	wantOK(t, r)
	if r.Kinds["intent"] != 11 || r.Kinds["outcome"] != 11 {
		t.Errorf("report is %+v", r)
	}
}

func TestCloseOfAFailedLog(t *testing.T) {
	dir, disk := logDir(t), new(faultyDisk)
	o := options(dir)
	o.create = disk.open
	l := mustOpen(t, o)
	i := l.Begin(sample("a"))
	if err := i.Wait(); err != nil {
		t.Fatal(err)
	}
	disk.write.Store(true)
	if err := l.Begin(sample("b")).Wait(); err == nil {
		t.Fatal("an intent is durable on a full disk")
	}
	i.End(Outcome{Ended: "ok"})
	if err := l.Close(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "1 outcomes were not written") {
		t.Errorf("Close: %v", err)
	}
	// The next process finds the log as a crash leaves it.
	mustClose(t, mustOpen(t, options(dir)))
	r := verify(t, dir)
	wantOK(t, r)
	if len(r.Unfinished) != 1 || r.Unfinished[0].Session != "a" {
		t.Errorf("unfinished: %+v", r.Unfinished)
	}
}

// TestStalledDisk hangs in a write.
func TestStalledDisk(t *testing.T) {
	dir, disk := logDir(t), new(faultyDisk)
	o := options(dir)
	o.create = disk.open
	o.Queue = 2
	o.Timeout = 250 * time.Millisecond
	l := mustOpen(t, o)
	disk.hold.Lock()
	var intents []*Intent
	for range 6 {
		i := l.Begin(sample("s"))
		if err := i.Wait(); !errors.Is(err, ErrStalled) {
			t.Fatalf("Wait: %v", err)
		}
		i.End(Outcome{Ended: "58030"})
		intents = append(intents, i)
	}
	disk.hold.Unlock()
	do(t, l, "after")
	mustClose(t, l)
	durable := 0
	for _, i := range intents {
		if i.Wait() == nil {
			durable++
		}
	}
	r := verify(t, dir)
	wantOK(t, r)
	if durable == 0 || durable == len(intents) || r.Kinds["intent"] != durable+1 || r.Kinds["recovered"] != 1 || len(r.Unfinished) != 0 {
		t.Errorf("%d intents became durable; report is %+v", durable, r)
	}
}
