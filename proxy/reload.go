package proxy

import (
	"fmt"

	"github.com/pgveil/pgveil/schema"
)

// Reload takes over what another schema file says of the databases, which have to be those of
// before. Open sessions go by it from their next statement on; a statement that is being
// answered is answered by what it was planned by. It fails when a tagged column has no
// key; databases before that one have then been taken over, and a Reload of the file of before
// takes that back.
func (s *Server) Reload(databases map[string]*schema.Database) error {
	for name := range databases {
		if s.tracked[name] == nil {
			return fmt.Errorf("database %q is new in the schema file: start pgveil again", name)
		}
	}
	for name := range s.tracked {
		if databases[name] == nil {
			return fmt.Errorf("database %q is not in the schema file any more: start pgveil again", name)
		}
	}
	for name, t := range s.tracked {
		if err := t.describe(databases[name]); err != nil {
			return err
		}
	}
	return nil
}
