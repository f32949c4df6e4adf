package proxy

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// sealers are those of a database's columns, as they are stored: one more for each key that
// a column's CHECK constraint has ever named while the process runs. To find one takes no
// lock.
type sealers struct {
	config *Config
	known  atomic.Pointer[map[*schema.Column]Sealer]
	making sync.Mutex
}

func newSealers(config *Config) *sealers {
	s := &sealers{config: config}
	s.known.Store(&map[*schema.Column]Sealer{})
	return s
}

// add makes the sealers of the columns of a database, or of none.
func (s *sealers) add(database *schema.Database) error {
	s.making.Lock()
	defer s.making.Unlock()
	known := maps.Clone(*s.known.Load())
	for _, column := range database.Columns {
		for _, form := range column.Forms() {
			sealer, err := s.config.Sealer(form)
			if err != nil {
				return err
			}
			known[form] = sealer
		}
	}
	s.known.Store(&known)
	return nil
}

// of gives the sealer of a column, nil for none. Where the key is not there, it is one that
// always fails.
func (s *sealers) of(column *schema.Column) Sealer {
	if column == nil {
		return nil
	}
	if sealer := (*s.known.Load())[column]; sealer != nil {
		return sealer
	}
	s.making.Lock()
	defer s.making.Unlock()
	known := *s.known.Load()
	if sealer := known[column]; sealer != nil {
		return sealer
	}
	sealer, err := s.config.Sealer(column)
	if err != nil {
		s.config.Log.Warn("column cannot be sealed or opened", "column", column.QualifiedName(), "key", column.Key, "key_id", column.KeyID, "error", err)
		return keyless{}
	}
	known = maps.Clone(known)
	known[column] = sealer
	s.known.Store(&known)
	return sealer
}

// keyless is the sealer of a column whose key has not come yet.
type keyless struct{}

func (keyless) Seal(dst, _ []byte) ([]byte, error) { return dst, errKeyless() }
func (keyless) Open(dst, _ []byte) ([]byte, error) { return dst, errKeyless() }
func (keyless) Withheld() error                    { return errKeyless() }

func errKeyless() *pgerror.Error {
	return pgerror.New(pgerror.SerializationFailure, "the key that the column is sealed with by now is not known to pgveil yet").
		WithHint("Run the transaction again: pgveil takes new keys over within seconds.")
}
