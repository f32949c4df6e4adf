package keys

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// ErrErased is the error of [Sealer.Open] for a value whose key was destroyed, as the store
// tells. It is no sign of a change: nothing opens the value any more.
var ErrErased = errors.New("the key of the value was destroyed")

// tombstone is what a store keeps of a keyset that was destroyed: nothing that opens a value,
// and what tells an erased value from a damaged one.
type tombstone struct {
	Destroyed time.Time `json:"destroyed"`
	Type      KeyType   `json:"type,omitempty"`
	IDs       []uint32  `json:"ids,omitempty"` // of its keys; none where an older pgveil has destroyed it
}

// tombstoneOf is that of a keyset which is destroyed now.
func tombstoneOf(info Info) tombstone {
	return tombstone{time.Now().UTC().Truncate(time.Second), info.Type, info.keyIDs()}
}

// The fields of a tombstone in KV, besides fieldDestroyed.
const (
	fieldType = "type"
	fieldIDs  = "ids"
)

func (t tombstone) fields() map[string]any {
	fields := map[string]any{fieldDestroyed: t.Destroyed.Format(time.RFC3339)}
	if text, err := json.Marshal(t.IDs); err == nil && len(t.IDs) > 0 {
		fields[fieldType], fields[fieldIDs] = string(t.Type), string(text)
	}
	return fields
}

// parseTombstone reads what Destroy has written.
func parseTombstone(fields map[string]any) (tombstone, bool) {
	text, _ := fields[fieldDestroyed].(string)
	at, err := time.Parse(time.RFC3339, text)
	t := tombstone{Destroyed: at}
	ids, _ := fields[fieldIDs].(string)
	kind, _ := fields[fieldType].(string)
	if json.Unmarshal([]byte(ids), &t.IDs) == nil {
		t.Type = KeyType(kind)
	} else {
		t.IDs = nil
	}
	return t, err == nil
}

// keyIDs gives the IDs of the keys that a keyset has and had.
func (i *Info) keyIDs() []uint32 {
	var list []uint32
	for _, k := range i.Keys {
		list = append(list, k.ID)
	}
	for _, id := range i.Erased {
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// Erased gives, of an error of [Store.Open] with [ErrDestroyed], the keyring that is left: it
// has no key, and tells erased values from damaged ones. It is nil if the store does not know
// which keys there were.
func Erased(err error) *Keyring {
	var e *StoreError
	if !errors.As(err, &e) || !errors.Is(e, ErrDestroyed) || len(e.tombstone.IDs) == 0 {
		return nil
	}
	return &Keyring{info: Info{Name: e.Key, Type: e.tombstone.Type, Destroyed: e.tombstone.Destroyed, Erased: e.tombstone.IDs}}
}

// Destroyed gives what is left of a keyring when its keyset was destroyed at a time: no key.
func (k *Keyring) Destroyed(at time.Time) *Keyring {
	return &Keyring{info: Info{Name: k.info.Name, Type: k.info.Type, Destroyed: at, Erased: k.info.keyIDs()}}
}
