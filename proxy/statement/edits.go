package statement

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Edits is what a Plan makes of one text. It is filled by Plan.Edits, which
// reuses its buffers: what it holds is valid until the next call and as long as
// the text is. Values, Params and Splices are each in the order of the text, and
// no two of them overlap.
type Edits struct {
	Values  []Value
	Params  []Param
	Splices []Splice
	// PlainParam reports whether parameter n also stands where it is not sealed.
	PlainParam func(n int) bool
	MaxParam   int // the greatest number of a parameter in the text
	// Declared are the types that PREPARE declares for its parameters, DeclareAt the
	// byte at which more can be declared: after the name where there are none.
	Declared  []Declared
	DeclareAt int
	// Bound, set before Plan.Edits, says that the text is not run at once, but once for each
	// Bind: what depends on the moment is then a parameter.
	Bound bool

	text   []byte  // of values whose text is not in the client's
	tokens []int32 // of each of Params
	free   []int32 // of the parameters whose value is an untagged column's, too
	within []int32 // of the parameters inside computed expressions
	first  []int32 // of each number, the first of Params that is of a column; -1: none
	plain  []bool  // by number
	hidden []bool  // by number: a value for a sealed column
}

// Splice is a text of pgveil's own that takes the place of the bytes [Start, End)
// of the client's text, which may be none. Of several that start at the same byte
// the first stands first.
type Splice struct {
	Start, End int
	Text       string
}

// Value is a constant to be replaced, with its casts, by its sealed form or NULL.
type Value struct {
	Start, End int
	Text       []byte // the constant's value, escapes resolved; it may be in the client's text
	Null       bool   // NULL takes its place
	Array      bool   // Text is an array of such values
	Column     *schema.Column
	Use        logical.Use
	// As is the type that the value is read as; the zero Type is the column's.
	As logical.Type
	// Unpadded says that the value is one of char(n) that is shown without padding.
	Unpadded bool
	// From is the type the value has for the client: that of an explicit cast (of an
	// array, the array's), 23, 20 or 1700 of a number, 16 of a truth value, 0 unknown.
	From uint32
	// Computed, if it is not nil, gives the value in the place of Text.
	Computed *Computed
	// Both says that the value is compared as well as stored: it must be the same for
	// both uses.
	Both bool
	// Bare says that the server gives a constant of unknown type its column's type here, so that
	// the sealed value needs no cast: for the server that is a quarter of the work.
	Bare bool
	// Slot is the number of the parameter that an argument of EXECUTE is for, 0 of any
	// other value. Extra says that the value follows the last argument, behind a comma.
	Slot  int
	Extra bool
	By    *By   // which of its column's keys by value seals it; nil for a column of one key
	list  int32 // as in edit
}

// Param is a parameter whose value is to be sealed. Its casts are inside
// [Start, End): $n alone takes their place.
type Param struct {
	Start, End int
	Number     int
	Array      bool
	Column     *schema.Column
	Use        logical.Use
	From       uint32 // type of an explicit cast, or 0
	As         logical.Type
	Unpadded   bool
	// Listed says that it is one of several values in a list, which the server reads as
	// values of the column's own type.
	Listed bool
	// Chars is the length of an explicit cast to varchar(n) or char(n): of a longer
	// value only so many characters count (see Cut). 0 is no limit.
	Chars int
	// Implied says that From is the type that the server gives the parameter if it is
	// not declared, and not that of a cast.
	Implied bool
	// Computed, if it is not nil, gives the value; Number is then 0.
	Computed *Computed
	Both     bool // as in Value
	By       *By  // as in Value
	// Constant, if it is not nil, is the value, which has a key that a parameter picks; Number is
	// then 0.
	Constant *Value
	list     int32
}

// Cut returns the first n characters of a value of a character type, as an
// explicit cast gives them. All of it if n is 0.
func Cut(value []byte, n int) []byte {
	if n <= 0 || len(value) <= n {
		return value
	}
	at := 0
	for ; n > 0 && at < len(value); n-- {
		_, size := utf8.DecodeRune(value[at:])
		at += size
	}
	return value[:at]
}

const maxParams = 65535 // what a Bind message can hold

// Type OIDs of pg_type of constants without a cast.
const (
	boolOID    = 16
	textOID    = 25
	int8OID    = 20
	int4OID    = 23
	numericOID = 1700
)

var sealedTrue = []byte("true")

