package keys

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/daead"
	"github.com/tink-crypto/tink-go/v2/daead/aessiv"
	"github.com/tink-crypto/tink-go/v2/key"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/mac/hmac"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/prf/hkdfprf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/signature"
	"github.com/tink-crypto/tink-go/v2/signature/ed25519"
)

// KeyType says what a keyset is for. All its keys are of that type.
type KeyType string

// The types of keysets.
const (
	TypeRandomized    KeyType = "randomized"    // AES256_GCM: columns
	TypeDeterministic KeyType = "deterministic" // AES256_SIV: columns
	TypePseudonym     KeyType = "pseudonym"     // HKDF_SHA256: the pseudonyms of one project
	TypeMAC           KeyType = "mac"           // HMAC_SHA256_256BITTAG: the chain of the audit log
	TypeSignature     KeyType = "signature"     // ED25519: checkpoints of the audit log
)

// KeyTypes lists the types.
func KeyTypes() []KeyType {
	return []KeyType{TypeRandomized, TypeDeterministic, TypePseudonym, TypeMAC, TypeSignature}
}

// ParseKeyType returns the type of that name.
func ParseKeyType(s string) (KeyType, error) {
	if t := KeyType(s); slices.Contains(KeyTypes(), t) {
		return t, nil
	}
	var names []string
	for _, t := range KeyTypes() {
		names = append(names, string(t))
	}
	return "", fmt.Errorf("unknown type of key %q: it is one of %s", s, strings.Join(names, ", "))
}

// Algorithm returns Tink's name of the type's algorithm.
func (t KeyType) Algorithm() string {
	switch t {
	case TypeRandomized:
		return "AES256_GCM"
	case TypeDeterministic:
		return "AES256_SIV"
	case TypePseudonym:
		return "HKDF_SHA256"
	case TypeMAC:
		return "HMAC_SHA256_256BITTAG"
	case TypeSignature:
		return "ED25519"
	default:
		return "unknown"
	}
}

// String names the type and its algorithm, for messages.
func (t KeyType) String() string { return fmt.Sprintf("%s (%s)", string(t), t.Algorithm()) }

func (t KeyType) template() (*tinkpb.KeyTemplate, error) {
	switch t {
	case TypeRandomized:
		return aead.AES256GCMKeyTemplate(), nil
	case TypeDeterministic:
		return daead.AESSIVKeyTemplate(), nil
	case TypePseudonym:
		return prf.HKDFSHA256PRFKeyTemplate(), nil
	case TypeMAC:
		return mac.HMACSHA256Tag256KeyTemplate(), nil
	case TypeSignature:
		return signature.ED25519KeyTemplate(), nil
	default:
		return nil, fmt.Errorf("unknown type of key %q", string(t))
	}
}

// generate makes a keyset of one new key, whose ID is none of those taken.
func (t KeyType) generate(taken ...uint32) (*keyset.Handle, error) {
	template, err := t.template()
	if err != nil {
		return nil, err
	}
	for {
		handle, err := keyset.NewHandle(template)
		if err != nil || !slices.Contains(taken, handle.KeysetInfo().GetPrimaryKeyId()) {
			return handle, err
		}
	}
}

// typeOf returns the type of a key with exactly the parameters that the type
// has: another key size, tag size or prefix is refused.
func typeOf(k key.Key) (KeyType, error) {
	switch k := k.(type) {
	case *aesgcm.Key:
		p := k.Parameters().(*aesgcm.Parameters)
		if p.KeySizeInBytes() == 32 && p.IVSizeInBytes() == nonceSize && p.TagSizeInBytes() == tagSize &&
			p.Variant() == aesgcm.VariantTink {
			return TypeRandomized, nil
		}
	case *aessiv.Key:
		p := k.Parameters().(*aessiv.Parameters)
		if p.KeySizeInBytes() == 64 && p.Variant() == aessiv.VariantTink {
			return TypeDeterministic, nil
		}
	case *hkdfprf.Key:
		p := k.Parameters().(*hkdfprf.Parameters)
		if p.KeySizeInBytes() == 32 && p.HashType() == hkdfprf.SHA256 && len(p.Salt()) == 0 {
			return TypePseudonym, nil
		}
	case *hmac.Key:
		p := k.Parameters().(*hmac.Parameters)
		if p.KeySizeInBytes() >= 32 && p.CryptographicTagSizeInBytes() == 32 && p.HashType() == hmac.SHA256 &&
			p.Variant() == hmac.VariantTink {
			return TypeMAC, nil
		}
	case *ed25519.PrivateKey:
		if p := k.Parameters().(*ed25519.Parameters); p.Variant() == ed25519.VariantTink {
			return TypeSignature, nil
		}
	}
	return "", fmt.Errorf("key is not of a type that pgveil uses (%s, %s, %s or %s, each with the TINK prefix, or %s)",
		TypeRandomized.Algorithm(), TypeDeterministic.Algorithm(), TypeMAC.Algorithm(), TypeSignature.Algorithm(), TypePseudonym.Algorithm())
}

// typeOfURL is typeOf for a keyset whose keys are still encrypted.
func typeOfURL(url string) KeyType {
	switch strings.TrimPrefix(url, "type.googleapis.com/google.crypto.tink.") {
	case "AesGcmKey":
		return TypeRandomized
	case "AesSivKey":
		return TypeDeterministic
	case "HkdfPrfKey":
		return TypePseudonym
	case "HmacKey":
		return TypeMAC
	case "Ed25519PrivateKey":
		return TypeSignature
	default:
		return ""
	}
}

// keyName is what a keyset may be called: the name is part of a file's name and
// of a path in Vault.
var keyName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)

// CheckName returns an error if a keyset cannot have that name.
func CheckName(name string) error {
	if !keyName.MatchString(name) {
		return fmt.Errorf("key name %q: it takes 1 to 100 letters, digits, '_', '-' and '.', and begins with neither '-' nor '.'", name)
	}
	return nil
}
