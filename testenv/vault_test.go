package testenv

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// startVault starts a Vault that ends with the test.
func startVault(t *testing.T, opts VaultOptions) *Vault {
	t.Helper()
	Require(t, PartVault)
	v, err := StartVault(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Stop(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// login returns a client with an AppRole's token.
func login(t *testing.T, v *Vault, c Credentials) *api.Client {
	t.Helper()
	client, err := v.Client().Clone()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := client.Logical().WriteWithContext(t.Context(), "auth/approle/login",
		map[string]any{"role_id": c.RoleID, "secret_id": c.SecretID})
	if err != nil {
		t.Fatal(err)
	}
	if !secret.Auth.Renewable || secret.Auth.LeaseDuration != 3600 {
		t.Errorf("the token lives %d s, renewable %v", secret.Auth.LeaseDuration, secret.Auth.Renewable)
	}
	client.SetToken(secret.Auth.ClientToken)
	return client
}

func status(err error) int {
	var response *api.ResponseError
	if errors.As(err, &response) {
		return response.StatusCode
	}
	return 0
}

func TestVaultServesPgveil(t *testing.T) {
	t.Parallel()
	v := startVault(t, VaultOptions{TLS: true})
	ctx := t.Context()
	if !strings.HasPrefix(v.Address(), "https://127.0.0.1:") {
		t.Errorf("address %s", v.Address())
	}
	setup, err := v.SetupPgveil(ctx)
	if err != nil {
		t.Fatal(err)
	}
	admin, reader := login(t, v, setup.Admin), login(t, v, setup.Reader)

	plain := base64.StdEncoding.EncodeToString([]byte("keyset"))
	sealed, err := admin.Logical().WriteWithContext(ctx, "transit/encrypt/pgveil", map[string]any{"plaintext": plain})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.KVv2(KVMount).Put(ctx, KVPrefix+"/keysets/nir", map[string]any{"keyset": sealed.Data["ciphertext"]}); err != nil {
		t.Fatal(err)
	}
	if err := admin.KVv2(KVMount).PutMetadata(ctx, KVPrefix+"/keysets/nir", api.KVMetadataPutInput{MaxVersions: 3}); err != nil {
		t.Fatal(err)
	}
	read, err := reader.KVv2(KVMount).Get(ctx, KVPrefix+"/keysets/nir")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := reader.Logical().WriteWithContext(ctx, "transit/decrypt/pgveil", map[string]any{"ciphertext": read.Data["keyset"]})
	if err != nil || opened.Data["plaintext"] != plain {
		t.Fatalf("decrypt gives %v, %v", opened, err)
	}
	if read.VersionMetadata.Version != 1 {
		t.Errorf("version %d of the secret", read.VersionMetadata.Version)
	}

	for path, try := range map[string]func() error{
		"write by the reader": func() error { _, err := reader.KVv2(KVMount).Put(ctx, KVPrefix+"/x", nil); return err },
		"encrypt by the reader": func() error {
			_, err := reader.Logical().Write("transit/encrypt/pgveil", map[string]any{"plaintext": plain})
			return err
		},
		"read elsewhere": func() error { _, err := admin.KVv2(KVMount).Get(ctx, "other/x"); return err },
		"another KEK":    func() error { _, err := admin.Logical().Write("transit/keys/other", nil); return err },
	} {
		if err := try(); status(err) != 403 {
			t.Errorf("%s: %v, want 403", path, err)
		}
	}

	stranger := api.DefaultConfig()
	stranger.Address, stranger.MaxRetries = v.Address(), 0
	client, err := api.NewClient(stranger)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Sys().Health(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a client without the authority connects: %v", err)
	}
}

func TestVaultSealUnsealPause(t *testing.T) {
	t.Parallel()
	v := startVault(t, VaultOptions{})
	ctx := t.Context()
	lookup := func(ctx context.Context) error {
		client, err := v.Client().Clone()
		if err != nil {
			return err
		}
		client.SetToken(v.RootToken())
		client.SetMaxRetries(0)
		_, err = client.Auth().Token().LookupSelfWithContext(ctx)
		return err
	}
	if err := lookup(ctx); err != nil {
		t.Fatal(err)
	}
	if err := v.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if err := lookup(ctx); status(err) != 503 {
		t.Errorf("sealed: %v, want 503", err)
	}
	if err := v.Unseal(ctx); err != nil {
		t.Fatal(err)
	}
	if err := lookup(ctx); err != nil {
		t.Errorf("unsealed: %v", err)
	}

	if err := v.Pause(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if err := lookup(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("paused: %v, want a timeout", err)
	}
	if err := v.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := lookup(ctx); err != nil {
		t.Errorf("resumed: %v", err)
	}
	if err := v.Restart(ctx); err == nil {
		t.Error("a Vault in memory restarts")
	}
}

func TestVaultRestart(t *testing.T) {
	t.Parallel()
	v := startVault(t, VaultOptions{Persistent: true, TLS: true})
	ctx := t.Context()
	setup, err := v.SetupPgveil(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Client().KVv2(KVMount).Put(ctx, "pgveil/a", map[string]any{"b": "c"}); err != nil {
		t.Fatal(err)
	}
	if err := v.Interrupt(); err != nil {
		t.Fatal(err)
	}
	client, err := v.Client().Clone()
	if err != nil {
		t.Fatal(err)
	}
	client.SetMaxRetries(0)
	if _, err := client.Sys().SealStatus(); err == nil {
		t.Fatal("an interrupted Vault answers")
	}
	if err := v.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := login(t, v, setup.Reader).KVv2(KVMount).Get(ctx, "pgveil/a")
	if err != nil || got.Data["b"] != "c" {
		t.Errorf("after a restart: %v, %v", got, err)
	}
	proc := v.process()
	if err := errors.Join(v.Stop(), v.Stop()); err != nil {
		t.Fatal(err)
	}
	expectGone(t, proc.pid, v.dir, strings.TrimPrefix(v.Address(), "https://"))
}

func TestVaultPortInUse(t *testing.T) {
	t.Parallel()
	Require(t, PartVault)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	// Nobody answers there, so the start has to notice by itself.
	_, err = StartVault(t.Context(), VaultOptions{Port: busy.Addr().(*net.TCPAddr).Port})
	var inUse *portBusyError
	if !errors.As(err, &inUse) {
		t.Errorf("a port in use gives %v", err)
	}
}

// TestVaultLeavesNoSecret looks for the root token and the unseal key where
// others could read them.
func TestVaultLeavesNoSecret(t *testing.T) {
	t.Parallel()
	v := startVault(t, VaultOptions{})
	for name, secret := range map[string]string{"root token": v.RootToken(), "unseal key": v.UnsealKey()} {
		if len(secret) < 20 {
			t.Errorf("%s of %d characters", name, len(secret))
			continue
		}
		if args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", v.process().pid)); err != nil || strings.Contains(string(args), secret) {
			t.Errorf("the command line holds the %s, or %v", name, err)
		}
		err := filepath.WalkDir(v.dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if strings.Contains(string(data), secret) {
				t.Errorf("%s holds the %s", path, name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
