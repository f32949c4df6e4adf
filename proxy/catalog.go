package proxy

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// snapshot is what is known of a database at one moment; immutable.
type snapshot struct {
	catalog  *schema.Catalog
	analyzer *statement.Analyzer
	members  memberships
	functions
	mark string // the catalog's fingerprint
	// free plans texts as if the controlled columns of analyzer's were columns like any other.
	// It is nil if there are none.
	free       *statement.Analyzer
	controlled []*schema.Column
	trusted    *schema.Database // says which functions may be called all the same
}

// functions are names of functions.
type functions struct {
	builtin  map[string]struct{} // that change nothing of the session
	computed map[string]struct{} // that a.f may call, a being a row
}

// newSnapshot makes a snapshot of a catalog, and of the same with its controlled columns, nil if
// there are none.
func newSnapshot(database *schema.Database, catalog, controlled *schema.Catalog, members memberships, names functions, mark string) *snapshot {
	s := &snapshot{catalog: catalog, analyzer: statement.NewAnalyzer(catalog), members: members, functions: names, mark: mark, trusted: database}
	if controlled != nil {
		a := statement.NewAnalyzer(controlled)
		if s.controlled = a.Controlled(); len(s.controlled) > 0 {
			s.free, s.analyzer = s.analyzer, a
		}
	}
	return s
}

// calm reports whether calling a function of that name changes nothing of the session.
func (s *snapshot) calm(name []byte) bool {
	_, ok := s.builtin[string(name)]
	return ok
}

// calmFunctions are the names that only functions of the server itself have.
const calmFunctions = `SELECT proname::text FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
	EXCEPT SELECT proname::text FROM pg_catalog.pg_proc WHERE pronamespace <> 'pg_catalog'::regnamespace`

// loadNames gives the names that a query gives.
func loadNames(ctx context.Context, login *pgx.Conn, query string) (map[string]struct{}, error) {
	rows, err := login.Query(ctx, query, pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	names := make(map[string]struct{})
	var name string
	_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
		names[name] = struct{}{}
		return nil
	})
	return names, err
}

// rowFunctions are the names outside pg_catalog of functions that may take a row of any kind alone.
const rowFunctions = `SELECT p.proname::text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
	WHERE t.typtype IN ('c', 'd', 'p') AND p.pronargs - p.pronargdefaults <= 1
		AND p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`

// tracked is a described database and the newest snapshot of it.
type tracked struct {
	config     *Config
	name       string // of the database
	database   atomic.Pointer[schema.Database]
	sealers    *sealers
	pseudonyms *pseudonyms
	seals      atomic.Pointer[seals]

	current atomic.Pointer[snapshot]
	changes announced
	names   announced // those that may change which names are watched

	compared    atomic.Int64  // when the comparison with the server's that is the last to have ended began, in nanoseconds since 1970
	loading     chan struct{} // holds a value while the catalog is read
	login       keptLogin
	moved       atomic.Bool // the kept login leads to a server that sessions have left
	fingerprint string

	purse   purse
	ledgers struct {
		mu sync.Mutex // of the beginning of statements that a budget bounds
		of map[ledgerKey]*ledger
	}

	reads, readErrors atomic.Uint64 // of the whole catalog; attempts to compare it that failed

	gaps []string // of the current snapshot
}

func newTracked(config *Config, database *schema.Database) (*tracked, error) {
	t := &tracked{
		config: config, name: database.Name, sealers: newSealers(config), pseudonyms: newPseudonyms(config),
		loading: make(chan struct{}, 1), login: keptLogin{wait: loginIdle}, purse: purse{turn: newTurn()},
	}
	return t, t.describe(database)
}

// describe takes over how the schema file describes the database. After an error all is
// as it was.
func (t *tracked) describe(database *schema.Database) error {
	if err := t.sealers.add(database); err != nil {
		return err
	}
	found := newSeals(database)
	if before := t.seals.Load(); before != nil {
		maps.Copy(found, *before) // what was sealed stays what it is
	}
	t.loading <- struct{}{}
	t.seals.Store(&found)
	t.database.Store(database)
	t.fingerprint, t.login.visible = "", ""
	<-t.loading
	t.invalidate()
	return nil
}

// snapshot gives the newest snapshot, after any change that was announced by
// invalidate. Without a catalog nothing can be analysed, so its error ends in a
// refusal.
func (t *tracked) snapshot(ctx context.Context) (*snapshot, error) {
	if t.changes.known() {
		return t.current.Load(), nil
	}
	return t.since(ctx, anyTime)
}

// compare gives the snapshot of this moment: whatever was committed before the call
// is in it. Other sessions do not wait for it.
func (t *tracked) compare(ctx context.Context) (*snapshot, error) {
	return t.since(ctx, time.Now())
}

func (t *tracked) since(ctx context.Context, after time.Time) (*snapshot, error) {
	if err := t.refresh(ctx, after); err != nil {
		t.config.Log.Error("catalog cannot be read", "database", t.name, "error", err)
		return nil, pgerror.New(pgerror.CannotConnectNow, "pgveil cannot read the catalog of database %q", t.name).
			WithHint("See pgveil's log; statements are refused until its login can read the catalog.")
	}
	return t.current.Load(), nil
}

