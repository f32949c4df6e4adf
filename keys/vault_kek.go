package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// kek is the Transit key that encrypts keysets.
type kek struct {
	aead tink.AEAD
	path string // "transit/keys/pgveil"
}

func newKEK(client *api.Client, mount, name string) (*kek, error) {
	path := mount + "/keys/" + name
	aead, err := hcvault.NewAEAD("/"+path, client.Logical())
	if err != nil {
		return nil, err
	}
	return &kek{aead, path}, nil
}

// kekCall is one use of the KEK: a tink.AEADWithContext that keeps the error of
// Vault, which Tink flattens into text.
type kekCall struct {
	*kek
	err error
}

func (c *kekCall) EncryptWithContext(ctx context.Context, plaintext, ad []byte) ([]byte, error) {
	return c.do(ctx, func() ([]byte, error) { return c.aead.Encrypt(plaintext, ad) })
}

func (c *kekCall) DecryptWithContext(ctx context.Context, ciphertext, ad []byte) ([]byte, error) {
	return c.do(ctx, func() ([]byte, error) { return c.aead.Decrypt(ciphertext, ad) })
}

// do gives the call up when the context ends; the request itself, which takes
// no context, ends at the client's timeout at the latest.
func (c *kekCall) do(ctx context.Context, f func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := f()
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		c.err = r.err
		return r.data, r.err
	case <-ctx.Done():
		c.err = ctx.Err()
		return nil, c.err
	}
}

// record is a keyset as it stands in KV.
type record struct {
	keyset string // Tink's EncryptedKeyset in JSON
	kek    string // path of the KEK
	sum    string // SHA-256 of keyset in hex: tells a damaged keyset from a wrong KEK
	times
}

// times tell of each key when something was done to it. They stand beside the keyset in
// clear: a mistake in them must not lose a key.
type times struct {
	added, retired, erased map[uint32]time.Time
}

// The fields of a record in KV.
const (
	fieldKeyset = "keyset"
	fieldKEK    = "kek"
	fieldSum    = "sha256"
	// When each key was added, retired and removed for good, in JSON.
	fieldAdded   = "added"
	fieldRetired = "retired"
	fieldErased  = "erased"
)

func (r record) fields() map[string]any {
	fields := map[string]any{fieldKeyset: r.keyset, fieldKEK: r.kek, fieldSum: r.sum}
	for field, of := range map[string]map[uint32]time.Time{fieldAdded: r.added, fieldRetired: r.retired, fieldErased: r.erased} {
		if text, err := json.Marshal(of); err == nil && len(of) > 0 {
			fields[field] = string(text)
		}
	}
	return fields
}

// since notes when the keys of a keyset were added, retired and removed: where the record before does
// not tell, now.
func (r *record) since(before *record, set *tinkpb.KeysetInfo) {
	was := make(map[uint32]KeyInfo)
	if before != nil {
		if encrypted, err := before.encrypted(); err == nil {
			for _, k := range keyInfos(encrypted.GetKeysetInfo()) {
				k.Added, k.RetiredAt = before.added[k.ID], before.retired[k.ID]
				was[k.ID] = k
			}
		}
	}
	now := time.Now().UTC().Truncate(time.Second)
	r.added, r.retired, r.erased = make(map[uint32]time.Time), make(map[uint32]time.Time), make(map[uint32]time.Time)
	if before != nil {
		maps.Copy(r.erased, before.erased)
	}
	for id := range was {
		r.erased[id] = now
	}
	for _, k := range keyInfos(set) {
		old, there := was[k.ID]
		delete(r.erased, k.ID)
		switch {
		case !there:
			r.added[k.ID] = now
		case !old.Added.IsZero():
			r.added[k.ID] = old.Added
		}
		switch {
		case !k.Retired():
		case old.Retired() && !old.RetiredAt.IsZero():
			r.retired[k.ID] = old.RetiredAt
		default:
			r.retired[k.ID] = now
		}
	}
}

