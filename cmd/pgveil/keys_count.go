package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// keyUse is what tells where keys are used: the store, the schema file and a login to the
// databases that it names.
type keyUse struct {
	store *secrets
	file  *schema.File
	login *login
	done  func()
}

func (c *call) openKeyUse(ctx context.Context) (*keyUse, error) {
	file, err := c.readSchema()
	if err != nil {
		return nil, err
	}
	upstreams, err := c.upstreams()
	if err != nil {
		return nil, err
	}
	log := c.logger()
	store, err := c.openSecrets(ctx, log, false)
	if err != nil {
		return nil, err
	}
	login, done, err := c.newLogin(ctx, upstreams, file, store, log)
	if err != nil {
		store.Close()
		return nil, err
	}
	return &keyUse{store, file, login, done}, nil
}

func (u *keyUse) close() {
	u.done()
	u.store.Close()
}

// count counts the sealed values of every database of the schema file; one that cannot be
// counted is an error that names it. With writers, transactions that write are waited for
// as long as that.
func (u *keyUse) count(ctx context.Context, writers time.Duration) ([]schema.Stored, error) {
	var stored []schema.Stored
	for _, name := range slices.Sorted(maps.Keys(u.file.Databases)) {
		err := u.login.with(ctx, name, func(conn *pgx.Conn) error {
			if writers > 0 {
				if err := schema.AwaitWriters(ctx, conn, u.file.Databases[name], writers); err != nil {
					return err
				}
			}
			found, err := schema.CountStored(ctx, conn, u.file.Databases[name])
			stored = append(stored, found...)
			return err
		})
		if err != nil {
			return nil, uncounted(name, err)
		}
	}
	return stored, nil
}

// uncounted is the error of a database in which sealed values cannot be counted.
func uncounted(database string, err error) error {
	e := &exitError{status: statusFails, err: fmt.Errorf("what database %q still needs is not known: %w", database, err)}
	var denied *schema.NotReadableError
	if errors.As(err, &denied) {
		e.hint = "it would read ciphertext only: " + strings.Join(denied.Grants, " ")
	}
	return e
}

// of gives what keys of a keyset have sealed, in the order of databases and objects.
func of(stored []schema.Stored, ids ...uint32) []schema.Stored {
	var list []schema.Stored
	for _, s := range stored {
		if slices.Contains(ids, s.Key) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b schema.Stored) int {
		if d := strings.Compare(a.Database, b.Database); d != 0 {
			return d
		}
		return strings.Compare(a.Object, b.Object)
	})
	return list
}

func ids(info keys.Info) []uint32 {
	var list []uint32
	for _, k := range info.Keys {
		list = append(list, k.ID)
	}
	return list
}

func sum(stored []schema.Stored) int64 {
	var n int64
	for _, s := range stored {
		n += s.Values
	}
	return n
}

func (c *call) printStored(stored []schema.Stored) error {
	w := c.table()
	fmt.Fprintln(w, "DATABASE\tWHERE\tKEY\tVALUES")
	for _, s := range stored {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", s.Database, s.Object, s.Key, s.Values)
	}
	return w.Flush()
}
