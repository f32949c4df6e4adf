package main

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// receiver FILE: starts the other side of a webhook, RECEIVER, whose authority's certificate is put into FILE. What it
// gets is in the file received.
func receiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: receiver file")
	}
	received, err := os.Create(ts.MkAbs("received"))
	ts.Check(err)
	var mu sync.Mutex
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(received, r.URL.Path+" "+r.Header.Get("Authorization")+" ")
		_, _ = io.Copy(received, r.Body)
		_, _ = io.WriteString(received, "\n")
	}))
	ts.Defer(func() {
		server.Close()
		received.Close()
	})
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), certificate, 0o600))
	ts.Setenv("RECEIVER", server.URL+"/hook")
}
