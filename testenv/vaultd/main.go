// Command vaultd is a real HashiCorp Vault core for tests and the demo of
// pgveil: transit, kv and approle, and nothing else. It initialises and
// unseals itself and prints its root token and unseal key on standard output,
// so it must never hold anything worth keeping.
//
// It is a module of its own so that Vault's dependencies stay out of pgveil's.
//
// On start it prints one line of JSON:
//
//	{"address":"http://127.0.0.1:34567","root_token":"hvs.…","unseal_key":"…"}
//
// With -storage naming a directory that an earlier run initialised, the two
// secrets are empty and the server starts sealed, as any Vault does.
package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/command/server"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

type options struct {
	listen   string
	certFile string
	keyFile  string
	storage  string
	logLevel string
}

// announcement is the line printed once the server answers.
type announcement struct {
	Address   string `json:"address"`
	RootToken string `json:"root_token"`
	UnsealKey string `json:"unseal_key"` // base64
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	flag.StringVar(&o.certFile, "tls-cert", "", "PEM certificate chain; with -tls-key, serves HTTPS")
	flag.StringVar(&o.keyFile, "tls-key", "", "PEM private key")
	flag.StringVar(&o.storage, "storage", "", "directory that keeps the data over restarts (default: memory)")
	flag.StringVar(&o.logLevel, "log-level", "error", "trace, debug, info, warn, error or off")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "vaultd: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "vaultd:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	logger := hclog.New(&hclog.LoggerOptions{
		Name:   "vaultd",
		Level:  hclog.LevelFromString(o.logLevel),
		Output: os.Stderr,
	})
	core, err := newCore(o.storage, logger)
	if err != nil {
		return err
	}
	secrets, err := initialise(ctx, core)
	if err != nil {
		return err
	}

	listener, scheme, err := listen(o)
	if err != nil {
		return err
	}
	secrets.Address = scheme + "://" + listener.Addr().String()
	srv := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core:           core,
			ListenerConfig: &configutil.Listener{Address: listener.Addr().String()},
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          logger.StandardLogger(nil),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()

	if err := json.NewEncoder(os.Stdout).Encode(secrets); err != nil {
		return fmt.Errorf("announce: %w", err)
	}

	select {
	case err = <-failed:
	case <-ctx.Done():
		// A second signal ends the process at once.
		stop()
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err = srv.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
			err = srv.Close()
		}
	}
	return errors.Join(err, core.ShutdownWait())
}

func newCore(dir string, logger hclog.Logger) (*vault.Core, error) {
	var (
		storage physical.Backend
		err     error
	)
	kind := "inmem"
	if dir == "" {
		storage, err = inmem.NewInmem(nil, logger.Named("storage"))
	} else {
		kind = "file"
		storage, err = file.NewFileBackend(map[string]string{"path": dir}, logger.Named("storage"))
	}
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		StorageType:        kind,
		LogicalBackends:    secretsEngines,
		CredentialBackends: authMethods,
		BuiltinRegistry:    registry{},
		RawConfig:          &server.Config{SharedConfig: &configutil.SharedConfig{}},
		Logger:             logger,
		DisableMlock:       true,
		NumRollbackWorkers: 4,
	})
	if err != nil {
		return nil, fmt.Errorf("vault core: %w", err)
	}
	return core, nil
}

// initialise initialises and unseals a new core. A core found initialised is
// left sealed.
func initialise(ctx context.Context, core *vault.Core) (announcement, error) {
	done, err := core.Initialized(ctx)
	if err != nil {
		return announcement{}, fmt.Errorf("read the storage: %w", err)
	}
	if done {
		return announcement{}, nil
	}
	shares := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1, StoredShares: 1}
	result, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig:  shares,
		RecoveryConfig: &vault.SealConfig{},
	})
	if err != nil {
		return announcement{}, fmt.Errorf("initialise: %w", err)
	}
	key := result.SecretShares[0]
	unsealed, err := core.Unseal(slices.Clone(key))
	if err != nil {
		return announcement{}, fmt.Errorf("unseal: %w", err)
	}
	if !unsealed {
		return announcement{}, errors.New("unseal: the only key share was not enough")
	}
	return announcement{
		RootToken: result.RootToken,
		UnsealKey: base64.StdEncoding.EncodeToString(key),
	}, nil
}

func listen(o options) (net.Listener, string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", o.listen)
	if err != nil {
		return nil, "", err
	}
	if o.certFile == "" && o.keyFile == "" {
		return l, "http", nil
	}
	cert, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("TLS: %w", err), l.Close())
	}
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}), "https", nil
}
