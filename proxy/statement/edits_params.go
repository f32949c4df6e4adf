package statement

import (
	"slices"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// countParams finds the greatest parameter of the text.
func (e *Edits) countParams(t *Text) error {
	e.MaxParam = 0
	for i, k := range t.tokens {
		if k.Kind != Parameter {
			continue
		}
		n := t.Param(i)
		if n < 1 || n > maxParams {
			return pgerror.New("42P02", "there is no parameter %s", t.Bytes(i)).At(int(k.Start) + 1)
		}
		e.MaxParam = max(e.MaxParam, n)
	}
	return nil
}

// settleParams finds the parameters that also stand where they are not sealed.
func (e *Edits) settleParams(t *Text, nullTests bool) {
	if nullTests {
		e.settleNullTests()
	}
	e.plain = slices.Grow(e.plain[:0], e.MaxParam+1)[:e.MaxParam+1]
	clear(e.plain)
	if e.MaxParam == 0 {
		return
	}
	sealed := e.tokens
	for i, k := range t.tokens {
		switch {
		case k.Kind != Parameter:
		case len(sealed) > 0 && int(sealed[0]) == i:
			sealed = sealed[1:]
		default:
			e.plain[t.Param(i)] = true
		}
	}
}

// settleNullTests gives each parameter under IS NULL the form it has elsewhere
// in the text; if it has no sealed one, it stays as it is.
func (e *Edits) settleNullTests() {
	e.first = slices.Grow(e.first[:0], e.MaxParam+1)[:e.MaxParam+1]
	for i := range e.first {
		e.first[i] = -1
	}
	for i := len(e.Params) - 1; i >= 0; i-- {
		if e.Params[i].Column != nil {
			e.first[e.Params[i].Number] = int32(i)
		}
	}
	for i := range e.Params {
		if p := &e.Params[i]; p.Column == nil && e.first[p.Number] >= 0 {
			start, end := p.Start, p.End
			*p = e.Params[e.first[p.Number]]
			p.Start, p.End = start, end
		}
	}
	kept := 0
	for i := range e.Params {
		if e.Params[i].Column != nil {
			e.Params[kept], e.tokens[kept] = e.Params[i], e.tokens[i]
			kept++
		}
	}
	e.Params, e.tokens = e.Params[:kept], e.tokens[:kept]
}

func (e *Edits) isPlain(n int) bool { return n > 0 && n < len(e.plain) && e.plain[n] }
