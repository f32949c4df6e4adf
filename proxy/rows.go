package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// parameterTypes reads a ParameterDescription of the server and gives the types of
// the client's parameters.
func (c *conn) parameterTypes(p *prepared) ([]uint32, error) {
	body, err := c.sr.Body()
	if err != nil {
		return nil, err
	}
	server, err := wire.DecodeParameterDescription(body)
	if err != nil {
		return nil, err
	}
	if server.Len() != len(p.layout.server) {
		return nil, pgerror.New(pgerror.ProtocolViolation, "the server describes other parameters than were sent").Fatal()
	}
	types := make([]uint32, p.layout.client)
	for n := range types {
		types[n] = p.layout.clientOID(n+1, server.At(n))
	}
	return types, nil
}

// parameterDescription shows the client its own parameters with their logical types.
func (c *conn) parameterDescription(p *prepared) error {
	types, err := c.parameterTypes(p)
	if err != nil {
		return err
	}
	w := c.cw
	wire.StartParameterDescription(w, len(types))
	for _, oid := range types {
		w.OID(oid)
	}
	return w.End()
}

// confirm checks a RowDescription of the server against the analysis.
func (c *conn) confirm(plan *statement.Plan, index int, body []byte) *pgerror.Error {
	if err := c.readFields(body); err != nil {
		return err
	}
	return c.disagrees(plan.Verify(index, c.fields))
}

// disagrees treats what the comparison of a description with the analysis has found,
// which may be nothing.
func (c *conn) disagrees(err error) *pgerror.Error {
	if err == nil {
		return nil
	}
	c.tracked.invalidate() // most likely a table or view was changed beside pgveil
	if e, ok := pgerror.As(err); ok {
		return e
	}
	return pgerror.New(pgerror.InternalError, "the server's description of the result does not fit the statement")
}

// readFields fills c.fields from a RowDescription, nil for NoData.
func (c *conn) readFields(body []byte) *pgerror.Error {
	c.fields = c.fields[:0]
	if body == nil {
		return nil
	}
	description, err := wire.DecodeRowDescription(body)
	if err != nil {
		return pgerror.New(pgerror.ProtocolViolation, "malformed RowDescription from the server")
	}
	for description.Next() {
		f := description.Field()
		c.fields = append(c.fields, statement.Field{TableOID: f.TableOID, Attribute: f.Attribute, TypeOID: f.TypeOID})
	}
	return nil
}

// plainDescription forwards the RowDescription of rows that pgveil has no plan of.
func (c *conn) plainDescription(r *result) error {
	body, err := c.sr.Body()
	if err != nil {
		return err
	}
	if e := c.confirmPlain(body); e != nil {
		return c.fail(r, e)
	}
	c.cw.Message(wire.TypeRowDescription)
	c.cw.Bytes(body)
	return c.cw.End()
}

// rowDescription shows the client logical types, once the server has confirmed the
// analysis.
func (c *conn) rowDescription(w *work) error {
	plan, index, formats := (*statement.Plan)(nil), 0, []int16(nil)
	r := w.result()
	switch {
	case r != nil && r.guard:
		return c.plainDescription(r)
	case r != nil && r.outputs() == nil:
	case r != nil:
		plan, index, formats = r.plan, r.index, r.formats
	case w.prepared != nil:
		plan = w.prepared.plan
	}
	if plan == nil {
		return c.sr.Forward(c.cw)
	}
	if plan.Statements[index].Outputs == nil {
		return c.sr.Forward(c.cw)
	}
	outputs := plan.Statements[index].Shown()
	body, err := c.sr.Body()
	if err != nil {
		return err
	}
	if e := c.confirm(plan, index, body); e != nil {
		return c.fail(r, e)
	}
	description, err := wire.DecodeRowDescription(body)
	if err != nil {
		return err
	}
	out := c.cw
	wire.StartRowDescription(out, len(outputs))
	for i := 0; i < len(outputs) && description.Next(); i++ {
		f := description.Field()
		if o := &outputs[i]; o.Column != nil && o.Column.Controlled() {
			f.Format = formatOf(formats, i)
		} else if o.Column != nil {
			f.TypeOID, f.Size, f.Modifier = o.Type.OID(), o.Type.Size(), o.Type.Typmod
			if o.Array {
				f.TypeOID, f.Size = o.Type.ArrayOID(), -1
			}
			if o.Computed {
				f.TableOID, f.Attribute = 0, 0
			}
			f.Format = formatOf(formats, i)
		}
		wire.WriteField(out, f)
	}
	return out.End()
}

