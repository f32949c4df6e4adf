package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// testMAC is HMAC-SHA-256 under a fixed key.
type testMAC string

func (k testMAC) ComputeMAC(data []byte) ([]byte, error) {
	h := hmac.New(sha256.New, []byte(k))
	h.Write(data)
	return h.Sum(nil), nil
}

func (k testMAC) VerifyMAC(mac, data []byte) error {
	want, _ := k.ComputeMAC(data)
	if !hmac.Equal(mac, want) {
		return errors.New("invalid MAC")
	}
	return nil
}

type testKey ed25519.PrivateKey

func (k testKey) Sign(data []byte) ([]byte, error) {
	return ed25519.Sign(ed25519.PrivateKey(k), data), nil
}

func (k testKey) Verify(signature, data []byte) error {
	if !ed25519.Verify(ed25519.PrivateKey(k).Public().(ed25519.PublicKey), data, signature) {
		return errors.New("invalid signature")
	}
	return nil
}

const theMAC = testMAC("the key of the tests")

var theKey = testKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))

func options(dir string) Options {
	return Options{Dir: dir, MAC: theMAC, Signer: theKey, Program: "pgveil test", Retry: 5 * time.Millisecond}
}

func mustOpen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func sample(session string) *Record {
	return &Record{
		Session: session, SessionUser: "app", Role: "biologist", Roles: []string{"biologist", "lab"},
		Client: "192.0.2.7:51234", TLS: "CN=app", Application: "labo", Database: "lab", Backend: 4711,
		Statement: "SELECT nir FROM lab.patient WHERE nir = ?", Fingerprint: [16]byte{1, 2, 3},
		Columns: []Column{{"lab.patient.nir", "decrypt", "read"}, {"lab.patient.nir", "decrypt", "search"}},
	}
}

// do runs one statement: an intent, and its outcome.
func do(t testing.TB, l *Log, session string) {
	t.Helper()
	i := l.Begin(sample(session))
	if err := i.Wait(); err != nil {
		t.Fatal(err)
	}
	i.End(Outcome{Rows: 1, Opened: 2, Duration: 1500 * time.Microsecond, Ended: "ok"})
}

func verify(t testing.TB, dir string, change ...func(*VerifyOptions)) *Report {
	t.Helper()
	o := VerifyOptions{Dir: dir, MAC: theMAC, Verifier: theKey}
	for _, f := range change {
		f(&o)
	}
	r, err := Verify(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantOK(t testing.TB, r *Report) {
	t.Helper()
	for _, p := range r.Problems {
		t.Errorf("problem in a good log: [%s] %s", p.Kind, p)
	}
}

func logDir(t testing.TB) string { return filepath.Join(t.TempDir(), "audit") }

// copyDir copies a log.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := logDir(t)
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o700); err != nil {
		t.Fatal(err)
	}
	return to
}

func readLines(t testing.TB, path string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	return lines[:len(lines)-1]
}

func writeLines(t testing.TB, path string, lines [][]byte) {
	t.Helper()
	if err := os.WriteFile(path, bytes.Join(lines, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}
