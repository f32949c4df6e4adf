package proxy

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/copydata"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// FamilySealer is the [Sealer] of a column that has a key for each value of another one: which
// of them seals has to be said. Its Seal fails.
type FamilySealer interface {
	Sealer
	// SealFor is Seal with the key of a keyset.
	SealFor(dst []byte, keyset string, plaintext []byte) ([]byte, error)
	// Members gives the names of the keysets that seal.
	Members() []string
}

// mostMembers is with how many keys one value is sealed, of which the server picks one.
const mostMembers = 1000

// member is the sealer of one keyset.
type member struct {
	FamilySealer
	keyset string
}

func (m member) Seal(dst, plaintext []byte) ([]byte, error) {
	return m.SealFor(dst, m.keyset, plaintext)
}

// memberOf gives the sealer of a keyset of a column.
func (c *conn) memberOf(column *schema.Column, keyset string) Sealer {
	sealer := c.tracked.sealers.of(column)
	if family, ok := sealer.(FamilySealer); ok {
		return member{family, keyset}
	}
	return sealer // of no key: it says so
}

// keyedSealer is sealerFor, of a value whose key may be picked by another of the statement, which
// types and argument tell as they do for [statement.Computed.Eval].
func (c *conn) keyedSealer(column *schema.Column, use logical.Use, both bool, by *statement.By, types []uint32, argument func(int) statement.Argument, s *state) (Sealer, error) {
	switch {
	case by == nil:
		return c.sealerFor(column, use, both, s), nil
	case column.HasPseudonyms() && column.AccessFor(s.roles).Verdict == schema.Pseudonymize:
		return nil, errKeyedPseudonym(column)
	case by.SQL != "":
		return c.tracked.sealers.of(column), nil
	}
	keyset, err := by.Keyset(types, argument, &s.settings)
	if err != nil {
		return nil, err
	}
	return c.memberOf(column, keyset), nil
}

