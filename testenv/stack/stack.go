package stack

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv"
)

// Database is the name of the described database, unless the options name another.
const Database = "laboratory"

// Password is that of every role of the test database.
const Password = "a-test-password"

// Options says how the parts are put together.
type Options struct {
	Postgres testenv.PostgresOptions
	Database string   // Database of this package when empty
	Schema   string   // the schema file's text; Schema of this package when empty
	Members  []string // the keysets of keys by value that there are
	Tables   []string // DDL beside what the schema file needs; Tables of this package when nil
	Clients  *proxy.ClientTLS
	EndUser  *regexp.Regexp // as proxy.Config has it
	Change   func(*proxy.Config)
	// Terminate has pgveil authenticate the clients.
	Terminate *proxy.Terminate
	SSLMode   string // to the server; "prefer" when empty
	// Sealer, unless nil, makes of each column's sealer the one that pgveil uses.
	Sealer func(column *schema.Column, sealer proxy.Sealer) proxy.Sealer
	// Between gives the port of what stands between pgveil and the server at this
	// address; nil: nothing.
	Between func(server *testenv.Postgres) (port int)
	Pooler  string // what Between is, as proxy.Upstreams has it
	// Upstreams, unless nil, may change how pgveil reaches its servers, and gives its
	// own login.
	Upstreams func(s *Stack, upstreams *proxy.Upstreams) (login func(ctx context.Context, database string) (*pgx.Conn, error))
	// AuditMAC, unless nil, makes of the audit log's MAC the one that it uses.
	AuditMAC func(mac audit.MAC) audit.MAC
	// AuditTimeout is how long a statement waits for the disk of the audit log; as in audit.Options.
	AuditTimeout time.Duration
	// NoAudit has nothing recorded: Stack.Audit keeps nothing, and there is no AuditDir.
	NoAudit bool
	Log     *slog.Logger
	Refresh time.Duration // how often the catalog is compared; half a second when 0
}

// Stack is everything running together. It stops when the test ends.
type Stack struct {
	Postgres *testenv.Postgres
	Server   *proxy.Server
	Database string
	Audit    *audit.Log
	AuditDir string
	MAC      *keys.MAC
	Signer   *keys.Signer
	Subjects *audit.TagKey // nil unless the schema file names a subject
	Keys     map[string]*keys.Keyring
	Store    keys.Store // of the keys
	File     *schema.File
	Addr     string // of pgveil, host:port
	Port     int
	Stop     func() // ends pgveil, as the end of the test does

	config   proxy.Config
	sealer   func(*schema.Column, proxy.Sealer) proxy.Sealer
	exchange sync.RWMutex // of Keys, and of made
	made     []*keys.Pseudonymizer
}

// Start starts everything and creates the roles biologist, secretary, researcher and
// pgveil, the database and its tables.
func Start(t testing.TB, opts Options) *Stack {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres)
	ctx := context.Background()
	s := &Stack{Keys: make(map[string]*keys.Keyring), sealer: opts.Sealer}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if opts.Schema == "" {
		opts.Schema = Schema
	}
	if s.Database = opts.Database; s.Database == "" {
		s.Database = Database
	}
	if opts.Tables == nil {
		opts.Tables = Tables
	}
	s.File, err = schema.Parse("schema.yaml", []byte(opts.Schema))
	must(err)
	s.Postgres, err = testenv.StartPostgres(ctx, opts.Postgres)
	must(err)
	t.Cleanup(func() { s.Postgres.Stop() })
	for _, role := range []string{"biologist", "secretary", "researcher", "pgveil"} {
		must(s.Postgres.CreateRole(ctx, role, Password))
	}
	must(s.Postgres.CreateDatabase(ctx, s.Database))
	for _, ddl := range opts.Tables {
		must(s.Postgres.ExecIn(ctx, s.Database, ddl))
	}
	sealed := &schema.Database{}
	for _, column := range s.File.Databases[s.Database].Columns {
		if column.Was == nil {
			sealed.Columns = append(sealed.Columns, column)
		}
	}
	must(s.Postgres.ExecIn(ctx, s.Database, schema.DDL(sealed, schema.AddConstraints)))

	store, err := keys.CreateInsecureLocal(filepath.Join(t.TempDir(), "insecure-keys"))
	must(err)
	t.Cleanup(func() { store.Close() })
	s.Store = store
	for _, name := range opts.Members {
		s.Keys[name] = s.key(t, store, name, keys.TypeRandomized)
	}
	for name, spec := range s.File.Keys {
		if spec.ByValue {
			continue
		}
		keyType := keys.TypeRandomized
		if spec.Mode == schema.Deterministic {
			keyType = keys.TypeDeterministic
		}
		s.Keys[name] = s.key(t, store, name, keyType)
	}
	for _, project := range s.File.Projects {
		s.Keys[project.Key] = s.key(t, store, project.Key, keys.TypePseudonym)
	}
	s.MAC, err = s.key(t, store, "audit-mac", keys.TypeMAC).MAC()
	must(err)
	s.Signer, err = s.key(t, store, "audit-signature", keys.TypeSignature).Signer()
	must(err)
	s.AuditDir = filepath.Join(t.TempDir(), "audit")
	var mac audit.MAC = s.MAC
	if opts.AuditMAC != nil {
		mac = opts.AuditMAC(mac)
	}
	if s.Audit = audit.Discarding(); !opts.NoAudit {
		s.Audit, err = audit.Open(audit.Options{Dir: s.AuditDir, MAC: mac, Signer: s.Signer, Timeout: opts.AuditTimeout})
		must(err)
	}
	t.Cleanup(func() { s.Audit.Close() })

	if opts.Refresh == 0 {
		opts.Refresh = 500 * time.Millisecond
	}
	sslmode := opts.SSLMode
	if sslmode == "" {
		sslmode = "prefer"
	}
	clients := opts.Clients
	if clients == nil {
		clients = &proxy.ClientTLS{}
	}
	port := s.Postgres.Port()
	if opts.Between != nil {
		port = opts.Between(s.Postgres)
	}
	upstreams, err := proxy.NewUpstreams("127.0.0.1", port, sslmode, "", "", "")
	must(err)
	upstreams.Pooler = opts.Pooler
	login := func(ctx context.Context, database string) (*pgx.Conn, error) {
		port := s.Postgres.Port()
		config, err := (&proxy.UpstreamConfig{Host: "127.0.0.1", Port: port, SSLMode: "prefer"}).LoginConfig("pgveil", Password, database)
		if err != nil {
			return nil, err
		}
		return pgx.ConnectConfig(ctx, config)
	}
	if opts.Upstreams != nil {
		login = opts.Upstreams(s, upstreams)
	}
	for _, database := range s.File.Databases {
		if len(database.Subjects()) > 0 && s.Subjects == nil {
			mac, err := s.key(t, store, "audit-subject", keys.TypeMAC).MAC()
			must(err)
			s.Subjects, err = audit.NewTagKey(mac)
			must(err)
		}
	}
	s.config = proxy.Config{
		Databases:  s.File.Databases,
		Sealer:     s.Sealer,
		Pseudonyms: s.pseudonymizer,
		Audit:      s.Audit,
		Subjects:   s.Subjects,
		Clients:    clients,
		Terminate:  opts.Terminate,
		EndUser:    opts.EndUser,
		Upstreams:  upstreams,
		Login:      login,
		Refresh:    opts.Refresh,
		Log:        opts.Log,
	}
	if opts.Change != nil {
		opts.Change(&s.config)
	}
	s.serve(t)
	return s
}

