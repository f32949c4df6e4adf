package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	_ "time/tzdata" // zones on machines that have none

	"github.com/jackc/pgx/v5"
	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
)

func serveCommand() *command {
	return &command{
		name:  "serve",
		short: "run the proxy",
		long: `
Accepts PostgreSQL clients, seals what they write to tagged columns, opens what they
may read, and records it. It refuses to start when a key is missing or of the wrong
type, when a tagged column holds values in clear, or when Vault, the audit log or a
described database cannot be used, and says which and why. SIGTERM and SIGINT end it, with exit status 0.
SIGHUP has it read the schema file again, without dropping a connection; a file that it
would not start with is refused, and the one before stays. Settings need a restart.`,
		examples: []string{
			"pgveil serve",
			"pgveil serve --config /etc/pgveil/pgveil.yaml --log-format json",
			"PGVEIL_LISTEN=0.0.0.0:6432 pgveil serve --tls-mode require --tls-cert server.crt --tls-key server.key",
		},
		settings: []string{"listen", "socket", "tls", "auth", "server", "login", "schema", "keys", "audit", "alerts", "log", "health", "limits"},
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("new-audit-chain", false, "begin a new chain where the audit log is broken; the log says so")
		},
		run: serve,
	}
}

// server is what serve has put together and has to take down again.
type server struct {
	proxy     *proxy.Server
	file      *schema.File // the newest that was taken over
	keys      *liveKeys
	trail     *audit.Log
	tags      bool    // subjects are tagged
	health    *health // nil without health.listen
	login     *login
	clients   *proxy.ClientTLS
	listeners []net.Listener
	closers   []func() error // to be called in reverse
}

func (s *server) unlisten() error {
	for _, l := range s.listeners {
		_ = l.Close() // Serve has closed it, if it ran
	}
	return nil
}

func (s *server) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

func serve(ctx context.Context, c *call) error {
	defer proxy.Ballast()()
	go proxy.Tidy(ctx)
	log := c.logger()
	file, err := c.readSchema()
	if err != nil {
		return err
	}
	warnOf(file, log)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before it is ready: the signal would end it
	defer signal.Stop(hangup)
	s := &server{file: file}
	if c.config.Health != "" {
		if s.health, err = listenHealth(ctx, c.config.Health, log); err != nil {
			return err
		}
		s.closers = append(s.closers, s.health.close)
	}
	err = s.prepare(ctx, c, file, log)
	if err == nil {
		err = s.run(ctx, c, hangup, log)
	} else if ctx.Err() != nil {
		err = nil // it was told to end while it started
	}
	return errors.Join(err, s.close())
}

// prepare makes everything that clients need.
func (s *server) prepare(ctx context.Context, c *call, file *schema.File, log *slog.Logger) error {
	clients, err := proxy.LoadClientTLS(c.config.TLS.Mode, c.config.TLS.Cert, c.config.TLS.Key, c.config.TLS.ClientCA)
	if err != nil {
		return &config.Error{Message: fmt.Sprintf("tls: %v", err)}
	}
	upstreams, err := c.upstreams()
	if err != nil {
		return err
	}
	if c.config.Audit.Dir == "" {
		return c.config.Missing("audit.dir")
	}
	store, err := c.openSecrets(ctx, log, false)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, store.Close)
	needed, err := c.servedKeys(ctx, store, file)
	if err != nil {
		return err
	}
	rings, err := openServed(ctx, store, needed, log)
	if err != nil {
		return err
	}
	endUser, err := c.endUser()
	if err != nil {
		return err
	}
	s.clients = clients
	rules, err := c.accessRules(clients)
	if err != nil {
		return err
	}
	terminate, err := c.terminate(store, rings)
	if err != nil {
		return err
	}
	webhook, err := c.webhook(store, log)
	if err != nil {
		return err
	}
	s.keys = newLiveKeys(store, rings, c.config, log)
	s.keys.expect(file)
	for _, database := range file.Databases {
		database.Holds = s.keys.holds
	}
	login, done, err := c.newLogin(ctx, upstreams, file, store, log)
	if err != nil {
		return err
	}
	s.login = login
	s.closers = append(s.closers, func() error { done(); return nil })
	// Before the audit log, in which each start leaves a segment, what may well fail.
	for name := range file.Databases {
		if err := login.with(ctx, name, func(*pgx.Conn) error { return nil }); err != nil {
			return err
		}
	}
	if err := checkStart(ctx, login, file, log); err != nil {
		return err
	}
	if s.listeners, err = listen(ctx, c.config); err != nil {
		return err
	}
	s.closers = append(s.closers, s.unlisten)
	trail, err := openAudit(c, store, rings, log)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, trail.Close)
	s.trail = trail
	alerts := c.alertDesk(webhook, trail, log)
	s.closers = append(s.closers, func() error { return closeAlerts(alerts) })
	subjects, err := c.tagKey(rings)
	if err != nil {
		return err
	}
	s.tags = subjects != nil
	s.proxy, err = proxy.New(proxy.Config{
		Databases:      file.Databases,
		Sealer:         s.keys.sealer,
		Pseudonyms:     s.keys.pseudonyms,
		Audit:          trail,
		Alerts:         alerts,
		NewNetworks:    c.config.Alerts.Networks == "on",
		Subjects:       subjects,
		Clients:        clients,
		Upstreams:      upstreams,
		EndUser:        endUser,
		Access:         rules,
		Terminate:      terminate,
		Login:          login.connect,
		Refresh:        c.config.Login.Refresh,
		StartupTimeout: c.config.Limits.StartupTimeout,
		MaxConnections: c.config.Limits.MaxConnections,
		MaxMessage:     c.config.Limits.MaxMessage,
		Log:            log,
	})
	if err != nil {
		return err
	}
	return s.proxy.Check(ctx)
}

