package keys_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgveil/pgveil/keys"
)

var _ keys.Store = (*keys.LocalStore)(nil)

func newLocal(t *testing.T) (*keys.LocalStore, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "insecure-keys")
	store, err := keys.CreateInsecureLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store, dir
}

// wantError checks the reason of an error, that it names what it should, and
// that it holds no key material.
func wantError(t *testing.T, err, reason error, mentions ...string) {
	t.Helper()
	if !errors.Is(err, reason) {
		t.Errorf("error %v, want %v", err, reason)
		return
	}
	var e *keys.StoreError
	if !errors.As(err, &e) {
		t.Errorf("error %v is no StoreError", err)
	}
	for _, m := range mentions {
		if !strings.Contains(err.Error(), m) {
			t.Errorf("error %q does not mention %q", err, m)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has several lines", err)
	}
}

func TestLocalStore(t *testing.T) {
	store, dir := newLocal(t)
	ctx := t.Context()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("directory: %v, %v", info.Mode(), err)
	}
	for _, kind := range keys.KeyTypes() {
		name := "key-" + string(kind)
		info, err := store.Create(ctx, name, kind)
		if err != nil {
			t.Fatal(err)
		}
		if info.Name != name || info.Type != kind || len(info.Keys) != 1 || !info.Keys[0].Primary ||
			info.Keys[0].Status != "enabled" || time.Since(info.Created) > time.Minute || info.KEK != "" {
			t.Errorf("Create = %+v", info)
		}
		if file, err := os.Stat(filepath.Join(dir, name+".json")); err != nil || file.Mode().Perm() != 0o600 {
			t.Errorf("file: %v, %v", file.Mode(), err)
		}
	}
	// Another process opens what this one made.
	again, err := keys.OpenInsecureLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	var sealed []byte
	for _, s := range []*keys.LocalStore{store, again} {
		ring, err := s.Open(ctx, "key-randomized")
		if err != nil {
			t.Fatal(err)
		}
		sealer, err := ring.Sealer(keys.ModeRandomized, column, 32)
		if err != nil {
			t.Fatal(err)
		}
		if sealed == nil {
			sealed = mustSeal(t, sealer, []byte("positif"))
		}
		if got, err := sealer.Open(nil, sealed); err != nil || string(got) != "positif" {
			t.Errorf("Open = %q, %v", got, err)
		}
	}
	infos, err := again.List(ctx)
	if err != nil || len(infos) != len(keys.KeyTypes()) || infos[0].Name != "key-deterministic" || infos[len(infos)-1].Name != "key-signature" {
		t.Errorf("List = %+v, %v", infos, err)
	}
	// Nothing is left of the making.
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(keys.KeyTypes()) {
		t.Errorf("directory: %v, %v", entries, err)
	}
}

func TestLocalStoreNeverOverwrites(t *testing.T) {
	store, dir := newLocal(t)
	if _, err := store.Create(t.Context(), "patient", keys.TypeRandomized); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "patient.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Create(t.Context(), "patient", keys.TypeRandomized)
	wantError(t, err, keys.ErrExists, `key "patient"`, dir)
	after, err := os.ReadFile(filepath.Join(dir, "patient.json"))
	if err != nil || string(before) != string(after) {
		t.Errorf("the keyset was changed: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	// Of many at the same time, one makes it.
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch _, err := store.Create(t.Context(), "raced", keys.TypeMAC); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, keys.ErrExists):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

func TestLocalStoreErrors(t *testing.T) {
	store, dir := newLocal(t)
	ctx := t.Context()
	if _, err := store.Create(ctx, "patient", keys.TypeRandomized); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(ctx, "absent")
	wantError(t, err, keys.ErrMissing, `key "absent"`, dir, "pgveil keys create absent")
	_, err = store.Open(ctx, "../escape")
	wantError(t, err, keys.ErrMissing)
	_, err = store.Create(ctx, "../escape", keys.TypeMAC)
	wantError(t, err, keys.ErrConfig)
	if _, err := store.Create(ctx, "odd", "unknown"); err == nil {
		t.Error("a key of unknown type was made")
	}

	good, err := os.ReadFile(filepath.Join(dir, "patient.json"))
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Key []struct{ KeyData struct{ Value string } }
	}
	if err := json.Unmarshal(good, &parsed); err != nil {
		t.Fatal(err)
	}
	secret := parsed.Key[0].KeyData.Value
	for i, bad := range []string{
		"", "{}", "[]", string(good[:len(good)/2]),
		strings.Replace(string(good), "AesGcmKey", "NoSuchKey", 1),
		strings.Replace(string(good), "TINK", "RAW", 1),
		strings.Replace(string(good), secret, secret[4:], 1),
		strings.Replace(string(good), secret, secret+"!", 1),
		strings.Replace(string(good), "ENABLED", "DISABLED", 1),
		strings.Repeat(" ", 1<<20) + string(good),
	} {
		name := fmt.Sprintf("bad%d", i)
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(ctx, name)
		wantError(t, err, keys.ErrCorrupt, name)
		if err != nil && strings.Contains(err.Error(), secret[4:12]) {
			t.Errorf("%s: the error has key material in it", name)
		}
	}
	infos, err := store.List(ctx)
	if len(infos) != 1 || infos[0].Name != "patient" || !errors.Is(err, keys.ErrCorrupt) {
		t.Errorf("List among bad files = %v, %v", infos, err)
	}

	if err := os.Chmod(filepath.Join(dir, "patient.json"), 0o640); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(ctx, "patient")
	wantError(t, err, keys.ErrInsecure, "0640", "chmod 0600")
	if err := os.Mkdir(filepath.Join(dir, "folder.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(ctx, "folder")
	wantError(t, err, keys.ErrCorrupt, "regular")
}

func TestLocalStoreDirectory(t *testing.T) {
	parent := t.TempDir()
	// The parent's name does not count.
	for _, name := range []string{"keys", "insecure/keys", "."} {
		dir := filepath.Join(parent, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := keys.OpenInsecureLocal(dir)
		wantError(t, err, keys.ErrInsecure, `"insecure"`)
		_, err = keys.CreateInsecureLocal(dir)
		wantError(t, err, keys.ErrInsecure, `"insecure"`)
	}
	dir := filepath.Join(parent, "insecure-x")
	_, err := keys.OpenInsecureLocal(dir)
	wantError(t, err, keys.ErrConfig, dir)
	for _, mode := range []os.FileMode{0o755, 0o750, 0o701, 0o710, 0o770} {
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
		for _, open := range []func(string) (*keys.LocalStore, error){keys.OpenInsecureLocal, keys.CreateInsecureLocal} {
			_, err := open(dir)
			wantError(t, err, keys.ErrInsecure, fmt.Sprintf("%04o", mode), "chmod 0700")
		}
	}
	file := filepath.Join(parent, "insecure-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := keys.OpenInsecureLocal(file); err == nil {
		t.Errorf("a file is taken for a directory: %v", s)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		_, err := keys.OpenInsecureLocal(dir)
		wantError(t, err, keys.ErrInsecure, "65534")
	}
}
