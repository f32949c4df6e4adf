package audit

import (
	"testing"

	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkmac "github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/signature"
)

// TestTinkKeys uses Tink's own primitives, whose outputs have a prefix, and rotates
// the key of the MAC.
func TestTinkKeys(t *testing.T) {
	manager := keyset.NewManager()
	rotate := func() MAC {
		t.Helper()
		id, err := manager.Add(tinkmac.HMACSHA256Tag256KeyTemplate())
		if err == nil {
			err = manager.SetPrimary(id)
		}
		if err != nil {
			t.Fatal(err)
		}
		handle, err := manager.Handle()
		if err != nil {
			t.Fatal(err)
		}
		mac, err := tinkmac.New(handle)
		if err != nil {
			t.Fatal(err)
		}
		return mac
	}
	private, err := keyset.NewHandle(signature.ED25519KeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := private.Public()
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := signature.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	o := options(logDir(t))
	o.Signer = signer
	for range 2 {
		o.MAC = rotate()
		l := mustOpen(t, o)
		do(t, l, "s")
		mustClose(t, l)
	}
	r := verify(t, o.Dir, func(v *VerifyOptions) { v.MAC, v.Verifier = o.MAC, verifier })
	wantOK(t, r)
	if r.Segments != 2 || r.Kinds["checkpoint"] != 2 {
		t.Errorf("report is %+v", r)
	}
}
