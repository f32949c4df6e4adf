package proxy

import (
	"bytes"
	"slices"

	"github.com/pgveil/pgveil/proxy/scram"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// request relays one authentication request of the server's, and the client's
// answer if it wants one.
func (a *authentication) request() error {
	body, err := a.backend.r.Body()
	if err != nil {
		return err
	}
	code, data, err := wire.DecodeAuthentication(body)
	if err != nil {
		return err
	}
	if a.ready {
		return a.unexpected(wire.TypeAuthentication)
	}
	if a.backend.own != nil {
		return a.ownAnswer(code, data)
	}
	switch code {
	case wire.AuthOK:
		a.ready = true
		return a.backend.r.Forward(a.cw)
	case wire.AuthSASLFinal:
		return a.backend.r.Forward(a.cw)
	case wire.AuthCleartextPassword:
		if err := a.checkCleartext(); err != nil {
			return err
		}
	case wire.AuthMD5Password, wire.AuthSASLContinue:
	case wire.AuthSASL:
		return a.sasl(data)
	case wire.AuthGSS, wire.AuthGSSContinue, wire.AuthSSPI:
		return pgerror.New(pgerror.FeatureNotSupported, "the server asks for GSSAPI or SSPI authentication, which cannot pass through pgveil").
			WithHint("A ticket names the host it is for. Let pg_hba.conf ask for scram-sha-256 for connections from pgveil.")
	default:
		return pgerror.New(pgerror.FeatureNotSupported, "the server asks for authentication method %d, which pgveil does not know", code)
	}
	if err := a.backend.r.Forward(a.cw); err != nil {
		return err
	}
	return a.relayAnswer()
}

// checkCleartext lets a password in clear pass only where nobody can read it.
func (a *authentication) checkCleartext() error {
	if !a.protected() {
		return pgerror.New(pgerror.InvalidAuthorization, "the server asks for a password in clear, and this connection is not encrypted").
			WithHint("Connect with sslmode=require, or let pg_hba.conf ask for scram-sha-256.")
	}
	if a.backend.tls == nil && !a.backend.local {
		return a.cleartextToServer()
	}
	return nil
}

func (a *authentication) cleartextToServer() error {
	return pgerror.New(pgerror.InvalidAuthorization, "the server asks for a password in clear, and its connection with pgveil is not encrypted").
		WithHint("Let pgveil reach the server over TLS, or let pg_hba.conf ask for scram-sha-256.")
}

// nextAnswer flushes what the client is to answer and goes to its answer, of this kind.
func (a *authentication) nextAnswer(kind string) error {
	if err := a.cw.Flush(); err != nil {
		return err
	}
	typ, _, err := a.cr.Next()
	if err != nil {
		return err
	}
	if typ != wire.TypePassword {
		return pgerror.New(pgerror.ProtocolViolation, "expected %s response, got message type %d", kind, typ)
	}
	return nil
}

// relayAnswer relays the client's answer and leaves no copy of it.
func (a *authentication) relayAnswer() error {
	if err := a.nextAnswer("password"); err != nil {
		return err
	}
	return a.passAnswer()
}

func (a *authentication) passAnswer() error {
	err := a.cr.Forward(a.backend.w)
	if err == nil {
		err = a.backend.w.Flush()
	}
	a.cr.Wipe()
	return err
}

// sasl relays the choice of a SASL mechanism. Channel binding ties the exchange to
// the certificate that the client sees, which is pgveil's: it holds end to end only
// if the server uses the same certificate; otherwise it is not offered.
func (a *authentication) sasl(data []byte) error {
	offered, err := wire.DecodeMechanisms(data)
	if err != nil {
		return err
	}
	if i := slices.Index(offered, scram.SHA256Plus); i >= 0 && !a.sameCertificate() {
		a.plus = true
		offered = slices.Delete(offered, i, i+1)
		if len(offered) == 0 {
			return a.bindingError()
		}
		if err := wire.WriteMechanisms(a.cw, offered); err != nil {
			return err
		}
	} else if err := a.backend.r.Forward(a.cw); err != nil {
		return err
	}
	if err := a.nextAnswer("password"); err != nil {
		return err
	}
	body, err := a.cr.Body()
	if err != nil {
		return err
	}
	choice, err := wire.DecodeSASLInitialResponse(body)
	if err != nil {
		return err
	}
	if !slices.Contains(offered, string(choice.Mechanism)) {
		return pgerror.New(pgerror.ProtocolViolation, "client selected an invalid SASL authentication mechanism")
	}
	// The client could bind the channel and thinks that the server cannot: the server
	// would take this for an attack.
	if a.plus && bytes.HasPrefix(choice.Data, []byte("y")) {
		return a.bindingError()
	}
	return a.passAnswer()
}

func (a *authentication) sameCertificate() bool {
	server := a.backend.tls
	return a.tls != nil && server != nil && len(server.PeerCertificates) > 0 &&
		bytes.Equal(a.certificate, server.PeerCertificates[0].Raw)
}

func (a *authentication) bindingError() error {
	return pgerror.New(pgerror.InvalidAuthorization, "SCRAM channel binding cannot hold between this client and the server").
		WithDetail("The client is bound to pgveil's certificate and the server to its own.").
		WithHint("Set channel_binding=disable in the client, or give pgveil and the server the same certificate, or let pgveil reach the server over a local connection without TLS.")
}
