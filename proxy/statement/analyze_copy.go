package statement

import (
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/proxy/copydata"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// CopyPlan is what a Plan says of a COPY whose data has sealed columns.
type CopyPlan struct {
	In       bool   // FROM STDIN
	Query    bool   // of the rows of a query, not of a table
	Relation string // as messages have it; "" for a query
	Options  copydata.Options
	Encoding string            // of the data in a text format, by the server's name; "" is the client's
	Columns  []copydata.Column // the fields of a row
	Tagged   []*schema.Column  // of each of Columns, or the first in its JSON; nil: not sealed
	Outputs  []Output          // of each of Columns
	// KeyOf gives, of each of Columns that is sealed with keys by value, the column that picks the
	// key, and KeyTypes the types of those. They are nil if there is none.
	KeyOf    []int
	KeyTypes []logical.Type
}

// copy analyses COPY. Its rows are no result that the server describes.
func (x *analysis) copy(st *pg.CopyStmt) []target {
	x.private = true // the options are constants
	c := &CopyPlan{In: st.IsFrom, Query: st.Query != nil}
	if c.Query {
		x.copyQuery(st.Query, c)
	} else {
		x.copyTable(st, c)
	}
	at := slices.IndexFunc(c.Tagged, func(t *schema.Column) bool { return t != nil })
	if x.err != nil || at < 0 {
		return nil
	}
	if st.IsProgram || st.Filename != "" {
		x.fail(refuseCopyFile(c.Tagged[at], st), -1)
		return nil
	}
	x.copyOptions(st.Options, c)
	if st.IsFrom {
		x.copyKeys(st.Relation, c)
	}
	x.copying = c
	return nil
}

func (x *analysis) copyQuery(n *pg.Node, c *CopyPlan) {
	var targets []target
	if sel := n.GetSelectStmt(); sel != nil {
		targets = x.query(sel, nil, useRead)
	} else {
		x.writes = true
		var ok bool
		if targets, ok = x.command(n, nil); !ok {
			x.fail(refuseForm("COPY of this form of query"), -1)
		}
	}
	for i := range targets {
		if t := targets[i].tagged; t != nil && t.Controlled() {
			x.fail(refuse(t, "show", " by COPY"), targets[i].token)
		}
		c.add(targets[i].name, targets[i].tagged, targets[i].output())
	}
}

// tableOutput is a relation's column as an output. All of a table are of one row.
func tableOutput(r *schema.Relation, a *schema.Attribute) Output {
	t := target{column: column{tagged: a.Tagged}}
	if !isView(r) {
		t.row = 1
	}
	return t.output()
}

func (c *CopyPlan) add(name string, tagged *schema.Column, o Output) {
	c.Columns = append(c.Columns, copydata.Column{Name: name, Change: tagged != nil})
	c.Tagged, c.Outputs = append(c.Tagged, tagged), append(c.Outputs, o)
}

func (x *analysis) copyTable(st *pg.CopyStmt, c *CopyPlan) {
	r := x.relation(st.Relation)
	if r == nil {
		return
	}
	c.Relation = r.Name
	if e := errCopyKind(r, st.IsFrom); e != nil {
		x.fail(e, -1)
		return
	}
	sealed := slices.ContainsFunc(r.Attributes, func(a schema.Attribute) bool { return a.Tagged != nil })
	if sealed || isView(r) || st.WhereClause != nil {
		var it *item
		if it, r = x.targetItem(st.Relation); r == nil {
			return
		}
		x.condition(st.WhereClause, &scope{items: []*item{it}}, "WHERE")
		sealed = sealed || isView(r)
	}
	how := Read
	if st.IsFrom {
		how = Assign
	}
	add := func(a *schema.Attribute) {
		if a.Tagged != nil && !isSealed(a) {
			if x.touch(a.Tagged, how); !st.IsFrom {
				x.fail(refuse(a.Tagged, "show", " by COPY"), -1)
			}
			plain := *a
			plain.Tagged = nil
			a = &plain
		}
		c.add(a.Name, a.Tagged, tableOutput(r, a))
		if a.Tagged != nil {
			x.touch(a.Tagged, how)
		}
	}
	for _, name := range stringNodes(st.Attlist) {
		a := r.Attribute(name)
		if a == nil {
			x.fail(errTargetColumn(name, r.Name), -1)
			return
		}
		if a.Shadow {
			x.fail(refuseShadow(a), -1)
		}
		add(a)
	}
	if len(st.Attlist) > 0 {
		return
	}
	visible := r.Visible()
	for i := range visible {
		if !visible[i].Generated {
			add(&visible[i])
		}
	}
	if sealed || r.Hides() {
		x.listColumns(st.Relation, c)
	}
}

// listColumns names the columns in the text that is sent, so that what is a sealed
// column to pgveil is the same column to the server.
func (x *analysis) listColumns(rv *pg.RangeVar, c *CopyPlan) {
	token := x.token(rv.Location)
	for x.text.Token(int(token)+1).Kind == Dot {
		token += 2
	}
	list := make([]string, len(c.Columns))
	for i := range c.Columns {
		list[i] = quoteName(c.Columns[i].Name)
	}
	x.edits = append(x.edits, edit{kind: editAfter, first: token, last: token, token: token, text: " (" + strings.Join(list, ", ") + ")"})
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// copyOptions reads the options of either syntax. What is wrong with them is left to
// the server to say: it does before the first byte of data.
func (x *analysis) copyOptions(list []*pg.Node, c *CopyPlan) {
	o := &c.Options
	o.Null, o.Delimiter, o.Quote = `\N`, "\t", `"`
	given := make(map[string]bool)
	for _, n := range list {
		d := n.GetDefElem()
		given[d.Defname] = true
		switch d.Defname {
		case "format":
			switch optionText(d) {
			case "csv":
				o.Format = copydata.CSV
			case "binary":
				o.Format = copydata.Binary
			}
		case "freeze":
		case "delimiter":
			o.Delimiter = optionText(d)
		case "null":
			o.Null = optionText(d)
		case "quote":
			o.Quote = optionText(d)
		case "escape":
			o.Escape = optionText(d)
		case "header":
			o.Header = headerOption(d)
		case "force_quote":
			c.force(d, func(column *copydata.Column) { column.ForceQuote = true })
		case "force_not_null":
			c.force(d, func(column *copydata.Column) { column.ForceNotNull = true })
		case "force_null":
			c.force(d, func(column *copydata.Column) { column.ForceNull = true })
		case "encoding":
			if c.Encoding = copyEncodings[plainEncoding(optionText(d))]; c.Encoding == "" {
				x.fail(refuseCopyOption("ENCODING").WithHint("Send the data as UTF8."), x.token(d.Location))
			}
		default:
			x.fail(refuseCopyOption(strings.ToUpper(d.Defname)).WithHint("Write the statement without it."), x.token(d.Location))
		}
	}
	if o.Format == copydata.CSV {
		if !given["null"] {
			o.Null = ""
		}
		if !given["delimiter"] {
			o.Delimiter = ","
		}
	}
	if !given["escape"] {
		o.Escape = o.Quote
	}
}

// optionText gives an option's argument as a string (defGetString).
func optionText(d *pg.DefElem) string {
	switch v := d.Arg.GetNode().(type) {
	case *pg.Node_String_:
		return v.String_.Sval
	case *pg.Node_Integer:
		return strconv.Itoa(int(v.Integer.Ival))
	case *pg.Node_Float:
		return v.Float.Fval
	case *pg.Node_Boolean:
		return strconv.FormatBool(v.Boolean.Boolval)
	}
	return ""
}

func headerOption(d *pg.DefElem) copydata.Header {
	switch strings.ToLower(optionText(d)) {
	case "false", "off", "0":
		return copydata.NoHeader
	case "match":
		return copydata.HeaderMatch
	}
	return copydata.HeaderLine
}

// force marks the columns of a FORCE option, all of them for *.
func (c *CopyPlan) force(d *pg.DefElem, mark func(*copydata.Column)) {
	names := stringNodes(d.Arg.GetList().GetItems())
	for i := range c.Columns {
		if d.Arg.GetAStar() != nil || slices.Contains(names, c.Columns[i].Name) {
			mark(&c.Columns[i])
		}
	}
}

// copyEncodings are the encodings that data of sealed columns may be in, by all of their
// names. Source: PostgreSQL's pg_encname_tbl.
var copyEncodings = map[string]string{
	"utf8": "UTF8", "unicode": "UTF8",
	"latin1": "LATIN1", "iso88591": "LATIN1", "latin2": "LATIN2", "iso88592": "LATIN2", "latin5": "LATIN5", "iso88599": "LATIN5",
	"latin9": "LATIN9", "iso885915": "LATIN9", "win1250": "WIN1250", "windows1250": "WIN1250", "win1252": "WIN1252", "windows1252": "WIN1252",
}

// plainEncoding gives a name of an encoding as the server compares it: letters and
// digits only, in lower case (clean_encoding_name).
func plainEncoding(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, name)
}

// VerifyCopy is Verify of the rows that a COPY of a query gives.
func (p *Plan) VerifyCopy(statement int, fields []Field) error {
	c := p.Statements[statement].Copy
	if len(fields) != len(c.Outputs) {
		return errDisagree()
	}
	for i, f := range fields {
		if !p.agree(&c.Outputs[i], f) {
			return errDisagree()
		}
	}
	return nil
}

// CopiedQuery gives the bytes of the query of a COPY (query) command of the text.
func (t *Text) CopiedQuery(c *Command) (start, end int, ok bool) {
	t.classify()
	open := c.First + 1
	if t.Token(open).Kind != LeftParen {
		return 0, 0, false
	}
	return int(t.Token(open).End), int(t.Token(int(t.pairs[open])).Start), true
}

// errCopyKind is what the server says of a relation that is no table.
func errCopyKind(r *schema.Relation, from bool) *pgerror.Error {
	kind := map[byte]string{'v': "view", 'm': "materialized view", 'p': "partitioned table", 'f': "foreign table", 'S': "sequence"}[r.Kind]
	if from || kind == "" {
		return nil
	}
	e := pgerror.New("42809", "cannot copy from %s \"%s\"", kind, r.Name)
	if r.Kind != 'S' {
		return e.WithHint("Try the COPY (SELECT ...) TO variant.")
	}
	return e
}

func refuseCopyFile(c *schema.Column, st *pg.CopyStmt) *pgerror.Error {
	what := "file"
	if st.IsProgram {
		what = "program"
	}
	way, instead := "to", "COPY … TO STDOUT"
	if st.IsFrom {
		way, instead = "from", "COPY … FROM STDIN"
	}
	return refuse(c, "copy", " "+way+" a "+what+" of the server").
		WithHint("The server holds sealed values only. Use %s, in psql \\copy.", instead)
}

func refuseCopyOption(name string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot use this COPY option with sealed columns: %s", name)
}
