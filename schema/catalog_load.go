package schema

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// LoadCatalog takes a snapshot of the database that conn is connected to and
// puts the tags of db on it: on the tables that it names, and on the columns of
// the same name of their partitions, inheritance children and parents. Any role
// that may connect can do it.
//
// It fails where two tags meet in one column of an inheritance tree and would
// seal its values differently.
func LoadCatalog(ctx context.Context, conn *pgx.Conn, db *Database) (*Catalog, error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	var c *Catalog
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) (err error) {
		if _, err = tx.Exec(ctx, `SET LOCAL search_path = `+CatalogSearchPath); err == nil {
			c, err = ReadCatalog(ctx, tx, db)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalog of database %q: %w", db.Name, err)
	}
	return c, nil
}

// CatalogSearchPath is the search_path under which ReadCatalog reads: nobody's
// functions, operators and types come before the server's own, and
// pg_get_viewdef leaves no schema out.
const CatalogSearchPath = `pg_catalog, pg_temp`

// Querier is where a catalog is read: a transaction of a login of pgveil's own, or
// the session of a client. It is asked without arguments but for options of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// ReadCatalog is LoadCatalog as one transaction sees the catalog, be it with
// changes of its own that are not committed. The caller has set its search_path
// to [CatalogSearchPath].
func ReadCatalog(ctx context.Context, q Querier, db *Database) (*Catalog, error) {
	l := newLoader(db)
	for _, step := range []func(context.Context, Querier) error{
		l.readRelations, l.readAttributes, l.readInheritance, l.readSealing, l.readDependencies, l.readFunctions, l.readNamesakes,
		l.readShadowed, l.readOperators, l.readAggregates,
	} {
		if err := step(ctx, q); err != nil {
			return nil, err
		}
	}
	if err := l.tag(); err != nil {
		return nil, err
	}
	l.spread()
	for _, step := range []func(context.Context, Querier) error{
		l.readDefinitions, l.readPartitionKeys, l.readRevealing, l.readIndexes, l.readChecks, l.readReaders, l.readEpoch,
	} {
		if err := step(ctx, q); err != nil {
			return nil, err
		}
	}
	return l.catalog(), nil
}

func newLoader(db *Database) *loader {
	return &loader{db: db, byOID: make(map[uint32]*Relation), seals: make(map[*Attribute]seal), forms: make(map[*Column]*Column)}
}

// loader holds what is read before it becomes a Catalog.
type loader struct {
	db        *Database
	relations []*Relation
	byOID     map[uint32]*Relation
	parents   map[uint32][]uint32 // and children: both ends of each link
	functions []*function
	// depends lists what a relation's rules and a function's body name.
	depends map[object][]object
	watched map[string]struct{}
	// namesakes are the schemas that have a function of a declared name.
	namesakes map[string]map[string]struct{}
	// shadowed are the names of functions and operators that Shadowed reports.
	shadowed map[string]struct{}

	seals map[*Attribute]seal // what pgveil's CHECK constraints ask for
	forms map[*Column]*Column // how a column of the file is stored; nil: in the clear

	changing bool // see Catalog.Changing
	epoch    int64

	ownEquality, ownComparison bool // operators that the Catalog's methods of these names are about

	aggregates map[string]struct{} // names of functions
	everything readers             // who may read everything
}

type function struct {
	oid     uint32
	name    string
	body    *body
	watched bool
}

// object is a relation or a function.
type object struct {
	function bool
	oid      uint32
}

// relationKinds are the values of pg_class.relkind that FROM can name.
const relationKinds = `('r', 'p', 'v', 'm', 'f', 'S')`

func (l *loader) readRelations(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT c.oid, n.nspname::text, c.relname::text, ascii(c.relkind::text)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN `+relationKinds, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var r Relation
	var kind int32
	_, err = pgx.ForEachRow(rows, []any{&r.OID, &r.Schema, &r.Name, &kind}, func() error {
		relation := r
		relation.Kind = byte(kind)
		l.relations = append(l.relations, &relation)
		l.byOID[r.OID] = &relation
		return nil
	})
	return err
}

func (l *loader) readAttributes(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT a.attrelid, a.attname::text, a.attnum, a.atttypid, a.attgenerated <> '',
			EXISTS (SELECT FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation AND NOT l.collisdeterministic)
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
		WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN `+relationKinds+`
		ORDER BY a.attrelid, a.attnum`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var oid uint32
	var a Attribute
	_, err = pgx.ForEachRow(rows, []any{&oid, &a.Name, &a.Num, &a.TypeOID, &a.Generated, &a.Loose}, func() error {
		if r := l.byOID[oid]; r != nil {
			a.Shadow = isTable(r) && strings.HasPrefix(a.Name, ShadowPrefix)
			r.Attributes = append(r.Attributes, a)
		}
		return nil
	})
	return err
}

