package testenv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// VaultVariable names a vault or bao command to use instead of building one.
const VaultVariable = "VAULT_BIN"

// installedVault returns the vault or bao command of this machine, or "".
func installedVault() (string, error) {
	if path := os.Getenv(VaultVariable); path != "" {
		if !executable(path) {
			return "", &MissingError{Part: PartVault, Package: "Go (golang), to build one", Detail: VaultVariable + " names no program"}
		}
		return path, nil
	}
	for _, name := range []string{"vault", "bao"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", nil
}

// VaultInstalled reports whether VAULT_BIN or PATH has a vault or bao command,
// so that none is built.
func VaultInstalled() bool {
	path, err := installedVault()
	return err == nil && path != ""
}

// checkVault reports whether BuildVault, or a command, can serve.
func checkVault() error {
	path, err := installedVault()
	if err != nil || path != "" {
		return err
	}
	source, err := vaultSource()
	if err != nil {
		return err
	}
	target, err := vaultTarget(source)
	if err != nil {
		return err
	}
	if executable(target) {
		return nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return &MissingError{Part: PartVault, Package: "golang", Detail: "no vault or bao on PATH, and no go to build one"}
	}
	return nil
}

// BuildVault returns the path of the test server vaultd, built into the user's
// cache if it is not there. A build takes 5 to 8 minutes on two cores and
// writes one line to out before it begins. Several processes may call it at
// once: one builds and the others wait.
func BuildVault(ctx context.Context, out io.Writer) (string, error) {
	source, err := vaultSource()
	if err != nil {
		return "", err
	}
	target, err := vaultTarget(source)
	if err != nil {
		return "", err
	}
	if executable(target) {
		return target, nil
	}
	dir := filepath.Dir(target)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another build of vaultd: %w", err)
	}
	defer unlock()
	if executable(target) {
		return target, nil
	}

	fmt.Fprintf(out, "testenv: building Vault once into %s; this takes 5 to 8 minutes on two cores\n", dir)
	staged := target + ".new"
	args := []string{"go", "build", "-trimpath", "-ldflags=-s -w", "-o", staged, "."}
	if nice, err := exec.LookPath("nice"); err == nil {
		args = append([]string{nice}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build vaultd: %w\n%s", errors.Join(err, ctx.Err()), said.Bytes())
	}
	return target, os.Rename(staged, target)
}

// vaultTarget returns where the program built from source belongs. The name
// changes with the source, the Go release and the platform.
func vaultTarget(source string) (string, error) {
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return "", err
	}
	files = append(files, filepath.Join(source, "go.mod"), filepath.Join(source, "go.sum"))
	slices.Sort(files)
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", filepath.Base(file), len(data), data)
	}
	base, err := cacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(base, "vaultd-"+hex.EncodeToString(h.Sum(nil)[:8]), "vaultd"), nil
}

// vaultSource returns the directory of the module vaultd. It is a module of its
// own, so it cannot be embedded.
func vaultSource() (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		dir := filepath.Join(filepath.Dir(file), "vaultd")
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	// Built with -trimpath, or moved: look upwards from here.
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source := filepath.Join(dir, "testenv", "vaultd")
		if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
			return source, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("testenv/vaultd not found: run this inside the pgveil source tree, or set " + VaultVariable)
		}
		dir = filepath.Dir(dir)
	}
}

// lockFile takes an exclusive lock that ends with the process.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
