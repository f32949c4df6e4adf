package keys

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
)

// login is a token and how long it lives.
type login struct {
	secret *api.Secret // as LifetimeWatcher wants it
	lease  time.Duration
}

func newLogin(token string, renewable bool, lease time.Duration) login {
	return login{
		secret: &api.Secret{Auth: &api.SecretAuth{
			ClientToken:   token,
			Renewable:     renewable,
			LeaseDuration: int(lease / time.Second),
		}},
		lease: lease,
	}
}

func (l login) token() string { return l.secret.Auth.ClientToken }

// session keeps a client logged in: it renews the token in the background, and
// logs in again when the token cannot be renewed any more.
type session struct {
	config VaultConfig
	http   *http.Client
	client *api.Client // holds the current token
	log    *slog.Logger

	mu        sync.Mutex  // held while logging in
	bare      *api.Client // for logging in; without a token but under mu
	replaced  chan login  // a login made elsewhere than in run
	unwrapped wrapped     // under mu

	cancel context.CancelFunc
	done   chan struct{}
}

// startSession logs in. Its context bounds the login, not the session.
func startSession(ctx context.Context, config VaultConfig, http *http.Client) (*session, error) {
	client, err := config.client(http)
	if err != nil {
		return nil, err
	}
	bare, err := config.client(http)
	if err != nil {
		return nil, err
	}
	s := &session{
		config:   config,
		http:     http,
		client:   client,
		log:      config.Logger,
		bare:     bare,
		replaced: make(chan login, 1),
		done:     make(chan struct{}),
	}
	first, err := s.logIn(ctx)
	if err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go s.run(background, first)
	return s, nil
}

// logIn gets a token and gives it to the client.
func (s *session) logIn(ctx context.Context) (login, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logInLocked(ctx)
}

// lookUp asks Vault about a token. It runs under mu.
func (s *session) lookUp(ctx context.Context, token string) (*api.Secret, error) {
	s.bare.SetToken(token)
	defer s.bare.ClearToken()
	return s.bare.Auth().Token().LookupSelfWithContext(ctx)
}

// refresh is called when Vault has denied a request made with the token stale.
// It logs in again if that token is not valid any more, and reports whether the
// request is worth another try. The error says that the token has ended and that there is
// no other.
func (s *session) refresh(ctx context.Context, stale string) (again bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client.Token() != stale {
		return true, nil
	}
	if _, err := s.lookUp(ctx, stale); !isInvalidToken(err) {
		return false, nil // it is the policy that denies
	}
	l, err := s.logInLocked(ctx)
	if err != nil {
		e := s.config.describe("", err)
		return false, &StoreError{Reason: e.Reason, Detail: "the token has expired or was revoked, and logging in again fails: " + cmp.Or(e.Detail, e.Reason.Error())}
	}
	s.replaced <- l // has room: logging in has emptied it, and mu is held
	s.log.Info("logged in to Vault again", "because", "the token had ended")
	return true, nil
}

// run keeps the token alive until the session is closed.
func (s *session) run(ctx context.Context, l login) {
	defer close(s.done)
	var wait backoff
	for {
		began := time.Now()
		next, ok := s.watch(ctx, l)
		if ctx.Err() != nil {
			return
		}
		if ok {
			l = next
			continue
		}
		// A lease that ends soon after its login must not make this loop spin.
		if time.Since(began) >= l.lease/2 {
			wait = backoff{}
		}
		l = s.logInAgain(ctx, &wait)
	}
}

// watch renews a token and returns when that is over: with another login and
// true, or with false when a new one is needed or the session is closed.
func (s *session) watch(ctx context.Context, l login) (login, bool) {
	var ended <-chan error
	var renewed <-chan *api.RenewOutput
	if l.lease > 0 {
		watcher, err := s.client.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: l.secret})
		if err != nil {
			s.log.Error("cannot watch the token for Vault", "error", err)
			return login{}, false
		}
		go watcher.Start()
		defer watcher.Stop()
		ended, renewed = watcher.DoneCh(), watcher.RenewCh()
	}
	for {
		select {
		case <-ctx.Done():
			return login{}, false
		case next := <-s.replaced:
			return next, true
		case <-renewed:
			s.log.Debug("renewed the token for Vault")
		case <-ended:
			return login{}, false
		}
	}
}

// logInAgain tries until it succeeds or the session is closed.
func (s *session) logInAgain(ctx context.Context, wait *backoff) login {
	for told := ""; ctx.Err() == nil; {
		timer := time.NewTimer(wait.next())
		select {
		case <-ctx.Done():
			timer.Stop()
			return login{}
		case l := <-s.replaced:
			timer.Stop()
			return l
		case <-timer.C:
		}
		l, err := s.logIn(ctx)
		if err == nil {
			s.log.Info("logged in to Vault again")
			return l
		}
		why := s.config.describe("", err)
		level := slog.LevelDebug
		if reason := why.Reason.Error(); reason != told && ctx.Err() == nil {
			level, told = slog.LevelError, reason
		}
		s.log.Log(ctx, level, "cannot log in to Vault again; keys that are open stay so, others cannot be opened", "error", why)
	}
	return login{}
}

// close ends the renewal, and the token if it was made for this session.
func (s *session) close() {
	s.cancel()
	<-s.done
	if s.config.Token != "" || s.config.TokenFile != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.client.Auth().Token().RevokeSelfWithContext(ctx, ""); err != nil {
		s.log.Debug("the token for Vault is left to expire", "error", s.config.describe("", err))
	}
}

// backoff gives growing waits: none, then from a quarter of a second to half a
// minute.
type backoff struct {
	began bool
	last  time.Duration
}

func (b *backoff) next() time.Duration {
	if !b.began {
		b.began = true
		return 0
	}
	b.last = min(max(2*b.last, 250*time.Millisecond), 30*time.Second)
	return b.last/2 + rand.N(b.last/2)
}
