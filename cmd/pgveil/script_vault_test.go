package main

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pgveil/pgveil/testenv"
)

// ownVaults has the Vault of each script that may harm it.
var ownVaults sync.Map

// ownvault: is vault with a Vault of the script's own, which vaultdo may harm.
func ownVault(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: ownvault")
	}
	ctx := context.Background()
	server, err := testenv.StartVault(ctx, testenv.VaultOptions{TLS: true, Persistent: true})
	ts.Check(err)
	ts.Defer(func() { _ = server.Stop() })
	setup, err := server.SetupPgveil(ctx)
	ts.Check(err)
	ownVaults.Store(ts, server)
	useVault(ts, &runningVault{server, setup})
}

// vaultdo ACTION [ARG]…: does something to the script's own Vault, as root.
//
//	stop, restart, pause, resume, seal, unseal
//	slow WAIT                 every answer of it at $SLOW_URL comes later by that much
//	write PATH [KEY=VALUE]…   (data.KEY=VALUE for a secret of KV)
//	delete PATH
//	policy NAME FILE
//	token FILE TTL POLICY     makes a token and puts it into a file
//	revoke FILE               ends the token in it
//	wrap FILE PATH            puts a wrapping token of the answer to a request into a file
func vaultDo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: vaultdo action [args…]")
	}
	found, ok := ownVaults.Load(ts)
	if !ok {
		ts.Fatalf("ownvault comes first")
	}
	server, ctx := found.(*testenv.Vault), context.Background()
	client := server.Client()
	var err error
	switch action, rest := args[0], args[1:]; {
	case action == "stop":
		err = server.Interrupt()
	case action == "restart":
		err = server.Restart(ctx)
	case action == "pause":
		err = server.Pause()
	case action == "resume":
		err = server.Resume()
	case action == "seal":
		err = server.Seal(ctx)
	case action == "unseal":
		err = server.Unseal(ctx)
	case action == "slow" && len(rest) == 1:
		err = slowDown(ts, server, rest[0])
	case action == "write" && len(rest) > 0:
		_, err = client.Logical().WriteWithContext(ctx, rest[0], fieldsOf(rest[1:]))
	case action == "delete" && len(rest) == 1:
		_, err = client.Logical().DeleteWithContext(ctx, rest[0])
	case action == "policy" && len(rest) == 2:
		err = client.Sys().PutPolicyWithContext(ctx, rest[0], ts.ReadFile(rest[1]))
	case action == "token" && len(rest) == 3:
		var made *api.Secret
		made, err = client.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{TTL: rest[1], Policies: rest[2:]})
		ts.Check(err)
		err = os.WriteFile(ts.MkAbs(rest[0]), []byte(made.Auth.ClientToken), 0o600)
	case action == "revoke" && len(rest) == 1:
		err = client.Auth().Token().RevokeTreeWithContext(ctx, ts.ReadFile(rest[0]))
	case action == "wrap" && len(rest) == 2:
		wrapping, cloneErr := client.Clone()
		ts.Check(cloneErr)
		wrapping.SetToken(server.RootToken())
		wrapping.SetWrappingLookupFunc(func(string, string) string { return "1h" })
		var answer *api.Secret
		answer, err = wrapping.Logical().WriteWithContext(ctx, rest[1], nil)
		ts.Check(err)
		err = os.WriteFile(ts.MkAbs(rest[0]), []byte(answer.WrapInfo.Token), 0o600)
	default:
		ts.Fatalf("vaultdo %s: unknown, or arguments are missing", action)
	}
	ts.Check(err)
}

// fieldsOf reads KEY=VALUE and data.KEY=VALUE.
func fieldsOf(settings []string) map[string]any {
	fields, data := map[string]any{}, map[string]any{}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		if inner, ok := strings.CutPrefix(key, "data."); ok {
			data[inner] = value
			fields["data"] = data
		} else {
			fields[key] = value
		}
	}
	return fields
}

// slowRelays has the relay before the Vault of each script, by the wait that it makes.
var slowRelays sync.Map

func slowDown(ts *testscript.TestScript, server *testenv.Vault, text string) error {
	wait, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	if found, ok := slowRelays.Load(ts); ok {
		found.(*atomic.Int64).Store(int64(wait))
		return nil
	}
	target, err := url.Parse(server.Address())
	if err != nil {
		return err
	}
	slow := &atomic.Int64{}
	slow.Store(int64(wait))
	slowRelays.Store(ts, slow)
	relay := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			select {
			case <-time.After(time.Duration(slow.Load())):
			case <-r.In.Context().Done():
			}
			r.SetURL(target)
		},
		Transport: server.Client().CloneConfig().HttpClient.Transport,
		ErrorLog:  log.New(io.Discard, "", 0), // of clients that have given up
	})
	ts.Defer(relay.Close)
	ts.Setenv("SLOW_URL", relay.URL)
	return nil
}
