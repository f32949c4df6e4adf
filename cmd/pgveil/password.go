package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/keys"
)

// passwordPlace is where a password of pgveil's own is: at most one of three places is given.
type passwordPlace struct {
	config           *config.Config
	key              string // what the settings' keys begin with
	file, env, vault string
	lookup           func(string) (string, bool)
	store            *keys.VaultStore // not nil if it is in Vault
}

// fetch reads it, "" if there is none.
func (p *passwordPlace) fetch(ctx context.Context) (string, error) {
	switch {
	case p.file != "":
		return p.read()
	case p.env != "":
		text, ok := p.lookup(p.env)
		if !ok || text == "" {
			return "", p.config.Errorf(p.key+"_env", "the variable %s of the environment is not set", p.env)
		}
		return text, nil
	case p.vault != "":
		path, field, _ := strings.Cut(p.vault, "#")
		return p.store.ReadSecret(ctx, path, field)
	default:
		return "", nil
	}
}

// maxPassword bounds what is read of a password's file, in bytes.
const maxPassword = 64 << 10

func (p *passwordPlace) read() (string, error) {
	wrong := func(format string, args ...any) error {
		return p.config.Errorf(p.key+"_file", p.key+"_file: "+format, args...)
	}
	f, err := os.Open(p.file)
	if err != nil {
		return "", wrong("%v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", wrong("%v", err)
	}
	if perm := info.Mode().Perm(); perm&0o027 != 0 {
		return "", wrong("%s has mode %04o, with which others may read or change it; run chmod 0400 on it", p.file, perm)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPassword))
	if err != nil {
		return "", wrong("%v", err)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" || len(data) == maxPassword {
		return "", wrong("%s does not hold a password", p.file)
	}
	return text, nil
}
