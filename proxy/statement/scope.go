package statement

import (
	"slices"

	"github.com/pgveil/pgveil/schema"
)

// column is a column that something in FROM, or a subquery, offers.
type column struct {
	name   string
	tagged *schema.Column // nil: not sealed
	origin origin         // zero also where it is not known
	// made: it holds no column's values but ones that were sealed for the column.
	made     bool
	excluded bool    // it is of the row that ON CONFLICT excludes
	supply   *supply // nothing but constants and parameters are in it
	via      string  // what qualifies it where it came through a join; empty: nothing does
	side     string  // what qualifies the column of a join that it is equal to, of one that USING has made
	sealing
}

// item is a name that a FROM clause makes visible (the server's
// ParseNamespaceItem).
type item struct {
	name     string           // alias, or name of the relation
	relation *schema.Relation // if it has no alias: what schema.table.column finds
	of       *schema.Relation // the relation, with an alias or not
	columns  []column
	system   bool // it has the system columns
	open     bool // it has columns that are not known: those of a function's result
	loose    bool // a relation named without its schema
	hides    bool // it has columns that clients do not see: * has to be spelt out

	unnamed       bool // the name cannot qualify a column
	qualifiedOnly bool // its columns are found by a qualified name only
	lateralOnly   bool // it is visible only to what is LATERAL,
	lateralDenied bool // and not even to that
}

// scope is what names mean in one query.
type scope struct {
	items   []*item
	ctes    []*cte // of its WITH clause
	outer   *scope
	lateral bool // a LATERAL part of FROM is being analysed
}

// visible reports whether an item can be used at this moment.
func (s *scope) visible(it *item) bool { return !it.lateralOnly || s.lateral }

// systemColumns are those every table has. Source: PostgreSQL manual, 5.5.
var systemColumns = []string{"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}

// find returns the columns of that name.
func (it *item) find(name string) (found *column, count int) {
	for i := range it.columns {
		if it.columns[i].name == name {
			found = &it.columns[i]
			count++
		}
	}
	if count == 0 && it.system && slices.Contains(systemColumns, name) {
		return &column{name: name}, 1
	}
	return found, count
}

// rename gives the first columns other names, as an alias with a list does.
// It reports whether there are as many.
func rename(columns []column, names []string) ([]column, bool) {
	if len(names) > len(columns) {
		return columns, false
	}
	columns = slices.Clone(columns)
	for i, name := range names {
		columns[i].name = name
	}
	return columns, true
}

func setLateral(items []*item, only, denied bool) {
	for _, it := range items {
		it.lateralOnly, it.lateralDenied = only, denied
	}
}
