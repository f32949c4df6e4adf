package keys

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/hashicorp/vault/api"
)

// ErrIntercepted is the reason when a wrapping token, which can be used once, was used before.
var ErrIntercepted = errors.New("a wrapped secret may have been intercepted")

// wrapped is a secret that came in a wrapping, and the wrapping token. It is kept in memory
// alone: the wrapping cannot be opened again.
type wrapped struct{ wrapping, secret string }

// unwrap gives the secret of the wrapping token in a file. It is unwrapped once, and again when
// the file holds another wrapping token. origin begins the path that has to have made the
// secret: one that somebody put in its place was made elsewhere. It runs under mu.
func (s *session) unwrap(ctx context.Context, file, what, origin string, secretOf func(*api.Secret) string) (string, error) {
	wrapping, err := readCredential(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.unwrapped.secret != "":
		return s.unwrapped.secret, nil // whoever put it there has taken it away after its use
	case err != nil:
		return "", loginError(ErrConfig, "file of the wrapped %s: %w", what, err)
	case wrapping == s.unwrapped.wrapping:
		return s.unwrapped.secret, nil
	}
	found, err := s.bare.Logical().WriteWithContext(ctx, "sys/wrapping/lookup", map[string]any{"token": wrapping})
	switch {
	case refusedWith(err) != "" || isForbidden(err):
		return "", usedBefore(file, what)
	case err != nil:
		return "", err
	case found == nil:
		return "", loginError(ErrProtocol, "the lookup of the wrapping token gave nothing")
	}
	made, _ := found.Data["creation_path"].(string)
	made = strings.TrimPrefix(made, strings.Trim(s.config.Namespace, "/")+"/")
	if path.Clean(made) != made || !strings.HasPrefix(made, origin) {
		return "", loginError(ErrIntercepted, "the wrapping token in %s holds what %s has made, which is no %s (below %s): somebody may have put it in the place of the true one", file, made, what, origin)
	}
	s.bare.SetToken(wrapping)
	defer s.bare.ClearToken()
	s.bare.SetMaxRetries(0) // if Vault's answer is lost the wrapping is open all the same
	defer s.bare.SetMaxRetries(maxRetries)
	answer, err := s.bare.Logical().WriteWithContext(ctx, "sys/wrapping/unwrap", nil)
	switch {
	case refusedWith(err) != "" || isForbidden(err):
		return "", usedBefore(file, what)
	case err != nil:
		e := s.config.describe("", err)
		return "", &StoreError{Reason: e.Reason, Detail: e.Detail + "; the wrapping in " + file + " may be used up by this request of pgveil's, for all that it got no answer: put a new one there"}
	}
	secret := ""
	if answer != nil {
		secret = secretOf(answer)
	}
	if secret == "" {
		return "", loginError(ErrProtocol, "there is no %s in the wrapping whose token is in %s", what, file)
	}
	s.unwrapped = wrapped{wrapping, secret}
	s.log.Info("unwrapped the "+what+" for Vault", "file", file)
	return secret, nil
}

func usedBefore(file, what string) error {
	return loginError(ErrIntercepted, "the wrapping token in %s was used before, or has expired. Unless pgveil itself used it (its log says so; each start needs a new one), somebody else has the %s: "+
		"revoke that, find out who, and put a new wrapping token there", file, what)
}
