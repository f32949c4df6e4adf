package proxy

import (
	"errors"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// mayShift refuses a statement that shows dates, which the roles see shifted, without that which
// tells by whose offset.
func mayShift(planned *statement.Statement, roles []string) *pgerror.Error {
	for i := range planned.Outputs {
		o := &planned.Outputs[i]
		var refusal *pgerror.Error
		if o.JSON != nil {
			o.JSON.Values(func(value *statement.Output) {
				if shifted := shiftedIn(value, roles); shifted != nil {
					refusal = refuseShift(shifted, " in JSON")
				}
			})
		} else if shifted := shiftedIn(o, roles); shifted != nil && o.Subject == 0 {
			refusal = refuseShift(shifted, "")
		}
		if refusal != nil {
			return refusal
		}
	}
	if planned.Copy == nil || planned.Copy.In {
		return nil
	}
	for i := range planned.Copy.Outputs {
		if shifted := shiftedIn(&planned.Copy.Outputs[i], roles); shifted != nil {
			return refuseShift(shifted, " by COPY")
		}
	}
	return nil
}

// shiftedIn gives a column of an output whose dates the roles see shifted, or nil.
func shiftedIn(o *statement.Output, roles []string) *schema.Column {
	if o.Column == nil || len(o.Also) == 0 && !o.Column.HasPseudonyms() {
		return nil
	}
	for _, column := range o.Columns() {
		if a := column.AccessFor(roles); a.Verdict == schema.Pseudonymize && a.Pseudonym.Shifted() {
			return column
		}
	}
	return nil
}

func refuseShift(column *schema.Column, where string) *pgerror.Error {
	e := pgerror.New(pgerror.FeatureNotSupported, "cannot show column %s%s: its dates are shifted by whom they are about", column.QualifiedName(), where)
	if subject := column.InFile().Subject; subject != nil {
		e = e.WithHint("Select it as it is, and column %s of the same row of the table beside it.", subject.QualifiedName())
	}
	return nameColumn(e, column)
}

// readCells keeps where the values of a row are, for the subject of a date may stand behind it.
func (c *conn) readCells(row wire.Values) {
	c.cells = c.cells[:0]
	for row.Next() {
		if row.Null() {
			c.cells = append(c.cells, nil)
		} else {
			c.cells = append(c.cells, row.Value())
		}
	}
}

// openInRow is open of a value of a row. If the row has dates that are shifted, c.cells are its
// values.
func (c *conn) openInRow(dst []byte, col *column, value []byte, r *result) ([]byte, int64, *pgerror.Error) {
	if col.subject == 0 {
		return c.open(dst, col, value, r.state)
	}
	if e := c.openSubject(&r.columns[col.subject-1], c.cells[col.subject-1], r.state); e != nil {
		return dst, 0, e
	}
	dst, n, e := c.open(dst, col, value, r.state)
	c.subject = nil
	return dst, n, e
}

// openSubject opens whom a row is about: nobody where that is NULL or erased.
func (c *conn) openSubject(col *column, value []byte, st *state) *pgerror.Error {
	c.subject = nil
	if value == nil {
		return nil
	}
	var err error
	if col.output.Column.Controlled() {
		if c.whom, err = c.plainControlled(c.whom[:0], col, value, st); err != nil {
			return notShown(col.output.Column)
		}
		c.subject = c.whom
		return nil
	}
	if !col.binary {
		if c.sealed, err = logical.DecodeByteaText(c.sealed[:0], value); err != nil {
			return notSealed(col.output.Column)
		}
		value = c.sealed
	}
	from := col.sourceOf(value)
	if from == nil {
		return notSealed(col.output.Column)
	}
	c.whom, err = from.sealer.Open(c.whom[:0], value)
	switch {
	case errors.Is(err, keys.ErrErased):
		return nil
	case err != nil:
		return openError(err, from.tagged)
	}
	c.subject = c.whom
	return nil
}

// shift gives a date as the role sees it, by the offset of c.subject.
func (c *conn) shift(from *opener, date []byte) ([]byte, error) {
	if c.subject == nil {
		return c.masked, keys.ErrNoPseudonym
	}
	return from.pseudonyms.Shift(c.masked[:0], date, c.subject, &c.scratch)
}
