package keys_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"

	"github.com/pgveil/pgveil/keys"
)

// testHandle reads a keyset of testdata: an old key, and the primary.
func testHandle(t testing.TB, name string) *keyset.Handle {
	t.Helper()
	data, err := os.ReadFile("testdata/insecure-test-" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func newHandle(t testing.TB, template *tinkpb.KeyTemplate) *keyset.Handle {
	t.Helper()
	handle, err := keyset.NewHandle(template)
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func newKeyring(t testing.TB, handle *keyset.Handle) *keys.Keyring {
	t.Helper()
	ring, err := keys.NewKeyring("test", handle)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// testSealer seals with a keyset of testdata.
func testSealer(t testing.TB, mode byte, context string, padding int) *keys.Sealer {
	t.Helper()
	name := map[byte]string{keys.ModeRandomized: "randomized", keys.ModeDeterministic: "deterministic"}[mode]
	s, err := newKeyring(t, testHandle(t, name)).Sealer(mode, context, padding)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSeal(t testing.TB, s *keys.Sealer, value []byte) []byte {
	t.Helper()
	sealed, err := s.Seal(nil, value)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// eachMode runs a test for both modes.
func eachMode(t *testing.T, f func(t *testing.T, mode byte)) {
	for _, mode := range []byte{keys.ModeRandomized, keys.ModeDeterministic} {
		t.Run(fmt.Sprintf("mode %d", mode), func(t *testing.T) { f(t, mode) })
	}
}

// syncBuffer takes a log from several goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *syncBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
