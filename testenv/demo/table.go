package main

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// answer is what a server says to one query in the text format: rows, or an
// error.
type answer struct {
	fields []pgconn.FieldDescription
	rows   [][][]byte // nil is NULL
	err    *pgconn.PgError
}

// sealedText is bytea as the server prints it.
var sealedText = regexp.MustCompile(`^\\x([0-9a-f]{4})[0-9a-f]{8,}([0-9a-f]{6})$`)

// shorten leaves the ends of a sealed value.
func shorten(cell string) string { return sealedText.ReplaceAllString(cell, `\x$1…$2`) }

// show gives the answer as psql would print it, except that long ciphertext is cut
// and NULL is written.
func (s *screen) show(a *answer, sql string) []string {
	if a.err != nil {
		return s.showError(a.err, sql)
	}
	cells := [][]string{nil}
	for _, f := range a.fields {
		cells[0] = append(cells[0], f.Name)
	}
	widths := make([]int, len(a.fields))
	for _, row := range a.rows {
		var line []string
		for _, value := range row {
			cell := "NULL"
			if value != nil {
				cell = shorten(string(value))
			}
			line = append(line, cell)
		}
		cells = append(cells, line)
	}
	for _, row := range cells {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var lines []string
	for n, row := range cells {
		parts := make([]string, len(row))
		for i, cell := range row {
			switch {
			case n > 0 && rightAligned(a.fields[i].DataTypeOID):
				parts[i] = strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)) + s.cell(a, n, i, cell)
			case n == 0:
				parts[i] = s.paint(bold, cell) + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			default:
				parts[i] = s.cell(a, n, i, cell) + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			}
		}
		lines = append(lines, strings.TrimRight(strings.Join(parts, " │ "), " "))
		if n == 0 {
			rules := make([]string, len(widths))
			for i, w := range widths {
				rules[i] = strings.Repeat("─", w)
			}
			lines = append(lines, strings.Join(rules, "─┼─"))
		}
	}
	return append(lines, "("+count(int64(len(a.rows)), "row")+")")
}

// cell gives the text of a cell its colour.
func (s *screen) cell(a *answer, row, column int, text string) string {
	switch value := a.rows[row-1][column]; {
	case value == nil:
		return s.paint(dim, text)
	case sealedText.Match(value):
		return s.paint(red, text)
	default:
		return text
	}
}

// rightAligned tells the types that psql writes to the right: the numbers.
func rightAligned(oid uint32) bool {
	switch oid {
	case 20, 21, 23, 26, 700, 701, 1700:
		return true
	}
	return false
}

// showError gives an error as psql prints it, with the position in a query of one
// line.
func (s *screen) showError(e *pgconn.PgError, sql string) []string {
	lines := []string{s.paint(red+bold, e.Severity+":") + "  " + e.Message}
	if e.Position > 0 && !strings.Contains(sql, "\n") {
		const before = "LINE 1: "
		lines = append(lines, before+sql, strings.Repeat(" ", len(before)+int(e.Position)-1)+"^")
	}
	if e.Detail != "" {
		lines = append(lines, "DETAIL:  "+e.Detail)
	}
	if e.Hint != "" {
		lines = append(lines, s.paint(bold, "HINT:")+"  "+e.Hint)
	}
	return append(lines, s.paint(dim, "SQLSTATE "+e.Code))
}
