package keys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// VaultStore keeps keysets in Vault: each is a secret of KV version 2 that holds
// the keyset as Tink writes it, encrypted by a Transit key (the KEK) with the
// keyset's name as associated data. Opening a keyset is two requests, one to
// each engine.
type VaultStore struct {
	config  VaultConfig
	http    *http.Client
	session *session
	kek     *kek
	slow    slowness
}

// OpenVault logs in to Vault, and keeps logged in until Close. The context
// bounds the login. The errors, of type [*StoreError], are those of [Store].
func OpenVault(ctx context.Context, config VaultConfig) (*VaultStore, error) {
	config, err := config.complete()
	if err != nil {
		return nil, &StoreError{Place: "Vault", Reason: ErrConfig, Detail: err.Error()}
	}
	client, err := config.httpClient()
	if err != nil {
		return nil, &StoreError{Place: config.Address, Reason: ErrConfig, Detail: err.Error()}
	}
	s := &VaultStore{config: config, http: client}
	if s.session, err = startSession(ctx, config, client); err != nil {
		client.CloseIdleConnections()
		return nil, config.describe("", err)
	}
	if s.kek, err = newKEK(s.session.client, config.TransitMount, config.KEK); err != nil {
		return nil, errors.Join(&StoreError{Place: config.Address, Reason: ErrConfig, Detail: "KEK: " + err.Error()}, s.Close())
	}
	return s, nil
}

// Open implements [Store].
func (s *VaultStore) Open(ctx context.Context, name string) (*Keyring, error) {
	if err := CheckName(name); err != nil {
		return nil, &StoreError{Place: s.config.Address, Reason: ErrMissing, Detail: err.Error()}
	}
	r, info, err := s.read(ctx, name)
	if err != nil {
		return nil, err
	}
	var keyring *Keyring
	err = s.do(ctx, func() error {
		handle, err := s.kek.open(ctx, name, r)
		if err != nil {
			return err
		}
		if keyring, err = NewKeyring(name, handle); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil
	})
	if err != nil {
		path := s.kek.path
		if isForbidden(err) {
			path = s.config.TransitMount + "/decrypt/" + s.config.KEK
		}
		return nil, s.fail(name, path, "update", err)
	}
	keyring.info.Created, keyring.info.KEK, keyring.info.KEKVersion = info.Created, info.KEK, info.KEKVersion
	keyring.info.tellTimes(r.times)
	keyring.info.Erased = info.Erased
	return keyring, nil
}

// read reads a keyset without decrypting it. The description is
// unauthenticated but for the name.
func (s *VaultStore) read(ctx context.Context, name string) (record, Info, error) {
	secret, err := s.get(ctx, s.keyPath(name))
	path := s.dataPath(s.keyPath(name))
	if err != nil {
		err = s.fail(name, path, "read", err)
		if e := (*StoreError)(nil); errors.As(err, &e) && e.Reason == ErrMissing && e.Detail == "" {
			e.Detail = missingHint(name)
		}
		return record{}, Info{}, err
	}
	if t, ok := parseTombstone(secret.Data); ok {
		return record{}, Info{Name: name, Destroyed: t.Destroyed, Erased: t.IDs}, s.fail(name, path, "", destroyedError(t))
	}
	r, info, err := parseRecord(name, secret.Data)
	if err != nil {
		return record{}, Info{}, s.fail(name, path, "read", err)
	}
	info.Created = s.created(ctx, name, secret.VersionMetadata)
	return r, info, nil
}

// get reads a secret of KV. One that was deleted is api.ErrSecretNotFound.
func (s *VaultStore) get(ctx context.Context, path string) (secret *api.KVSecret, err error) {
	err = s.do(ctx, func() error {
		secret, err = s.session.client.KVv2(s.config.KVMount).Get(ctx, path)
		return err
	})
	if err != nil {
		return nil, err
	}
	if secret.Data == nil {
		return nil, s.config.gone(path, secret.VersionMetadata)
	}
	return secret, nil
}

// created returns when the keyset was made, which is not when its current
// version was written, and the zero time if Vault will not say.
func (s *VaultStore) created(ctx context.Context, name string, version *api.KVVersionMetadata) time.Time {
	switch {
	case version == nil:
		return time.Time{}
	case version.Version == 1:
		return version.CreatedTime
	}
	metadata, err := s.session.client.KVv2(s.config.KVMount).GetMetadata(ctx, s.keyPath(name))
	if err != nil {
		return time.Time{}
	}
	return metadata.CreatedTime
}

// Create implements [Store].
func (s *VaultStore) Create(ctx context.Context, name string, t KeyType, taken ...uint32) (Info, error) {
	if err := CheckName(name); err != nil {
		return Info{}, &StoreError{Place: s.config.Address, Reason: ErrConfig, Detail: err.Error()}
	}
	handle, err := t.generate(taken...)
	if err != nil {
		return Info{}, s.fail(name, "", "", &StoreError{Reason: ErrConfig, Detail: err.Error()})
	}
	var r record
	err = s.do(ctx, func() error {
		r, err = s.kek.seal(ctx, name, nil, handle)
		return err
	})
	if err != nil {
		return Info{}, s.fail(name, s.config.TransitMount+"/encrypt/"+s.config.KEK, "update", err)
	}
	_, info, err := parseRecord(name, r.fields())
	if err != nil {
		return Info{}, s.fail(name, s.kek.path, "", err)
	}
	info.Created, err = s.put(ctx, name, r)
	return info, err
}