// Another starts a second pgveil for the same database, with the same keys and audit log.
func (s *Stack) Another(t testing.TB) *Stack {
	t.Helper()
	another := &Stack{
		Postgres: s.Postgres, Database: s.Database, Audit: s.Audit, AuditDir: s.AuditDir, MAC: s.MAC, Signer: s.Signer,
		Keys: s.Keys, Store: s.Store, File: s.File, config: s.config,
	}
	another.serve(t)
	return another
}

// serve makes the Server and has it serve until the test ends, or Stop is called.
func (s *Stack) serve(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	s.Server, err = proxy.New(s.config)
	must(err)
	must(s.Server.Check(ctx))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	s.Addr, s.Port = l.Addr().String(), l.Addr().(*net.TCPAddr).Port
	serving, stop := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Server.Serve(serving, l)
	}()
	s.Stop = sync.OnceFunc(func() {
		stop()
		<-served
		ending, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := s.Server.Shutdown(ending); err != nil {
			t.Errorf("pgveil did not shut down: %v", err)
		}
	})
	t.Cleanup(s.Stop)
}

func (s *Stack) key(t testing.TB, store keys.Store, name string, keyType keys.KeyType) *keys.Keyring {
	t.Helper()
	if _, err := store.Create(context.Background(), name, keyType); err != nil {
		t.Fatal(err)
	}
	ring, err := store.Open(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// Sealer seals and opens for one tagged column.
func (s *Stack) Sealer(column *schema.Column) (proxy.Sealer, error) {
	s.exchange.RLock()
	sealer, err := column.Sealer(s.Keys)
	s.exchange.RUnlock()
	if err != nil || s.sealer == nil {
		return sealer, err
	}
	return s.sealer(column, sealer), nil
}

// SetKey puts another keyring in the place of one in Keys, while pgveil serves.
func (s *Stack) SetKey(ring *keys.Keyring) {
	s.exchange.Lock()
	defer s.exchange.Unlock()
	s.Keys = maps.Clone(s.Keys)
	s.Keys[ring.Name()] = ring
}

// DSN is how a role connects through pgveil. Further settings are appended.
func (s *Stack) DSN(role string, settings ...string) string {
	dsn := fmt.Sprintf("host=127.0.0.1 port=%d user=%s password='%s' dbname=%s", s.Port, role, Password, s.Database)
	for _, setting := range settings {
		dsn += " " + setting
	}
	return dsn
}

// Connect connects a role through pgveil.
func (s *Stack) Connect(t testing.TB, role string, settings ...string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.DSN(role, settings...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// Direct connects a role to the server itself.
func (s *Stack) Direct(t testing.TB, role string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.Postgres.DSN(role, Password, s.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
