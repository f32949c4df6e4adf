package statement

import (
	"slices"
	"strings"

	"github.com/pgveil/pgveil/schema"
)

// Env is what the analysis must know of the session. It must not change while
// in use.
type Env struct {
	// SearchPath is current_schemas(true): pg_catalog and the session's pg_temp_N
	// included, in their places.
	SearchPath []string
	// TempNames are the names of the session's temporary relations that are also
	// watched names, or may be of the server's catalog (see [Overlaid]).
	TempNames []string
}

func (e *Env) equal(o *Env) bool {
	return slices.Equal(e.SearchPath, o.SearchPath) && slices.Equal(e.TempNames, o.TempNames)
}

func (e *Env) clone() Env {
	return Env{SearchPath: slices.Clone(e.SearchPath), TempNames: slices.Clone(e.TempNames)}
}

// temporary reports whether the session may have temporary relations.
func (e *Env) temporary() bool {
	return len(e.TempNames) > 0 || slices.ContainsFunc(e.SearchPath, temporarySchema)
}

func temporarySchema(name string) bool { return strings.HasPrefix(name, "pg_temp") }

// catalogFirst reports whether pg_catalog comes before every schema of users:
// then an unqualified name of one of its types means that type.
func (e *Env) catalogFirst() bool {
	for _, name := range e.SearchPath {
		if !temporarySchema(name) {
			return name == "pg_catalog"
		}
	}
	return true
}

// lookup finds a relation as the server does. temporary says that it is, or may
// be, one of the session's temporary relations, which the catalog does not hold.
//
// A watched name that only one relation has is found even outside the path: the
// server either finds the same or nothing.
func (a *Analyzer) lookup(env *Env, schemaName, name string) (r *schema.Relation, temporary bool) {
	if schemaName != "" {
		if temporarySchema(schemaName) {
			return nil, true
		}
		return a.catalog.Relation(schemaName, name), false
	}
	if slices.Contains(env.TempNames, name) {
		return nil, true
	}
	for _, s := range env.SearchPath {
		if temporarySchema(s) {
			continue
		}
		if r := a.catalog.Relation(s, name); r != nil {
			return r, false
		}
	}
	if all := a.catalog.Named(name); len(all) == 1 && all[0].Reaches {
		return all[0], false
	}
	return nil, env.temporary()
}
