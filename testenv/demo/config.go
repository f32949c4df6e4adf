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
	catalog := settings{"user": ownLogin}
	var store settings
	var err error
	if d.vault {
		store, err = d.vaultSettings(ctx, catalog)
	} else {
		store = settings{"insecure_local": "insecure-keys"}
		catalog["password_file"] = "catalog-password"
		err = d.writeFile("catalog-password", []byte(d.lab.passwords[ownLogin]))
	}
	if err != nil {
		return err
	}
	config, err := yaml.Marshal(settings{
		"listen":  "127.0.0.1:" + strconv.Itoa(d.port),
		"schema":  "schema.yaml",
		"server":  settings{"host": "127.0.0.1", "port": d.serverPort},
		"catalog": catalog,
		"keys":    store,
		"audit":   settings{"dir": "audit"},
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
func (d *demo) vaultSettings(ctx context.Context, catalog settings) (settings, error) {
	const path = testenv.KVPrefix + "/catalog"
	_, err := d.vaultServer.Client().KVv2(testenv.KVMount).Put(ctx, path, settings{"password": d.lab.passwords[ownLogin]})
	if err != nil {
		return nil, fmt.Errorf("put the password of pgveil's login into Vault: %w", err)
	}
	catalog["password_vault"] = path + "#password"
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

// demoKeys are those that the schema file and the audit log name, with their types.
var demoKeys = [][2]string{
	{"lookup", "deterministic"},
	{"identity", "randomized"},
	{"medical", "randomized"},
	{"audit-mac", "mac"},
	{"audit-signature", "signature"},
}

// createKeys makes the keys, as the operator.
func (d *demo) createKeys(ctx context.Context) error {
	for _, key := range demoKeys {
		args := []string{"keys", "create", key[0], "--type", key[1]}
		if d.vault {
			args = append(args, "--keys-vault-approle-role-id", d.setup.Admin.RoleID,
				"--keys-vault-approle-secret-id-file", d.janitor.path(operatorSecretID))
		}
		if _, err := d.pgveil.run(ctx, args...); err != nil {
			return err
		}
	}
	where := "an insecure local store; KEYS=vault keeps them in a real Vault"
	if d.vault {
		where = "Vault, encrypted by its Transit key"
	}
	d.screen.step("pgveil keys create: %d keysets in %s", len(demoKeys), where)
	return nil
}