// checkStart logs what schema check finds. It fails where a tagged column is of a type
// that holds values in clear: pgveil could do nothing but refuse each statement on it.
func checkStart(ctx context.Context, login *login, file *schema.File, log *slog.Logger) error {
	problems, err := checkAll(ctx, login, file)
	if err != nil {
		return err
	}
	var inClear error
	for _, p := range problems {
		level := map[schema.Severity]slog.Level{
			schema.SeverityError: slog.LevelError, schema.SeverityWarning: slog.LevelWarn, schema.SeverityNotice: slog.LevelDebug,
		}[p.Severity]
		about := []any{"database", p.Database, "object", p.Object}
		if p.Fix != "" {
			about = append(about, "fix", p.Fix)
		}
		log.Log(ctx, level, "schema check: "+p.Message, about...)
		if p.InClear && inClear == nil {
			inClear = &exitError{
				status: statusFails,
				err:    fmt.Errorf("column %s of database %q is tagged and holds values in clear: %s", p.Object, p.Database, p.Message),
				hint:   "seal it, or take its tag out of the schema file; pgveil schema check tells everything that is amiss",
			}
		}
	}
	return inClear
}

func openAudit(c *call, store *secrets, rings map[string]*keys.Keyring, log *slog.Logger) (*audit.Log, error) {
	options := audit.Options{
		Dir:         c.config.Audit.Dir,
		SegmentSize: int64(c.config.Audit.SegmentSize), SegmentAge: c.config.Audit.SegmentAge,
		NewChain: c.bool("new-audit-chain"), Program: "pgveil " + version(), Log: log,
	}
	if err := c.auditOptions(&options, store, rings); err != nil {
		return nil, err
	}
	var err error
	if options.Copies, err = c.auditCopies(store); err != nil {
		return nil, err
	}
	trail, err := audit.Open(options)
	var broken *audit.BrokenError
	if errors.As(err, &broken) {
		return nil, &exitError{
			status: statusFails, err: err,
			hint: "pgveil audit verify tells everything that is wrong with it; keep it as evidence, and begin a new chain beside it with --new-audit-chain",
		}
	}
	return trail, err
}

// run serves until ctx ends, and then shuts down.
func (s *server) run(ctx context.Context, c *call, hangup <-chan os.Signal, log *slog.Logger) error {
	warnPlain(c.config, log)
	served := make(chan error, len(s.listeners))
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ready := []any{"version", version(), "config", c.config.File}
	for _, l := range s.listeners {
		ready = append(ready, l.Addr().Network(), l.Addr().String())
		go func() { served <- s.proxy.Serve(serving, l) }()
	}
	log.Info("ready", ready...)
	var watching sync.WaitGroup
	watching.Go(func() { s.keys.watch(serving) })
	defer watching.Wait()
	defer stop()
	if s.health != nil {
		s.health.trail.Store(s.trail)
		s.health.proxy.Store(s.proxy)
		s.health.keys.Store(s.keys)
	}
	open := len(s.listeners)
	var err error
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-hangup:
			s.reload(ctx, c, log)
		case err = <-served:
			open--
			if ended = true; ctx.Err() == nil {
				err = errors.Join(errors.New("a listener has ended by itself"), err)
			}
		}
	}
	log.Info("shutting down", "grace", c.config.Limits.ShutdownGrace)
	if s.health != nil {
		s.health.ending.Store(true)
	}
	stop()
	for range open {
		err = errors.Join(err, <-served)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.Limits.ShutdownGrace)
	defer cancel()
	if s.proxy.Shutdown(ending) != nil {
		log.Warn("sessions have not ended in time and are abandoned", "grace", c.config.Limits.ShutdownGrace)
	}
	return err
}

// warnPlain warns about clients' connections that cross a network in clear.
func warnPlain(c *config.Config, log *slog.Logger) {
	host, _, _ := net.SplitHostPort(c.Listen)
	if isLoopback(host) || c.TLS.Mode == proxy.ClientTLSRequire {
		return
	}
	if c.TLS.Mode == proxy.ClientTLSDisable {
		log.Warn("clients connect in clear from other machines: opened values cross the network", "listen", c.Listen, "hint", "set tls.mode to require")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
