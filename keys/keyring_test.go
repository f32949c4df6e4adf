package keys_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/daead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/signature"

	"github.com/pgveil/pgveil/keys"
)

func templates() map[keys.KeyType]*tinkpb.KeyTemplate {
	return map[keys.KeyType]*tinkpb.KeyTemplate{
		keys.TypeRandomized:    aead.AES256GCMKeyTemplate(),
		keys.TypeDeterministic: daead.AESSIVKeyTemplate(),
		keys.TypeMAC:           mac.HMACSHA256Tag256KeyTemplate(),
		keys.TypeSignature:     signature.ED25519KeyTemplate(),
	}
}

// Rotation: the new primary seals, the old key still opens, and once it is
// disabled or gone it does not.
func TestRotation(t *testing.T) {
	for mode, template := range map[byte]*tinkpb.KeyTemplate{
		keys.ModeRandomized:    aead.AES256GCMKeyTemplate(),
		keys.ModeDeterministic: daead.AESSIVKeyTemplate(),
	} {
		manager := keyset.NewManager()
		sealer := func() *keys.Sealer {
			t.Helper()
			handle, err := manager.Handle()
			if err != nil {
				t.Fatal(err)
			}
			s, err := newKeyring(t, handle).Sealer(mode, column, 32)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		first, err := manager.Add(template)
		must(err)
		must(manager.SetPrimary(first))
		old := mustSeal(t, sealer(), []byte("old"))

		second, err := manager.Add(template)
		must(err)
		if sealed := mustSeal(t, sealer(), []byte("x")); !bytes.Equal(sealed[7:12], old[7:12]) {
			t.Error("a key that is not primary seals")
		}
		must(manager.SetPrimary(second))
		both := sealer()
		recent := mustSeal(t, both, []byte("new"))
		// Deterministic values are compared: one key seals them all.
		if same := bytes.Equal(recent[7:12], old[7:12]); same != (mode == keys.ModeDeterministic) {
			t.Errorf("mode %d: the old key still seals: %v", mode, same)
		}
		for sealed, want := range map[string]string{string(old): "old", string(recent): "new"} {
			if got, err := both.Open(nil, []byte(sealed)); err != nil || string(got) != want {
				t.Errorf("Open = %q, %v; want %q", got, err, want)
			}
		}

		must(manager.Disable(first))
		recent = mustSeal(t, sealer(), []byte("new"))
		if got, err := sealer().Open(nil, old); err != keys.ErrOpen {
			t.Errorf("a disabled key opens: %q, %v", got, err)
		}
		must(manager.Enable(first))
		if got, err := sealer().Open(nil, old); err != nil || string(got) != "old" {
			t.Errorf("a key enabled again: %q, %v", got, err)
		}
		must(manager.Delete(first))
		if got, err := sealer().Open(nil, old); err != keys.ErrOpen {
			t.Errorf("a deleted key opens: %q, %v", got, err)
		}
		if got, err := sealer().Open(nil, recent); err != nil || string(got) != "new" {
			t.Errorf("Open = %q, %v", got, err)
		}
	}
}

func TestKeyringInfo(t *testing.T) {
	manager := keyset.NewManagerFromHandle(testHandle(t, "randomized"))
	if err := manager.Disable(514432391); err != nil {
		t.Fatal(err)
	}
	handle, err := manager.Handle()
	if err != nil {
		t.Fatal(err)
	}
	info := newKeyring(t, handle).Info()
	want := `{test randomized (AES256_GCM) [{514432391 disabled false false 0001-01-01 00:00:00 +0000 UTC 0001-01-01 00:00:00 +0000 UTC} {4275108073 enabled true true 0001-01-01 00:00:00 +0000 UTC 0001-01-01 00:00:00 +0000 UTC}] 0001-01-01 00:00:00 +0000 UTC  0 0001-01-01 00:00:00 +0000 UTC []}`
	if got := fmt.Sprint(info); got != want {
		t.Errorf("Info = %s, want %s", got, want)
	}
	ring := newKeyring(t, handle)
	ring.Info().Keys[0].Status = "changed"
	if ring.Info().Keys[0].Status != "disabled" {
		t.Error("Info shares memory with the keyring")
	}
	if ring.Name() != "test" || ring.Type() != keys.TypeRandomized {
		t.Errorf("Name, Type = %q, %v", ring.Name(), ring.Type())
	}
}

// Every use of a keyring of another type is an error that names both types.
func TestTypesAreChecked(t *testing.T) {
	uses := map[keys.KeyType]func(*keys.Keyring) error{
		keys.TypeRandomized: func(k *keys.Keyring) error {
			_, err := k.Sealer(keys.ModeRandomized, column, 32)
			return err
		},
		keys.TypeDeterministic: func(k *keys.Keyring) error {
			_, err := k.Sealer(keys.ModeDeterministic, column, 32)
			return err
		},
		keys.TypeMAC:       func(k *keys.Keyring) error { _, err := k.MAC(); return err },
		keys.TypeSignature: func(k *keys.Keyring) error { _, err := k.Signer(); return err },
	}
	for has, template := range templates() {
		ring := newKeyring(t, newHandle(t, template))
		if ring.Type() != has {
			t.Errorf("Type = %s, want %s", ring.Type(), has)
		}
		for needs, use := range uses {
			err := use(ring)
			switch {
			case has == needs && err != nil:
				t.Errorf("%s: %v", has, err)
			case has != needs && (err == nil || !strings.Contains(err.Error(), has.String()) || !strings.Contains(err.Error(), needs.String())):
				t.Errorf("%s used as %s: %v", has, needs, err)
			}
		}
	}
}

func TestForeignKeysetsAreRefused(t *testing.T) {
	gcm := aead.AES256GCMKeyTemplate()
	raw := aead.AES256GCMNoPrefixKeyTemplate()
	for what, list := range map[string][]*tinkpb.KeyTemplate{
		"128 bits":        {aead.AES128GCMKeyTemplate()},
		"another AEAD":    {aead.ChaCha20Poly1305KeyTemplate()},
		"no prefix":       {raw},
		"prefix and none": {gcm, raw},
		"mixed":           {gcm, daead.AESSIVKeyTemplate()},
		"short MAC":       {mac.HMACSHA256Tag128KeyTemplate()},
		"SHA-512":         {mac.HMACSHA512Tag256KeyTemplate()},
		"ECDSA":           {signature.ECDSAP256KeyTemplate()},
		"raw signature":   {signature.ED25519KeyWithoutPrefixTemplate()},
	} {
		manager := keyset.NewManager()
		for _, template := range list {
			id, err := manager.Add(template)
			if err != nil {
				t.Fatal(err)
			}
			if err := manager.SetPrimary(id); err != nil {
				t.Fatal(err)
			}
		}
		handle, err := manager.Handle()
		if err != nil {
			t.Fatal(err)
		}
		if ring, err := keys.NewKeyring("test", handle); err == nil {
			t.Errorf("%s: accepted as %s", what, ring.Type())
		}
	}
	// A public keyset cannot sign.
	public, err := newHandle(t, signature.ED25519KeyTemplate()).Public()
	if err != nil {
		t.Fatal(err)
	}
	if ring, err := keys.NewKeyring("test", public); err == nil {
		t.Errorf("public keyset: accepted as %s", ring.Type())
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"patient", "lab.patient-2", "_x", "A", strings.Repeat("n", 100)} {
		if err := keys.CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", ".", "..", ".hidden", "-x", "a/b", "../x", "a b", "é", "a\n", "a\x00", strings.Repeat("n", 101)} {
		if keys.CheckName(name) == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestParseKeyType(t *testing.T) {
	for _, want := range keys.KeyTypes() {
		if got, err := keys.ParseKeyType(string(want)); err != nil || got != want {
			t.Errorf("ParseKeyType(%q) = %v, %v", string(want), got, err)
		}
		if want.Algorithm() == "unknown" {
			t.Errorf("%q has no algorithm", string(want))
		}
	}
	if _, err := keys.ParseKeyType("random"); err == nil || !strings.Contains(err.Error(), "randomized, deterministic, pseudonym, mac, signature") {
		t.Errorf("ParseKeyType: %v", err)
	}
}

func TestMAC(t *testing.T) {
	manager := keyset.NewManager()
	add := func() *keys.MAC {
		t.Helper()
		id, err := manager.Add(mac.HMACSHA256Tag256KeyTemplate())
		if err != nil {
			t.Fatal(err)
		}
		if err := manager.SetPrimary(id); err != nil {
			t.Fatal(err)
		}
		handle, err := manager.Handle()
		if err != nil {
			t.Fatal(err)
		}
		m, err := newKeyring(t, handle).MAC()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := add()
	tag, err := first.ComputeMAC([]byte("record"))
	if err != nil || len(tag) != 37 {
		t.Fatalf("MAC: %d bytes, %v", len(tag), err)
	}
	rotated := add()
	for _, m := range []*keys.MAC{first, rotated} {
		if err := m.VerifyMAC(tag, []byte("record")); err != nil {
			t.Error(err)
		}
		if err := m.VerifyMAC(tag, []byte("recorD")); err != keys.ErrMAC {
			t.Errorf("other data: %v", err)
		}
		for i := range tag {
			changed := bytes.Clone(tag)
			changed[i] ^= 1
			if err := m.VerifyMAC(changed, []byte("record")); err != keys.ErrMAC {
				t.Errorf("byte %d changed: %v", i, err)
			}
		}
	}
	newer, err := rotated.ComputeMAC([]byte("record"))
	if err != nil || bytes.Equal(newer, tag) || first.VerifyMAC(newer, []byte("record")) != keys.ErrMAC {
		t.Errorf("the new primary is not used: %v", err)
	}
}

func TestSignature(t *testing.T) {
	signer, err := newKeyring(t, newHandle(t, signature.ED25519KeyTemplate())).Signer()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := signer.Sign([]byte("checkpoint"))
	if err != nil || len(sig) != 69 {
		t.Fatalf("Sign: %d bytes, %v", len(sig), err)
	}
	auditor, err := keys.ParsePublicKeyset(signer.PublicKeyset())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []*keys.Verifier{signer.Verifier, auditor} {
		if err := v.Verify(sig, []byte("checkpoint")); err != nil {
			t.Error(err)
		}
		if err := v.Verify(sig, []byte("checkpoinT")); err != keys.ErrSignature {
			t.Errorf("other data: %v", err)
		}
		for i := range sig {
			changed := bytes.Clone(sig)
			changed[i] ^= 1
			if err := v.Verify(changed, []byte("checkpoint")); err != keys.ErrSignature {
				t.Errorf("byte %d changed: %v", i, err)
			}
		}
	}
	if !bytes.Equal(auditor.PublicKeyset(), signer.PublicKeyset()) {
		t.Error("the public keyset changes on the way")
	}
	if strings.Contains(string(signer.PublicKeyset()), "Private") {
		t.Error("the public keyset has a private key in it")
	}
}

func TestParsePublicKeysetRefusesSecrets(t *testing.T) {
	for _, template := range templates() {
		var private bytes.Buffer
		if err := insecurecleartextkeyset.Write(newHandle(t, template), keyset.NewJSONWriter(&private)); err != nil {
			t.Fatal(err)
		}
		_, err := keys.ParsePublicKeyset(private.Bytes())
		if err == nil || strings.Contains(err.Error(), "value") {
			t.Errorf("a keyset with secrets: %v", err)
		}
	}
	for _, junk := range []string{"", "{}", "null", `{"primaryKeyId":1}`, "\xff"} {
		if v, err := keys.ParsePublicKeyset([]byte(junk)); err == nil {
			t.Errorf("%q gives %v", junk, v)
		}
	}
}
