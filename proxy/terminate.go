package proxy

import (
	"cmp"
	"context"
	"crypto/x509"
	"time"

	"github.com/pgveil/pgveil/proxy/access"
	"github.com/pgveil/pgveil/proxy/scram"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Terminate says how pgveil authenticates clients itself: with SCRAM-SHA-256, and over
// TLS with SCRAM-SHA-256-PLUS bound to its own certificate. It then logs in to the
// server as the client's role. Fields that are 0 take their defaults.
type Terminate struct {
	// Secret gives what is known of a role, and an empty RoleSecret for a role that
	// does not exist. It must take as long for one as for the other.
	Secret func(ctx context.Context, role string) (RoleSecret, error)
	// MockKey makes the salts of roles that do not exist, and of those whose secret has
	// no verifier. It is secret, and the same after a restart.
	MockKey []byte
	// Cache is how long what was read of a role counts; 10 s when 0.
	Cache time.Duration
	// FailureDelay is how long after its last message a client that fails is told so;
	// half a second when 0.
	FailureDelay time.Duration
	// MaxFailures is how many wrong passwords of a role, or from an address, are looked
	// at in each FailureWindow; 20 and a minute when 0. Further attempts fail, with the
	// right password too, and are told the same.
	MaxFailures   int
	FailureWindow time.Duration
}

// RoleSecret is what is kept of a role. It is never logged.
type RoleSecret struct {
	// Password is what pgveil answers a server with that asks for it. Without one the
	// server has to take pgveil's certificate for the role.
	Password string
	// Verifier tells clients, as in pg_authid; without it, Password does.
	Verifier string
}

// String leaves everything out.
func (RoleSecret) String() string { return "(secret)" }

// GoString leaves everything out.
func (RoleSecret) GoString() string { return "(secret)" }

// terminator authenticates clients.
type terminator struct {
	config  *Config
	delay   time.Duration
	secrets *roleSecrets
	wrong   *throttle
}

func newTerminator(config *Config) *terminator {
	t := config.Terminate
	if t == nil {
		return nil
	}
	return &terminator{
		config: config, delay: cmp.Or(t.FailureDelay, 500*time.Millisecond), secrets: newRoleSecrets(t),
		wrong: newThrottle(cmp.Or(t.MaxFailures, 20), cmp.Or(t.FailureWindow, time.Minute)),
	}
}

// ownLogin is a client that has proved who it is, and how pgveil logs in for it.
type ownLogin struct {
	terminator *terminator
	role       string
	exchange   *scram.Exchange // nil if its certificate was enough
	known      *knownRole
	proof      string        // for the client, as soon as the server has let it in
	client     *scram.Client // with the server; nil until that asks for SCRAM
	checked    bool          // the server has asked for the password
	renewed    bool          // the secret was read again after the server refused it
}

// authenticate has a client prove that it is the role of its StartupMessage. On an
// error it has been told. ctx bounds it all.
func (t *terminator) authenticate(ctx context.Context, s *startup, cr *wire.Reader, cw *wire.Writer) (*ownLogin, error) {
	a := &authentication{startup: s, cr: cr, cw: cw}
	release := boundBy(ctx, s.conn)
	defer release()
	cr.SetLimits(wire.LoginLimits)
	own, err := t.prove(ctx, a)
	if err != nil {
		return nil, a.tell(timedOut(ctx, err))
	}
	return own, nil
}

// timedOut words the end of the time that a client has for authentication.
func timedOut(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	const queryCanceled = "57014"
	return pgerror.New(queryCanceled, "canceling authentication due to timeout").Fatal()
}

func (t *terminator) prove(ctx context.Context, a *authentication) (*ownLogin, error) {
	known, err := t.secrets.of(ctx, a.user)
	if err != nil {
		t.config.Log.Error("the secret of a role cannot be read", "role", a.user, "error", err)
		return nil, pgerror.New(pgerror.CannotConnectNow, "pgveil cannot authenticate anybody at this moment").Fatal()
	}
	own := &ownLogin{terminator: t, role: a.user, known: known}
	if a.rules.Of(a.user).Method == access.MethodCert {
		return own, nil // its certificate was looked at when it was admitted
	}
	var certificate *x509.Certificate
	if a.certificate != nil {
		if certificate, err = x509.ParseCertificate(a.certificate); err != nil {
			return nil, pgerror.New(pgerror.InternalError, "pgveil's certificate cannot be read").Fatal()
		}
	}
	own.exchange = scram.NewExchange(certificate)
	if err := wire.WriteMechanisms(a.cw, own.exchange.Mechanisms()); err != nil {
		return nil, err
	}
	mechanism, first, err := a.firstResponse()
	if err != nil {
		return nil, err
	}
	answer, err := own.exchange.First(mechanism, first, known.verifier)
	if err != nil {
		return nil, err
	}
	if err := wire.WriteAuthentication(a.cw, wire.AuthSASLContinue, answer); err != nil {
		return nil, err
	}
	final, err := a.response()
	if err != nil {
		return nil, err
	}
	received := time.Now()
	ok, limited, err := t.judge(ctx, own, final, attempt{a.user, network(a.conn.RemoteAddr())})
	if err != nil {
		return nil, err
	}
	if !ok {
		failures, _ := t.wrong.totals()
		t.config.Log.Warn("authentication failed", "role", a.user, "client", a.conn.RemoteAddr().String(), "limited", limited, "failures", failures)
		return nil, t.refuse(ctx, a.user, received)
	}
	return own, nil
}

// judge says whether the client knows the password. One that has been changed since the
// secret was read counts as well: the secret is read again, for a role that does not
// exist as for one that does.
func (t *terminator) judge(ctx context.Context, own *ownLogin, final string, who attempt) (ok, limited bool, err error) {
	ok, limited = t.wrong.judge(who, time.Now(), func() bool {
		var fits bool
		own.proof, fits, err = own.exchange.Final(final, own.known.verifier)
		return fits && !own.known.mock
	})
	if ok || limited || err != nil {
		return ok, limited, err
	}
	if ok = own.readAgain(ctx); ok {
		t.wrong.forgive(who, time.Now())
	}
	return ok, false, nil
}

// readAgain reads the role's secret anew and reports whether it is another, which the
// client's proof fits.
func (own *ownLogin) readAgain(ctx context.Context) bool {
	t := own.terminator
	known, err := t.secrets.again(ctx, own.role, own.known)
	if err != nil {
		t.config.Log.Error("the secret of a role cannot be read", "role", own.role, "error", err)
		return false
	}
	if known == own.known || known.secret == own.known.secret || known.mock {
		return false
	}
	if own.exchange == nil {
		own.known = known
		return true
	}
	proof, ok := own.exchange.Again(known.verifier)
	if ok {
		own.known, own.proof = known, proof
	}
	return ok
}

// refuse gives the error of a client that has not proved who it is, whatever the cause,
// and not before the delay is over.
func (t *terminator) refuse(ctx context.Context, role string, received time.Time) error {
	select {
	case <-time.After(time.Until(received.Add(t.delay))):
	case <-ctx.Done():
	}
	return wrongPassword(role)
}

// wrongPassword is PostgreSQL's own error.
func wrongPassword(role string) *pgerror.Error {
	return pgerror.New(pgerror.InvalidPassword, "password authentication failed for user \"%s\"", role).Fatal()
}

// firstResponse gives the client's choice of a mechanism and its first message, which
// may come in a message of its own.
func (a *authentication) firstResponse() (mechanism, data string, err error) {
	if err := a.nextAnswer("SASL"); err != nil {
		return "", "", err
	}
	body, err := a.cr.Body()
	if err != nil {
		return "", "", err
	}
	choice, err := wire.DecodeSASLInitialResponse(body)
	if err != nil {
		return "", "", err
	}
	mechanism, data = string(choice.Mechanism), string(choice.Data)
	if choice.Data == nil {
		if err := wire.WriteAuthentication(a.cw, wire.AuthSASLContinue, ""); err != nil {
			return "", "", err
		}
		data, err = a.response()
	}
	return mechanism, data, err
}

// response gives the client's next SASLResponse.
func (a *authentication) response() (string, error) {
	if err := a.nextAnswer("SASL"); err != nil {
		return "", err
	}
	body, err := a.cr.Body()
	return string(body), err
}
