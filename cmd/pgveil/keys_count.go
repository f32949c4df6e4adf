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

// of gives what needs keys of a keyset, in the order of databases and objects: what they have
// sealed, and what will be sealed with them.
func of(stored []schema.Stored, info keys.Info, ids ...uint32) []schema.Stored {
	var list []schema.Stored
	for _, s := range stored {
		if s.Oldest != "" && s.Oldest == info.Name {
			s.Key = oldestOf(info)
		}
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

// oldestOf gives the ID of the oldest key of a keyset that is enabled, 0 if none is.
func oldestOf(info keys.Info) uint32 {
	for _, k := range info.Keys {
		if k.Enabled() {
			return k.ID
		}
	}
	return 0
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

// needs says in words what needs a key.
func needs(stored []schema.Stored) string {
	var checks, oldest int64
	for _, s := range stored {
		if checks += s.Checks; s.Oldest != "" {
			oldest++
		}
	}
	var list []string
	if n := sum(stored); n > 0 {
		list = append(list, count(int(n), "stored value"))
	}
	if checks > 0 {
		list = append(list, count(int(checks), "CHECK constraint"))
	}
	if oldest > 0 {
		list = append(list, count(int(oldest), "column")+" whose CHECK constraint names no key")
	}
	return strings.Join(list, ", ")
}

func (c *call) printStored(stored []schema.Stored) error {
	w := c.table()
	fmt.Fprintln(w, "DATABASE\tWHERE\tKEY\tVALUES")
	for _, s := range stored {
		values := fmt.Sprint(s.Values)
		switch {
		case s.Oldest != "":
			values = "sealed with it"
		case s.Checks > 0 && s.Values == 0:
			values = "names it"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", s.Database, s.Object, s.Key, values)
	}
	return w.Flush()
}
