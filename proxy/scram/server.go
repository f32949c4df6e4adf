package scram

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"strings"

	"github.com/xdg-go/scram"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// The names of the mechanisms.
const (
	SHA256     = "SCRAM-SHA-256"
	SHA256Plus = "SCRAM-SHA-256-PLUS"
)

const endPoint = "p=" + string(scram.ChannelBindingTLSServerEndpoint)

// binding is tls-server-end-point of a certificate. Without one, or where its
// signature has no hash (Ed25519, for which RFC 5929 says nothing), there is none.
func binding(certificate *x509.Certificate) scram.ChannelBinding {
	if certificate == nil {
		return scram.ChannelBinding{}
	}
	b, err := scram.NewTLSServerEndpointBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}})
	if err != nil {
		return scram.ChannelBinding{}
	}
	return b
}

// Exchange is one client's authentication. Its errors are *pgerror.Error values, those
// of PostgreSQL, and tell nothing of what the client sent.
type Exchange struct {
	binding scram.ChannelBinding
	nonce   string // the server's half
	plus    bool   // chosen
	first   string // the client's messages
	final   string
}

// NewExchange begins an exchange over a connection on which the client has seen this
// certificate, nil without TLS.
func NewExchange(certificate *x509.Certificate) *Exchange {
	return &Exchange{binding: binding(certificate), nonce: rand.Text()}
}

// Mechanisms are those to be offered, in their order.
func (e *Exchange) Mechanisms() []string {
	if e.binding.IsSupported() {
		return []string{SHA256Plus, SHA256}
	}
	return []string{SHA256}
}

// First takes the client's choice of a mechanism and its first message, and gives the
// answer, which holds the verifier's salt.
func (e *Exchange) First(mechanism, message string, v Verifier) (answer string, err error) {
	e.plus, e.first = mechanism == SHA256Plus, message
	if mechanism != SHA256 && !(e.plus && e.binding.IsSupported()) {
		return "", pgerror.New(pgerror.ProtocolViolation, "client selected an invalid SASL authentication mechanism").Fatal()
	}
	if err := e.checkFirst(); err != nil {
		return "", err.Fatal()
	}
	answer, failed := e.conversation(&v).Step(message)
	if failed != nil {
		return "", malformed("The first message does not follow RFC 5802.").Fatal()
	}
	return answer, nil
}

// checkFirst finds what the library lets pass or does not tell apart.
func (e *Exchange) checkFirst() *pgerror.Error {
	if e.first == "" {
		return malformed("The message is empty.")
	}
	if strings.Contains(e.first, "\x00") {
		return malformed("Message length does not match input length.")
	}
	flag, rest, _ := strings.Cut(e.first, ",")
	switch {
	case (flag == "n" || flag == "y") && e.plus:
		return malformed("The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.")
	case flag == "y" && e.binding.IsSupported():
		return pgerror.New(pgerror.InvalidAuthorization, "SCRAM channel binding negotiation error").
			WithDetail("The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.")
	case flag == "n", flag == "y":
	case strings.HasPrefix(flag, "p=") && !e.plus:
		return malformed("The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.")
	case strings.HasPrefix(flag, "p=") && flag != endPoint:
		return pgerror.New(pgerror.ProtocolViolation, "unsupported SCRAM channel-binding type")
	case flag != endPoint:
		return malformed("Unexpected channel-binding flag.")
	}
	authorization, bare, _ := strings.Cut(rest, ",")
	if authorization != "" {
		return pgerror.New(pgerror.FeatureNotSupported, "client uses authorization identity, but it is not supported")
	}
	if strings.HasPrefix(bare, "m=") {
		return pgerror.New(pgerror.FeatureNotSupported, "client requires an unsupported SCRAM extension")
	}
	_, nonce, _ := strings.Cut(bare, ",r=")
	nonce, _, _ = strings.Cut(nonce, ",")
	if nonce == "" {
		return malformed("There is no nonce.")
	}
	for _, c := range []byte(nonce) {
		if c < 0x21 || c > 0x7e {
			return pgerror.New(pgerror.ProtocolViolation, "non-printable characters in SCRAM nonce")
		}
	}
	return nil
}

// Final takes the client's last message. ok says that it proves the password; proof is
// then the answer, with which the other side, too, proves that it knows the verifier.
func (e *Exchange) Final(message string, v Verifier) (proof string, ok bool, err error) {
	if strings.Contains(message, "\x00") {
		return "", false, malformed("Message length does not match input length.").Fatal()
	}
	e.final = message
	answer, failed := e.verify(&v)
	switch {
	case failed == nil:
		return answer, true, nil
	case answer == scram.ErrInvalidProof:
		return "", false, nil
	case answer == scram.ErrChannelBindingsDontMatch && e.plus:
		return "", false, pgerror.New(pgerror.InvalidAuthorization, "SCRAM channel binding check failed").Fatal()
	case answer == scram.ErrChannelBindingsDontMatch:
		return "", false, pgerror.New(pgerror.ProtocolViolation, "unexpected SCRAM channel-binding attribute in client-final-message").Fatal()
	case answer == scram.ErrOtherError && !e.nonceHeld():
		return "", false, pgerror.New(pgerror.ProtocolViolation, "invalid SCRAM response").WithDetail("Nonce does not match.").Fatal()
	default:
		return "", false, malformed("Malformed proof in client-final-message.").Fatal()
	}
}

// Again judges the same proof by another verifier, of a password that has been changed
// meanwhile. Only one with the same salt and iterations can hold.
func (e *Exchange) Again(v Verifier) (proof string, ok bool) {
	answer, err := e.verify(&v)
	return answer, err == nil
}

// verify runs the whole conversation: the library's can be used once.
func (e *Exchange) verify(v *Verifier) (string, error) {
	c := e.conversation(v)
	if answer, err := c.Step(e.first); err != nil {
		return answer, err
	}
	return c.Step(e.final)
}

func (e *Exchange) conversation(v *Verifier) *scram.ServerConversation {
	// The user's name in the message does not count, as in PostgreSQL.
	server, _ := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return v.credentials(), nil })
	server.WithNonceGenerator(func() string { return e.nonce })
	return server.NewConversationWithChannelBinding(e.binding)
}

// nonceHeld reports whether the client gave both halves back.
func (e *Exchange) nonceHeld() bool {
	_, mine, _ := strings.Cut(e.first, ",r=")
	mine, _, _ = strings.Cut(mine, ",")
	_, theirs, _ := strings.Cut(e.final, ",r=")
	theirs, _, _ = strings.Cut(theirs, ",")
	return theirs == mine+e.nonce
}

func malformed(detail string) *pgerror.Error {
	return pgerror.New(pgerror.ProtocolViolation, "malformed SCRAM message").WithDetail("%s", detail)
}
