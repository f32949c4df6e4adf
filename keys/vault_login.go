package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"
)

// logInLocked is logIn with mu held.
func (s *session) logInLocked(ctx context.Context) (login, error) {
	var l login
	var err error
	switch {
	case s.config.RoleID != "":
		l, err = s.logInByAppRole(ctx)
	case s.config.KubernetesRole != "":
		l, err = s.logInByKubernetes(ctx)
	case s.config.CertFile != "":
		l, err = s.logInByCertificate(ctx)
	default:
		l, err = s.logInByToken(ctx)
	}
	if err != nil {
		return login{}, err
	}
	s.client.SetToken(l.token())
	select {
	case <-s.replaced: // it is not the client's token any more
	default:
	}
	return l, nil
}

func (s *session) logInByAppRole(ctx context.Context) (login, error) {
	secretID, err := s.secretID(ctx)
	if err != nil {
		return login{}, err
	}
	return s.authenticate(ctx, "AppRole", s.config.AppRoleMount, map[string]any{"role_id": s.config.RoleID, "secret_id": secretID})
}

func (s *session) secretID(ctx context.Context) (string, error) {
	if file := s.config.WrappedSecretIDFile; file != "" {
		return s.unwrap(ctx, file, "secret id", "auth/"+s.config.AppRoleMount+"/role/", func(answer *api.Secret) string {
			id, _ := answer.Data["secret_id"].(string)
			return id
		})
	}
	secretID, err := readCredential(s.config.SecretIDFile)
	if err != nil {
		return "", loginError(ErrConfig, "secret id file: %w", err)
	}
	return secretID, nil
}

func (s *session) logInByKubernetes(ctx context.Context) (login, error) {
	jwt, err := readJWT(s.config.KubernetesJWTFile)
	if err != nil {
		return login{}, loginError(ErrConfig, "token of the Kubernetes service account: %w", err)
	}
	return s.authenticate(ctx, "Kubernetes", s.config.KubernetesMount, map[string]any{"role": s.config.KubernetesRole, "jwt": jwt})
}

// logInByCertificate takes a new connection, since the certificate may be another by now.
func (s *session) logInByCertificate(ctx context.Context) (login, error) {
	s.http.CloseIdleConnections()
	data := map[string]any{}
	if s.config.CertRole != "" {
		data["name"] = s.config.CertRole
	}
	return s.authenticate(ctx, "certificate", s.config.CertMount, data)
}

// authenticate asks a method of Vault for a token.
func (s *session) authenticate(ctx context.Context, method, mount string, data map[string]any) (login, error) {
	answer, err := s.bare.Logical().WriteWithContext(ctx, "auth/"+mount+"/login", data)
	switch {
	case refusedWith(err) != "":
		return login{}, loginError(ErrPermission, "%s login: %s", method, refusedWith(err))
	case isForbidden(err):
		return login{}, loginError(ErrPermission, "%s login: Vault refuses it; is the method mounted at auth/%s, and does the role there fit?", method, mount)
	case err != nil:
		return login{}, err
	case answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "":
		return login{}, loginError(ErrProtocol, "%s login gave no token", method)
	}
	auth := answer.Auth
	return newLogin(auth.ClientToken, auth.Renewable, time.Duration(auth.LeaseDuration)*time.Second), nil
}

// token finds the token to log in with.
func (s *session) token(ctx context.Context) (string, error) {
	switch {
	case s.config.TokenFile != "":
		token, err := readCredential(s.config.TokenFile)
		if err != nil {
			return "", loginError(ErrConfig, "token file: %w", err)
		}
		return token, nil
	case s.config.WrappedTokenFile != "":
		return s.unwrap(ctx, s.config.WrappedTokenFile, "token", "auth/", func(answer *api.Secret) string {
			if answer.Auth == nil {
				return ""
			}
			return answer.Auth.ClientToken
		})
	default:
		return s.config.Token, nil
	}
}

func (s *session) logInByToken(ctx context.Context) (login, error) {
	token, err := s.token(ctx)
	if err != nil {
		return login{}, err
	}
	answer, err := s.lookUp(ctx, token)
	switch {
	case isInvalidToken(err):
		return login{}, loginError(ErrPermission, "the token is not valid: it may have expired or been revoked; put a new one %s", s.config.tokenPlace())
	case isForbidden(err):
		// The token may do other things, without the policy named default.
		s.log.Warn("a token for Vault may not look itself up, so it will not be renewed")
		return newLogin(token, false, 0), nil
	case err != nil:
		return login{}, err
	case answer == nil:
		return login{}, loginError(ErrProtocol, "the token's lookup gave nothing")
	}
	ttl, err := answer.TokenTTL()
	if err != nil {
		return login{}, loginError(ErrProtocol, "the token's lookup gave no time to live")
	}
	if answer.Data["expire_time"] != nil {
		// Less than a second left is not forever.
		ttl = max(ttl, time.Second)
	}
	renewable, _ := answer.TokenIsRenewable()
	return newLogin(token, renewable, ttl), nil
}

// loginError is an error of a login that has its reason already.
func loginError(reason error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if errors.Is(err, ErrInsecure) {
		reason = ErrInsecure
	}
	return &StoreError{Reason: reason, Detail: err.Error()}
}
