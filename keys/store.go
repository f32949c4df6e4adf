package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Store keeps keysets by name. What changes a keyset compares it with what was read, so
// that of several changes at once none is lost. Its methods are safe for concurrent use, and
// their errors, of type [*StoreError], name the key and the place and never
// hold a secret.
type Store interface {
	// Open reads a keyset and opens it.
	Open(ctx context.Context, name string) (*Keyring, error)
	// Create makes a keyset of one new key. It never replaces one: a name that
	// exists is [ErrExists]. The key's ID is none of those taken: keysets that open values
	// of one column should share none.
	Create(ctx context.Context, name string, t KeyType, taken ...uint32) (Info, error)
	// AddKey adds a new key of its type to a keyset, and returns its ID: none of those taken; with it values
	// are opened, and none is sealed before Promote.
	AddKey(ctx context.Context, name string, taken ...uint32) (uint32, error)
	// Promote makes an enabled key of a keyset its primary.
	Promote(ctx context.Context, name string, id uint32) error
	// Retire disables a key of a keyset, with which no value is opened any more; never the
	// primary ([ErrSeals]). The keyset has to be of the version given, else it is
	// [ErrChanged]: what the caller knows of it may be wrong by now.
	Retire(ctx context.Context, name string, id uint32, version string) error
	// Restore undoes Retire.
	Restore(ctx context.Context, name string, id uint32) error
	// Remove takes a retired key out of a keyset of that version, for good: every older
	// version of the keyset, which holds the key, is destroyed.
	Remove(ctx context.Context, name string, id uint32, version string) error
	// Destroy destroys every version of a keyset of that version. Its name and the IDs of its
	// keys stay, for [ErrDestroyed] and [Erased], and the name is not given to another key.
	Destroy(ctx context.Context, name, version string) error
	// Rewrap encrypts a keyset with the newest version of the KEK, if there is one.
	Rewrap(ctx context.Context, name string) (Info, error)
	// Version is another text after each change of a keyset.
	Version(ctx context.Context, name string) (string, error)
	// List describes every keyset, in the order of the names, the destroyed ones too. A keyset that
	// cannot be described is in the error and the others are still returned.
	List(ctx context.Context) ([]Info, error)
	// Names lists the keysets, as List does, without looking at them.
	Names(ctx context.Context) ([]string, error)
	// Close ends what the store does in the background. Keyrings stay usable.
	Close() error
}

// What can be wrong with a store or a key in it, for [errors.Is].
var (
	ErrUnreachable = errors.New("Vault is unreachable")
	ErrVaultSealed = errors.New("Vault is sealed")
	ErrPermission  = errors.New("permission denied")
	ErrMissing     = errors.New("there is no such key")
	ErrExists      = errors.New("the key exists already")
	ErrSeals       = errors.New("the key seals values")
	ErrNotRetired  = errors.New("the key is not retired")
	ErrNotEnabled  = errors.New("the key that is to seal is not enabled")
	ErrOneKey      = errors.New("a keyset of pseudonyms has one key: raise the project's epoch to renew them, or name another keyset")
	ErrChanged     = errors.New("the keyset was changed meanwhile")
	ErrDestroyed   = errors.New("the key was destroyed")
	ErrCorrupt     = errors.New("the keyset is corrupt")
	ErrWrongKEK    = errors.New("the keyset does not open with this KEK")
	ErrInsecure    = errors.New("others have access to it")
	ErrConfig      = errors.New("the configuration is wrong")
)

// StoreError is an error of a [Store].
type StoreError struct {
	Key    string // name of the keyset, "" for the store as a whole
	Place  string // file, or address and path in Vault
	Reason error  // one of the errors above, or a context's
	Detail string // what was found, and what to do about it

	tombstone tombstone // with ErrDestroyed
}

func (e *StoreError) Error() string {
	var b strings.Builder
	if e.Key != "" {
		fmt.Fprintf(&b, "key %q: ", e.Key)
	}
	if e.Place != "" {
		fmt.Fprintf(&b, "%s: ", e.Place)
	}
	b.WriteString(e.Reason.Error())
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Detail)
	}
	return b.String()
}

// Unwrap returns the reason.
func (e *StoreError) Unwrap() error { return e.Reason }

// destroyedError is what a store says of a key that is no more.
func destroyedError(t tombstone) *StoreError {
	return &StoreError{Reason: ErrDestroyed, tombstone: t, Detail: "at " + t.Destroyed.UTC().Format(time.RFC3339) + "; nothing opens what it sealed"}
}

func missingHint(name string) string { return "create it with pgveil keys create " + name }

// sortInfos sorts by name, which neither file names nor Vault's lists do.
func sortInfos(infos []Info) {
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
}
