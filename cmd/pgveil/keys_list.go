package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

func keysListCommand() *command {
	return &command{
		name:  "keys list",
		short: "list the keys, their age, and what is due",
		long: `
Lists the keysets: name, type, number of keys, primary, age, what encrypts it, and what
is due. With --count it counts how many stored values each key has sealed, in all tables
of the schema file that have sealed columns: it reads them, and needs a login that may.`,
		examples: []string{
			"pgveil keys list",
			"pgveil keys list --count --login-user pgveil_officer --login-password-file officer",
			"pgveil keys list --json | jq '.keys[] | select(.due != []) | .name'",
		},
		settings: []string{"keys", "schema", "server", "login", "log"},
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("count", false, "count the stored values of each key")
			flags.Bool("json", false, "print JSON")
		},
		run: keysList,
	}
}

// keyList is the output of keys list --json.
type keyList struct {
	Keys []*listedKey `json:"keys"`
	// Counted says that Stored and Unknown tell all that there is.
	Counted bool            `json:"counted"`
	Unknown []schema.Stored `json:"unknown,omitempty"` // values whose key no keyset has
}

type listedKey struct {
	keys.Info
	Stored []schema.Stored `json:"stored,omitempty"`
	Due    []keyDue        `json:"due"`
}

func keysList(ctx context.Context, c *call) error {
	specs, err := c.keySpecs()
	if err != nil {
		return err
	}
	infos, stored, listErr := c.listKeys(ctx)
	if listErr != nil && infos == nil {
		return listErr
	}
	result := &keyList{Keys: []*listedKey{}, Counted: c.bool("count")}
	var known []uint32
	for _, info := range infos {
		known = append(append(known, ids(info)...), info.Erased...)
		result.Keys = append(result.Keys, listKey(info, stored))
	}
	result.Unknown = slices.DeleteFunc(stored, func(s schema.Stored) bool { return s.Oldest != "" || slices.Contains(known, s.Key) })
	tellDue(result, specs, time.Now())
	if c.bool("json") {
		return errors.Join(listErr, c.printJSON(result))
	}
	return errors.Join(listErr, c.printKeys(result))
}

// listKey describes a keyset and what is stored of it. Of a deterministic one that is what
// tells which key seals.
func listKey(info keys.Info, stored []schema.Stored) *listedKey {
	k := &listedKey{Info: info, Stored: of(stored, info, append(ids(info), info.Erased...)...)}
	columns := slices.DeleteFunc(slices.Clone(k.Stored), func(s schema.Stored) bool { return s.Checks == 0 && s.Oldest == "" })
	if k.Type != keys.TypeDeterministic || len(columns) == 0 {
		return k
	}
	for i := range k.Keys {
		k.Keys[i].Seals = len(of(columns, info, k.Keys[i].ID)) > 0
	}
	return k
}

// keySpecs gives the keys of the schema file; none where there is no such file.
func (c *call) keySpecs() (map[string]schema.KeySpec, error) {
	if c.config.Schema == "" {
		return nil, nil
	}
	file, err := c.readSchema()
	switch {
	case errors.Is(err, fs.ErrNotExist) && !c.bool("count"):
		c.logger().Warn("there is no schema file, which would say for how long keys are to be kept", "schema", c.config.Schema)
		return nil, nil
	case err != nil:
		return nil, err
	}
	return file.Keys, nil
}

// listKeys reads the store and, with --count, the databases. What could be listed is given
// beside an error of the store.
func (c *call) listKeys(ctx context.Context) ([]keys.Info, []schema.Stored, error) {
	if !c.bool("count") {
		store, err := c.openSecrets(ctx, c.logger(), false)
		if err != nil {
			return nil, nil, err
		}
		defer store.Close()
		infos, err := store.List(ctx)
		return infos, nil, err
	}
	use, err := c.openKeyUse(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer use.close()
	stored, err := use.count(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	infos, err := use.store.List(ctx) // after the count: whatever has sealed is there
	return infos, stored, err
}

func (c *call) printKeys(l *keyList) error {
	w := c.table()
	fmt.Fprintln(w, "NAME\tTYPE\tKEYS\tPRIMARY\tAGE\tENCRYPTED BY\tDUE")
	for _, k := range l.Keys {
		if !k.Destroyed.IsZero() {
			fmt.Fprintf(w, "%s\t-\t0\t-\t-\tdestroyed %s\t\n", k.Name, k.Destroyed.UTC().Format(time.DateTime))
			continue
		}
		var due []string
		for _, d := range k.Due {
			due = append(due, d.String())
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", k.Name, string(k.Type), len(k.Keys), primaryOf(k.Info), age(k.Created), encryptedBy(k.Info), strings.Join(due, "; "))
	}
	if err := w.Flush(); err != nil || !l.Counted {
		return err
	}
	fmt.Fprintln(c.out)
	w = c.table()
	fmt.Fprintln(w, "NAME\tKEY\tSTATUS\t\tAGE\tVALUES")
	for _, k := range l.Keys {
		if k.Type != keys.TypeRandomized && k.Type != keys.TypeDeterministic {
			continue
		}
		for _, version := range k.Keys {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%d\n", k.Name, version.ID, version.Status, roleOf(version), age(version.Added), sum(of(k.Stored, k.Info, version.ID)))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, k := range l.Keys {
		if erased := of(k.Stored, k.Info, k.Erased...); len(erased) > 0 {
			fmt.Fprintf(c.out, "\n%s of destroyed keys of %s, erased:\n", needs(erased), k.Name)
			if err := c.printStored(erased); err != nil {
				return err
			}
		}
	}
	if len(l.Unknown) == 0 {
		return nil
	}
	fmt.Fprintf(c.out, "\n%s of keys that no keyset has; nothing opens what they have sealed:\n", needs(l.Unknown))
	return c.printStored(l.Unknown)
}

// roleOf says what is particular about a key of a keyset.
func roleOf(k keys.KeyInfo) string {
	switch {
	case k.Primary && !k.Seals:
		return "primary, does not seal"
	case k.Primary:
		return "primary"
	case k.Seals:
		return "seals"
	case k.Retired():
		return "retired"
	default:
		return ""
	}
}

func encryptedBy(info keys.Info) string {
	if info.KEK == "" {
		return "nothing (insecure)"
	}
	return fmt.Sprintf("%s v%d", info.KEK, info.KEKVersion)
}

// age says in one unit how long ago something was, "-" if that is not known.
func age(at time.Time) string {
	d := time.Since(at)
	switch {
	case at.IsZero():
		return "-"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", max(0, int(d.Minutes())))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	}
}