// invalidate announces a change of the catalog.
func (t *tracked) invalidate() {
	t.names.made.Add(1)
	t.changes.made.Add(1)
}

// announced counts the changes of the catalog that were announced, and how many of
// them the current snapshot surely holds.
type announced struct{ made, held atomic.Uint64 }

func (a *announced) known() bool { return a.held.Load() == a.made.Load() }

// watching gives a snapshot whose watched names are those of the moment, although its
// relations may not be: to tell what needs a newer one.
func (c *conn) watching() (*snapshot, error) {
	c.mu.Lock()
	renamed := c.lastNames != 0
	c.mu.Unlock()
	if s := c.tracked.current.Load(); s != nil && !renamed && c.tracked.names.known() {
		return s, nil
	}
	return c.snapshot()
}

// reread reads the catalog anew, for its epoch is not this one: a change that was not made
// after all leaves the rest as it was.
func (t *tracked) reread(ctx context.Context, epoch int64) error {
	select {
	case t.loading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.current.Load().catalog.Epoch() != epoch {
		t.fingerprint, t.login.visible = "", ""
	}
	<-t.loading
	_, err := t.compare(ctx)
	return err
}

// anyTime is for refresh: what is known will do, however old it is.
var anyTime = time.Unix(0, 0)

// refresh reads the catalog if it has changed. What is known will do if no change of it
// was announced and it was compared with the server's after this moment.
func (t *tracked) refresh(ctx context.Context, after time.Time) error {
	select {
	case t.loading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.changes.known() && t.compared.Load() >= after.UnixNano() {
		<-t.loading
		return nil
	}
	// It is for all who wait for it, and goes on when the one that began it has lost patience.
	ended := make(chan error, 1)
	go func() {
		defer func() { <-t.loading }()
		ended <- t.renew(context.WithoutCancel(ctx))
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// renew reads the catalog if it has changed. The caller holds t.loading.
func (t *tracked) renew(ctx context.Context) error {
	// Counted first: one announced while loading may not be in what is loaded.
	changes, names, began := t.changes.made.Load(), t.names.made.Load(), time.Now()
	if err := t.load(ctx); err != nil {
		return err
	}
	t.compared.Store(began.UnixNano())
	t.changes.held.Store(changes)
	t.names.held.Store(names)
	return nil
}

func (t *tracked) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := t.withLogin(ctx, func(login *pgx.Conn) error { return t.read(ctx, login) })
	if err != nil {
		t.readErrors.Add(1)
	}
	return err
}

// visibleQuery names which transactions a statement sees: while that is the same, the
// catalog is. A standby does not list all that are underway.
const visibleQuery = `SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() OR pg_catalog.pg_snapshot_xmin(s) = pg_catalog.pg_snapshot_xmax(s) THEN s::text ELSE '' END` +
	` FROM pg_catalog.pg_current_snapshot() s`

// read compares the catalog with what is known, and reads it if it is another.
func (t *tracked) read(ctx context.Context, login *pgx.Conn) error {
	var visible string
	if err := login.QueryRow(ctx, visibleQuery, pgx.QueryExecModeExec).Scan(&visible); err != nil {
		return err
	}
	if t.current.Load() != nil && visible != "" && visible == t.login.visible {
		return nil
	}
	t.login.visible = ""
	if err := t.readNewer(ctx, login); err != nil {
		return err
	}
	t.login.visible = visible
	return nil
}

func (t *tracked) readNewer(ctx context.Context, login *pgx.Conn) error {
	catalogMark, err := schema.CatalogFingerprint(ctx, login)
	if err != nil {
		return err
	}
	members, memberMark, err := loadMemberships(ctx, login)
	if err != nil {
		return err
	}
	mark := catalogMark + "/" + memberMark
	if mark == t.fingerprint && t.current.Load() != nil {
		return nil
	}
	database := t.database.Load()
	catalog, controlled, err := schema.LoadCatalogs(ctx, login, database)
	if err != nil {
		return err
	}
	calm, err := loadNames(ctx, login, calmFunctions)
	if err != nil {
		return err
	}
	computed, err := loadNames(ctx, login, rowFunctions)
	if err != nil {
		return err
	}
	t.reads.Add(1)
	t.tell(catalog.Gaps())
	t.current.Store(newSnapshot(database, catalog, controlled, members, functions{calm, computed}, catalogMark))
	t.fingerprint = mark
	return nil
}

// tell logs where a change has parted the schema file and the database. What was so at
// start is for whoever starts the server.
func (t *tracked) tell(gaps []string) {
	if t.current.Load() != nil {
		for _, gap := range gaps {
			if !slices.Contains(t.gaps, gap) {
				t.config.Log.Warn("schema file: "+gap, "database", t.name)
			}
		}
	}
	t.gaps = gaps
}

// watch compares the catalog with the server's until ctx ends.
func (t *tracked) watch(ctx context.Context) {
	ticker := time.NewTicker(t.config.Refresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := t.refresh(ctx, time.Now()); err != nil && ctx.Err() == nil {
			t.config.Log.Warn("catalog refresh failed", "database", t.name, "error", err)
		}
	}
}