// Edits resolves the plan on a text of the shape it was made for. The error is a
// *pgerror.Error.
func (p *Plan) Edits(t *Text, e *Edits) error {
	e.Reset()
	if err := e.countParams(t); err != nil {
		return err
	}
	r := resolver{t: t, e: e, groups: t.Groups()}
	nullTests := false
	for i := 0; i < len(p.edits); {
		first, n := &p.edits[i], 1
		r.reach(first.first)
		if !r.inside(first.first) {
			nullTests = nullTests || first.kind == editNullTest
			if err := r.add(first, r.shift, r.later(first.last), r.later(first.token), false); err != nil {
				return err
			}
			i++
			continue
		}
		for i+n < len(p.edits) && r.inside(p.edits[i+n].first) {
			n++
		}
		g := r.groups[0]
		r.repeated = g.Count > 1
		for k := range g.Count {
			shift := r.shift + k*(g.Len+1)
			for j := i; j < i+n; j++ {
				nullTests = nullTests || p.edits[j].kind == editNullTest
				if err := r.add(&p.edits[j], shift, shift, shift, true); err != nil {
					return err
				}
			}
		}
		r.repeated = false
		i += n
	}
	return e.settleParams(t, nullTests)
}

// Cut has text take the place of all of the client's from byte start to end, its last.
func (e *Edits) Cut(start, end int, text string) {
	e.Values = slices.DeleteFunc(e.Values, func(v Value) bool { return v.Start >= start })
	e.Params = slices.DeleteFunc(e.Params, func(p Param) bool { return p.Start >= start })
	e.Splices = slices.DeleteFunc(e.Splices, func(s Splice) bool { return s.Start >= start })
	e.Splices = append(e.Splices, Splice{Start: start, End: end, Text: text})
}

// Reset empties e, for a text without a plan.
func (e *Edits) Reset() {
	if e.PlainParam == nil {
		e.PlainParam = e.isPlain
	}
	e.Values, e.Params, e.Splices, e.Declared = e.Values[:0], e.Params[:0], e.Splices[:0], e.Declared[:0]
	e.text, e.tokens, e.free, e.plain, e.within = e.text[:0], e.tokens[:0], e.free[:0], e.plain[:0], e.within[:0]
	e.MaxParam, e.DeclareAt = 0, 0
}

// resolver maps tokens of the folded text to those of the text.
type resolver struct {
	t        *Text
	e        *Edits
	groups   []Group // those not yet passed
	repeated bool    // the edit is in a group of several repetitions
	shift    int32   // of the tokens between the groups passed and the next
}

// reach passes the groups that end before a folded token.
func (r *resolver) reach(token int32) {
	for len(r.groups) > 0 && token >= r.groups[0].First-r.shift+r.groups[0].Len {
		r.shift += (r.groups[0].Count - 1) * (r.groups[0].Len + 1)
		r.groups = r.groups[1:]
	}
}

// inside reports whether a folded token is in the next group.
func (r *resolver) inside(token int32) bool {
	if len(r.groups) == 0 {
		return false
	}
	first := r.groups[0].First - r.shift
	return token >= first && token < first+r.groups[0].Len
}

// later gives the shift of a token at or after the one reached.
func (r *resolver) later(token int32) int32 {
	ahead := *r
	ahead.reach(token)
	return ahead.shift
}

// listed reports whether an edit is of one of several values in a list.
func (r *resolver) listed(d *edit) bool { return d.listed > 1 || d.listed == 1 && r.repeated }

// Listed gives the type with which a value of that type is compared: in a list of
// several, a string is of the column's type char(n), trailing blanks and all.
func Listed(c *schema.Column, from uint32, listed bool) uint32 {
	kind := logical.KindOf(from)
	if listed && c.Type.Kind == logical.Bpchar && (kind == logical.Text || kind == logical.Varchar) {
		return c.Type.OID()
	}
	return from
}

// add resolves one edit; the shifts are those of its first, last and own token, and of
// all that it holds if it is in a group.
func (r *resolver) add(d *edit, first, last, own int32, group bool) error {
	t, e := r.t, r.e
	start := int(t.Token(int(d.first + first)).Start)
	end := int(t.Token(int(d.last + last)).End)
	token := int(d.token + own)
	by, err := r.by(d, first, group)
	if err != nil {
		return err
	}
	switch d.kind {
	case editText:
		e.Splices = append(e.Splices, Splice{start, end, d.text})
	case editBefore:
		e.Splices = append(e.Splices, Splice{start, start, d.text})
	case editTruth:
		e.Values = append(e.Values, Value{Start: start, End: start, Text: sealedTrue, From: boolOID, Column: d.column, Use: d.usage()})
		e.Splices = append(e.Splices, Splice{start, start, " OPERATOR(pg_catalog.=) "})
	case editAfter:
		e.Splices = append(e.Splices, Splice{end, end, d.text})
	case editType, editTypes:
		e.addDeclared(d, start, end)
	case editFree:
		e.free = append(e.free, int32(token))
	case editComputed:
		return r.computed(d, start, end, first, group, by)
	case editParam, editNullTest:
		n := t.Param(token)
		if n == 0 {
			return errMisfit()
		}
		e.Params = append(e.Params, Param{
			Start: start, End: end, Number: n, Array: d.array, Column: d.column, Use: d.usage(), From: d.from, Chars: int(d.chars), Implied: d.implied,
			Both: d.both(), Listed: r.listed(d), As: d.as, Unpadded: d.unpadded, list: d.list, By: by,
		})
		e.tokens = append(e.tokens, int32(token))
	default:
		v := Value{
			Start: start, End: end, Array: d.array, Column: d.column, Use: d.usage(), From: Listed(d.column, d.from, r.listed(d)), Both: d.both(),
			As: d.as, Unpadded: d.unpadded, Bare: d.bare, list: d.list, By: by,
		}
		if err := e.constant(t, token, d, &v); err != nil {
			return err
		}
		if len(by.Params()) > 0 {
			e.constantParam(&v)
			return nil
		}
		v.Slot, v.Extra = int(d.slot), d.extra
		if d.extra {
			v.End = v.Start
		}
		e.Values = append(e.Values, v)
	}
	return nil
}

