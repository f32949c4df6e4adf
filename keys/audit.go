package keys

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/signature"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Errors of verification.
var (
	ErrMAC       = errors.New("MAC does not match")
	ErrSignature = errors.New("signature does not match")
)

// MAC computes and verifies message authentication codes. It is safe for
// concurrent use.
type MAC struct{ primitive tink.MAC }

// MAC returns the MAC of a keyset of type [TypeMAC].
func (k *Keyring) MAC() (*MAC, error) {
	if err := k.require(TypeMAC, "MAC"); err != nil {
		return nil, err
	}
	return &MAC{k.mac}, nil
}

// EachMAC returns a MAC for each enabled key of a keyset of type [TypeMAC], which computes
// with that key: for codes that are looked for and cannot be verified.
func (k *Keyring) EachMAC() ([]*MAC, error) {
	if err := k.require(TypeMAC, "MAC"); err != nil {
		return nil, err
	}
	list := make([]*MAC, len(k.macs))
	for i, m := range k.macs {
		list[i] = &MAC{m}
	}
	return list, nil
}

func eachMAC(handle *keyset.Handle) ([]tink.MAC, error) {
	var list []tink.MAC
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, err
		}
		if entry.KeyStatus() != keyset.Enabled {
			continue
		}
		manager := keyset.NewManagerFromHandle(handle)
		if err := manager.SetPrimary(entry.KeyID()); err != nil {
			return nil, err
		}
		single, err := manager.Handle()
		if err != nil {
			return nil, err
		}
		m, err := mac.New(single)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// ComputeMAC returns the code of data, 37 bytes: Tink's prefix and HMAC-SHA-256.
func (m *MAC) ComputeMAC(data []byte) ([]byte, error) { return m.primitive.ComputeMAC(data) }

// VerifyMAC returns [ErrMAC] unless mac is the code of data by a key of the
// keyset.
func (m *MAC) VerifyMAC(mac, data []byte) error {
	if m.primitive.VerifyMAC(mac, data) != nil {
		return ErrMAC
	}
	return nil
}

// Signer signs, and verifies what it or an older key of its keyset signed. It
// is safe for concurrent use.
type Signer struct {
	primitive tink.Signer
	*Verifier
}

// Signer returns the signer of a keyset of type [TypeSignature].
func (k *Keyring) Signer() (*Signer, error) {
	if err := k.require(TypeSignature, "signature"); err != nil {
		return nil, err
	}
	return &Signer{k.signer, k.verifier}, nil
}

// Sign returns the signature of data, 69 bytes: Tink's prefix and Ed25519.
func (s *Signer) Sign(data []byte) ([]byte, error) { return s.primitive.Sign(data) }

// Verifier verifies signatures. It holds no secret and is safe for concurrent
// use.
type Verifier struct {
	primitive tink.Verifier
	public    []byte
}

func newVerifier(private *keyset.Handle) (*Verifier, error) {
	public, err := private.Public()
	if err != nil {
		return nil, err
	}
	primitive, err := signature.NewVerifier(public)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := public.WriteWithNoSecrets(keyset.NewJSONWriter(&buf)); err != nil {
		return nil, err
	}
	return &Verifier{primitive, buf.Bytes()}, nil
}

// ParsePublicKeyset returns the verifier of what [Verifier.PublicKeyset] gave.
// A keyset with a private key in it is refused.
func ParsePublicKeyset(json []byte) (*Verifier, error) {
	public, err := keyset.ReadWithNoSecrets(keyset.NewJSONReader(bytes.NewReader(json)))
	if err != nil {
		return nil, errors.New("not a keyset of public keys in Tink's JSON")
	}
	primitive, err := signature.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("public keyset: %w", err)
	}
	return &Verifier{primitive, bytes.Clone(json)}, nil
}

// Verify returns [ErrSignature] unless sig is the signature of data by a key of
// the keyset.
func (v *Verifier) Verify(sig, data []byte) error {
	if v.primitive.Verify(sig, data) != nil {
		return ErrSignature
	}
	return nil
}

// PublicKeyset returns the public keys as a Tink keyset in JSON, for auditors.
func (v *Verifier) PublicKeyset() []byte { return bytes.Clone(v.public) }