// put writes a keyset that must not be there yet.
func (s *VaultStore) put(ctx context.Context, name string, r record) (created time.Time, err error) {
	secret, err := s.write(ctx, name, r.fields(), 0)
	path := s.dataPath(s.keyPath(name))
	switch {
	case errors.Is(err, errMeanwhile):
		return time.Time{}, s.fail(name, path, "", &StoreError{
			Reason: ErrExists,
			Detail: "nothing was changed; a deleted or destroyed key counts until its metadata is deleted too",
		})
	case err != nil:
		return time.Time{}, s.fail(name, path, "create", err)
	case secret.VersionMetadata == nil:
		return time.Time{}, nil
	}
	return secret.VersionMetadata.CreatedTime, nil
}

// write writes a keyset in the place of this version of it, 0 for none. The error is
// errMeanwhile if there is another.
func (s *VaultStore) write(ctx context.Context, name string, fields map[string]any, version int) (secret *api.KVSecret, err error) {
	err = s.do(ctx, func() error {
		secret, err = s.session.client.KVv2(s.config.KVMount).Put(ctx, s.keyPath(name), fields, api.WithCheckAndSet(version))
		return err
	})
	if strings.Contains(refusedWith(err), "check-and-set") {
		return nil, errMeanwhile
	}
	return secret, err
}

// List implements [Store]. It decrypts nothing, so what it says of the keys is
// what was stored with them.
func (s *VaultStore) List(ctx context.Context) ([]Info, error) {
	names, err := s.Names(ctx)
	if err != nil {
		return nil, err
	}
	var infos []Info
	var errs []error
	for _, name := range names {
		_, info, err := s.read(ctx, name)
		switch {
		case errors.Is(err, ErrMissing): // deleted, and its metadata is still there
		case errors.Is(err, ErrDestroyed):
			infos = append(infos, info)
		case err != nil:
			errs = append(errs, err)
		default:
			infos = append(infos, info)
		}
	}
	sortInfos(infos)
	return infos, errors.Join(errs...)
}

// Names implements [Store].
func (s *VaultStore) Names(ctx context.Context) ([]string, error) {
	path := s.config.KVMount + "/metadata/" + s.config.KVPath
	var listed *api.Secret
	err := s.do(ctx, func() (err error) {
		listed, err = s.session.client.Logical().ListWithContext(ctx, path)
		return err
	})
	if err != nil {
		return nil, s.fail("", path, "list", err)
	}
	if listed == nil {
		return nil, nil
	}
	all, _ := listed.Data["keys"].([]any)
	var names []string
	for _, n := range all {
		if name, _ := n.(string); CheckName(name) == nil { // else a folder, or not ours
			names = append(names, name)
		}
	}
	return names, nil
}

// ReadSecret reads one field of a secret below KVMount, such as the password of
// a database's login at "pgveil/databases/lab".
func (s *VaultStore) ReadSecret(ctx context.Context, path, field string) (string, error) {
	path = strings.Trim(path, "/")
	secret, err := s.get(ctx, path)
	if err != nil {
		return "", s.noSecret(s.dataPath(path), err)
	}
	value, ok := secret.Data[field].(string)
	if !ok || value == "" {
		return "", &StoreError{
			Place: s.config.place(s.dataPath(path)), Reason: ErrNoSecret,
			Detail: fmt.Sprintf("there is no text in a field %q", field),
		}
	}
	return value, nil
}

// Close implements [Store]. A token made by AppRole login is revoked.
func (s *VaultStore) Close() error {
	s.session.close()
	s.http.CloseIdleConnections()
	return nil
}

// do makes a request, and makes it again if the token turns out to have ended.
func (s *VaultStore) do(ctx context.Context, request func() error) error {
	token := s.session.client.Token()
	began := time.Now()
	err := request()
	s.slow.note(&s.config, time.Since(began), err)
	if !isForbidden(err) {
		return err
	}
	again, ended := s.session.refresh(ctx, token)
	switch {
	case ended != nil:
		return ended
	case again:
		return request()
	}
	return err
}

func (s *VaultStore) keyPath(name string) string  { return s.config.KVPath + "/" + name }
func (s *VaultStore) dataPath(path string) string { return s.config.KVMount + "/data/" + path }

// fail says in a [StoreError] what went wrong with a request for path, which
// takes a capability of the token's policies.
func (s *VaultStore) fail(name, path, capability string, err error) error {
	e := s.config.describe(path, err)
	e.Key = name
	switch {
	case isForbidden(err) && capability != "":
		e.Detail = fmt.Sprintf("the token's policies need the capability %q on that path", capability)
		if capability == "update" {
			e.Detail += ", or there is no such Transit key"
		}
	case errors.Is(e, ErrCorrupt) && name != "" && e.Detail == "":
		e.Detail = s.config.restoreHint(s.keyPath(name))
	}
	return e
}

// describe is fail without a key.
func (c *VaultConfig) describe(path string, err error) *StoreError {
	var own *StoreError
	if errors.As(err, &own) {
		return &StoreError{Key: own.Key, Place: c.place(path), Reason: own.Reason, Detail: own.Detail, tombstone: own.tombstone}
	}
	for _, reason := range []error{ErrCorrupt, ErrWrongKEK, ErrRefused} {
		if errors.Is(err, reason) {
			return &StoreError{Place: c.place(path), Reason: err}
		}
	}
	detail, reason := c.vaultReason(err)
	return &StoreError{Place: c.place(path), Reason: reason, Detail: detail}
}

// place names a path in this Vault.
func (c *VaultConfig) place(path string) string {
	place := c.Address
	if c.Namespace != "" {
		place += " namespace " + c.Namespace
	}
	if path != "" {
		place += " " + path
	}
	return place
}
