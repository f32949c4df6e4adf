package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPgBouncer(t *testing.T) {
	for _, opts := range []PostgresOptions{{}, {AuthMethod: AuthMD5}, {AuthMethod: AuthTrust}, {TLS: true}} {
		name := opts.AuthMethod
		if opts.TLS {
			name = "server TLS"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Require(t, PartPgBouncer)
			p := startPostgres(t, opts)
			ctx := t.Context()
			if err := p.CreateRole(ctx, "biologist", "s3cret"); err != nil {
				t.Fatal(err)
			}
			b, err := StartPgBouncer(ctx, PgBouncerOptions{
				Server: p, Settings: map[string]string{"application_name_add_host": "1"},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Stop()
			role, tls, err := whoami(ctx, b.DSN("biologist", "s3cret", "postgres"))
			if err != nil || role != "biologist" || tls != opts.TLS {
				t.Errorf("role %q, TLS %v, %v", role, tls, err)
			}
			if opts.AuthMethod != AuthTrust {
				if _, _, err := whoami(ctx, b.DSN("biologist", "wrong", "postgres")); err == nil {
					t.Error("a wrong password is accepted")
				}
			}
			if files, err := os.ReadFile(filepath.Join(b.dir, "userlist.txt")); err != nil || strings.Contains(string(files), "s3cret") {
				t.Errorf("the user list holds the password, or %v", err)
			}
			pid := b.proc.pid
			if err := errors.Join(b.Stop(), b.Stop()); err != nil {
				t.Error(err)
			}
			expectGone(t, pid, b.dir, b.Addr())
		})
	}
}

func TestPgBouncerBadSetting(t *testing.T) {
	Require(t, PartPgBouncer)
	p := startPostgres(t, PostgresOptions{})
	_, err := StartPgBouncer(t.Context(), PgBouncerOptions{Server: p, Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("a wrong setting gives %v", err)
	}
}
