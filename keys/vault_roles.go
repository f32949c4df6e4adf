package keys

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/api"
)

// RoleSecret is what Vault holds of a role that logs in to the database.
type RoleSecret struct{ Password, Verifier string }

// String leaves everything out.
func (RoleSecret) String() string { return "(secret)" }

// GoString leaves everything out.
func (RoleSecret) GoString() string { return "(secret)" }

// roleName reports whether a role's name can be the last part of a path in Vault: it
// comes from whoever connects and must not lead elsewhere.
func roleName(role string) bool {
	for _, c := range []byte(role) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_-.@$", c) >= 0:
		default:
			return false
		}
	}
	return strings.Trim(role, ".") != ""
}

// ReadRole reads a role's secret from below a path of KVMount: a field "password" or a
// field "verifier", or both. The error is [ErrNoSecret] if there is none, and for names
// of other characters than letters without accents, digits and _ - . @ $.
func (s *VaultStore) ReadRole(ctx context.Context, below, role string) (RoleSecret, error) {
	path := strings.Trim(below, "/") + "/" + role
	if !roleName(role) {
		return RoleSecret{}, &StoreError{Place: s.config.place(s.dataPath(below)), Reason: ErrNoSecret}
	}
	secret, err := s.get(ctx, path)
	if err != nil {
		return RoleSecret{}, s.noSecret(s.dataPath(path), err)
	}
	var found RoleSecret
	found.Password, _ = secret.Data["password"].(string)
	found.Verifier, _ = secret.Data["verifier"].(string)
	if found == (RoleSecret{}) {
		return found, &StoreError{
			Place: s.config.place(s.dataPath(path)), Reason: ErrNoSecret,
			Detail: "there is no text in a field \"password\" or \"verifier\"",
		}
	}
	return found, nil
}

// ReadStaticRole reads the password that the database secrets engine has given the static
// role of the same name. The errors are those of [VaultStore.ReadRole].
func (s *VaultStore) ReadStaticRole(ctx context.Context, mount, role string) (RoleSecret, error) {
	path := strings.Trim(mount, "/") + "/static-creds/" + role
	if !roleName(role) {
		return RoleSecret{}, &StoreError{Place: s.config.place(mount), Reason: ErrNoSecret}
	}
	var secret *api.Secret
	err := s.do(ctx, func() (err error) {
		secret, err = s.session.client.Logical().ReadWithContext(ctx, path)
		return err
	})
	if err == nil && secret == nil {
		err = api.ErrSecretNotFound
	}
	if strings.HasPrefix(refusedWith(err), "unknown role") {
		err = api.ErrSecretNotFound
	}
	if err != nil {
		return RoleSecret{}, s.noSecret(path, err)
	}
	username, _ := secret.Data["username"].(string)
	password, _ := secret.Data["password"].(string)
	if username != role || password == "" {
		return RoleSecret{}, &StoreError{
			Place: s.config.place(path), Reason: ErrNoSecret, Detail: fmt.Sprintf("it is for the database's user %q", username),
		}
	}
	return RoleSecret{Password: password}, nil
}

// noSecret is fail for a secret that may not be there.
func (s *VaultStore) noSecret(path string, err error) error {
	e := s.fail("", path, "read", err)
	if own, ok := e.(*StoreError); ok && own.Reason == ErrMissing {
		own.Reason = ErrNoSecret
	}
	return e
}
