package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/goccy/go-yaml"

	"github.com/pgveil/pgveil/testenv"
)

// settings is a part of pgveil's configuration file.
type settings map[string]any

// configure writes pgveil's files: the schema file, the configuration, and the
// credentials that it names.
func (d *demo) configure(ctx context.Context) error {
	login := settings{"user": ownLogin}
	var store settings
	var err error
	if d.vault {
		store, err = d.vaultSettings(ctx, login)
	} else {
		store = settings{"insecure_local": "insecure-keys"}
		login["password_file"] = "login-password"
		err = d.writeFile("login-password", []byte(d.lab.passwords[ownLogin]))
	}
	if err != nil {
		return err
	}
	config, err := yaml.Marshal(settings{
		"listen": "127.0.0.1:" + strconv.Itoa(d.port),
		"schema": "schema.yaml",
		"server": settings{"host": "127.0.0.1", "port": d.serverPort},
		"login":  login,
		"keys":   store,
		"audit":  settings{"dir": "audit"},
		// A newcomer's forgotten psql shall not hold up Ctrl-C.
		"limits": settings{"shutdown_grace": "1s"},
	})
	if err != nil {
		return err
	}
	if err := d.writeFile("schema.yaml", schemaYAML); err != nil {
		return err
	}
	return d.writeFile("pgveil.yaml", config)
}

// writeFile writes a file of the temporary directory, for this user alone.
func (d *demo) writeFile(name string, data []byte) error {
	return os.WriteFile(d.janitor.path(name), data, 0o600)
}

// The files of the secret ids: of pgveil as it serves, which may read keysets, and
// of the operator, who may make them.
const (
	servingSecretID  = "serving-secret-id"
	operatorSecretID = "operator-secret-id"
)

// vaultSettings puts the password of pgveil's login into Vault and says how the
// serving pgveil logs in.
func (d *demo) vaultSettings(ctx context.Context, login settings) (settings, error) {
	const path = testenv.KVPrefix + "/login"
	_, err := d.vaultServer.Client().KVv2(testenv.KVMount).Put(ctx, path, settings{"password": d.lab.passwords[ownLogin]})
	if err != nil {
		return nil, fmt.Errorf("put the password of pgveil's login into Vault: %w", err)
	}
	login["password_vault"] = path + "#password"
	if err := d.writeFile(servingSecretID, []byte(d.setup.Reader.SecretID)); err != nil {
		return nil, err
	}
	if err := d.writeFile(operatorSecretID, []byte(d.setup.Admin.SecretID)); err != nil {
		return nil, err
	}
	return settings{"vault": settings{
		"address": d.vaultServer.Address(),
		"ca_file": d.vaultServer.CA().File(),
		"approle": settings{"role_id": d.setup.Reader.RoleID, "secret_id_file": servingSecretID},
	}}, nil
}

// createKeys makes the keys that the schema file and the audit log name, as the
// operator.
func (d *demo) createKeys(ctx context.Context) error {
	args := []string{"keys", "create", "--all"}
	if d.vault {
		args = append(args, "--keys-vault-approle-role-id", d.setup.Admin.RoleID,
			"--keys-vault-approle-secret-id-file", d.janitor.path(operatorSecretID))
	}
	if _, err := d.pgveil.run(ctx, args...); err != nil {
		return err
	}
	where := "an insecure local store; KEYS=vault keeps them in a real Vault"
	if d.vault {
		where = "Vault, encrypted by its Transit key"
	}
	d.screen.step("pgveil keys create --all: keysets in %s", where)
	return nil
}
