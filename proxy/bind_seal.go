package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/logical"
)

// awaitTypes waits until the server has described a statement and gives the types of
// the client's parameters.
func (c *conn) awaitTypes(p *prepared) ([]uint32, error) {
	c.send.Lock()
	wire.WriteEmpty(c.sw, wire.TypeFlush)
	err := c.sw.Flush() // its error is the first of both
	c.send.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-p.described:
	case <-c.ctx.Done():
		return nil, errClosed
	}
	if p.answer.types == nil {
		return nil, errSkipped
	}
	return p.answer.types, nil
}

// sealParams fills c.bound. Values point into the message or into c.arena.
func (c *conn) sealParams(m *wire.BindMessage, l *layout, types []uint32, s *state) error {
	moments, err := c.momentsOf(l)
	if err != nil {
		return err
	}
	c.rewriter.searched.take()
	c.bound, c.arena = c.bound[:0], c.arena[:0]
	c.values = c.values[:0]
	for params := m.Params; params.Next(); {
		c.values = append(c.values, params.Value())
	}
	c.texts = nil
	for _, t := range l.server {
		if t.by != nil || t.picks != nil {
			bound, err := c.sealOrPick(&t, m, types, moments, s)
			if err != nil {
				return err
			}
			c.bound = append(c.bound, bound)
			continue
		}
		if t.computed != nil {
			sealed, err := c.sealComputed(&t, m, types, moments, s)
			if err != nil {
				return err
			}
			c.bound = append(c.bound, boundParam{value: sealed, format: 1})
			continue
		}
		format := m.ParamFormats.Of(t.client - 1)
		value := c.values[t.client-1]
		if t.unused {
			value = nil
		}
		if value == nil || t.column == nil {
			c.bound = append(c.bound, boundParam{value: value, format: format})
			continue
		}
		value, err := s.encoding.decodeParam(value, format, &t, types[t.client-1])
		if err != nil {
			return sealError(err, t.column)
		}
		start := len(c.arena)
		arena, err := t.seal(c.arena, &c.rewriter, c.sealerFor(t.column, t.use, t.both, s), value, format, types[t.client-1], 1, &s.settings)
		if err != nil {
			return sealError(logical.NameParameter(err, t.client), t.column)
		}
		c.arena = arena
		// Appending may move the arena, but what was cut from the old one stays.
		c.bound = append(c.bound, boundParam{value: arena[start:len(arena):len(arena)], format: 1})
	}
	return nil
}

// sealComputed computes the value of an expression over parameters and seals it; nil is
// NULL.
func (c *conn) sealComputed(t *target, m *wire.BindMessage, types []uint32, moments *statement.Moments, s *state) ([]byte, error) {
	canonical, err := c.computedPlaintext(t, m, types, moments, s)
	if err != nil || canonical == nil {
		return nil, err
	}
	sealed, err := c.sealerFor(t.column, t.use, t.both, s).Seal(nil, canonical)
	if err != nil {
		return nil, sealError(err, t.column)
	}
	return sealed, nil
}

// computedPlaintext computes the value of an expression over parameters; nil is NULL. It is valid
// until the next.
func (c *conn) computedPlaintext(t *target, m *wire.BindMessage, types []uint32, moments *statement.Moments, s *state) ([]byte, error) {
	var untranslated error
	result, err := t.computed.Eval(types, func(n int) statement.Argument {
		format := m.ParamFormats.Of(n - 1)
		value, err := s.encoding.decodeParam(c.values[n-1], format, t, types[n-1])
		if err != nil {
			untranslated = err
		}
		return statement.Argument{Value: value, Format: format}
	}, moments, &s.settings)
	if untranslated != nil {
		return nil, sealError(untranslated, t.column)
	}
	if err != nil {
		return nil, sealError(err, t.column)
	}
	if result.Null {
		return nil, nil
	}
	r := &c.rewriter
	if r.canonical == nil {
		r.canonical = []byte{} // nil is NULL
	}
	f := reading{column: t.column, use: t.use, both: t.both}
	if r.canonical, err = f.canonical(r.canonical[:0], result.Value, result.From, 1, &s.settings); err != nil {
		return nil, sealError(err, t.column)
	}
	return r.canonical, nil
}
