package proxy

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// TestSpoilWaits: the server may have answered before the goroutine that sent to it has
// come back from the flush; that is no pipeline.
func TestSpoilWaits(t *testing.T) {
	var sent bytes.Buffer
	c := &conn{sw: wire.NewWriter(&sent, 1024)}
	c.send.Lock()
	done := make(chan error)
	go func() { done <- c.spoil() }()
	select {
	case err := <-done:
		t.Fatalf("not waited: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	c.send.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(sent.Bytes(), []byte(failingSQL)) {
		t.Errorf("sent %q", sent.Bytes())
	}
}

// TestSpoilPipeline: what was sent on the belief that all was well cannot be taken back,
// and whoever sends it may wait for a server that waits to be read.
func TestSpoilPipeline(t *testing.T) {
	c := &conn{sw: wire.NewWriter(new(bytes.Buffer), 1024)}
	c.send.Lock()
	done := make(chan error)
	go func() { done <- c.spoil() }()
	c.mu.Lock()
	c.queue.Push(pipeline.Entry[*work]{Kind: pipeline.Query})
	c.mu.Unlock()
	var e *pgerror.Error
	if err := <-done; !errors.As(err, &e) || e.Severity != "FATAL" {
		t.Errorf("%v", err)
	}
}