// prepare readies r for its rows.
func (c *conn) prepare(r *result) *pgerror.Error {
	if e := r.refused(); e != nil {
		return e
	}
	outputs := r.outputs()
	r.shown = len(outputs) - r.plan.Statements[r.index].Hidden
	r.columns = make([]column, len(outputs))
	r.spends = c.spends(r, outputs)
	explains := r.plan.Statements[r.index].Explains
	for i := range outputs {
		if shape := outputs[i].JSON; shape != nil {
			r.columns[i] = column{json: c.openedJSON(r, shape, r.state), binary: formatOf(r.asked, i) == 1}
			continue
		}
		if outputs[i].Column == nil {
			r.columns[i].scrub = explains
			continue
		}
		r.columns[i] = c.openedColumn(r, &outputs[i])
		r.columns[i].binary, r.columns[i].format = formatOf(r.asked, i) == 1, formatOf(r.formats, i)
	}
	return nil
}

// openedColumn says how the values of a sealed column are opened for those whom a
// result is for; in text format, until told otherwise.
func (c *conn) openedColumn(r *result, o *statement.Output) column {
	col := column{output: o, sources: c.sourcesOf(o, r.state.roles)}
	for i := range col.sources {
		if a := &col.sources[i].access; a.Verdict == schema.Pseudonymize && a.Pseudonym.Shifted() {
			col.subject, r.shifts = o.Subject, true
		}
	}
	return col
}

// dataRow opens one row. The first opened row leaves only after its audit record
// is durable.
func (c *conn) dataRow(r *result) error {
	body, err := c.sr.Body()
	if err != nil {
		return err
	}
	if r.columns == nil {
		if e := c.prepare(r); e != nil {
			return c.fail(r, e)
		}
	}
	if e := r.waitAudit(); e != nil {
		return c.fail(r, e)
	}
	row, err := wire.DecodeDataRow(body)
	if err != nil {
		return err
	}
	if row.Len() != len(r.columns) {
		return c.fail(r, pgerror.New(pgerror.InternalError, "the server sent a row of %d columns where %d were described", row.Len(), len(r.columns)))
	}
	out := c.cw
	wire.StartDataRow(out, r.shown)
	opened := int64(0)
	c.opensFor(r)
	if r.shifts {
		c.readCells(row)
	}
	for i := 0; row.Next(); i++ {
		if i >= r.shown {
			c.noteHiddenOutput(r, i, &row)
			continue
		}
		col := &r.columns[i]
		if r.spends != nil && !row.Null() {
			r.spends.see(i, row.Value(), col.binary)
		}
		switch {
		case col.scrub && !row.Null():
			out.Value(hideInPlan(row.Value()))
		case col.json != nil && !row.Null():
			out.StartValue()
			value, e := col.json.open(out.Tail(), row.Value(), col.binary)
			if e != nil {
				out.Abandon()
				return c.fail(r, e)
			}
			if col.json.null {
				out.NullValue()
				continue
			}
			out.SetTail(value)
			out.EndValue()
			opened += col.json.opened
			r.spends.opened(i, col.json.opened)
		case col.output == nil && !row.Null() && c.tracked.seals.Load().found(row.Value()):
			out.Abandon()
			c.unopened()
			return c.fail(r, errUnopened)
		case col.output == nil || row.Null():
			out.Bytes(row.Raw())
		case col.hidden():
			c.noteUnseen(col, row.Value())
			out.Null()
		default:
			out.StartValue()
			value, n, e := c.openInRow(out.Tail(), col, row.Value(), r)
			switch {
			case e != nil:
				out.Abandon() // half a row must not stay with the client
				return c.fail(r, e)
			case n == hiddenValue:
				out.NullValue()
				continue
			}
			out.SetTail(value)
			out.EndValue()
			opened += n
			r.spends.opened(i, n)
		}
	}
	e := c.subjects.stops()
	if e == nil {
		e = c.settle(r.spends)
	}
	if e != nil {
		out.Abandon()
		return c.fail(r, e)
	}
	r.rows++
	c.did.rows.Add(1)
	if r.free() {
		opened++
	}
	r.opened += opened
	r.erased += c.erased
	r.endRow()
	return out.End()
}
