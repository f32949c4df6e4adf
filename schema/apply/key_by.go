package apply

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// byValue is what a job knows of keys by value of a column.
type byValue struct {
	sql     string            // gives the text by which a row picks its key
	seals   map[string]uint32 // by that text: the key of each keyset that seals
	erased  []uint32          // keys that were destroyed
	missing string            // why no key can be picked; "" if some can
}

// byValue finds the keysets of a column's keys by value.
func (k Keys) byValue(relation *schema.Relation, c *schema.Column) *byValue {
	b := &byValue{seals: make(map[string]uint32)}
	as, err := relation.KeyedBy(c)
	if err != nil {
		b.missing = err.Error()
		return b
	}
	b.sql = c.KeyBy.SQL(identifier(c.KeyBy.Column), as.Kind)
	for name, ring := range k {
		family, text, ok := keys.SplitMember(name)
		if !ok || family != c.Key {
			continue
		}
		info := ring.Info()
		b.erased = append(b.erased, info.Erased...)
		for _, key := range info.Keys {
			if key.Primary {
				b.seals[text] = key.ID
			}
		}
	}
	slices.Sort(b.erased)
	return b
}

// texts gives those that pick a key that seals, sorted.
func (b *byValue) texts() []string {
	list := make([]string, 0, len(b.seals))
	for text := range b.seals {
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

// textList is to be compared with what [schema.KeySQL] gives.
func textList(texts []string) string {
	list := make([][]byte, len(texts))
	for i, text := range texts {
		list[i] = []byte(text)
	}
	return byteaList(list)
}

func prefixList(ids []uint32) string {
	list := make([][]byte, len(ids))
	for i, id := range ids {
		list[i] = binary.BigEndian.AppendUint32([]byte{1}, id) // Tink's prefix
	}
	return byteaList(list)
}

func byteaList(values [][]byte) string {
	list := make([]string, len(values))
	for i, value := range values {
		list[i] = fmt.Sprintf(`'\x%x'`, value)
	}
	return "ARRAY[" + strings.Join(list, ", ") + "]::pg_catalog.bytea[]"
}

// older is the condition of a value that another key has sealed than the one that its row picks,
// if there is that one, and of one whose padding is too short. What is erased stays.
func (b *byValue) older(prefix, short string) string {
	texts := b.texts()
	ids := make([]uint32, len(texts))
	for i, text := range texts {
		ids[i] = b.seals[text]
	}
	return fmt.Sprintf("(%[1]s = ANY (%[2]s) AND %[3]s <> ALL (%[4]s) AND (%[3]s OPERATOR(pg_catalog.<>) (%[5]s)[pg_catalog.array_position(%[2]s, %[1]s)]%[6]s))",
		schema.KeySQL(b.sql), textList(texts), prefix, prefixList(b.erased), prefixList(ids), short)
}

// keyless looks for rows whose key there is not.
func (r *reader) keyless(ctx context.Context) error {
	for _, t := range r.found {
		for _, c := range t.Columns {
			b := c.byValue
			if b == nil {
				continue
			}
			if b.missing != "" {
				r.block(c.tag.QualifiedName(), "Correct key_by in the schema file.", "%s", b.missing)
				continue
			}
			if !c.hasNull {
				r.block(c.tag.QualifiedName(), fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;", t.sql(), identifier(c.Name)), "it has a default, which would have to be sealed with the key of a row")
			}
			const most = 20
			rows, err := r.tx.Query(ctx, fmt.Sprintf("SELECT DISTINCT %[1]s FROM %[2]s WHERE %[3]s IS NOT NULL AND (%[6]s = ANY (%[4]s)) IS NOT TRUE ORDER BY 1 LIMIT %[5]d",
				b.sql, t.sql(), identifier(c.Name), textList(b.texts()), most+1, schema.KeySQL(b.sql)))
			if err != nil {
				return err
			}
			texts, err := pgx.CollectRows(rows, pgx.RowTo[*string])
			if err != nil {
				return err
			}
			r.blockKeyless(c, texts, most)
		}
	}
	return nil
}

func (r *reader) blockKeyless(c *Column, texts []*string, most int) {
	var names []string
	for _, text := range texts {
		switch {
		case text == nil:
			r.block(c.tag.QualifiedName(), "Give these rows a value there, or none here.", "rows whose %s is NULL have a value for it, and no key", c.tag.KeyBy.Column)
			continue
		case len(names) == most:
			names = append(names, "…")
			continue
		}
		name, err := c.tag.Keyset(*text)
		if err != nil {
			r.block(c.tag.QualifiedName(), "Correct the rows.", "no key can be that of %s %s", c.tag.KeyBy.Column, *text)
			continue
		}
		names = append(names, name)
	}
	if len(names) > 0 {
		r.block(c.tag.QualifiedName(), "pgveil keys create "+strings.Join(names, " "), "the key of some of its rows is not there, or was destroyed: it is by %s", c.tag.KeyBy.Column)
	}
}

// rekey seals again what was sealed with the key of another value: of rows whose value has
// changed while they were filled.
func (j *job) rekey(ctx context.Context, u *Unit, result *Result) error {
	for _, t := range u.Tables {
		var columns []*Column
		for _, c := range t.Columns {
			if c.byValue != nil {
				again := *c
				again.from = c.to
				columns = append(columns, &again)
			}
		}
		if len(columns) == 0 {
			continue
		}
		for _, leaf := range t.leaves() {
			own := leaf.alone(columns)
			if err := j.reseal(ctx, &Unit{Tables: []*Table{own}}, result); err != nil {
				return fmt.Errorf("%s: reseal: %w", own, err)
			}
		}
	}
	return nil
}

// alone is a table that holds rows, with some of its columns.
func (t *Table) alone(columns []*Column) *Table {
	own := &Table{Schema: t.Schema, Name: t.Name, Columns: columns, Rows: t.Rows, Bytes: t.Bytes, oid: t.oid, kind: t.kind}
	own.family = []*Table{own}
	return own
}

// seal seals a value with the key of the column or, of keys by value, with that which a row picks.
func (j *job) seal(c *Column, plaintext []byte, text *string) ([]byte, error) {
	if c.byValue == nil {
		return j.sealers[c.to].Seal(nil, plaintext)
	}
	if text == nil {
		return nil, keys.ErrNoValue
	}
	keyset, err := c.to.Keyset(*text)
	if err != nil {
		return nil, err
	}
	return j.sealers[c.to].SealFor(nil, keyset, plaintext)
}
