package schema

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema/logical"
)

// constraint is a row of pg_constraint.
type constraint struct {
	table, foreign uint32
	name           string
	kind           byte // contype
	columns        []int16
	foreignColumns []int16
	definition     string
	validated      bool
	noInherit      bool
}

// checkConstraints looks at the CHECK, FOREIGN KEY and exclusion constraints of
// the tagged tables, and at foreign keys that point to them. Those with an index
// besides are checked with the indexes.
func (c *checker) checkConstraints(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT conrelid, confrelid, conname::text, ascii(contype::text), conkey, confkey,
			pg_catalog.pg_get_constraintdef(oid), convalidated, connoinherit
		FROM pg_catalog.pg_constraint
		WHERE contype IN ('c', 'f') AND conparentid = 0
			AND (conrelid = ANY ($1::oid[]) OR confrelid = ANY ($1::oid[]))
		ORDER BY conrelid, conname`, pgx.QueryExecModeExec, c.tagged)
	if err != nil {
		return err
	}
	var k constraint
	var kind int32
	sealed := make(map[*Attribute]bool) // has its CHECK constraint
	_, err = pgx.ForEachRow(rows, []any{
		&k.table, &k.foreign, &k.name, &kind, &k.columns, &k.foreignColumns, &k.definition, &k.validated, &k.noInherit,
	}, func() error {
		k.kind = byte(kind)
		switch k.kind {
		case 'c':
			c.checkCheck(&k, sealed)
		case 'f':
			c.checkForeignKey(&k)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, oid := range c.tagged {
		r := c.byOID[oid]
		for i := range r.Attributes {
			a := &r.Attributes[i]
			if a.Tagged == nil || a.TypeOID != byteaOID || sealed[a] {
				continue
			}
			inPlace := *a.Tagged
			inPlace.Schema, inPlace.Table = r.Schema, r.Name
			c.report(SeverityError, a.Tagged, qualifiedName(r.Schema, r.Name, a.Name), inPlace.addConstraint(),
				"its CHECK constraint is missing, so the server would store a value in clear")
		}
	}
	return nil
}

// attributes returns the attributes of a relation with the given numbers.
func attributesByNumber(r *Relation, numbers []int16) []*Attribute {
	var list []*Attribute
	for _, n := range numbers {
		i := slices.IndexFunc(r.Attributes, func(a Attribute) bool { return a.Num == n })
		if i >= 0 {
			list = append(list, &r.Attributes[i])
		}
	}
	return list
}

func (c *checker) checkCheck(k *constraint, sealed map[*Attribute]bool) {
	r := c.byOID[k.table]
	if r == nil {
		return
	}
	object := fmt.Sprintf("constraint %s on %s", identifier(k.name), qualifiedName(r.Schema, r.Name))
	drop := fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s;", identifier(r.Schema, r.Name), identifier(k.name))
	for _, a := range attributesByNumber(r, k.columns) {
		column := a.Tagged
		if column == nil {
			continue
		}
		seal, ok := parseCheck(k.definition, a.Name)
		inPlace := *column
		inPlace.Schema, inPlace.Table = r.Schema, r.Name
		switch {
		case ok && seal.isFor(column):
			sealed[a] = true
			if !k.validated {
				c.report(SeverityWarning, column, object,
					fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s;", identifier(r.Schema, r.Name), identifier(k.name)),
					"it is not validated: rows from before it may hold values in clear")
			}
			if k.noInherit {
				c.report(SeverityWarning, column, object, drop+" "+inPlace.addConstraint(), "with NO INHERIT it does not hold for child tables")
			}
		case ok && strings.HasPrefix(seal.header, sealedMagic()):
			sealed[a] = true // said here, not as missing
			c.report(SeverityError, column, object, drop+" "+inPlace.addConstraint(),
				"it asks for values of another column, mode or context than the schema file gives %s", column.QualifiedName())
		case mentionsColumn(withoutTests(k.definition, a), a.Name):
			c.report(SeverityError, column, object, drop, "it reads the sealed column %s and would see ciphertext", a.Name)
		}
	}
}

// sealedMagic is what every header begins with, in hex.
func sealedMagic() string {
	header := (&Column{Mode: Randomized}).Header()
	return hex.EncodeToString(header[:2])
}

// checkDefinition is what pg_get_constraintdef prints of our constraint;
// PostgreSQL 13 prints substring as a plain call. With quote_all_identifiers there
// are more quotes.
var checkDefinition = regexp.MustCompile(`^CHECK \(\(\("?octet_length"?\((.+)\) >= (\d+)\) AND \((?:SUBSTRING\((.+) FROM 1 FOR (?:7|12)\)|"substring"\((.+), 1, (?:7|12)\)) = '((?:[^']|'')*)'::"?bytea"?\)\)\)(?: NO INHERIT)?(?: NOT VALID)?$`)

// seal is what a constraint like ours asks of the values of a column.
type seal struct {
	header string // in hex
	key    uint32 // 0: any
	length int    // the shortest, in bytes
}

// isFor reports whether the values of a form of the column fulfil it.
func (s seal) isFor(c *Column) bool {
	want := c.Header()
	return s.header == hex.EncodeToString(want[:]) && s.length <= c.MinSealedLength() && (s.key == 0 || s.key == c.KeyID)
}

// parseCheck reads the definition of a constraint like ours on that column, whatever
// bytea_output was when the server printed it.
func parseCheck(definition, column string) (s seal, ok bool) {
	m := checkDefinition.FindStringSubmatch(definition)
	if m == nil || !isIdentifier(m[1], column) || !isIdentifier(m[3]+m[4], column) {
		return seal{}, false
	}
	value, err := logical.DecodeByteaText(nil, []byte(strings.ReplaceAll(m[5], "''", "'")))
	if err != nil || len(value) < keys.HeaderSize {
		return seal{}, false
	}
	s.header = hex.EncodeToString(value[:keys.HeaderSize])
	switch rest := value[keys.HeaderSize:]; {
	case len(rest) == 0:
	case len(rest) == tinkPrefix && rest[0] == tinkVersion:
		s.key = binary.BigEndian.Uint32(rest[1:])
	default:
		return seal{}, false
	}
	s.length, err = strconv.Atoi(m[2])
	return s, err == nil
}

// isIdentifier reports whether text is the name, quoted or not.
func isIdentifier(text, name string) bool {
	return text == name && plainIdentifier(name) || text == identifier(name)
}

// noColumns matches what the server prints besides names of columns: literals and
// casts.
var noColumns = regexp.MustCompile(`'(?:[^']|'')*'|::(?:timestamp|time)(?:\(\d\))? with(?:out)? time zone|::(?:double precision|character varying|"?[\w$.]+"?)`)

// mentionsColumn reports whether SQL that the server printed names the column.
// It may say so of another table's column of that name.
func mentionsColumn(sql, column string) bool {
	sql = noColumns.ReplaceAllString(sql, "")
	if strings.Contains(sql, identifier(column)) {
		return true
	}
	return plainIdentifier(column) &&
		regexp.MustCompile(`(?:^|[^\w$])`+regexp.QuoteMeta(column)+`(?:[^\w$(]|$)`).MatchString(sql)
}

// withoutTests takes the tests out that work on sealed columns too: for NULL, and for
// equality with values sealed for the column.
func withoutTests(sql string, a *Attribute) string {
	name := regexp.QuoteMeta(identifier(a.Name))
	if plainIdentifier(a.Name) {
		name = "(?:" + name + "|" + regexp.QuoteMeta(a.Name) + ")"
	}
	value := sealedLiteral(a.Tagged)
	return regexp.MustCompile(strings.Join([]string{
		name + ` IS (?:NOT )?NULL`,
		name + ` (?:=|<>|IS (?:NOT )?DISTINCT FROM) ` + value,
		value + ` (?:=|<>|IS (?:NOT )?DISTINCT FROM) ` + name,
		name + ` (?:=|<>) (?:ANY|ALL) \(ARRAY\[` + value + `(?:, ` + value + `)*\]\)`,
	}, "|")).ReplaceAllString(sql, "")
}

// sealedLiteral matches a value sealed for the column as the server prints it.
func sealedLiteral(c *Column) string {
	header := c.Header()
	return `'\\x` + hex.EncodeToString(header[:]) + `[0-9a-f]+'::bytea`
}

// checkForeignKey asks that each pair of columns is sealed into the same values.
func (c *checker) checkForeignKey(k *constraint) {
	from, to := c.byOID[k.table], c.byOID[k.foreign]
	if from == nil || to == nil {
		return
	}
	object := fmt.Sprintf("constraint %s on %s", identifier(k.name), qualifiedName(from.Schema, from.Name))
	drop := fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s;", identifier(from.Schema, from.Name), identifier(k.name))
	near, far := attributesByNumber(from, k.columns), attributesByNumber(to, k.foreignColumns)
	for i := range min(len(near), len(far)) {
		a, b := near[i], far[i]
		fromName, toName := qualifiedName(from.Schema, from.Name, a.Name), qualifiedName(to.Schema, to.Name, b.Name)
		column := a.Tagged
		if column == nil {
			column = b.Tagged
		}
		switch {
		case column == nil:
		case a.Tagged == nil || b.Tagged == nil:
			c.report(SeverityError, column, object, "Tag both columns with one domain, or drop the constraint: "+drop,
				"this foreign key compares %s with %s, and only one of them is sealed", fromName, toName)
		case a.Tagged.Mode == Randomized || b.Tagged.Mode == Randomized:
			c.report(SeverityError, column, object, "Make both columns deterministic with one domain, or drop the constraint: "+drop,
				"this foreign key compares %s with %s, and a randomized value equals no other", fromName, toName)
		case a.Tagged.Domain != b.Tagged.Domain || a.Tagged.Context != b.Tagged.Context || a.Tagged.Key != b.Tagged.Key:
			c.report(SeverityError, column, object, "Give both columns one domain and key, or drop the constraint: "+drop,
				"this foreign key compares %s with %s, which are of different domains", fromName, toName)
		}
	}
}

// checkStrayConstraints finds columns that have our constraint and no tag: a
// renamed table, or a tag that was taken out of the file while values are
// sealed.
func (c *checker) checkStrayConstraints(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT conrelid, conname::text, conkey[1], pg_catalog.pg_get_constraintdef(oid)
		FROM pg_catalog.pg_constraint
		WHERE contype = 'c' AND conrelid <> 0 AND conparentid = 0 AND array_length(conkey, 1) = 1
			AND pg_catalog.pg_get_constraintdef(oid) LIKE '%octet_length%'
		ORDER BY conrelid, conname`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var oid uint32
	var name, definition string
	var number int16
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &number, &definition}, func() error {
		r := c.byOID[oid]
		if r == nil || r.Temporary() {
			return nil
		}
		for _, a := range attributesByNumber(r, []int16{number}) {
			seal, ok := parseCheck(definition, a.Name)
			if ok && a.Tagged == nil && strings.HasPrefix(seal.header, sealedMagic()) {
				c.report(SeverityWarning, nil, qualifiedName(r.Schema, r.Name, a.Name), "Tag the column, or drop it.",
					"it has pgveil's CHECK constraint %s and is not tagged: statements that use the table are refused", identifier(name))
			}
		}
		return nil
	})
	return err
}
