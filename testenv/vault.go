package testenv

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
)

// VaultOptions says how to start a Vault. The zero value is plain HTTP on a
// free port, with its data in memory.
type VaultOptions struct {
	Port int  // 0 takes a free one
	TLS  bool // HTTPS, with a certificate for localhost and 127.0.0.1
	CA   *CA  // signs the certificate; default: one of its own

	// Persistent keeps the data on disk, so that Restart can find it again.
	Persistent bool

	// Output takes the line that says Vault is being built; default os.Stderr.
	Output io.Writer
}

// Vault is a running Vault, initialised and unsealed.
type Vault struct {
	opts      VaultOptions
	program   string
	installed bool // program is the vault or bao command rather than vaultd
	dir       string
	port      int
	cert, key string // files
	rootToken string
	unsealKey string // base64
	client    *api.Client

	mu   sync.Mutex
	proc *process
}

// StartVault starts a Vault and waits until it answers, unsealed. It uses the
// vault or bao command of VAULT_BIN or PATH, and builds one otherwise (see
// [BuildVault]). The context bounds the start and the build. The caller must
// call Stop.
func StartVault(ctx context.Context, opts VaultOptions) (*Vault, error) {
	if opts.Output == nil {
		opts.Output = os.Stderr
	}
	program, err := installedVault()
	if err != nil {
		return nil, err
	}
	installed := program != ""
	if !installed {
		if program, err = BuildVault(ctx, opts.Output); err != nil {
			return nil, err
		}
	}
	var v *Vault
	err = withPort(opts.Port, func(port int) error {
		v = &Vault{opts: opts, program: program, installed: installed, port: port}
		if err := v.create(ctx); err != nil {
			return errors.Join(err, v.Stop())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// create makes the files, starts the server and opens it.
func (v *Vault) create(ctx context.Context) (err error) {
	if v.dir, err = (account{}).tempDir("pgveil-vault-"); err != nil {
		return err
	}
	if err := os.Mkdir(v.storage(), 0o700); err != nil {
		return err
	}
	if v.opts.TLS {
		if v.opts.CA == nil {
			if v.opts.CA, err = NewCA(v.dir); err != nil {
				return err
			}
		}
		if v.cert, v.key, err = v.opts.CA.Issue("localhost", "127.0.0.1"); err != nil {
			return err
		}
	}
	if v.client, err = v.newClient(); err != nil {
		return err
	}
	if err := v.launch(ctx); err != nil {
		return err
	}
	if v.rootToken == "" {
		if err := v.initialise(ctx); err != nil {
			return err
		}
	}
	v.client.SetToken(v.rootToken)
	return nil
}

// launch starts the process and waits for its HTTP answers.
func (v *Vault) launch(ctx context.Context) error {
	args, err := v.args()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(v.LogFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c := command{name: "Vault", args: args, signal: "TERM", dir: v.dir, stdout: log, stderr: log}
	if v.installed {
		proc, err := v.run(c)
		if err != nil {
			return err
		}
		return v.await(ctx, proc)
	}

	// vaultd says its secrets on standard output, and no file may hold them.
	stdout, stdoutIn, err := os.Pipe()
	if err != nil {
		return err
	}
	c.stdout = stdoutIn
	proc, err := v.run(c)
	if err := errors.Join(err, stdoutIn.Close()); err != nil {
		return errors.Join(err, stdout.Close())
	}
	announced := make(chan error, 1)
	go func() {
		defer stdout.Close()
		r := bufio.NewReader(stdout)
		announced <- v.readAnnouncement(r)
		// The server must never block on a full pipe.
		_, _ = io.Copy(io.Discard, r)
	}()
	if err := v.await(ctx, proc); err != nil {
		return err
	}
	select {
	case err := <-announced:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (v *Vault) run(c command) (*process, error) {
	proc, err := c.start()
	if err == nil {
		v.mu.Lock()
		v.proc = proc
		v.mu.Unlock()
	}
	return proc, err
}

// args returns the command line. It holds no secret.
func (v *Vault) args() ([]string, error) {
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(v.port))
	if v.installed {
		config, err := v.writeConfig(listen)
		return []string{v.program, "server", "-config=" + config}, err
	}
	args := []string{v.program, "-listen", listen, "-log-level", "warn"}
	if v.opts.TLS {
		args = append(args, "-tls-cert", v.cert, "-tls-key", v.key)
	}
	if v.opts.Persistent {
		args = append(args, "-storage", v.storage())
	}
	return args, nil
}

// writeConfig writes the configuration of the vault or bao command. Its own
// -dev mode would do, but knows neither a certificate of ours nor a restart.
func (v *Vault) writeConfig(listen string) (string, error) {
	listener := map[string]any{"address": listen}
	if v.opts.TLS {
		listener["tls_cert_file"], listener["tls_key_file"] = v.cert, v.key
	} else {
		listener["tls_disable"] = true
	}
	storage := map[string]any{"inmem": map[string]any{}}
	if v.opts.Persistent {
		storage = map[string]any{"file": map[string]any{"path": v.storage()}}
	}
	config, err := json.MarshalIndent(map[string]any{
		"disable_mlock": true,
		"listener":      map[string]any{"tcp": listener},
		"storage":       storage,
	}, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(v.dir, "config.json")
	return path, os.WriteFile(path, config, 0o600)
}

// readAnnouncement takes vaultd's secrets from its first line, where there are
// any.
func (v *Vault) readAnnouncement(r *bufio.Reader) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("vaultd announced nothing: %w", err)
	}
	var said struct {
		RootToken string `json:"root_token"`
		UnsealKey string `json:"unseal_key"`
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return errors.New("vaultd announced something else than JSON")
	}
	if said.RootToken != "" {
		v.rootToken, v.unsealKey = said.RootToken, said.UnsealKey
	}
	return nil
}

// await waits for an answer, whether sealed or not.
func (v *Vault) await(ctx context.Context, proc *process) error {
	client, err := v.client.Clone()
	if err != nil {
		return err
	}
	client.SetMaxRetries(0)
	for {
		// Whoever else may hold the port need not answer at all.
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := client.Sys().SealStatusWithContext(try)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("Vault does not answer: %w (%w)", ctx.Err(), err)
		case <-proc.exited:
			return startError("Vault", v.port, v.LogFile())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// initialise does for the vault or bao command what vaultd does for itself.
func (v *Vault) initialise(ctx context.Context) error {
	made, err := v.client.Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		return fmt.Errorf("initialise Vault: %w", err)
	}
	v.rootToken, v.unsealKey = made.RootToken, made.KeysB64[0]
	return v.Unseal(ctx)
}

// Interrupt stops the server so that it can no longer be reached, and keeps its
// files for Restart.
func (v *Vault) Interrupt() error { return v.process().close(true) }

// Restart stops the server, unless Interrupt did, starts it again at the same
// address with the same data, and unseals it. It needs VaultOptions.Persistent.
func (v *Vault) Restart(ctx context.Context) error {
	if !v.opts.Persistent {
		return errors.New("restart Vault: its data was in memory; set VaultOptions.Persistent")
	}
	if err := v.Interrupt(); err != nil {
		return err
	}
	if err := v.launch(ctx); err != nil {
		return err
	}
	return v.Unseal(ctx)
}

// Stop ends the server and removes its files. Further calls do nothing.
func (v *Vault) Stop() error {
	var err error
	if proc := v.process(); proc != nil {
		err = proc.close(false)
	}
	return errors.Join(err, os.RemoveAll(v.dir))
}

// Pause freezes the server, as a machine that hangs: it keeps its connections
// and answers none.
func (v *Vault) Pause() error { return v.process().pause() }

// Resume undoes Pause.
func (v *Vault) Resume() error { return v.process().cont() }

func (v *Vault) process() *process {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.proc
}
