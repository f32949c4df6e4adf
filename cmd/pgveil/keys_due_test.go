package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// TestKeyDue: what the state of keys, and the values that they have sealed, make due.
func TestKeyDue(t *testing.T) {
	old := keys.KeyInfo{ID: 1, Status: "enabled"}
	retired := keys.KeyInfo{ID: 1, Status: "disabled"}
	primary := keys.KeyInfo{ID: 2, Status: "enabled", Primary: true, Seals: true}
	staged := keys.KeyInfo{ID: 3, Status: "enabled"}
	stored := func(key uint32, values int64) schema.Stored {
		return schema.Stored{Database: "lab", Object: "lab.patient.name", Key: key, Values: values}
	}
	for _, test := range []struct {
		keys   []keys.KeyInfo
		stored []schema.Stored
		want   string
	}{
		{[]keys.KeyInfo{primary}, nil, ""},
		{[]keys.KeyInfo{primary}, []schema.Stored{stored(2, 100)}, ""},
		{[]keys.KeyInfo{primary}, []schema.Stored{stored(2, 1<<30), stored(2, 1<<30)}, "rotate"},
		{[]keys.KeyInfo{old, primary}, []schema.Stored{stored(1, 5), stored(2, 1)}, "reseal 1"},
		{[]keys.KeyInfo{old, primary}, []schema.Stored{stored(2, 1)}, "retire 1"},
		{[]keys.KeyInfo{retired, primary}, nil, "destroy 1"},
		{[]keys.KeyInfo{retired, primary}, []schema.Stored{stored(1, 1)}, "restore 1"},
		{[]keys.KeyInfo{primary, staged}, nil, ""},
	} {
		k := &listedKey{Info: keys.Info{Name: "medical", Type: keys.TypeRandomized, Keys: test.keys, KEK: "kek", KEKVersion: 2}, Stored: test.stored}
		for _, counted := range []bool{true, false} {
			tellDue(&keyList{Keys: []*listedKey{k}, Counted: counted})
			var due []string
			for _, d := range k.Due {
				due = append(due, d.String())
				if d.Why == "" {
					t.Errorf("%v has no reason", d)
				}
			}
			want := test.want
			if !counted {
				want = ""
			}
			if got := strings.Join(due, ", "); got != want {
				t.Errorf("%+v with %v, counted %v: due %q, not %q", test.keys, test.stored, counted, got, want)
			}
		}
	}
	behind := &listedKey{Info: keys.Info{Name: "a", Type: keys.TypeMAC, KEK: "kek", KEKVersion: 1}}
	newest := &listedKey{Info: keys.Info{Name: "b", Type: keys.TypeMAC, KEK: "kek", KEKVersion: 2}}
	gone := &listedKey{Info: keys.Info{Name: "c", Destroyed: time.Now()}}
	tellDue(&keyList{Keys: []*listedKey{behind, newest, gone}})
	if got := fmt.Sprint(behind.Due, newest.Due, gone.Due); got != "[rewrap] [] []" {
		t.Error(got)
	}
}