func (l *loader) readInheritance(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	l.parents = make(map[uint32][]uint32)
	var child, parent uint32
	_, err = pgx.ForEachRow(rows, []any{&child, &parent}, func() error {
		l.parents[child] = append(l.parents[child], parent)
		l.parents[parent] = append(l.parents[parent], child)
		return nil
	})
	return err
}

// readDependencies reads what views and rules name, what the bodies of functions
// in standard SQL name, which have no source text, and whose rows functions take
// and return. An aggregate depends on its functions in the same way.
func (l *loader) readDependencies(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT false, r.ev_class, d.refclassid = 'pg_catalog.pg_proc'::regclass, d.refobjid
		FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d
			ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
		WHERE d.refclassid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass)
		UNION
		SELECT true, d.objid, d.refclassid = 'pg_catalog.pg_proc'::regclass, d.refobjid
		FROM pg_catalog.pg_depend d
		WHERE d.classid = 'pg_catalog.pg_proc'::regclass
			AND d.refclassid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass)
		UNION
		SELECT true, d.objid, false, coalesce(nullif(t.typrelid, 0), e.typrelid)
		FROM pg_catalog.pg_depend d
			JOIN pg_catalog.pg_type t ON t.oid = d.refobjid
			LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
		WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.refclassid = 'pg_catalog.pg_type'::regclass
			AND coalesce(nullif(t.typrelid, 0), e.typrelid, 0) <> 0`,
		pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	l.depends = make(map[object][]object)
	var from, to object
	_, err = pgx.ForEachRow(rows, []any{&from.function, &from.oid, &to.function, &to.oid}, func() error {
		if from != to {
			l.depends[from] = append(l.depends[from], to)
		}
		return nil
	})
	return err
}

// readFunctions reads the functions that SQL may be written in: not those of the
// server itself, nor those in C, whose source is a symbol's name.
func (l *loader) readFunctions(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT p.oid, p.proname::text, CASE WHEN l.lanname IN ('internal', 'c') THEN '' ELSE p.prosrc END
		FROM pg_catalog.pg_proc p
			JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
			JOIN pg_catalog.pg_language l ON l.oid = p.prolang
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var f function
	var source string
	_, err = pgx.ForEachRow(rows, []any{&f.oid, &f.name, &source}, func() error {
		l.functions = append(l.functions, &function{oid: f.oid, name: f.name, body: newBody(source)})
		return nil
	})
	return err
}

// readNamesakes reads which schemas have functions of the names that the file declares.
func (l *loader) readNamesakes(ctx context.Context, q Querier) error {
	if len(l.db.Functions) == 0 {
		return nil
	}
	l.namesakes = make(map[string]map[string]struct{})
	for _, f := range l.db.Functions {
		l.namesakes[f.Name] = make(map[string]struct{})
	}
	rows, err := q.Query(ctx, `
		SELECT p.proname::text, n.nspname::text
		FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var name, in string
	_, err = pgx.ForEachRow(rows, []any{&name, &in}, func() error {
		if schemas := l.namesakes[name]; schemas != nil {
			schemas[in] = struct{}{}
		}
		return nil
	})
	return err
}

