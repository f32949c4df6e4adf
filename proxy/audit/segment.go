package audit

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	segmentPrefix = "pgveil-"
	segmentSuffix = ".jsonl"
)

func segmentName(number int) string {
	return fmt.Sprintf("%s%06d%s", segmentPrefix, number, segmentSuffix)
}

// segmentNumber is the number in a segment's name, 0 if it is not one.
func segmentNumber(name string) int {
	digits, ok := strings.CutPrefix(name, segmentPrefix)
	digits, ok2 := strings.CutSuffix(digits, segmentSuffix)
	number, err := strconv.Atoi(digits)
	if !ok || !ok2 || err != nil || number <= 0 || segmentName(number) != name {
		return 0
	}
	return number
}

// ownNames are the files of a log beside its segments.
var ownNames = map[string]bool{headName: true, headTemporary: true, purgedName: true, purgedTemporary: true}

// listSegments gives the numbers of the segments in a directory, ascending, and the
// names of whatever else lies there.
func listSegments(dir string) (numbers []int, others []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if n := segmentNumber(e.Name()); n > 0 {
			numbers = append(numbers, n)
		} else if !ownNames[e.Name()] {
			others = append(others, e.Name())
		}
	}
	slices.SortFunc(numbers, cmp.Compare[int])
	return numbers, others, nil
}

// segmentFile is the segment being written.
type segmentFile interface {
	io.WriteCloser
	// Datasync makes what was written durable. shared says that several wait for it.
	Datasync(shared bool) error
	// Unchanged tells that the file is still in its place, size bytes long.
	Unchanged(size int64) error
}

type diskFile struct {
	*os.File
	sync *syncer
}

// createSegment makes a new segment and its directory entry durable.
func createSegment(path string) (segmentFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return diskFile{f, newSyncer()}, nil
}

func (f diskFile) Datasync(shared bool) error { return f.sync.datasync(f.File, shared) }

func (f diskFile) Close() error {
	f.sync.close()
	return f.File.Close()
}

// Unchanged runs with each group of records: two system calls, without what os.FileInfo allocates.
func (f diskFile) Unchanged(size int64) error {
	var own, there syscall.Stat_t
	if err := restarted(func() error { return syscall.Fstat(int(f.Fd()), &own) }); err != nil {
		return &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	err := restarted(func() error { return syscall.Stat(f.Name(), &there) })
	switch {
	case err != nil:
		return &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	case own.Dev != there.Dev || own.Ino != there.Ino:
		return fmt.Errorf("%s was replaced by another file", f.Name())
	case own.Size != size:
		return fmt.Errorf("%s was changed by somebody else: it has %d bytes instead of %d", f.Name(), own.Size, size)
	}
	return nil
}

// restarted calls again what a signal interrupted, as package os does.
func restarted(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ErrInUse says that another process writes to the log.
var ErrInUse = errors.New("the audit log is in use by another process")

// lockDir makes the directory if need be and takes its lock, which lasts until the
// file is closed or the process ends.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	info, err := d.Stat()
	switch {
	case err != nil:
	case !info.IsDir():
		err = fmt.Errorf("%s is not a directory", dir)
	case info.Mode().Perm()&0o077 != 0:
		err = fmt.Errorf("%s may be used by others than its owner (mode %04o); chmod it to 0700", dir, info.Mode().Perm())
	default:
		err = lock(d)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
