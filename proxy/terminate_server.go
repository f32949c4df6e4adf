package proxy

import (
	"context"
	"crypto/md5"
	"crypto/x509"
	"encoding/hex"
	"errors"

	"github.com/pgveil/pgveil/proxy/scram"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// errStale is an error of the server's that the client has not been told: it does not
// take the role's secret, which may have been changed.
type errStale struct{ refusal *pgerror.Error }

func (e errStale) Error() string { return e.refusal.Error() }

// mayBeStale reports whether another reading of the role's secret is worth a try.
func (own *ownLogin) mayBeStale(e *pgerror.Error, ready bool) bool {
	return own != nil && !ready && own.checked && !own.renewed && e.Code == pgerror.InvalidPassword
}

// logIn connects a client to the server and has it authenticated there: by what the
// client answers, or by pgveil itself if own is not nil. On an error the client has been
// told.
func (s *Server) logIn(ctx context.Context, first *startup, own *ownLogin, cr *wire.Reader, cw *wire.Writer) (*backend, *login, error) {
	for {
		b, err := s.open(ctx, first.params)
		if err != nil {
			if e, ok := pgerror.As(err); ok {
				_ = wire.WriteErrorResponse(cw, e.Fatal())
				_ = cw.Flush()
			}
			return nil, nil, err
		}
		b.own = own
		told, err := authenticate(ctx, first, cr, cw, b)
		if err == nil {
			return b, told, nil
		}
		_ = b.conn.Close()
		if elsewhere(err) {
			s.config.Upstreams.forget(b.server)
		}
		var stale errStale
		if !errors.As(err, &stale) {
			return nil, nil, err
		}
		own.renewed, own.checked, own.client = true, false, nil
		if own.readAgain(ctx) {
			continue
		}
		s.config.Log.Warn("the server does not take the secret of a role", "role", own.role, "error", stale.refusal)
		_ = wire.WriteErrorResponse(cw, stale.refusal)
		_ = cw.Flush()
		return nil, nil, stale.refusal
	}
}

// ownAnswer answers a request of the server's with what pgveil knows of the role.
func (a *authentication) ownAnswer(code uint32, data []byte) error {
	own := a.backend.own
	switch code {
	case wire.AuthOK:
		if own.client != nil && !own.client.Proved() {
			return a.unexpected(wire.TypeAuthentication)
		}
		a.ready = true
		if own.exchange != nil {
			if err := wire.WriteAuthentication(a.cw, wire.AuthSASLFinal, own.proof); err != nil {
				return err
			}
		}
		return wire.WriteAuthentication(a.cw, wire.AuthOK, "")
	case wire.AuthSASLContinue, wire.AuthSASLFinal:
		return a.ownSASL(code, string(data))
	}
	password := own.known.secret.Password
	if password == "" {
		a.backend.own.terminator.config.Log.Error("the server asks for a password, and the role's secret has none", "role", own.role)
		return pgerror.New(pgerror.InvalidAuthorization, "pgveil has no password for this role that the server asks for").
			WithHint("Let pg_hba.conf take pgveil's certificate for the role, or put the password into the role's secret.")
	}
	own.checked = true
	switch code {
	case wire.AuthSASL:
		offered, err := wire.DecodeMechanisms(data)
		if err != nil {
			return err
		}
		var certificate *x509.Certificate
		if state := a.backend.tls; state != nil && len(state.PeerCertificates) > 0 {
			certificate = state.PeerCertificates[0]
		}
		if own.client, err = scram.NewClient(password, offered, certificate); err != nil {
			return serverAuthentication(err)
		}
		first, err := own.client.First()
		if err != nil {
			return serverAuthentication(err)
		}
		return a.answered(wire.WriteSASLInitialResponse(a.backend.w, own.client.Mechanism, first))
	case wire.AuthMD5Password:
		inner := md5.Sum([]byte(password + own.role))
		outer := md5.Sum(append([]byte(hex.EncodeToString(inner[:])), data...))
		return a.answered(wire.WritePassword(a.backend.w, "md5"+hex.EncodeToString(outer[:])+"\x00"))
	case wire.AuthCleartextPassword:
		if a.backend.tls == nil && !a.backend.local {
			return a.cleartextToServer()
		}
		return a.answered(wire.WritePassword(a.backend.w, password+"\x00"))
	default:
		return pgerror.New(pgerror.FeatureNotSupported, "the server asks for authentication method %d, which pgveil does not know", code)
	}
}

func (a *authentication) ownSASL(code uint32, data string) error {
	client := a.backend.own.client
	if client == nil {
		return a.unexpected(wire.TypeAuthentication)
	}
	if code == wire.AuthSASLFinal {
		if err := client.Final(data); err != nil {
			return serverAuthentication(err)
		}
		return nil
	}
	answer, err := client.Continue(data)
	if err != nil {
		return serverAuthentication(err)
	}
	return a.answered(wire.WritePassword(a.backend.w, answer))
}

func serverAuthentication(err error) error {
	return pgerror.New(pgerror.ConnectionFailure, "pgveil cannot authenticate with the server").Fatal().WithDetail("%s.", err)
}

// answered sends what was written.
func (a *authentication) answered(err error) error {
	if err == nil {
		err = a.backend.w.Flush()
	}
	return err
}

// validSQL counts the session's own role if its password has not expired. The server
// looks at VALID UNTIL when it asks for a password, and not when it takes a
// certificate.
const validSQL = `SELECT pg_catalog.count(*) FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) session_user` +
	` AND (rolvaliduntil IS NULL OR rolvaliduntil OPERATOR(pg_catalog.>) pg_catalog.now())`

// mustAsk reports whether pgveil has to look at VALID UNTIL itself.
func (a *authentication) mustAsk() bool {
	own := a.backend.own
	return own != nil && a.ready && !own.checked && !a.asked
}

// askValidity asks in the session, before the client is told that it is ready.
func (a *authentication) askValidity() error {
	a.asked = true
	return a.answered(wire.WriteQuery(a.backend.w, validSQL))
}

// validity takes the answer.
func (a *authentication) validity(typ byte) error {
	switch typ {
	case wire.TypeRowDescription:
		return nil
	case wire.TypeDataRow:
		body, err := a.backend.r.Body()
		if err != nil {
			return err
		}
		row, err := wire.DecodeDataRow(body)
		if err != nil {
			return err
		}
		a.valid = row.Next() && string(row.Value()) == "1"
		return nil
	case wire.TypeCommandComplete:
		if a.valid {
			return nil
		}
		a.backend.own.terminator.config.Log.Warn("the password of a role has expired", "role", a.user)
		return wrongPassword(a.user)
	}
	return a.unexpected(typ)
}

func (a *authentication) unknownValidity(e *pgerror.Error) error {
	a.backend.own.terminator.config.Log.Error("the server does not say whether a role's password is valid", "role", a.user, "error", e)
	return pgerror.New(pgerror.CannotConnectNow, "pgveil cannot find out whether the role's password is valid")
}
