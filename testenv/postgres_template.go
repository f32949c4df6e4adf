package testenv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// template returns a data directory fresh from initdb in the user's cache, for
// copying. The superuser postgres has no password in it, and every start sets
// one. Copies share a system identifier, as a primary and its standbys do.
func (in installation) template(ctx context.Context, as account, encoding, locale string) (string, error) {
	cache, err := cacheDir("initdb")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(in.bin + "\x00" + in.version + "\x00" + encoding + "\x00" + locale))
	final := filepath.Join(cache, fmt.Sprintf("%d-%s", in.major, hex.EncodeToString(sum[:8])))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}

	work, err := as.tempDir("pgveil-initdb-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	data := filepath.Join(work, "data")
	cmd := exec.CommandContext(ctx, in.program("initdb"),
		"--pgdata", data, "--username", SuperUser, "--auth", "trust",
		"--encoding", encoding, "--locale", locale, "--no-sync")
	as.apply(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}

	// Other processes may do the same at this moment: whoever renames first wins.
	staged, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(staged)
	if err := copyTree(data, filepath.Join(staged, "data")); err != nil {
		return "", err
	}
	err = os.Rename(filepath.Join(staged, "data"), final)
	if _, found := os.Stat(final); err != nil && found != nil {
		return "", err
	}
	return final, nil
}

// copyTree copies a directory of plain files and directories. The copy is
// readable by its owner alone.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.Mkdir(dest, 0o700)
		case d.Type().IsRegular():
			return copyFile(path, dest)
		default:
			return fmt.Errorf("copy %s: neither file nor directory", path)
		}
	})
}

// copyFile copies a file, with holes for its blocks of zeros: most of a new WAL
// segment is nothing else.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(copySparse(out, in), out.Close())
}

var zeros [64 << 10]byte

func copySparse(out *os.File, in io.Reader) error {
	var block [len(zeros)]byte
	var size int64
	for {
		n, err := io.ReadFull(in, block[:])
		if n > 0 && !bytes.Equal(block[:n], zeros[:n]) {
			if _, err := out.WriteAt(block[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return out.Truncate(size)
		case err != nil:
			return err
		}
	}
}
