package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Every setting is taken from each of its places, and the higher place wins.
func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	for _, s := range settings {
		file, env, flag := threeValues(s)
		name := filepath.Join(dir, "pgveil.yaml")
		text := fmt.Sprint(file)
		if _, isText := file.(string); isText {
			text = fmt.Sprintf("%q", file)
		}
		parts := strings.Split(s.Key, ".")
		yaml := strings.Join(parts, ": {") + ": " + text + strings.Repeat("}", len(parts)-1) + "\n"
		if err := os.WriteFile(name, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		// What other settings ask for, so that this one is free.
		args := []string{"--config", name}
		extra := map[string]string{
			"tls.mode": "--tls-cert=c --tls-key=k", "server.sslcert": "--server-sslkey=k", "server.sslkey": "--server-sslcert=c",
			"auth.mode": "--auth-insecure-passwords=insecure",
		}[s.Key]
		args = append(args, strings.Fields(extra)...)
		variables := map[string]string{}

		check := func(place string, want any) {
			t.Helper()
			got := reflect.ValueOf(s.field(load(t, args, variables))).Elem().Interface()
			if parsed, err := s.parse(fmt.Sprint(want)); err != nil || got != parsed {
				t.Errorf("%s from %s: %v, not %v (%v)", s.Key, place, got, want, err)
			}
		}
		fromFile := file
		if s.isPath(fmt.Sprint(file)) {
			fromFile = filepath.Join(dir, fmt.Sprint(file))
		}
		check("the file", fromFile)
		variables[s.Env()] = fmt.Sprint(env)
		check("the environment", env)
		args = append(args, "--"+s.Flag(), fmt.Sprint(flag))
		check("the flag", flag)
	}
}

// threeValues are values that a setting takes, none of them the default.
func threeValues(s *Setting) (file, env, flag any) {
	switch s.Kind {
	case Choice:
		return s.Words[1%len(s.Words)], s.Words[len(s.Words)-1], s.Words[0]
	case Number:
		return s.Low + 11, s.Low + 12, s.Low + 13
	case Size:
		return s.Low, "1MB", "2MB"
	case Duration:
		return "11s", "12m", "13h"
	case Address:
		return "[::1]:1", ":2", "host:3"
	case Variable:
		return "A", "B", "C"
	case Reference:
		return "a#a", "b#b", "c#c"
	default:
		return "a", "b", "c"
	}
}

// A way in a higher place replaces another way in a lower one.
func TestAlternatives(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pgveil.yaml")
	text := "login: {password_file: p}\nkeys: {vault: {address: 'https://v', approle: {role_id: r, secret_id_file: s}}}\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, []string{"--config", name}, nil)
	if c.Login.PasswordFile == "" || c.Vault.RoleID != "r" || c.Vault.SecretIDFile == "" {
		t.Errorf("%+v", c)
	}
	c = load(t, []string{"--config", name, "--keys-vault-token-file", "t"}, map[string]string{"PGVEIL_LOGIN_PASSWORD_ENV": "P"})
	if c.Login.PasswordFile != "" || c.Login.PasswordEnv != "P" {
		t.Errorf("login: %+v", c.Login)
	}
	if c.Vault.RoleID != "" || c.Vault.SecretIDFile != "" || c.Vault.TokenFile != "t" || c.Vault.Address != "https://v" {
		t.Errorf("Vault: %+v", c.Vault)
	}
	// Half of AppRole may come from elsewhere.
	c = load(t, []string{"--config", name, "--keys-vault-approle-role-id", "other"}, nil)
	if c.Vault.RoleID != "other" || c.Vault.SecretIDFile == "" {
		t.Errorf("Vault: %+v", c.Vault)
	}
	c = load(t, []string{"--config", name}, map[string]string{"PGVEIL_KEYS_INSECURE_LOCAL": "insecure"})
	if c.Vault.Address != "" || c.Insecure != "insecure" {
		t.Errorf("keys: %+v", c)
	}
}

func TestUnknownVariables(t *testing.T) {
	got := UnknownVariables([]string{"PGVEIL_LISTEN=x", "PGVEIL_LISTN=x", "PGVEIL_CONFIG=x", "PGVEIL_TEST_SKIP_MISSING=1", "HOME=/", "PGVEILLISTN=x"})
	if want := []string{`PGVEIL_LISTN is not a setting; did you mean "PGVEIL_LISTEN"?`}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}
