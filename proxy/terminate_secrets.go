package proxy

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/pgveil/pgveil/proxy/scram"
)

const (
	// maxKnownRoles bounds what is remembered, of names that a stranger can make up.
	maxKnownRoles = 4096
	// readAgainAfter is how old what is known of a role has to be before a wrong
	// password has it read again: so many reads of its secret a guess may cause.
	readAgainAfter = time.Second
	// maxReading bounds the secrets that are read at a time, so that strangers who make
	// up names do not keep Vault busy.
	maxReading = 16
	// secretTime bounds one reading of a secret, for all who wait for it.
	secretTime = 15 * time.Second
)

// knownRole is what is known of a role; immutable.
type knownRole struct {
	secret   RoleSecret
	verifier scram.Verifier
	mock     bool // the role has no password, or does not exist
	read     time.Time
}

// roleSecrets remembers for a short time what was read of roles. What is not known is
// remembered as well and costs as much, so that nothing tells them apart.
type roleSecrets struct {
	config *Terminate
	cache  time.Duration
	mock   scram.Mock

	reading singleflight.Group
	slots   chan struct{}
	mu      sync.Mutex
	known   map[string]*knownRole
}

func newRoleSecrets(config *Terminate) *roleSecrets {
	return &roleSecrets{
		config: config, slots: make(chan struct{}, maxReading), cache: cmp.Or(config.Cache, 10*time.Second), mock: scram.Mock{Key: config.MockKey}, known: make(map[string]*knownRole),
	}
}

// of gives what is known of a role.
func (r *roleSecrets) of(ctx context.Context, role string) (*knownRole, error) {
	return r.newer(ctx, role, time.Now().Add(-r.cache))
}

// again gives what is known of a role, read anew unless it has been just now or others have done so.
func (r *roleSecrets) again(ctx context.Context, role string, than *knownRole) (*knownRole, error) {
	oldest := than.read.Add(1)
	if limit := time.Now().Add(-min(readAgainAfter, r.cache)); limit.Before(oldest) {
		oldest = limit
	}
	return r.newer(ctx, role, oldest)
}

func (r *roleSecrets) newer(ctx context.Context, role string, than time.Time) (*knownRole, error) {
	r.mu.Lock()
	k := r.known[role]
	r.mu.Unlock()
	if k != nil && !k.read.Before(than) {
		return k, nil
	}
	// Whoever waits goes away alone.
	done := r.reading.DoChan(role, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), secretTime)
		defer cancel()
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
			return r.read(ctx, role)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	select {
	case result := <-done:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*knownRole), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *roleSecrets) read(ctx context.Context, role string) (*knownRole, error) {
	k := &knownRole{read: time.Now()}
	var err error
	if k.secret, err = r.config.Secret(ctx, role); err != nil {
		return nil, err
	}
	// Hashed in any case, for the time that it takes.
	password := k.secret.Password
	if password == "" {
		password = rand.Text()
	}
	hashed, err := scram.NewVerifier(password, r.mock.Salt(role))
	if err != nil {
		return nil, err
	}
	switch {
	case k.secret.Verifier != "":
		if k.verifier, err = scram.ParseVerifier(k.secret.Verifier); err != nil {
			return nil, errors.New("the verifier of its secret is none of SCRAM-SHA-256")
		}
	case k.secret.Password != "":
		k.verifier = hashed
	default:
		k.verifier, k.mock = r.mock.Verifier(role), true
	}
	r.remember(role, k)
	return k, nil
}

func (r *roleSecrets) remember(role string, k *knownRole) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[role] == nil && len(r.known) >= maxKnownRoles {
		for other, old := range r.known { // those that have ended, or else any
			if time.Since(old.read) > r.cache {
				delete(r.known, other)
			}
		}
		for other := range r.known {
			if len(r.known) < maxKnownRoles {
				break
			}
			delete(r.known, other)
		}
	}
	r.known[role] = k
}
