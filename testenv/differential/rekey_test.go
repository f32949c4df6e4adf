package differential

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

// refresh is how often the catalog is compared: so seldom that a busy machine does so in time.
const refresh = 1500 * time.Millisecond

// rekeyer seals everything anew, again and again, while statements run.
type rekeyer struct {
	mu   sync.Mutex
	live map[string][]*keys.LiveSealer // by keyset
	jobs atomic.Int32                  // that have ended
}

func (r *rekeyer) sealer(c *schema.Column, s proxy.Sealer) proxy.Sealer {
	r.mu.Lock()
	defer r.mu.Unlock()
	live := keys.NewLiveSealer(s.(*keys.Sealer))
	for _, name := range c.Keysets() {
		r.live[name] = append(r.live[name], live)
	}
	return live
}

// run rotates all keys and runs schema apply until ctx ends.
func (r *rekeyer) run(ctx context.Context, t *testing.T, s *stack.Stack) {
	for ctx.Err() == nil {
		for name := range s.File.Keys {
			id, err := s.Store.AddKey(ctx, name)
			if err == nil {
				err = s.Store.Promote(ctx, name, id)
			}
			if err != nil {
				t.Error(err)
				return
			}
			ring, err := s.Store.Open(ctx, name)
			if err != nil {
				t.Error(err)
				return
			}
			r.mu.Lock()
			s.SetKey(ring)
			for _, live := range r.live[name] {
				if err := live.Exchange(ring); err != nil {
					t.Error(err)
				}
			}
			r.mu.Unlock()
		}
		conn, err := s.Postgres.Conn(ctx, s.Database)
		if err != nil {
			return
		}
		_, _, err = apply.Run(ctx, conn, s.File.Databases[s.Database], apply.Options{
			Settle: 3 * refresh, Batch: 50, LockTries: 1000,
			Keys: func(context.Context) (apply.Keys, error) { return s.Keys, nil },
		})
		conn.Close(context.WithoutCancel(ctx))
		if err != nil && ctx.Err() == nil {
			t.Errorf("job: %v", err)
			return
		}
		r.jobs.Add(1)
	}
}

// besideJob reports whether an error is one that a client has to bear with while a job stores
// columns otherwise: see docs/sealing-existing-data.md.
func besideJob(err *pgconn.PgError) bool {
	return err.Code == "40001" || err.Message == "cached plan must not change result type" || strings.Contains(err.Message, "while pgveil schema apply changes")
}
