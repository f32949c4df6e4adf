package statement

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// overlay is what takes the place of a relation of the server's own catalog where a
// query names it in FROM: a subquery in which sealed columns have their logical types
// and pgveil's CHECK constraints are not there. See docs/introspection.md.
type overlay struct {
	relation *schema.Relation
	shows    map[string]bool // the columns that differ; nil: there are fewer rows
	key      []string        // of a table: its primary key
	// text makes the subquery without an alias; it has the system columns named, too,
	// after the others.
	text  func(system []string) string
	texts sync.Map // of the lists of system columns that were asked for
}

// textWith gives the subquery. All plans share one text, which may be long.
func (o *overlay) textWith(system []string) string {
	list := strings.Join(system, " ")
	if text, ok := o.texts.Load(list); ok {
		return text.(string)
	}
	text, _ := o.texts.LoadOrStore(list, o.text(system))
	return text.(string)
}

// overlayWords are the words without which no text names anything that an overlay
// changes. pg_class has an overlay for one column only.
var overlayWords = []string{
	"pg_attribute", "columns", "column_udt_usage", "pg_constraint", "check_constraints", "table_constraints",
	"constraint_column_usage", "relchecks",
}

// Overlaid reports whether a relation of that name may be one of the server's catalog
// that shows how columns are stored.
func Overlaid(name string) bool { return slices.Contains(overlayWords, name) }

func hasTagged(r *schema.Relation) bool {
	return slices.ContainsFunc(r.Attributes, func(a schema.Attribute) bool { return a.Tagged != nil && !a.Tagged.Controlled() })
}

// overlays are the overlays of a catalog snapshot, made when first asked for.
type overlays struct {
	once sync.Once
	of   map[string]*overlay // by schema and name, a dot between
}

// overlayOf gives the overlay of a relation, nil if it has none.
func (a *Analyzer) overlayOf(schemaName, name string) *overlay {
	a.overlays.once.Do(func() { a.overlays.of = a.makeOverlays() })
	return a.overlays.of[schemaName+"."+name]
}

// primaryKeys are those of the server's catalog since version 14.
var primaryKeys = map[string][]string{
	"pg_catalog.pg_attribute": {"attrelid", "attnum"}, "pg_catalog.pg_class": {"oid"}, "pg_catalog.pg_constraint": {"oid"},
}

func (a *Analyzer) makeOverlays() map[string]*overlay {
	s := newShown(a)
	of := make(map[string]*overlay)
	add := func(name string, text func(r *schema.Relation, system []string) string, shows ...string) {
		schemaName, relation, _ := strings.Cut(name, ".")
		r := a.catalog.Relation(schemaName, relation)
		if r == nil {
			return
		}
		o := &overlay{relation: r, key: primaryKeys[name], text: func(system []string) string { return text(r, system) }}
		if len(shows) > 0 {
			o.shows = make(map[string]bool)
			for _, column := range shows {
				o.shows[column] = true
			}
		}
		of[name] = o
	}
	if len(s.types) > 0 {
		add("pg_catalog.pg_attribute", s.attributes, "atttypid", "attlen", "atttypmod", "attbyval", "attalign", "attstorage", "attcollation")
		add("information_schema.columns", s.columns, "data_type", "character_maximum_length", "character_octet_length",
			"numeric_precision", "numeric_precision_radix", "numeric_scale", "datetime_precision", "udt_name")
		add("information_schema.column_udt_usage", s.columns, "udt_name")
	}
	if len(s.checks) > 0 {
		add("pg_catalog.pg_class", s.classes, "relchecks")
		add("pg_catalog.pg_constraint", s.constraints)
		add("information_schema.table_constraints", s.constraintNames)
		add("information_schema.constraint_column_usage", s.constraintNames)
		add("information_schema.check_constraints", s.checkNames)
	}
	return of
}

// shown is what the overlays say of a catalog. It becomes JSON objects in their texts,
// in which the server finds a key by binary search: they have as many keys as there
// are sealed columns, those of partitions and indexes included.
type shown struct {
	types []logical.Type // the distinct ones; the objects have their numbers, from 1
	byOID map[string]map[string]int
	names map[string]map[string]map[string]int // schema, relation, column

	checks     map[string]int                       // OIDs of pgveil's constraints
	checked    map[string]int                       // how many of them a relation has, by OID
	checkTable map[string]map[string]map[string]int // schema, relation, constraint
	checkNamed map[string]map[string]int            // schema, constraint
	magic      string                               // what is in the text of each: the first bytes of sealed values, in hex
}

func newShown(a *Analyzer) *shown {
	s := &shown{
		byOID: make(map[string]map[string]int), names: make(map[string]map[string]map[string]int),
		checks: make(map[string]int), checked: make(map[string]int),
		checkTable: make(map[string]map[string]map[string]int), checkNamed: make(map[string]map[string]int),
	}
	for _, r := range a.catalog.Reaching() {
		for i := range r.Attributes {
			at := &r.Attributes[i]
			if c, _ := a.sealedAttribute(r.OID, at.Num); c != nil {
				header := c.Header()
				s.magic = hex.EncodeToString(header[:2])
				s.addColumn(r, at, c.Type)
			}
		}
		for _, k := range r.Checks {
			s.checks[oidKey(k.OID)] = 1
			s.checked[oidKey(r.OID)]++
			enter(enter(s.checkTable, r.Schema), r.Name)[k.Name] = 1
			enter(s.checkNamed, r.Schema)[k.Name] = 1
		}
	}
	return s
}

// enter gives the map of a key, made if need be.
func enter[V any](m map[string]map[string]V, key string) map[string]V {
	if m[key] == nil {
		m[key] = make(map[string]V)
	}
	return m[key]
}

func oidKey(oid uint32) string { return strconv.FormatUint(uint64(oid), 10) }

// addColumn enters a sealed column, and the columns of indexes that have it.
func (s *shown) addColumn(r *schema.Relation, at *schema.Attribute, t logical.Type) {
	if logical.KindOf(at.TypeOID) != logical.Bytea || t.Kind == logical.Bytea {
		return // not sealed yet, or nothing to show
	}
	n := slices.Index(s.types, t) + 1
	if n == 0 {
		s.types = append(s.types, t)
		n = len(s.types)
	}
	enter(s.byOID, oidKey(r.OID))[strconv.Itoa(int(at.Num))] = n
	enter(enter(s.names, r.Schema), r.Name)[at.Name] = n
	for _, index := range r.Indexes {
		for i, column := range index.Columns {
			if column == at.Num {
				enter(s.byOID, oidKey(index.OID))[strconv.Itoa(i+1)] = n
			}
		}
	}
}

// jsonConstant gives a JSON object as a constant of the server's type jsonb, in ASCII:
// not every client_encoding has the characters of every name.
func jsonConstant(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	var b strings.Builder
	for _, r := range string(text) {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return stringConstant(b.String()) + "::pg_catalog.jsonb"
}

// stringConstant means the same whether standard_conforming_strings is on or not.
func stringConstant(s string) string {
	s = strings.ReplaceAll(s, "'", "''")
	if strings.Contains(s, `\`) {
		return "E'" + strings.ReplaceAll(s, `\`, `\\`) + "'"
	}
	return "'" + s + "'"
}
