package proxy

import (
	"errors"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// showErased appends what stands for a value whose key was destroyed: the column's own text
// or, if it has none or that does not fit where the value is to stand, NULL.
func (c *conn) showErased(dst []byte, col *column, tagged *schema.Column, st *state) ([]byte, int64, *pgerror.Error) {
	c.erased++
	c.did.erased.Add(1)
	if tagged.Erased == nil {
		return dst, hiddenValue, nil
	}
	start := len(dst)
	shown, err := c.show(dst, col.output, tagged, tagged.Erased, false, col.format, &st.settings)
	if err != nil {
		return dst, hiddenValue, nil
	}
	shown, e := st.encoding.encodeValue(shown, start, col)
	if e != nil {
		return shown[:start], hiddenValue, nil
	}
	return shown, 0, nil
}

// noKey is the error for clients of a value that no key is left to seal; nil if that is not
// why it cannot be sealed.
func noKey(err error, column *schema.Column) *pgerror.Error {
	var store *keys.StoreError
	switch {
	case column.KeyBy != nil && errors.As(err, &store) && store.Key != "":
		return noMember(store, column)
	case errors.Is(err, keys.ErrNoValue):
		return pgerror.New(pgerror.FeatureNotSupported, "a value for column %s cannot be sealed here: which key is the row's is not known", column.QualifiedName()).
			WithHint("Store it by INSERT or UPDATE of the table itself, with the value of %s beside it.", column.KeyBy.Column)
	case errors.Is(err, keys.ErrDestroyed):
		return pgerror.New(pgerror.ObjectNotInPrerequisiteState, "a value for column %s cannot be sealed: key %q was destroyed", column.QualifiedName(), column.Key).
			WithHint("What the key sealed is erased, and nothing is sealed with it any more. In the schema file, give the column another key and name this one in its was.")
	case errors.Is(err, keys.ErrNotEnabled):
		return pgerror.New(pgerror.ObjectNotInPrerequisiteState, "a value for column %s cannot be sealed: the key of %q that its CHECK constraint names is not enabled", column.QualifiedName(), column.Key).
			WithHint("It was retired: pgveil keys retire --undo enables it again.")
	}
	return nil
}
