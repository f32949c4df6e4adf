package main

import (
	"fmt"
	"slices"
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
			tellDue(&keyList{Keys: []*listedKey{k}, Counted: counted}, nil, time.Now())
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
	// Of a deterministic keyset the constraints tell which key seals.
	oldest := keys.KeyInfo{ID: 1, Status: "enabled", Seals: true}
	deterministic := keys.Info{Name: "nir", Type: keys.TypeDeterministic, Keys: []keys.KeyInfo{oldest, {ID: 2, Status: "enabled", Primary: true}}}
	for _, test := range []struct {
		stored []schema.Stored
		seals  string
		want   string
	}{
		{nil, "[true false]", "[retire 1]"},
		{[]schema.Stored{{Object: "lab.patient.nir", Oldest: "nir"}}, "[true false]", "[reseal 1]"},
		{[]schema.Stored{{Object: "lab.patient.nir", Oldest: "other"}}, "[true false]", "[retire 1]"},
		{[]schema.Stored{{Checks: 1, Key: 1}, stored(1, 5)}, "[true false]", "[reseal 1]"},
		{[]schema.Stored{{Checks: 1, Key: 2}, stored(2, 5)}, "[false true]", "[retire 1]"},
		{[]schema.Stored{{Checks: 1, Key: 2}, stored(1, 1)}, "[false true]", "[reseal 1]"},
		{[]schema.Stored{{Checks: 1, Key: 2}, {Oldest: "nir"}}, "[true true]", "[reseal 1]"},
	} {
		info := deterministic
		info.Keys = slices.Clone(info.Keys)
		k := listKey(info, test.stored)
		tellDue(&keyList{Keys: []*listedKey{k}, Counted: true}, nil, time.Now())
		if seals := fmt.Sprint([]bool{k.Keys[0].Seals, k.Keys[1].Seals}); seals != test.seals || fmt.Sprint(k.Due) != test.want {
			t.Errorf("%+v: seal %s, due %v", test.stored, seals, k.Due)
		}
	}
	behind := &listedKey{Info: keys.Info{Name: "a", Type: keys.TypeMAC, KEK: "kek", KEKVersion: 1}}
	newest := &listedKey{Info: keys.Info{Name: "b", Type: keys.TypeMAC, KEK: "kek", KEKVersion: 2}}
	gone := &listedKey{Info: keys.Info{Name: "c", Destroyed: time.Now()}}
	tellDue(&keyList{Keys: []*listedKey{behind, newest, gone}}, nil, time.Now())
	if got := fmt.Sprint(behind.Due, newest.Due, gone.Due); got != "[rewrap] [] []" {
		t.Error(got)
	}
}

// TestKeyRetained: a key is due when it is older than the schema file retains what it seals.
func TestKeyRetained(t *testing.T) {
	made := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	specs := map[string]schema.KeySpec{"old": {Name: "old", Retain: schema.Period{N: 3, Unit: "years"}}}
	for now, want := range map[time.Time]string{
		time.Date(2027, 2, 28, 12, 0, 1, 0, time.UTC): "[]",
		time.Date(2027, 3, 1, 12, 0, 1, 0, time.UTC):  "[destroy]",
	} {
		old := &listedKey{Info: keys.Info{Name: "old", Type: keys.TypeRandomized, Created: made}}
		kept := &listedKey{Info: keys.Info{Name: "kept", Type: keys.TypeRandomized, Created: made}}
		unknown := &listedKey{Info: keys.Info{Name: "old", Type: keys.TypeRandomized}}
		gone := &listedKey{Info: keys.Info{Name: "old", Created: made, Destroyed: made}}
		tellDue(&keyList{Keys: []*listedKey{old, kept, unknown, gone}}, specs, now)
		if got := fmt.Sprint(old.Due, kept.Due, unknown.Due, gone.Due); got != want+" [] [] []" {
			t.Errorf("at %v: %s", now, got)
		}
		if len(old.Due) > 0 && old.Due[0].Why != "it was made on 2024-02-29, and the schema file retains what it seals for 3 years" {
			t.Error(old.Due[0].Why)
		}
	}
}
