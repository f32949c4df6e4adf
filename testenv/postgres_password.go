package testenv

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/xdg-go/scram"
)

// scramIterations is PostgreSQL's own default.
const scramIterations = 4096

// verifier returns what pg_authid keeps for a password, so that no statement,
// and no server log, holds the password itself. Under AuthMethod md5 it is an
// MD5 hash, or else the server would run SCRAM under that name.
func verifier(method, role, password string) (string, error) {
	if method == AuthMD5 {
		sum := md5.Sum([]byte(password + role))
		return "md5" + hex.EncodeToString(sum[:]), nil
	}
	client, err := scram.SHA256.NewClient(role, password, "")
	if err != nil {
		// PostgreSQL, too, takes a password that SASLprep refuses as it is.
		client, err = scram.SHA256.NewClientUnprepped(role, password, "")
		if err != nil {
			return "", fmt.Errorf("password of %s: %w", role, err)
		}
	}
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: scramIterations})
	if err != nil {
		return "", fmt.Errorf("password of %s: %w", role, err)
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s",
		scramIterations, b64(salt), b64(stored.StoredKey), b64(stored.ServerKey)), nil
}

// quoteLiteral quotes a string as an SQL literal, whatever the setting of
// standard_conforming_strings.
func quoteLiteral(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}