// constant reads a constant's value.
func (e *Edits) constant(t *Text, token int, d *edit, v *Value) error {
	k := t.Token(token)
	switch {
	case d.kind == editNull:
		v.Null = true
		return nil
	case d.kind == editNullArray:
		at := len(e.text)
		e.text = append(e.text, '{')
		for i := range d.elements {
			if i > 0 {
				e.text = append(e.text, ',')
			}
			e.text = append(e.text, "NULL"...)
		}
		e.text = append(e.text, '}')
		v.Text, v.Array, v.From = e.text[at:], true, 0
		return nil
	case k.Kind.IsString():
		if raw := t.Bytes(token); k.Kind == String && bytes.IndexByte(raw[1:len(raw)-1], '\'') < 0 {
			v.Text = raw[1 : len(raw)-1]
		} else {
			at := len(e.text)
			var err error
			if e.text, err = t.AppendString(e.text, token); err != nil {
				return unreadable(err, int(k.Start))
			}
			v.Text = e.text[at:]
		}
		v.Text = Cut(v.Text, int(d.chars))
		return nil
	case k.Kind == Integer || k.Kind == Decimal:
		v.Text = t.Bytes(token)
		if d.negative {
			at := len(e.text)
			e.text = append(append(e.text, '-'), v.Text...)
			v.Text = e.text[at:]
		}
		if v.From == 0 {
			v.From = numberType(v.Text)
			if !holds(d.as, v.From) {
				return refuseNumber(d.column).At(int(k.Start) + 1)
			}
		} else if !e.castNumber(v) {
			return refuseCastNumber(d.column).At(int(k.Start) + 1)
		}
		v.Text = Cut(v.Text, int(d.chars))
		return nil
	case k.Word == WordTrue || k.Word == WordFalse:
		v.Text = t.Bytes(token)
		if v.From == 0 {
			v.From = boolOID
		}
		return nil
	}
	return errMisfit()
}

// castNumber writes a number that is cast as the server writes it before it casts:
// 007::text is 7, and no number is -0. It reports false for a text of a number in another
// base.
func (e *Edits) castNumber(v *Value) bool {
	if n, err := strconv.ParseInt(string(v.Text), 10, 64); err == nil {
		at := len(e.text)
		e.text = strconv.AppendInt(e.text, n, 10)
		v.Text = e.text[at:]
		return true
	}
	if mantissa, _, _ := bytes.Cut(bytes.ToLower(v.Text), []byte("e")); len(bytes.Trim(mantissa, "-.0")) == 0 {
		v.Text = bytes.TrimPrefix(v.Text, []byte("-"))
	}
	return !isText(logical.KindOf(v.From))
}

// numberType gives the type of a numeric constant, as the server's make_const.
func numberType(text []byte) uint32 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	switch {
	case err != nil:
		return numericOID
	case int64(int32(n)) == n:
		return int4OID
	}
	return int8OID
}

// holds reports whether a number of that type does not make the others of its column
// values of another type than the one they are shown as.
func holds(as logical.Type, from uint32) bool {
	switch as.Kind {
	case logical.Int4:
		return from == int4OID
	case logical.Int8:
		return from == int4OID || from == int8OID
	}
	return true
}

func refuseCastNumber(c *schema.Column) *pgerror.Error {
	return refuse(c, "use", " with a number in this form that is cast to a string").
		WithHint("Write the value as a string.")
}

func refuseNumber(c *schema.Column) *pgerror.Error {
	return refuse(c, "use", " beside a number of another type").
		WithHint("All values would get the type of the number. Write one of type %s.", c.Type)
}

// unreadable is the error for a constant that AppendString does not read.
func unreadable(err error, start int) error {
	e := pgerror.New(pgerror.FeatureNotSupported, "a string constant for a sealed column has an escape that pgveil does not read")
	if errors.Is(err, ErrUnicodeString) {
		e = pgerror.New(pgerror.FeatureNotSupported, "a string constant with U& for a sealed column has an escape that pgveil does not read")
	}
	return e.WithHint("Write the characters themselves, or use a parameter.").At(start + 1)
}

func errMisfit() error {
	return pgerror.New(pgerror.InternalError, "the plan does not fit the statement")
}
