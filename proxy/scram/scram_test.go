package scram

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"hash"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// certificate makes one that is signed so.
func certificate(t *testing.T, algorithm x509.SignatureAlgorithm) *x509.Certificate {
	t.Helper()
	var public, private any
	switch algorithm {
	case x509.PureEd25519:
		public, private, _ = ed25519.GenerateKey(rand.Reader)
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public, private = key.Public(), key
	default:
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		public, private = key.Public(), key
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: algorithm}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The hash is that of the certificate's signature; RFC 5929, section 4.1.
func TestEndPoint(t *testing.T) {
	for algorithm, new := range map[x509.SignatureAlgorithm]func() hash.Hash{
		x509.SHA256WithRSA: sha256.New, x509.SHA384WithRSA: sha512.New384, x509.SHA512WithRSAPSS: sha512.New,
		x509.ECDSAWithSHA256: sha256.New, x509.ECDSAWithSHA384: sha512.New384, x509.ECDSAWithSHA512: sha512.New,
	} {
		c := certificate(t, algorithm)
		h := new()
		h.Write(c.Raw)
		if got := binding(c); string(got.Data) != string(h.Sum(nil)) || got.Type != "tls-server-end-point" {
			t.Errorf("%v: %x", algorithm, got.Data)
		}
	}
	// SHA-1 counts as SHA-256. Go makes no such certificate.
	old := certificate(t, x509.SHA256WithRSA)
	old.SignatureAlgorithm = x509.SHA1WithRSA
	if sum := sha256.Sum256(old.Raw); string(binding(old).Data) != string(sum[:]) {
		t.Error("SHA-1")
	}
	for _, c := range []*x509.Certificate{nil, certificate(t, x509.PureEd25519)} {
		if got := NewExchange(c).Mechanisms(); len(got) != 1 || got[0] != SHA256 {
			t.Errorf("offered %v", got)
		}
	}
}

func TestExchange(t *testing.T) {
	bound := certificate(t, x509.ECDSAWithSHA256)
	mock := Mock{Key: []byte("a key")}
	verifier, err := NewVerifier("pencil", mock.Salt("alice"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		server, seen  *x509.Certificate
		password      string
		verifier      Verifier
		mechanism     string
		ok            bool
		refused       string
		againVerifier Verifier
	}{
		{name: "in clear", password: "pencil", verifier: verifier, mechanism: SHA256, ok: true},
		{name: "bound", server: bound, seen: bound, password: "pencil", verifier: verifier, mechanism: SHA256Plus, ok: true},
		{name: "unbound client", server: bound, password: "pencil", verifier: verifier, mechanism: SHA256, ok: true},
		{name: "wrong", server: bound, seen: bound, password: "pen", verifier: verifier, mechanism: SHA256Plus, againVerifier: verifier},
		{name: "nobody", password: "pencil", verifier: mock.Verifier("alice"), mechanism: SHA256},
		{
			name: "another certificate", server: bound, seen: certificate(t, x509.ECDSAWithSHA256), password: "pencil", verifier: verifier, mechanism: SHA256Plus,
			refused: "SCRAM channel binding check failed (SQLSTATE 28000)",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := NewExchange(c.server)
			client, err := NewClient(c.password, e.Mechanisms(), c.seen)
			if err != nil || client.Mechanism != c.mechanism {
				t.Fatalf("%v, %v", client, err)
			}
			first, err := client.First()
			if err != nil {
				t.Fatal(err)
			}
			answer, err := e.First(client.Mechanism, first, c.verifier)
			if err != nil {
				t.Fatal(err)
			}
			final, err := client.Continue(answer)
			if err != nil {
				t.Fatal(err)
			}
			proof, ok, err := e.Final(final, c.verifier)
			if got := fmt.Sprint(err); ok != c.ok || c.refused == "" && err != nil || c.refused != "" && got != c.refused {
				t.Fatalf("%v, %v", ok, err)
			}
			if !ok {
				if proof != "" {
					t.Errorf("proof %q", proof)
				}
				if _, ok := e.Again(c.againVerifier); ok {
					t.Error("it holds in the end")
				}
				return
			}
			if err := client.Final(proof); err != nil || !client.Proved() {
				t.Error(err)
			}
			// Changed meanwhile.
			other, err := NewVerifier("rubber", mock.Salt("alice"))
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := e.Again(other); ok {
				t.Error("another password's verifier holds")
			}
		})
	}
	// The server has to prove itself, too.
	client, err := NewClient("pencil", []string{SHA256}, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := client.First()
	_, nonce, _ := strings.Cut(first, "r=")
	if _, err := client.Continue("r=" + nonce + "x,s=c2FsdA==,i=4096"); err != nil {
		t.Fatal(err)
	}
	if err := client.Final("v=" + base64.StdEncoding.EncodeToString(make([]byte, 32))); err == nil || client.Proved() {
		t.Error("a server that knows nothing is believed")
	}
	for _, bad := range []string{"", "r=other,s=c2FsdA==,i=4096", "r=" + nonce + "x,s=c2FsdA==,i=999999999", "r=" + nonce + "x,s=c2FsdA=="} {
		client, _ := NewClient("pencil", []string{SHA256}, nil)
		_, _ = client.First()
		if _, err := client.Continue(bad); err == nil {
			t.Errorf("%q is answered", bad)
		}
	}
	if _, err := NewClient("pencil", []string{"SCRAM-SHA-512"}, nil); err == nil {
		t.Error("an unknown mechanism")
	}
}

// What a client may send in its first and last message, and what it is told.
func TestHostileMessages(t *testing.T) {
	bound := certificate(t, x509.ECDSAWithSHA256)
	verifier := Mock{Key: []byte("a key")}.Verifier("alice")
	const (
		code   = "08P01 malformed SCRAM message"
		choice = "08P01 client selected an invalid SASL authentication mechanism"
	)
	for _, c := range []struct {
		server         *x509.Certificate
		mechanism, msg string
		want           string
	}{
		{nil, "PLAIN", "n,,n=,r=abc", choice},
		{nil, "", "n,,n=,r=abc", choice},
		{nil, SHA256Plus, "p=tls-server-end-point,,n=,r=abc", choice},
		{nil, SHA256, "p=tls-server-end-point,,n=,r=abc", code},
		{nil, SHA256, "", code},
		{nil, SHA256, "n", code},
		{nil, SHA256, "n,,", code},
		{nil, SHA256, "n,,n=,r=", code},
		{nil, SHA256, "n,,n=", code},
		{nil, SHA256, "n,,n=,r=abc\x00", code},
		{nil, SHA256, "x,,n=,r=abc", code},
		{nil, SHA256, "n,,n=a=b,r=abc", code},
		{nil, SHA256, "n,,r=abc,n=", code},
		{nil, SHA256, "n,a=root,n=,r=abc", "0A000 client uses authorization identity, but it is not supported"},
		{nil, SHA256, "n,,m=x,n=,r=abc", "0A000 client requires an unsupported SCRAM extension"},
		{nil, SHA256, "n,,n=,r=a c", "08P01 non-printable characters in SCRAM nonce"},
		{nil, SHA256, "n,,n=,r=a\xffc", "08P01 non-printable characters in SCRAM nonce"},
		{nil, SHA256, "n,,n=,r=" + strings.Repeat("a", 60000), ""},
		{nil, SHA256, "y,,n=,r=abc", ""},
		{bound, SHA256, "n,,n=,r=abc", ""},
		{bound, SHA256, "y,,n=,r=abc", "28000 SCRAM channel binding negotiation error"},
		{bound, SHA256, "p=tls-server-end-point,,n=,r=abc", code},
		{bound, SHA256Plus, "n,,n=,r=abc", code},
		{bound, SHA256Plus, "y,,n=,r=abc", code},
		{bound, SHA256Plus, "p=tls-unique,,n=,r=abc", "08P01 unsupported SCRAM channel-binding type"},
		{bound, SHA256Plus, "p=tls-server-end-point,,n=,r=abc", ""},
	} {
		answer, err := NewExchange(c.server).First(c.mechanism, c.msg, verifier)
		got := ""
		if e, ok := pgerror.As(err); ok {
			got = e.Code + " " + e.Message
			if e.Severity != "FATAL" {
				t.Errorf("%q: %s", c.msg, e.Severity)
			}
		}
		if got != c.want || (err != nil) != (answer == "") {
			t.Errorf("%s %.40q: %s (%v), want %s", c.mechanism, c.msg, got, err, c.want)
		}
	}
	b64 := base64.StdEncoding.EncodeToString
	proof := ",p=" + b64(make([]byte, 32))
	for _, c := range []struct {
		msg  func(nonce string) string
		want string
	}{
		{func(n string) string { return "c=biws,r=" + n + proof }, ""},
		{func(n string) string { return "c=biws,x=y,r=" + n + proof }, code},
		{func(n string) string { return "c=biws,r=" + n + ",x=y" + proof }, ""},
		{func(n string) string { return "c=biws,r=" + n + proof + "\x00" }, code},
		{func(n string) string { return "c=biws,r=" + n + ",p=" + b64(make([]byte, 31)) }, code},
		{func(n string) string { return "c=biws,r=" + n + ",p=%%" }, code},
		{func(n string) string { return "c=biws,r=" + n }, code},
		{func(string) string { return "" }, code},
		{func(string) string { return "c=biws,r=abc" + proof }, "08P01 invalid SCRAM response"},
		{func(n string) string { return "c=biws,r=" + n + "x" + proof }, "08P01 invalid SCRAM response"},
		{func(n string) string { return "c=biws,r=" + n[:len(n)-1] + proof }, "08P01 invalid SCRAM response"},
		{func(n string) string { return "c=" + b64([]byte("y,,")) + ",r=" + n + proof }, "08P01 unexpected SCRAM channel-binding attribute in client-final-message"},
	} {
		e := NewExchange(nil)
		answer, err := e.First(SHA256, "n,,n=,r=abc", verifier)
		if err != nil {
			t.Fatal(err)
		}
		nonce, _, _ := strings.Cut(strings.TrimPrefix(answer, "r="), ",")
		msg := c.msg(nonce)
		_, ok, err := e.Final(msg, verifier)
		got := ""
		if e, is := pgerror.As(err); is {
			got = e.Code + " " + e.Message
		}
		if got != c.want || ok {
			t.Errorf("%q: %v %s, want %s", msg, ok, got, c.want)
		}
	}
}

// A client's last message holds in the exchange that it is from, and in no other.
func TestReplay(t *testing.T) {
	verifier, err := NewVerifier("pencil", []byte("salt of a role.."))
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient("pencil", []string{SHA256}, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := client.First()
	heard := NewExchange(nil)
	answer, err := heard.First(SHA256, first, verifier)
	if err != nil {
		t.Fatal(err)
	}
	final, err := client.Continue(answer)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := heard.Final(final, verifier); !ok {
		t.Fatal(err)
	}
	replayed := NewExchange(nil)
	if other, err := replayed.First(SHA256, first, verifier); err != nil || other == answer {
		t.Fatalf("%q, %v", other, err)
	}
	if _, ok, err := replayed.Final(final, verifier); ok || err == nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestVerifier(t *testing.T) {
	// Of PostgreSQL: CREATE ROLE … PASSWORD 'pencil' with the salt of RFC 7677's example.
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	v, err := NewVerifier("pencil", salt)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	text := fmt.Sprintf("SCRAM-SHA-256$4096:%s$%s:%s", b64(v.Salt), b64(v.StoredKey), b64(v.ServerKey))
	const want = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if text != want {
		t.Errorf("%s", text)
	}
	if parsed, err := ParseVerifier(want); err != nil || fmt.Sprint(parsed) != fmt.Sprint(v) {
		t.Errorf("%v, %v", parsed, err)
	}
	for _, bad := range []string{
		"", "md5d41d8cd98f00b204e9800998ecf8427e", want[:len(want)-1], strings.Replace(want, "4096", "0", 1), strings.Replace(want, "4096", "99999999999", 1),
		strings.Replace(want, "$WG5d", "$", 1), strings.Replace(want, ":W22ZaJ0SNY7soEsUEjb6gQ==", ":", 1), strings.Replace(want, "SHA-256", "SHA-512", 1),
	} {
		if _, err := ParseVerifier(bad); err == nil || strings.Contains(err.Error(), "wfPL") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// A password that SASLprep refuses, and one that it changes.
	for _, pair := range [][2]string{{"tab\tand \u0007bell", "tab\tand \u0007bell"}, {"a\u00a0b", "a b"}} {
		one, err1 := NewVerifier(pair[0], salt)
		two, err2 := NewVerifier(pair[1], salt)
		if err1 != nil || err2 != nil || string(one.StoredKey) != string(two.StoredKey) {
			t.Errorf("%q: %v, %v", pair[0], err1, err2)
		}
	}
	if !IsVerifier(want) || IsVerifier("pencil") {
		t.Error("IsVerifier")
	}
	m, other := Mock{Key: []byte("a key")}, Mock{Key: []byte("another")}
	if again := (Mock{Key: []byte("a key")}); string(again.Salt("a")) != string(m.Salt("a")) || string(m.Salt("a")) == string(m.Salt("b")) || string(m.Salt("a")) == string(other.Salt("a")) || len(m.Salt("a")) != 16 {
		t.Error("salts")
	}
}
