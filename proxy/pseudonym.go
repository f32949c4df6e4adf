package proxy

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// pseudonyms are those of a database's columns, for as long as the process runs. To find one
// takes no lock.
type pseudonyms struct {
	config *Config
	known  atomic.Pointer[map[pseudonymKey]*keys.Pseudonymizer]
	making sync.Mutex
}

type pseudonymKey struct {
	keyset string
	spec   keys.PseudonymSpec
}

func newPseudonyms(config *Config) *pseudonyms {
	p := &pseudonyms{config: config}
	p.known.Store(&map[pseudonymKey]*keys.Pseudonymizer{})
	return p
}

// of gives what makes the pseudonyms of a column.
func (p *pseudonyms) of(column *schema.Column, which schema.Pseudonym) (*keys.Pseudonymizer, error) {
	at := pseudonymKey{which.Key, column.PseudonymSpec(which)}
	if known := (*p.known.Load())[at]; known != nil {
		return known, nil
	}
	p.making.Lock()
	defer p.making.Unlock()
	known := *p.known.Load()
	if made := known[at]; made != nil {
		return made, nil
	}
	if p.config.Pseudonyms == nil {
		return nil, errors.New("pgveil was started without keysets of projects")
	}
	made, err := p.config.Pseudonyms(column, which)
	if err != nil {
		return nil, err
	}
	known = maps.Clone(known)
	known[at] = made
	p.known.Store(&known)
	return made, nil
}

// ready gives what makes the pseudonyms of a column, or why there are none at the moment, for
// clients.
func (p *pseudonyms) ready(column *schema.Column, which schema.Pseudonym) (*keys.Pseudonymizer, *pgerror.Error) {
	made, err := p.of(column, which)
	if err == nil {
		err = made.Withheld()
	}
	if err == nil {
		return made, nil
	}
	if e, ok := pgerror.As(err); ok {
		said := *e
		return nil, nameColumn(&said, column)
	}
	p.config.Log.Error("no pseudonyms can be made", "column", column.QualifiedName(), "project", which.Project, "key", which.Key, "error", err)
	return nil, nameColumn(pgerror.New(pgerror.SystemError, "pseudonyms of project %q cannot be made at this moment", which.Project).
		WithHint("The keyset of the project cannot be used: pgveil's log says why."), column)
}

// showPseudonym gives what a role sees of an opened value in the place of it; ok is false
// for NULL, of a value that has no pseudonym.
func (c *conn) showPseudonym(from *opener, plain []byte) (shown []byte, ok bool, fault *pgerror.Error) {
	if from.fault != nil {
		return nil, false, from.fault
	}
	var err error
	if from.access.Pseudonym.Shifted() {
		c.masked, err = c.shift(from, plain)
	} else {
		c.masked, err = from.pseudonyms.Append(c.masked[:0], plain, &c.scratch)
	}
	switch {
	case err == nil:
		return c.masked, true, nil
	case errors.Is(err, keys.ErrNoPseudonym):
		return nil, false, nil
	default:
		return nil, false, openError(err, from.tagged)
	}
}

// sealerFor gives the sealer of values that a session gives for a column: for a role that sees
// pseudonyms, one that takes them back first.
func (c *conn) sealerFor(column *schema.Column, use logical.Use, both bool, s *state) Sealer {
	sealer := c.rewriter.searched.sealer(column, c.tracked.sealers.of(column), use == logical.Compare || both)
	if column == nil || !column.HasPseudonyms() {
		return sealer
	}
	access := column.AccessFor(s.roles)
	if access.Verdict != schema.Pseudonymize {
		return sealer
	}
	p := &pseudonymSealer{Sealer: sealer, column: column, project: access.Pseudonym.Project, compares: use == logical.Compare && !both}
	p.pseudonyms, p.fault = c.tracked.pseudonyms.ready(column, access.Pseudonym)
	return p
}

// pseudonymSealer seals what pseudonyms stand for. Nothing else that a role which sees pseudonyms
// gives is sealed: it would learn the pseudonym of a value that it knows.
type pseudonymSealer struct {
	Sealer
	column     *schema.Column
	project    string
	pseudonyms *keys.Pseudonymizer
	fault      *pgerror.Error
	compares   bool
	scratch    keys.Scratch
	plain      []byte
}

// Seal seals the value of a pseudonym. What is none equals no value where it is compared, and
// cannot be stored.
func (p *pseudonymSealer) Seal(dst, pseudonym []byte) ([]byte, error) {
	if p.fault != nil {
		return dst, p.fault
	}
	n := len(pseudonym)
	bare := p.column.Type.Kind == logical.Bpchar && n > 0 && pseudonym[n-1] == unpaddedMark
	if bare {
		pseudonym = pseudonym[:n-1]
	}
	var err error
	p.plain, err = p.pseudonyms.Reverse(p.plain[:0], pseudonym, &p.scratch)
	if err == nil && !p.fits() {
		err = keys.ErrNotPseudonym
	}
	switch {
	case err == nil && bare:
		return p.Sealer.Seal(dst, append(p.plain, unpaddedMark))
	case err == nil:
		return p.Sealer.Seal(dst, p.plain)
	case !errors.Is(err, keys.ErrNotPseudonym):
		return dst, err
	case p.compares:
		header := p.column.Header() // and nothing behind it: shorter than any sealed value
		return append(dst, header[:]...), nil
	}
	return dst, pgerror.New(pgerror.InvalidParameterValue, "a value for column %s is not a pseudonym of project %q", p.column.QualifiedName(), p.project).
		WithHint("The role sees pseudonyms of the column, and can only store or select values that it gives as such.")
}

// fits reports whether the value is one of the column's type, which another column of its domain
// may have more room than.
func (p *pseudonymSealer) fits() bool {
	if p.column.Type.Kind == logical.UUID {
		return true
	}
	start := len(p.plain)
	again, err := p.column.Type.Canonical(p.plain, p.plain, 0, 0, logical.Assign, nil)
	if err != nil {
		return false
	}
	p.plain = again[:start]
	return string(again[start:]) == string(p.plain)
}
