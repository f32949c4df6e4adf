package keys

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

const (
	localSuffix = ".json"
	// maxKeysetSize bounds what is read of a keyset, in bytes.
	maxKeysetSize = 1 << 20
)

// LocalStore keeps keysets in the clear, one file each, for development. Its
// directory has "insecure" in its name and is its owner's alone.
type LocalStore struct {
	dir  string
	root *os.Root
}

// OpenInsecureLocal opens a directory made by [CreateInsecureLocal]. It refuses
// one without "insecure" in its name, of another owner, or with any right for
// others ([ErrInsecure]).
func OpenInsecureLocal(dir string) (*LocalStore, error) {
	if err := checkLocalName(dir); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, localError("", dir, err)
	}
	// What was opened is checked, not what the path names by now.
	info, err := root.Stat(".")
	if err == nil {
		err = checkPrivate(info)
	}
	if err != nil {
		root.Close()
		return nil, localError("", dir, err)
	}
	return &LocalStore{dir: dir, root: root}, nil
}

// CreateInsecureLocal makes the directory, mode 0700, unless it is there, and
// opens it.
func CreateInsecureLocal(dir string) (*LocalStore, error) {
	if err := checkLocalName(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, localError("", dir, err)
	}
	return OpenInsecureLocal(dir)
}

func checkLocalName(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return localError("", dir, err)
	}
	if !strings.Contains(filepath.Base(abs), "insecure") {
		return &StoreError{
			Place: dir, Reason: ErrInsecure,
			Detail: `it keeps keys in the clear, so its name must contain "insecure"`,
		}
	}
	return nil
}

// checkPrivate returns an error if anybody but this process's user has a right
// on the file or directory.
func checkPrivate(info fs.FileInfo) error {
	want := fs.FileMode(0o600)
	if info.IsDir() {
		want = 0o700
	}
	if perm := info.Mode().Perm(); perm&^want != 0 {
		return fmt.Errorf("%w: its mode is %04o, not %04o; run chmod %04o on it", ErrInsecure, perm, want, want)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: it belongs to user id %d, not to %d, who runs this", ErrInsecure, stat.Uid, os.Geteuid())
	}
	return nil
}

// Open implements [Store].
func (s *LocalStore) Open(_ context.Context, name string) (*Keyring, error) {
	if err := CheckName(name); err != nil {
		return nil, &StoreError{Place: s.dir, Reason: ErrMissing, Detail: err.Error()}
	}
	keyring, err := s.open(name)
	if err != nil {
		return nil, localError(name, s.path(name), err)
	}
	return keyring, nil
}

func (s *LocalStore) open(name string) (*Keyring, error) {
	handle, info, err := s.read(name)
	if err != nil {
		return nil, err
	}
	keyring, err := NewKeyring(name, handle)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	keyring.info.Created = info.ModTime().UTC().Truncate(time.Second)
	return keyring, nil
}

func (s *LocalStore) read(name string) (*keyset.Handle, fs.FileInfo, error) {
	f, err := s.root.Open(name + localSuffix)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%w: it is not a regular file", ErrCorrupt)
	}
	if err := checkPrivate(info); err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeysetSize+1))
	defer clear(data)
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxKeysetSize {
		return nil, nil, fmt.Errorf("%w: it is larger than %d bytes", ErrCorrupt, maxKeysetSize)
	}
	if t, ok := destroyedFile(data); ok {
		return nil, nil, destroyedError(t)
	}
	// Tink's own error may quote what it could not parse.
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data)))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: it is not a Tink keyset in JSON", ErrCorrupt)
	}
	return handle, info, nil
}

// Create implements [Store].
func (s *LocalStore) Create(_ context.Context, name string, t KeyType, taken ...uint32) (Info, error) {
	if err := CheckName(name); err != nil {
		return Info{}, &StoreError{Place: s.dir, Reason: ErrConfig, Detail: err.Error()}
	}
	handle, err := t.generate(taken...)
	if err == nil {
		err = s.write(name, handle, s.root.Link)
	}
	if err != nil {
		return Info{}, localError(name, s.path(name), err)
	}
	keyring, err := s.open(name)
	if err != nil {
		return Info{}, localError(name, s.path(name), err)
	}
	return keyring.Info(), nil
}

// write puts the keyset on disk under another name first, so that the file is
// there whole or not at all, and has place put it in its place.
func (s *LocalStore) write(name string, handle *keyset.Handle, place func(from, to string) error) error {
	var buf bytes.Buffer
	defer func() { clear(buf.Bytes()) }()
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&buf)); err != nil {
		return err
	}
	return s.writeFile(name, buf.Bytes(), place)
}

func (s *LocalStore) writeFile(name string, data []byte, place func(from, to string) error) (err error) {
	temporary := "." + name + "." + rand.Text()
	f, err := s.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if removed := s.root.Remove(temporary); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
		err = errors.Join(err, s.sync())
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return place(temporary, name+localSuffix)
}

// sync makes the directory's entries durable.
func (s *LocalStore) sync() error {
	d, err := s.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// List implements [Store].
func (s *LocalStore) List(ctx context.Context) ([]Info, error) {
	names, err := s.Names(ctx)
	if err != nil {
		return nil, err
	}
	var infos []Info
	var errs []error
	for _, name := range names {
		keyring, err := s.Open(ctx, name)
		var gone *StoreError
		switch {
		case errors.Is(err, ErrDestroyed) && errors.As(err, &gone):
			infos = append(infos, Info{Name: name, Destroyed: gone.tombstone.Destroyed, Erased: gone.tombstone.IDs})
		case err != nil:
			errs = append(errs, err)
		default:
			infos = append(infos, keyring.Info())
		}
	}
	sortInfos(infos)
	return infos, errors.Join(errs...)
}

// Names implements [Store].
func (s *LocalStore) Names(context.Context) ([]string, error) {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil, localError("", s.dir, err)
	}
	var names []string
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), localSuffix); ok && CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// Close implements [Store].
func (s *LocalStore) Close() error { return s.root.Close() }

func (s *LocalStore) path(name string) string { return filepath.Join(s.dir, name+localSuffix) }

// localError says in a [StoreError] what went wrong with a file.
func localError(name, path string, err error) error {
	e := &StoreError{Key: name, Place: path, Reason: err}
	var own *StoreError
	if errors.As(err, &own) {
		e.Reason, e.Detail, e.tombstone = own.Reason, own.Detail, own.tombstone
		return e
	}
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.Is(err, fs.ErrExist):
		e.Reason = ErrExists
	case errors.Is(err, fs.ErrNotExist) && name == "":
		e.Reason, e.Detail = ErrConfig, "there is no such directory"
	case errors.Is(err, fs.ErrNotExist):
		e.Reason, e.Detail = ErrMissing, missingHint(name)
	case errors.Is(err, fs.ErrPermission):
		e.Reason = ErrPermission
	case errors.As(err, &pathErr):
		e.Reason = pathErr.Err
	case errors.As(err, &linkErr):
		e.Reason = linkErr.Err
	}
	return e
}
