package scram

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// FuzzExchange: whatever a client sends, it is answered or refused with an error for
// clients, and does not prove a password that nobody has.
func FuzzExchange(f *testing.F) {
	proof := ",p=" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	f.Add(SHA256, "n,,n=,r=abc", "c=biws,r=%"+proof, false)
	f.Add(SHA256, "y,,n=,r=abc", "c=eSws,r=%,x=y"+proof, false)
	f.Add(SHA256Plus, "p=tls-server-end-point,,n=,r=abc", "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCws,r=%"+proof, true)
	f.Add("PLAIN", "n,a=x,m=y,n=,r=", ",,,", true)
	verifier := Mock{Key: []byte("a key")}.Verifier("alice")
	seen := &x509.Certificate{Raw: []byte("a certificate"), SignatureAlgorithm: x509.ECDSAWithSHA384}
	f.Fuzz(func(t *testing.T, mechanism, first, final string, secured bool) {
		var certificate *x509.Certificate
		if secured {
			certificate = seen
		}
		e := NewExchange(certificate)
		answer, err := e.First(mechanism, first, verifier)
		if err != nil {
			if refusal, ok := pgerror.As(err); !ok || answer != "" || refusal.Severity != "FATAL" {
				t.Errorf("%q, %v", answer, err)
			}
			return
		}
		// A percent sign stands for the nonce.
		nonce, _, _ := strings.Cut(strings.TrimPrefix(answer, "r="), ",")
		proof, ok, err := e.Final(strings.Replace(final, "%", nonce, 1), verifier)
		if ok || proof != "" {
			t.Errorf("proved with %q", final)
		}
		if _, is := pgerror.As(err); err != nil && !is {
			t.Error(err)
		}
	})
}

// FuzzVerifier: what is read as a verifier is one, and the error quotes none of it.
func FuzzVerifier(f *testing.F) {
	f.Add("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
	f.Add("SCRAM-SHA-256$4096:$:")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVerifier(text)
		if err != nil && err != errVerifier {
			t.Error(err)
		}
		if err == nil && (!IsVerifier(text) || len(v.StoredKey) != 32 || len(v.ServerKey) != 32 || len(v.Salt) == 0 || v.Iterations < 1) {
			t.Errorf("%q: %+v", text, v)
		}
	})
}
