package differential

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
)

// Ways to send a COPY, behind those of a statement.
const (
	copyOut = prepared + 1 + iota
	copyIn
)

// copied makes COPY, out of a table or a query, or into a table.
func (g *generator) copied() *statement {
	if g.chance(2) {
		return g.copiedIn()
	}
	format := oneOf(g, "", "", " (FORMAT csv)", " (FORMAT csv, HEADER, FORCE_QUOTE *)", " (FORMAT text, DELIMITER '|', NULL 'none')", " (FORMAT binary)")
	if g.chance(2) {
		t := g.table(true)
		if t.name == "journal" { // a partitioned table is copied by a query
			return &statement{tree: text("COPY (SELECT * FROM " + t.qualified() + ") TO STDOUT" + format), copy: copyOut}
		}
		columns := append([]*column{}, t.columns...)
		g.rand.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
		return &statement{tree: text("COPY " + g.name(t) + " (" + names(columns[:1+g.pick(len(columns))]) + ") TO STDOUT" + format), copy: copyOut}
	}
	of := g.query()
	return &statement{tree: seq("COPY (", of.tree, ") TO STDOUT"+format), ordered: of.ordered, copy: copyOut}
}

// copiedIn makes COPY … FROM STDIN with its data.
func (g *generator) copiedIn() *statement {
	t := g.table(true)
	csv := g.chance(2)
	columns := append([]*column{}, t.columns...)
	if len(columns) > 8 {
		columns = columns[:8]
	}
	var data strings.Builder
	for range oneOf(g, 0, 1, 2, 5) {
		for i, c := range columns {
			if i > 0 {
				data.WriteByte(map[bool]byte{true: ',', false: '\t'}[csv])
			}
			var h *hole
			switch {
			case c.key, c.ref != "", c.pool == "":
				h = g.id()
			case g.chance(12):
				h = g.null(c)
			default:
				h = g.value(c)
			}
			switch {
			case h.null && csv:
			case h.null:
				data.WriteString(`\N`)
			case csv:
				data.WriteString(`"` + strings.ReplaceAll(h.value, `"`, `""`) + `"`)
			default:
				data.WriteString(strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(h.value))
			}
		}
		data.WriteByte('\n')
	}
	sql := "COPY " + g.name(t) + " (" + names(columns) + ") FROM STDIN"
	if csv {
		sql += " (FORMAT csv)"
	}
	return &statement{tree: text(sql), copy: copyIn, data: data.String(), changes: true}
}

// runCopy sends a COPY and its data, or gives the lines that come.
func (s *side) runCopy(ctx context.Context, a *answer, c *call) {
	var b strings.Builder
	var one result
	if c.protocol == copyIn {
		tag, err := s.conn.CopyFrom(ctx, strings.NewReader(c.data), c.sql)
		one.tag = tag.String()
		a.fail(err)
	} else {
		tag, err := s.conn.CopyTo(ctx, &b, c.sql)
		one.tag = tag.String()
		a.fail(err)
		one.rows = copiedRows(b.String())
	}
	if a.err == nil && a.broken == nil {
		a.results = append(a.results, one)
	}
}

// copiedRows takes the data of a COPY apart. Source: PostgreSQL manual, COPY, "Binary
// Format".
func copiedRows(data string) (rows []string) {
	const header = 11 + 4 + 4
	if !strings.HasPrefix(data, "PGCOPY\n") || len(data) < header {
		return strings.SplitAfter(data, "\n")
	}
	for data = data[header:]; len(data) >= 2; {
		end := 2
		for range int16(binary.BigEndian.Uint16([]byte(data[:2]))) {
			size := int32(binary.BigEndian.Uint32([]byte(data[end : end+4])))
			end += 4 + int(max(size, 0))
		}
		rows = append(rows, fmt.Sprintf("%q", data[:end]))
		data = data[end:]
	}
	return rows
}