func (l *loader) readDefinitions(ctx context.Context, q Querier) error {
	var views []uint32
	for _, r := range l.relations {
		if r.Reaches && (r.Kind == 'v' || r.Kind == 'm') {
			views = append(views, r.OID)
		}
	}
	if len(views) == 0 {
		return nil
	}
	rows, err := q.Query(ctx, `
		SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid),
			EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN')
		FROM pg_catalog.pg_class c WHERE c.oid = ANY (`+oidArray(views)+`)`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var oid uint32
	var definition *string
	var rules bool
	_, err = pgx.ForEachRow(rows, []any{&oid, &definition, &rules}, func() error {
		// The function looks at the catalog of this moment, not of the transaction.
		if definition == nil {
			return errors.New("a view was dropped meanwhile")
		}
		l.byOID[oid].Definition, l.byOID[oid].Rules = *definition, rules
		return nil
	})
	return err
}

// oidArray gives OIDs as a constant: a [Querier] takes no arguments.
func oidArray(oids []uint32) string {
	text := make([]string, len(oids))
	for i, oid := range oids {
		text[i] = strconv.FormatUint(uint64(oid), 10)
	}
	return "'{" + strings.Join(text, ",") + "}'::oid[]"
}

// fingerprintQuery sums a hash of each row that LoadCatalog reads. Where the
// content is long, xmin stands for it: the transaction that wrote the row. Other
// sessions' temporary tables do not count, but for what inherits or reads.
const fingerprintQuery = `
WITH relation AS (
	SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.relowner, c.relacl FROM pg_catalog.pg_class c
	WHERE c.relkind IN ` + relationKinds + ` AND (c.relpersistence <> 't' OR c.relkind = 'v')
)
SELECT concat_ws(' ',
	(SELECT concat(count(*), ',', sum(hashtextextended(relname::text, hashint8extended(relnamespace::bigint, oid::bigint * 256 + ascii(relkind::text)))))
		FROM relation),
	(SELECT concat(count(*), ',', sum(hashtextextended(concat(a.attname, a.attcollation), hashint8extended(a.atttypid::bigint * 256 + ascii(a.attgenerated::text), a.attrelid::bigint * 65536 + a.attnum))))
		FROM pg_catalog.pg_attribute a JOIN relation r ON r.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped),
	(SELECT sum(hashtextextended(concat(relowner, relacl), oid::bigint)) FROM relation),
	(SELECT concat(count(*), ',', sum(hashtextextended(a.attacl::text, a.attrelid::bigint * 65536 + a.attnum))) FROM pg_catalog.pg_attribute a WHERE a.attnum > 0 AND a.attacl IS NOT NULL),
	(SELECT concat(count(*), ',', sum(hashtextextended(rolname::text, 0))) FROM pg_catalog.pg_roles WHERE rolsuper),
	(SELECT concat(count(*), ',', sum(hashtextextended(nspname::text, oid::bigint))) FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'),
	(SELECT concat(count(*), ',', sum(hashtextextended(c.xmin::text, c.oid::bigint))) FROM pg_catalog.pg_constraint c JOIN relation r ON r.oid = c.conrelid WHERE c.contype = 'c'),
	(SELECT concat(count(*), ',', sum(hashint8extended(i.indexrelid::bigint * 2 + i.indisprimary::int, i.indrelid::bigint))) FROM pg_catalog.pg_index i JOIN relation r ON r.oid = i.indrelid),
	(SELECT concat(count(*), ',', sum(hashint8extended(inhrelid::bigint, inhparent::bigint))) FROM pg_catalog.pg_inherits),
	(SELECT concat(count(*), ',', sum(hashtextextended(xmin::text, oid::bigint))) FROM pg_catalog.pg_rewrite),
	(SELECT concat(count(*), ',', sum(hashtextextended(xmin::text, oid::bigint))) FROM pg_catalog.pg_operator
		WHERE oprnamespace <> 'pg_catalog'::regnamespace),
	(SELECT concat(count(*), ',', sum(hashtextextended(xmin::text, oid::bigint))) FROM pg_catalog.pg_proc
		WHERE pronamespace <> 'pg_catalog'::regnamespace),
	` + Announced + `)`

// CatalogFingerprint returns a text that changes whenever [LoadCatalog] would
// give something else for the same tags. It may change without need, after
// VACUUM FULL of a system catalog for one.
func CatalogFingerprint(ctx context.Context, q Querier) (string, error) {
	rows, err := q.Query(ctx, fingerprintQuery, pgx.QueryExecModeExec)
	if err != nil {
		return "", fmt.Errorf("fingerprint of the catalog: %w", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("fingerprint of the catalog: %w", err)
	}
	return s, nil
}
