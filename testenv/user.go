package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that servers run as. The zero value means the user of
// this process.
type account struct {
	drop     bool
	uid, gid int
}

// serverAccount finds an unprivileged user for servers that refuse to be root.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return account{}, fmt.Errorf("user %s: %w", name, err)
		}
		return account{drop: true, uid: uid, gid: gid}, nil
	}
	return account{}, errors.New("running as root, and there is neither a user postgres nor nobody to run servers as")
}

// apply makes cmd run as the account, away from a directory the account may
// not enter.
func (a account) apply(cmd *exec.Cmd) {
	if !a.drop {
		return
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
}

// own gives path and all below it to the account.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, a.uid, a.gid)
	})
}

// tempDir makes a private directory that the account can reach. Its path is
// short enough for a Unix socket (107 bytes on Linux).
func (a account) tempDir(pattern string) (string, error) {
	parent := os.TempDir()
	if len(parent) > 60 || (a.drop && !openToAll(parent)) {
		parent = "/tmp"
	}
	return a.tempDirIn(parent, pattern)
}

func (a account) tempDirIn(parent, pattern string) (string, error) {
	dir, err := os.MkdirTemp(parent, pattern)
	if err != nil {
		return "", err
	}
	return dir, a.own(dir)
}

// tempDirInMemory is tempDir in a memory file system, if there is a large one
// and TMPDIR does not say otherwise. ext4 is slow to create the thousand files
// of a server shortly after it deleted those of another: it looks at each inode
// deleted in the last minutes (recently_deleted in fs/ext4/ialloc.c).
func (a account) tempDirInMemory(pattern string) (string, error) {
	const shm, tmpfs, enough = "/dev/shm", 0x01021994, 2 << 30
	var fs syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(shm, &fs) == nil && fs.Type == tmpfs &&
		fs.Bavail*uint64(fs.Bsize) >= enough && openToAll(shm) {
		return a.tempDirIn(shm, pattern)
	}
	return a.tempDir(pattern)
}

// openToAll reports whether any user can go into dir.
func openToAll(dir string) bool {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}
