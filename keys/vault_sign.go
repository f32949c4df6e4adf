package keys

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/vault/api"
	"github.com/tink-crypto/tink-go/v2/keyset"
	ed25519pb "github.com/tink-crypto/tink-go/v2/proto/ed25519_go_proto"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"google.golang.org/protobuf/proto"
)

// TransitSigner signs with an Ed25519 key of Vault's Transit engine, which never leaves it.
// Signatures and public keys have the form of Tink's, the version of the key as its ID, so
// that whoever verifies needs neither Vault nor anything that knows of it. It is safe for
// concurrent use.
type TransitSigner struct {
	store *VaultStore
	name  string
}

// TransitSigner gives the signer of that name below the store's Transit mount. Whether
// there is such a key shows at the first signature.
func (s *VaultStore) TransitSigner(name string) *TransitSigner { return &TransitSigner{s, name} }

// Sign asks Vault for a signature of data, 69 bytes as [Signer.Sign] gives. It takes as
// long as Vault's timeout. The error is a [*StoreError].
func (t *TransitSigner) Sign(data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), t.store.config.Timeout)
	defer cancel()
	path := t.store.config.TransitMount + "/sign/" + t.name
	var text string
	err := t.store.do(ctx, func() error {
		secret, err := t.store.session.client.Logical().WriteWithContext(ctx, path, map[string]any{"input": base64.StdEncoding.EncodeToString(data)})
		if err == nil && secret != nil {
			text, _ = secret.Data["signature"].(string)
		}
		return err
	})
	if err != nil {
		return nil, t.store.fail(t.name, path, "update", err)
	}
	signature, err := parseTransitSignature(text)
	if err != nil {
		return nil, t.store.fail(t.name, path, "", fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	return signature, nil
}

// ed25519SignatureSize and ed25519KeySize are of RFC 8032, in bytes.
const (
	ed25519SignatureSize = 64
	ed25519KeySize       = 32
)

var errNotEd25519 = errors.New("Vault's answer is no signature of an Ed25519 key: the key's type has to be ed25519")

// parseTransitSignature makes of "vault:v3:…" what Tink gives for a key with the ID 3.
func parseTransitSignature(text string) ([]byte, error) {
	rest, ok := strings.CutPrefix(text, "vault:v")
	number, encoded, ok2 := strings.Cut(rest, ":")
	version, err := strconv.ParseUint(number, 10, 32)
	raw, err2 := base64.StdEncoding.DecodeString(encoded)
	if !ok || !ok2 || err != nil || err2 != nil || version == 0 || len(raw) != ed25519SignatureSize {
		return nil, errNotEd25519
	}
	return append(binary.BigEndian.AppendUint32([]byte{tinkPrefix}, uint32(version)), raw...), nil
}

// tinkPrefix begins what a key of the prefix type TINK makes; the key's ID follows.
const tinkPrefix = 1

// Public reads the public keys, of all versions, for a verifier. It needs the capability
// "read" of the key in Vault, which whoever signs does not need.
func (t *TransitSigner) Public(ctx context.Context) (*Verifier, error) {
	path := t.store.config.TransitMount + "/keys/" + t.name
	var data map[string]any
	err := t.store.do(ctx, func() error {
		secret, err := t.store.session.client.Logical().ReadWithContext(ctx, path)
		if err == nil && secret != nil {
			data = secret.Data
		}
		return err
	})
	switch {
	case err != nil:
		return nil, t.store.fail(t.name, path, "read", err)
	case data == nil:
		return nil, t.store.fail(t.name, path, "", api.ErrSecretNotFound)
	}
	set, err := transitPublicKeys(data)
	if err != nil {
		return nil, t.store.fail(t.name, path, "", fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	var text bytes.Buffer
	if err := keyset.NewJSONWriter(&text).Write(set); err != nil {
		return nil, err
	}
	return ParsePublicKeyset(text.Bytes())
}

// transitPublicKeys makes a keyset of what Transit says of a key.
func transitPublicKeys(data map[string]any) (*tinkpb.Keyset, error) {
	if data["type"] != "ed25519" {
		return nil, errors.New("it is a key of another type than ed25519")
	}
	versions, _ := data["keys"].(map[string]any)
	set := &tinkpb.Keyset{}
	for number, v := range versions {
		of, _ := v.(map[string]any)
		text, _ := of["public_key"].(string)
		version, err := strconv.ParseUint(number, 10, 32)
		raw, err2 := base64.StdEncoding.DecodeString(text)
		if err != nil || err2 != nil || len(raw) != ed25519KeySize {
			return nil, errors.New("Vault gives no public key of a version of it")
		}
		value, err := proto.Marshal(&ed25519pb.Ed25519PublicKey{KeyValue: raw})
		if err != nil {
			return nil, err
		}
		set.PrimaryKeyId = max(set.PrimaryKeyId, uint32(version))
		set.Key = append(set.Key, &tinkpb.Keyset_Key{
			KeyId: uint32(version), Status: tinkpb.KeyStatusType_ENABLED, OutputPrefixType: tinkpb.OutputPrefixType_TINK,
			KeyData: &tinkpb.KeyData{
				TypeUrl: "type.googleapis.com/google.crypto.tink.Ed25519PublicKey", Value: value, KeyMaterialType: tinkpb.KeyData_ASYMMETRIC_PUBLIC,
			},
		})
	}
	if len(set.Key) == 0 {
		return nil, errors.New("Vault gives no version of it")
	}
	slices.SortFunc(set.Key, func(a, b *tinkpb.Keyset_Key) int { return int(a.GetKeyId()) - int(b.GetKeyId()) })
	return set, nil
}
