package scram

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// Iterations is how often a password is hashed: PostgreSQL's own default of
// scram_iterations.
const Iterations = 4096

// maxIterations bounds what a verifier may ask of clients.
const maxIterations = 10_000_000

// saltSize is SCRAM_DEFAULT_SALT_LEN of PostgreSQL, in bytes.
const saltSize = 16

// Verifier is what is kept of a password: a client that knows the password can be told
// by it, and nobody can log in with it.
type Verifier struct {
	Iterations           int
	Salt                 []byte
	StoredKey, ServerKey []byte // of SHA-256, 32 bytes each
}

// errVerifier quotes nothing of what it could not read.
var errVerifier = errors.New("not a verifier of the form SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY")

// IsVerifier reports whether a text begins as a verifier, and so is no password.
func IsVerifier(text string) bool { return strings.HasPrefix(text, "SCRAM-SHA-256$") }

// ParseVerifier reads a verifier as pg_authid.rolpassword holds it.
func ParseVerifier(text string) (Verifier, error) {
	rest, ok := strings.CutPrefix(text, "SCRAM-SHA-256$")
	factors, keys, two := strings.Cut(rest, "$")
	iterations, salt, three := strings.Cut(factors, ":")
	stored, server, four := strings.Cut(keys, ":")
	if !ok || !two || !three || !four {
		return Verifier{}, errVerifier
	}
	var v Verifier
	var errs [4]error
	v.Iterations, errs[0] = strconv.Atoi(iterations)
	v.Salt, errs[1] = base64.StdEncoding.DecodeString(salt)
	v.StoredKey, errs[2] = base64.StdEncoding.DecodeString(stored)
	v.ServerKey, errs[3] = base64.StdEncoding.DecodeString(server)
	if errors.Join(errs[:]...) != nil || v.Iterations < 1 || v.Iterations > maxIterations || len(v.Salt) == 0 ||
		len(v.StoredKey) != sha256.Size || len(v.ServerKey) != sha256.Size {
		return Verifier{}, errVerifier
	}
	return v, nil
}

// NewVerifier makes the verifier of a password, which takes some milliseconds. As in
// PostgreSQL, a password that SASLprep does not take counts as it is.
func NewVerifier(password string, salt []byte) (Verifier, error) {
	client, err := newClient(password)
	if err != nil {
		return Verifier{}, err
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: Iterations})
	if err != nil {
		return Verifier{}, errors.New("the password cannot be hashed")
	}
	return Verifier{Iterations: Iterations, Salt: salt, StoredKey: stored.StoredKey, ServerKey: stored.ServerKey}, nil
}

// newClient is without a user's name: PostgreSQL takes the one of the StartupMessage.
func newClient(password string) (*scram.Client, error) {
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		client, err = scram.SHA256.NewClientUnprepped("", password, "")
	}
	if err != nil {
		return nil, errors.New("the password cannot be prepared") // not the library's words, which may show some of it
	}
	return client, nil
}

// credentials is the verifier as the library wants it.
func (v *Verifier) credentials() scram.StoredCredentials {
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(v.Salt), Iters: v.Iterations},
		StoredKey:  v.StoredKey, ServerKey: v.ServerKey,
	}
}

// Mock makes what cannot be told from the truth: salts that stay the same for a role,
// and verifiers that no password fits. Its key is secret and outlives a restart, as
// PostgreSQL's mock authentication nonce does.
type Mock struct{ Key []byte }

// Salt is the salt of a role, of those that have a password and no verifier of their
// own as of those that do not exist.
func (m Mock) Salt(role string) []byte { return m.derive("salt", role)[:saltSize] }

// Verifier is that of a role which does not exist.
func (m Mock) Verifier(role string) Verifier {
	return Verifier{
		Iterations: Iterations, Salt: m.Salt(role),
		StoredKey: m.derive("stored key", role), ServerKey: m.derive("server key", role),
	}
}

func (m Mock) derive(what, role string) []byte {
	mac := hmac.New(sha256.New, m.Key)
	mac.Write([]byte("pgveil mock " + what + "\x00" + role))
	return mac.Sum(nil)
}
