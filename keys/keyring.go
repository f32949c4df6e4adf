package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"slices"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/daead/aessiv"
	"github.com/tink-crypto/tink-go/v2/daead/subtle"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/signature"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Info describes a keyset without its keys.
type Info struct {
	Name    string    `json:"name"`
	Type    KeyType   `json:"type"`
	Keys    []KeyInfo `json:"keys"`
	Created time.Time `json:"created,omitzero"` // zero if the store does not know

	KEK        string `json:"kek,omitempty"`         // path of the Transit key, such as "transit/keys/pgveil"
	KEKVersion int    `json:"kek_version,omitempty"` // that encrypted the keyset

	Destroyed time.Time `json:"destroyed,omitzero"` // of a key that is no more; nothing but its name and IDs is left
	Erased    []uint32  `json:"erased,omitempty"`   // IDs of keys that were destroyed, as far as the store knows
}

// KeyInfo describes one key of a keyset.
type KeyInfo struct {
	ID      uint32 `json:"id"`
	Status  string `json:"status"` // enabled, disabled (retired), destroyed
	Primary bool   `json:"primary"`
	// Seals says that new values are sealed with it: the primary, but of a deterministic
	// keyset the oldest that is enabled, where no CHECK constraint names another.
	Seals bool      `json:"seals"`
	Added time.Time `json:"added,omitzero"` // zero if the store does not know
	// RetiredAt is zero if it is not retired, too.
	RetiredAt time.Time `json:"retired,omitzero"`
}

func (i *Info) tellTimes(t times) {
	for at := range i.Keys {
		k := &i.Keys[at]
		k.Added, k.RetiredAt = t.added[k.ID], t.retired[k.ID]
	}
}

// What a key of a keyset can be.
const (
	statusEnabled  = "enabled"
	statusDisabled = "disabled"
)

// Retired reports whether [Store.Retire] has disabled the key.
func (k KeyInfo) Retired() bool { return k.Status == statusDisabled }

// Enabled reports whether the key opens values.
func (k KeyInfo) Enabled() bool { return k.Status == statusEnabled }

// Keyring is a keyset, opened. Its primary key seals, of a deterministic keyset the
// oldest that is enabled or the one that is asked for; all its enabled keys open. It is
// immutable and safe for concurrent use.
type Keyring struct {
	info Info

	columns  []columnKey // of a column's type; the first seals
	prf      *prf.Set
	mac      tink.MAC
	macs     []tink.MAC // of each enabled key
	signer   tink.Signer
	verifier *Verifier
}

// NewKeyring opens a keyset. All its keys must be of one of the types that
// pgveil uses.
func NewKeyring(name string, handle *keyset.Handle) (*Keyring, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	k := &Keyring{info: Info{Name: name}}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		if err := k.add(entry); err != nil {
			return nil, fmt.Errorf("key %q: key id %d: %w", name, entry.KeyID(), err)
		}
	}
	var err error
	switch k.info.Type {
	case "":
		return nil, fmt.Errorf("key %q: the keyset is empty", name)
	case TypePseudonym:
		k.prf, err = prf.NewPRFSet(handle)
	case TypeMAC:
		if k.mac, err = mac.New(handle); err == nil {
			k.macs, err = eachMAC(handle)
		}
	case TypeSignature:
		if k.signer, err = signature.NewSigner(handle); err == nil {
			k.verifier, err = newVerifier(handle)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", name, err)
	}
	k.info.Keys = keyInfos(handle.KeysetInfo())
	return k, nil
}

// add takes one key of the keyset.
func (k *Keyring) add(entry *keyset.Entry) error {
	t, err := typeOf(entry.Key())
	if err != nil {
		return err
	}
	if k.info.Type != "" && k.info.Type != t {
		return fmt.Errorf("it is of type %s, another key of the same keyset of type %s", t, k.info.Type)
	}
	k.info.Type = t
	if entry.KeyStatus() != keyset.Enabled {
		return nil
	}
	column, err := newColumnKey(entry)
	if err != nil || column == nil {
		return err
	}
	// Values of a deterministic column are compared, so that one key has to seal all of
	// them, whatever is the primary: the oldest, until all are sealed anew with another.
	if entry.IsPrimary() && t == TypeRandomized {
		k.columns = slices.Insert(k.columns, 0, *column)
	} else {
		k.columns = append(k.columns, *column)
	}
	return nil
}

// newColumnKey returns nil for a key that is not a column's.
func newColumnKey(entry *keyset.Entry) (*columnKey, error) {
	var token insecuresecretdataaccess.Token
	switch key := entry.Key().(type) {
	case *aesgcm.Key:
		block, err := aes.NewCipher(key.KeyBytes().Data(token))
		if err != nil {
			return nil, err
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		return &columnKey{prefix: [prefixSize]byte(key.OutputPrefix()), gcm: gcm}, nil
	case *aessiv.Key:
		siv, err := subtle.NewAESSIV(key.KeyBytes().Data(token))
		if err != nil {
			return nil, err
		}
		return &columnKey{prefix: [prefixSize]byte(key.OutputPrefix()), siv: siv}, nil
	default:
		return nil, nil
	}
}

// keyInfos describes the keys of a keyset, encrypted or not.
func keyInfos(set *tinkpb.KeysetInfo) []KeyInfo {
	infos := make([]KeyInfo, 0, len(set.GetKeyInfo()))
	sealing := false // the oldest enabled key of a deterministic keyset was seen
	for _, k := range set.GetKeyInfo() {
		status := "unknown"
		switch k.GetStatus() {
		case tinkpb.KeyStatusType_ENABLED:
			status = statusEnabled
		case tinkpb.KeyStatusType_DISABLED:
			status = statusDisabled
		case tinkpb.KeyStatusType_DESTROYED:
			status = "destroyed"
		}
		info := KeyInfo{ID: k.GetKeyId(), Status: status, Primary: k.GetKeyId() == set.GetPrimaryKeyId()}
		info.Seals = info.Primary
		if typeOfURL(k.GetTypeUrl()) == TypeDeterministic {
			info.Seals = status == statusEnabled && !sealing
			sealing = sealing || info.Seals
		}
		infos = append(infos, info)
	}
	return infos
}

// Name returns the keyset's name.
func (k *Keyring) Name() string { return k.info.Name }

// Type returns the type of the keyset.
func (k *Keyring) Type() KeyType { return k.info.Type }

// Info describes the keyset. The caller may keep and change it.
func (k *Keyring) Info() Info {
	info := k.info
	info.Keys, info.Erased = slices.Clone(info.Keys), slices.Clone(info.Erased)
	return info
}

// Holds reports whether a key of the keyset has, or had, that ID: retired and destroyed ones too.
func (k *Keyring) Holds(id uint32) bool { return slices.Contains(k.info.keyIDs(), id) }

// String says nothing of the keys.
func (k *Keyring) String() string {
	return fmt.Sprintf("keyring %q of type %s", k.info.Name, k.info.Type)
}

// require returns an error unless the keyset is of the type that use needs.
func (k *Keyring) require(want KeyType, use string) error {
	if k.info.Type == want {
		return nil
	}
	return fmt.Errorf("key %q is of type %s; a %s needs a key of type %s", k.info.Name, k.info.Type, use, want)
}
