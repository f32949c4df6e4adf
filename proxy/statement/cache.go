package statement

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
)

// Bounds of the plan cache.
const (
	cacheShards   = 16
	shardBytes    = 1 << 20  // estimated, of the entries of a shard
	maxCachedText = 64 << 10 // bytes of a shape; longer ones are analysed each time
	maxVariants   = 8        // entries of one shape, for different sessions
)

// outcome is the result of an analysis: a plan, a refusal, or neither.
type outcome struct {
	env     Env
	plan    *Plan
	refusal *refusal
	private bool // it holds something of the text and must not be kept
}

// cost estimates the bytes an outcome holds.
func (o *outcome) cost() int {
	n := 512
	for p := o.plan; p != nil; p = p.telling {
		n += 64 * len(p.edits)
		for i := range p.Statements {
			s := &p.Statements[i]
			n += 96 + 24*len(s.Outputs) + 16*len(s.Touches)
			if s.Later != nil {
				n += 256 + 24*len(s.Later.Statements[0].Outputs)
			}
		}
	}
	return n
}

// cache maps shapes to outcomes. Readers take no lock: each shard is a map that
// is never changed, only replaced.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]shard
}

type shard struct {
	entries atomic.Pointer[map[string][]*outcome]

	mu   sync.Mutex // of writers
	size int
}

func (c *cache) shard(shape []byte) *shard {
	return &c.shards[maphash.Bytes(c.seed, shape)%cacheShards]
}

// get returns the outcome for a shape and session, or nil. It does not allocate.
func (c *cache) get(shape []byte, env *Env) *outcome {
	entries := c.shard(shape).entries.Load()
	if entries == nil {
		return nil
	}
	for _, o := range (*entries)[string(shape)] {
		if o.env.equal(env) {
			return o
		}
	}
	return nil
}

// put keeps an outcome; others make place for it, whichever the map gives first.
func (c *cache) put(shape []byte, o *outcome) {
	if o.private || len(shape) > maxCachedText {
		return
	}
	s := c.shard(shape)
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[string][]*outcome)
	if old := s.entries.Load(); old != nil {
		next = maps.Clone(*old)
	}
	key := string(shape)
	variants := next[key]
	if len(variants) >= maxVariants {
		s.size -= variants[0].cost()
		variants = variants[1:]
	}
	s.size += o.cost()
	if len(variants) == 0 {
		s.size += len(key)
	}
	next[key] = append(variants[:len(variants):len(variants)], o)
	for k, v := range next {
		if s.size <= shardBytes {
			break
		}
		if k == key {
			continue
		}
		s.size -= len(k)
		for _, o := range v {
			s.size -= o.cost()
		}
		delete(next, k)
	}
	s.entries.Store(&next)
}