// spread seals a value with the key of each keyset, and gives the texts by which the server
// picks one, in the same order and in UTF-8.
func spread(sealer Sealer, plaintext []byte) (sealed, texts [][]byte, err error) {
	family, ok := sealer.(FamilySealer)
	if !ok {
		_, err := sealer.Seal(nil, plaintext)
		return nil, nil, errors.Join(err, keys.ErrNoValue)
	}
	members := family.Members()
	if len(members) > mostMembers {
		return nil, nil, pgerror.New(pgerror.FeatureNotSupported, "a value cannot be sealed with each of %d keys, of which the row would pick one", len(members)).
			WithHint("Set the column that the keys are by in the same statement, to the value that it has, and say in WHERE that it has that value.")
	}
	for _, name := range members {
		_, text, _ := keys.SplitMember(name)
		value, err := family.SealFor(nil, name, plaintext)
		if errors.Is(err, keys.ErrMissing) || errors.Is(err, keys.ErrDestroyed) { // since it was listed
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		sealed, texts = append(sealed, value), append(texts, []byte(text))
	}
	return sealed, texts, nil
}

// picked gives the expression for one of an array of sealed values: NULL where that is, and
// where the row has none of the keys what no CHECK constraint of pgveil's lets in.
func picked(values, texts, sql string) string {
	return "(CASE WHEN " + values + " IS NULL THEN NULL ELSE COALESCE((" + values + ")[pg_catalog.array_position(" + texts + ", " + schema.KeySQL(sql) + ")], ''::pg_catalog.bytea) END)"
}

// byteaArray is the constant of a bytea[].
func byteaArray(values [][]byte) string {
	return "E'" + strings.ReplaceAll(string(logical.AppendByteaArray(nil, 0, values)), `\`, `\\`) + "'::pg_catalog.bytea[]"
}

// spread appends to r.added the expression by which the server picks one of the sealed forms of
// a value.
func (r *rewriter) spread(by *statement.By, sealer Sealer, plaintext []byte) error {
	sealed, texts, err := spread(sealer, plaintext)
	if err != nil {
		return err
	}
	r.added = append(r.added, picked(byteaArray(sealed), byteaArray(texts), by.SQL)...)
	return nil
}

// pickedParam gives the text that takes the place of a parameter whose sealed forms are one
// parameter, and the texts that pick one another.
func (l *layout) pickedParam(p *statement.Param) string {
	values, texts := l.number(p), l.find(target{picks: p.By})
	return picked("$"+strconv.Itoa(values), "$"+strconv.Itoa(texts), p.By.SQL)
}

// keyed reports whether keys by value seal a parameter.
func (l *layout) keyed() bool {
	return slices.ContainsFunc(l.server, func(t target) bool { return t.by != nil })
}

func errKeyed() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "a parameter cannot be a value for a column with keys by value in a statement that EXECUTE runs").
		WithHint("Prepare and bind the statement through the extended query protocol, or run it without PREPARE.")
}

// sealOrPick gives a parameter of the server's that has to do with keys by value.
func (c *conn) sealOrPick(t *target, m *wire.BindMessage, types []uint32, moments *statement.Moments, s *state) (boundParam, error) {
	if t.picks != nil {
		return c.picksOf(t), nil
	}
	return c.sealKeyed(t, m, types, moments, s)
}

// sealKeyed seals a parameter, or a constant that takes the place of one, with the key that is
// picked for it. nil is NULL.
func (c *conn) sealKeyed(t *target, m *wire.BindMessage, types []uint32, moments *statement.Moments, s *state) (boundParam, error) {
	argument := func(n int) (statement.Argument, error) {
		format := m.ParamFormats.Of(n - 1)
		value := c.values[n-1]
		if value != nil && format == 0 {
			var err error
			if value, err = s.encoding.decode(value); err != nil {
				return statement.Argument{}, err
			}
		}
		return statement.Argument{Value: value, Format: format}, nil
	}
	var untranslated error
	canonical, null, err := c.plaintextOf(t, m, types, moments, s)
	if err != nil || null {
		return boundParam{format: 1}, err
	}
	sealer, err := c.keyedSealer(t.column, t.use, t.both, t.by, types, func(n int) statement.Argument {
		a, err := argument(n)
		untranslated = errors.Join(untranslated, err)
		return a
	}, s)
	if err = errors.Join(untranslated, err); err != nil {
		return boundParam{}, sealError(err, t.column)
	}
	if t.by.SQL == "" {
		sealed, err := sealer.Seal(nil, canonical)
		if err != nil {
			return boundParam{}, sealError(err, t.column)
		}
		return boundParam{value: sealed, format: 1}, nil
	}
	sealed, texts, err := spread(sealer, canonical)
	if err != nil {
		return boundParam{}, sealError(err, t.column)
	}
	if c.texts == nil {
		c.texts = make(map[*statement.By][][]byte)
	}
	c.texts[t.by] = texts
	return boundParam{value: logical.AppendByteaArray(nil, 1, sealed), format: 1}, nil
}

// plaintextOf reads the value of a parameter.
func (c *conn) plaintextOf(t *target, m *wire.BindMessage, types []uint32, moments *statement.Moments, s *state) (canonical []byte, null bool, err error) {
	switch {
	case t.computed != nil:
		canonical, err = c.computedPlaintext(t, m, types, moments, s)
		return canonical, canonical == nil, err
	case t.constant != nil:
		v := t.constant
		f := reading{column: v.Column, use: v.Use, both: v.Both, as: v.As, unpadded: v.Unpadded}
		canonical, err = f.canonical([]byte{}, v.Text, v.From, 0, &s.settings)
		if err != nil {
			err = sealError(err, t.column)
		}
		return canonical, false, err
	}
	format, value := m.ParamFormats.Of(t.client-1), c.values[t.client-1]
	if value == nil || t.unused {
		return nil, true, nil
	}
	if value, err = s.encoding.decodeParam(value, format, t, types[t.client-1]); err != nil {
		return nil, false, sealError(err, t.column)
	}
	if canonical, err = t.plaintext([]byte{}, value, format, types[t.client-1], &s.settings); err != nil {
		return nil, false, sealError(logical.NameParameter(err, t.client), t.column)
	}
	return canonical, false, nil
}

// picksOf gives the texts that pick one of the sealed forms of a parameter that was sealed
// before.
func (c *conn) picksOf(t *target) boundParam {
	texts, sealed := c.texts[t.picks]
	if !sealed {
		return boundParam{}
	}
	return boundParam{value: logical.AppendByteaArray(nil, 1, texts), format: 1}
}

// copiedKeys finds which key seals the values of each row of a COPY.
type copiedKeys struct {
	c      *conn
	copied *statement.CopyPlan
	state  *state
	values [][]byte // of the row at hand, in canonical form, by column; nil is NULL
	last   []string // the keyset that was last picked, by tagged column
	sealer []Sealer
}

func (c *conn) newCopiedKeys(copied *statement.CopyPlan, s *state) *copiedKeys {
	if copied.KeyOf == nil {
		return nil
	}
	n := len(copied.Columns)
	return &copiedKeys{c: c, copied: copied, state: s, values: make([][]byte, n), last: make([]string, n), sealer: make([]Sealer, n)}
}

// note takes a value that picks keys.
func (k *copiedKeys) note(column int, value []byte, null bool) error {
	if k.values[column] = nil; null {
		return nil
	}
	format := int16(0)
	if k.copied.Options.Format == copydata.Binary {
		format = 1
	}
	var err error
	if format == 1 && k.state.encoding != nil {
		if value, err = k.state.encoding.decode(value); err != nil {
			return err
		}
	}
	as := k.copied.KeyTypes[column]
	if k.values[column], err = as.Canonical([]byte{}, value, 0, format, logical.Assign, &k.state.settings); err != nil {
		return logical.NameCopied(err)
	}
	return nil
}

// sealerOf gives the sealer of a tagged column in the row at hand.
func (k *copiedKeys) sealerOf(column int) (Sealer, error) {
	by, tagged := k.copied.KeyOf[column], k.copied.Tagged[column]
	if tagged.HasPseudonyms() && tagged.AccessFor(k.state.roles).Verdict == schema.Pseudonymize {
		return nil, errKeyedPseudonym(tagged)
	}
	keyset, err := statement.KeysetFor(tagged, k.copied.KeyTypes[by], k.values[by])
	if err != nil {
		return nil, err
	}
	if k.sealer[column] == nil || k.last[column] != keyset {
		k.sealer[column], k.last[column] = k.c.memberOf(tagged, keyset), keyset
	}
	return k.sealer[column], nil
}

// noMember is the error for clients of a value whose keyset is not there.
func noMember(err *keys.StoreError, column *schema.Column) *pgerror.Error {
	_, text, _ := keys.SplitMember(err.Key)
	if errors.Is(err, keys.ErrDestroyed) {
		return pgerror.New(pgerror.ObjectNotInPrerequisiteState, "a value for column %s cannot be sealed: the key of %s %s was destroyed", column.QualifiedName(), column.KeyBy.Column, text).
			WithHint("What the key sealed is erased, and nothing is sealed for that value any more.")
	}
	return pgerror.New(pgerror.ObjectNotInPrerequisiteState, "a value for column %s cannot be sealed: there is no key for %s %s", column.QualifiedName(), column.KeyBy.Column, text).
		WithHint("Whoever keeps the keys makes one: pgveil keys create %s", err.Key)
}

func errKeyedPseudonym(column *schema.Column) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "a role that sees pseudonyms cannot store values in column %s, which has keys by value", column.QualifiedName()).
		WithHint("Let a role that sees the values store them.")
}
