package keylife

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKeyLife is the short run: a life without a kill, and then a rotation with four.
func TestKeyLife(t *testing.T) {
	l := begin(t, seed(t))
	l.rate, l.most, l.atLeast = 3000, 20, 40
	ctx := l.start(t)
	l.seal(ctx, 0)
	l.cycle(ctx, "", 0, "identity", "medical")
	l.bury(ctx, "", 0, "identity", "medical")
	l.cycle(ctx, " with kills", 4, "identity")
	l.end(ctx)
}

// TestKeyLifeKills is the long run: lives in which parts are killed in every phase.
func TestKeyLifeKills(t *testing.T) {
	lives, _ := strconv.Atoi(os.Getenv("PGVEIL_KEYLIFE"))
	if lives == 0 {
		t.Skip("PGVEIL_KEYLIFE=N runs N lives; make test-keylife does")
	}
	first := seed(t)
	for i := range uint64(lives) {
		t.Run(fmt.Sprint(first+i), func(t *testing.T) {
			l := begin(t, first+i)
			l.rate, l.most, l.atLeast = 2000, 60, 200
			ctx := l.start(t)
			l.seal(ctx, 5)
			for _, name := range []string{"", " again"} {
				l.cycle(ctx, name, 9, "identity", "medical")
				l.bury(ctx, name, 3, "identity", "medical")
			}
			l.end(ctx)
		})
	}
}

// seed is PGVEIL_SEED, or another each time.
func seed(t *testing.T) uint64 {
	n := uint64(time.Now().UnixNano()) % 1_000_000
	if text := os.Getenv("PGVEIL_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("PGVEIL_SEED: %v", err)
		}
	}
	t.Logf("PGVEIL_SEED=%d", n)
	return n
}

// begin starts the servers and makes the keys.
func begin(t *testing.T, seed uint64) *life {
	l := &life{begun: time.Now(), servers: startServers(t), t: t, seed: seed, ledger: &ledger{patients: make(map[int][]version)}, figures: newFigures(), byPart: make(map[string]int)}
	l.killer = &killer{life: l, rng: rand.New(rand.NewPCG(seed, 1<<32))}
	return l
}

// start starts the proxies and the clients, and fills the tables in the clear.
func (l *life) start(t *testing.T) context.Context {
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(func() {
		if t.Failed() {
			stop()
			l.tellLogs()
		}
		l.closed.Store(true)
		l.clients.Wait()
		stop()
		l.logf("seed %d, kills: %v\n%s", l.seed, l.byPart, l.figures)
	})
	if _, err := l.command(ctx, "keys", "create", "--all"); err != nil {
		t.Fatal(err)
	}
	if err := l.serve(ctx); err != nil {
		t.Fatal(err)
	}
	l.populate(ctx)
	return ctx
}

// seal is the way of columns in the clear to sealed ones, with kills while they are sealed.
func (l *life) seal(ctx context.Context, kills int) {
	l.phase(ctx, "in the clear", 0, stored{clear: true}, func(ctx context.Context) error { return nil })
	l.phase(ctx, "schema apply seals", kills, stored{}, l.apply)
}

// cycle is a rotation from the new keys to values that are all sealed with them. A third of
// the kills is in each phase.
func (l *life) cycle(ctx context.Context, name string, kills int, keysets ...string) {
	l.phase(ctx, "keys rotate"+name, kills/3, stored{}, func(ctx context.Context) error {
		_, err := l.command(ctx, append([]string{"keys", "rotate", "--wait", takeOver(kills)}, keysets...)...)
		return err
	})
	l.phase(ctx, "schema apply seals anew"+name, kills/3, stored{only: l.primaries(keysets)}, l.apply)
	l.phase(ctx, "KEK rotated, keys rewrap"+name, kills-2*(kills/3), stored{only: l.primaries(keysets)}, l.rewrap)
}

// bury is the end of the keys that seal no more.
func (l *life) bury(ctx context.Context, name string, kills int, keysets ...string) {
	l.phase(ctx, "keys retire, keys destroy"+name, kills, stored{only: l.primaries(keysets)}, func(ctx context.Context) error {
		for _, keyset := range keysets {
			if err := l.retire(ctx, keyset); err != nil {
				return err
			}
		}
		return nil
	})
}

// end ends the clients and the proxies, and verifies the audit logs.
func (l *life) end(ctx context.Context) {
	l.closed.Store(true)
	l.clients.Wait()
	if said := l.clientsFault(); said != "" {
		l.t.Fatal(said)
	}
	dirs := []string{"audit-commands"}
	for _, p := range l.proxies {
		if err := p.terminate(); err != nil {
			l.t.Fatal(err)
		}
		dirs = append(dirs, "audit-"+p.name)
	}
	for _, dir := range dirs {
		out, err := l.command(ctx, "audit", "verify", dir)
		if err != nil {
			l.t.Fatal(err)
		}
		l.logf("audit verify %s: %s", dir, out)
	}
}

// tellLogs shows what the proxies have logged last, and the server of errors.
func (l *life) tellLogs() {
	for _, p := range l.proxies {
		if p != nil {
			l.logf("%s:\n%s", p.name, lastLines(p.logFile(p.starts), "level=", 15))
		}
	}
	l.logf("PostgreSQL:\n%s", lastLines(l.postgres.LogFile(), "", 30))
}

// lastLines gives the last n lines of a file that contain something.
func lastLines(path, something string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, something) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// takeOver is how long a rotation waits for the proxies: longer where one may have to start
// again meanwhile, or to reach Vault again.
func takeOver(kills int) string {
	if kills > 0 {
		return "3s"
	}
	return "1s"
}

// rewrap rotates the KEK and has the keysets encrypted anew.
func (l *life) rewrap(ctx context.Context) error {
	for end := time.Now().Add(startBound); ; time.Sleep(100 * time.Millisecond) {
		_, err := l.vault.Client().Logical().WriteWithContext(ctx, "transit/keys/pgveil/rotate", nil)
		if err == nil {
			break
		}
		if !l.killed.recently() || time.Now().After(end) {
			return err
		}
	}
	_, err := l.command(ctx, "keys", "rewrap", "--all")
	return err
}

// primaries reads the key of each keyset that has to have sealed everything.
func (l *life) primaries(keysets []string) func(context.Context) (map[string]uint32, error) {
	return func(ctx context.Context) (map[string]uint32, error) {
		only := make(map[string]uint32)
		for _, name := range keysets {
			info, err := l.keyset(ctx, name)
			if err != nil {
				return nil, err
			}
			only[name] = sealing(info)
		}
		return only, nil
	}
}
