package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// keyDue is something that should be done to a key.
type keyDue struct {
	Do  string `json:"do"`            // rotate, rewrap, reseal, retire, restore, destroy
	Key uint32 `json:"key,omitempty"` // one of the keyset's
	Why string `json:"why"`
}

func (d keyDue) String() string {
	if d.Key == 0 {
		return d.Do
	}
	return fmt.Sprintf("%s %d", d.Do, d.Key)
}

// sealedMost is how many values one key of AES-GCM may have sealed before it is rotated: half
// of the 2³² that NIST SP 800-38D, section 8.3 allows with random nonces. Only the values
// that are still stored can be counted.
const sealedMost = 1 << 31

// tellDue says of each keyset what is due. specs are the keys of the schema file.
func tellDue(l *keyList, specs map[string]schema.KeySpec, now time.Time) {
	newest := make(map[string]int) // version of each KEK, as far as the keysets tell
	for _, k := range l.Keys {
		newest[k.KEK] = max(newest[k.KEK], k.KEKVersion)
	}
	for _, k := range l.Keys {
		k.Due = []keyDue{}
		if !k.Destroyed.IsZero() {
			continue
		}
		if k.KEKVersion < newest[k.KEK] {
			k.Due = append(k.Due, keyDue{Do: "rewrap", Why: fmt.Sprintf("other keysets are encrypted by version %d of the KEK", newest[k.KEK])})
		}
		if due, ok := dueByYear(k.Name, specs, now); ok {
			k.Due = append(k.Due, due...)
		} else if retain := specOf(k.Name, specs).Retain; !retain.IsZero() && !k.Created.IsZero() && now.After(retain.After(k.Created)) {
			k.Due = append(k.Due, keyDue{Do: "destroy", Why: fmt.Sprintf("it was made on %s, and the schema file retains what it seals for %s", k.Created.UTC().Format(time.DateOnly), retain)})
		}
		if l.Counted && (k.Type == keys.TypeRandomized || k.Type == keys.TypeDeterministic) {
			for _, version := range k.Keys {
				k.Due = append(k.Due, dueOf(k, version)...)
				if version.Primary {
					break // what comes after is about to become the primary
				}
			}
		}
	}
}

// dueOf says what the count of stored values makes due of one key.
func dueOf(k *listedKey, version keys.KeyInfo) []keyDue {
	stored := of(k.Stored, k.Info, version.ID)
	values := sum(stored)
	switch {
	case version.Seals && k.Type == keys.TypeRandomized && values >= sealedMost:
		return []keyDue{{Do: "rotate", Why: fmt.Sprintf("its primary has sealed %d values that are stored", values)}}
	case version.Primary || version.Seals && k.Type == keys.TypeRandomized:
		return nil
	case len(stored) > 0 && version.Retired():
		return []keyDue{{Do: "restore", Key: version.ID, Why: "it is retired, and needed by " + needs(stored)}}
	case len(stored) > 0:
		return []keyDue{{Do: "reseal", Key: version.ID, Why: "what needs it is to be sealed with the primary: " + needs(stored)}}
	case version.Retired():
		return []keyDue{{Do: "destroy", Key: version.ID, Why: "it is retired, and no stored value needs it"}}
	default:
		return []keyDue{{Do: "retire", Key: version.ID, Why: "no stored value needs it"}}
	}
}

// specOf gives what the schema file says of a key, or of the key by value that it is of.
func specOf(name string, specs map[string]schema.KeySpec) schema.KeySpec {
	if family, _, ok := keys.SplitMember(name); ok && specs[family].ByValue {
		return specs[family]
	}
	return specs[name]
}

// dueByYear says of the key of a year whether its destruction is due: what it seals is retained
// from the end of that year, whenever the key was made. ok is false for any other key.
func dueByYear(name string, specs map[string]schema.KeySpec, now time.Time) (due []keyDue, ok bool) {
	spec := specOf(name, specs)
	_, value, _ := keys.SplitMember(name)
	year, err := strconv.Atoi(value)
	if !spec.ByYear || err != nil {
		return nil, false
	}
	end := time.Date(year+1, time.January, 1, 0, 0, 0, 0, time.UTC)
	if !spec.Retain.IsZero() && now.After(spec.Retain.After(end)) {
		due = append(due, keyDue{Do: "destroy", Why: fmt.Sprintf("the schema file retains what it seals for %s after the end of %d", spec.Retain, year)})
	}
	return due, true
}
