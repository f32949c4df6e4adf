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

// settleParams finds the parameters that also stand where they are not sealed. It
// refuses one whose value is a sealed column's, where it is not also that of an
// untagged column: in the clear it would reach the server for nothing.
func (e *Edits) settleParams(t *Text, nullTests bool) error {
	if nullTests {
		e.settleNullTests()
	}
	e.plain = slices.Grow(e.plain[:0], e.MaxParam+1)[:e.MaxParam+1]
	clear(e.plain)
	if e.MaxParam == 0 {
		return nil
	}
	e.hidden = slices.Grow(e.hidden[:0], e.MaxParam+1)[:e.MaxParam+1]
	clear(e.hidden)
	for i := range e.Params {
		e.hidden[e.Params[i].Number] = true
	}
	for _, token := range e.within {
		e.hidden[t.Param(int(token))] = true
	}
	sealed, free, within := e.tokens, e.free, e.within
	for i, k := range t.tokens {
		for len(free) > 0 && int(free[0]) < i {
			free = free[1:]
		}
		for len(sealed) > 0 && int(sealed[0]) < i { // of a computed expression
			sealed = sealed[1:]
		}
		switch {
		case k.Kind != Parameter:
		case len(sealed) > 0 && int(sealed[0]) == i:
			sealed = sealed[1:]
		case len(within) > 0 && int(within[0]) == i:
			within = within[1:]
		default:
			n := t.Param(i)
			if e.hidden[n] && (len(free) == 0 || int(free[0]) != i) {
				return refuseInClear(n).At(int(k.Start) + 1)
			}
			e.plain[n] = true
		}
	}
	return nil
}

func refuseInClear(n int) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "parameter $%d is a value for a sealed column and cannot be used in the clear in the same statement", n).
		WithHint("Give the value a parameter of its own where it is compared with no column, or leave that to the application.")
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
			start, end, from := p.Start, p.End, p.From
			*p = e.Params[e.first[p.Number]]
			p.Start, p.End = start, end
			if from != 0 {
				p.From = from
			}
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