func checksum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// parseRecord reads a record and, from its unauthenticated part, what it says
// of itself.
func parseRecord(name string, fields map[string]any) (record, Info, error) {
	var r record
	for field, to := range map[string]*string{fieldKeyset: &r.keyset, fieldKEK: &r.kek, fieldSum: &r.sum} {
		var ok bool
		if *to, ok = fields[field].(string); !ok || *to == "" {
			return record{}, Info{}, fmt.Errorf("%w: it has no field %q", ErrCorrupt, field)
		}
	}
	if checksum(r.keyset) != r.sum {
		return record{}, Info{}, fmt.Errorf("%w: its checksum differs", ErrCorrupt)
	}
	encrypted, err := r.encrypted()
	if err != nil {
		return record{}, Info{}, err
	}
	for field, of := range map[string]*map[uint32]time.Time{fieldAdded: &r.added, fieldRetired: &r.retired, fieldErased: &r.erased} {
		if text, _ := fields[field].(string); json.Unmarshal([]byte(text), of) != nil {
			*of = nil
		}
	}
	info := Info{
		Name:       name,
		Keys:       keyInfos(encrypted.GetKeysetInfo()),
		KEK:        r.kek,
		KEKVersion: kekVersion(encrypted.GetEncryptedKeyset()),
	}
	for _, k := range encrypted.GetKeysetInfo().GetKeyInfo() {
		info.Type = typeOfURL(k.GetTypeUrl())
	}
	info.tellTimes(r.times)
	info.Erased = slices.Sorted(maps.Keys(r.erased))
	return r, info, nil
}

func (r record) encrypted() (*tinkpb.EncryptedKeyset, error) {
	encrypted, err := keyset.NewJSONReader(strings.NewReader(r.keyset)).ReadEncrypted()
	if err != nil || len(encrypted.GetEncryptedKeyset()) == 0 {
		return nil, fmt.Errorf("%w: it is not an encrypted Tink keyset in JSON", ErrCorrupt)
	}
	return encrypted, nil
}

// kekVersion reads the version in Transit's "vault:v3:…", 0 if there is none.
func kekVersion(ciphertext []byte) int {
	rest, ok := bytes.CutPrefix(ciphertext, []byte("vault:v"))
	digits, _, found := bytes.Cut(rest, []byte(":"))
	n, err := strconv.Atoi(string(digits))
	if !ok || !found || err != nil {
		return 0
	}
	return n
}

// seal encrypts a keyset, bound to its name. before is what it takes the place of, nil for
// nothing.
func (k *kek) seal(ctx context.Context, name string, before *record, handle *keyset.Handle) (record, error) {
	var buf bytes.Buffer
	call := &kekCall{kek: k}
	if err := handle.WriteWithContext(ctx, keyset.NewJSONWriter(&buf), call, []byte(name)); err != nil {
		if call.err != nil {
			return record{}, call.err
		}
		return record{}, err
	}
	r := record{keyset: buf.String(), kek: k.path, sum: checksum(buf.String())}
	r.since(before, handle.KeysetInfo())
	return r, nil
}

// open decrypts a keyset. The error is Vault's, or wraps ErrWrongKEK or
// ErrCorrupt.
func (k *kek) open(ctx context.Context, name string, r record) (*keyset.Handle, error) {
	if r.kek != k.path {
		return nil, fmt.Errorf("%w: it was encrypted with %s, and the configuration names %s", ErrWrongKEK, r.kek, k.path)
	}
	call := &kekCall{kek: k}
	handle, err := keyset.ReadWithContext(ctx, keyset.NewJSONReader(strings.NewReader(r.keyset)), call, []byte(name))
	switch {
	case err == nil:
		return handle, nil
	case call.err == nil:
		return nil, fmt.Errorf("%w: what it decrypts to is not a Tink keyset", ErrCorrupt)
	case refusedWith(call.err) != "":
		return nil, refusedKeyset(name, refusedWith(call.err), k.path)
	default:
		return nil, call.err
	}
}

// refusedKeyset reads the words of Vault's Transit engine.
func refusedKeyset(name, text, path string) error {
	contains := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case contains("message authentication failed"):
		return fmt.Errorf("%w: %s is another key by now, or the keyset was made under another name", ErrWrongKEK, path)
	case contains("too old"):
		return fmt.Errorf("%w: it was encrypted with a version below the min_decryption_version of %s; lower that, run pgveil keys rewrap %s, and raise it again", ErrWrongKEK, path, name)
	case contains("version is too new", "not found"):
		return fmt.Errorf("%w: %s does not exist in that version", ErrWrongKEK, path)
	case contains("invalid ciphertext", "base64", "prefix"):
		return fmt.Errorf("%w: it is not encrypted by Vault", ErrCorrupt)
	default:
		return fmt.Errorf("%w: %s", ErrRefused, text)
	}
}
