package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/pgveil/pgveil/schema"
)

// checkSeen compares what a user saw with what the laboratory was made of. No
// message holds a value.
func (sc *scene) checkSeen(a *answer) error {
	if sc.sqlstate != "" {
		if a.err == nil || a.err.Code != sc.sqlstate || a.err.Hint == "" {
			return fmt.Errorf("%s: expected an error %s with a hint, and got %s", sc.sql, sc.sqlstate, a.summary())
		}
		return nil
	}
	want := sc.want()
	if a.err != nil || len(a.rows) != len(want) {
		return fmt.Errorf("%s: expected %d rows, and got %s", sc.sql, len(want), a.summary())
	}
	for i, row := range a.rows {
		if len(row) != len(want[i]) {
			return fmt.Errorf("%s: expected %d columns, and got %d", sc.sql, len(want[i]), len(row))
		}
		for j, value := range row {
			if (value == nil) != (want[i][j] == null) || value != nil && string(value) != want[i][j] {
				return fmt.Errorf("%s: row %d, %s: not what the %s should see", sc.sql, i+1, sc.outputs[j].column, sc.role)
			}
		}
	}
	return nil
}

// checkDirect makes sure that the server's own answer holds, for each tagged
// column, NULL or a value sealed for that column, and nothing in clear.
func (sc *scene) checkDirect(a *answer, tags *schema.Database) error {
	rows := len(sc.rows)
	if sc.blind {
		rows = 0
	}
	if a.err != nil || len(a.rows) != rows {
		return fmt.Errorf("directly: %s: expected %d rows, and got %s", sc.sql, rows, a.summary())
	}
	for i, row := range a.rows {
		for j, value := range row {
			truth := sc.rows[i][sc.outputs[j].column]
			tag := tagOf(tags, sc.outputs[j].column)
			if tag == nil {
				if string(value) != truth {
					return fmt.Errorf("directly: %s: row %d, %s: not what was written", sc.sql, i+1, sc.outputs[j].column)
				}
				continue
			}
			if (value == nil) != (truth == null) {
				return fmt.Errorf("directly: %s: row %d, %s: NULL is not where it was written", sc.sql, i+1, sc.outputs[j].column)
			}
			if value == nil {
				continue
			}
			digits, ok := bytes.CutPrefix(value, []byte(`\x`))
			sealed, err := hex.DecodeString(string(digits))
			header := tag.Header()
			if !ok || err != nil || !bytes.HasPrefix(sealed, header[:]) {
				return fmt.Errorf("directly: %s: row %d, %s: not a sealed value", sc.sql, i+1, sc.outputs[j].column)
			}
			if len(truth) >= 4 && bytes.Contains(sealed, []byte(truth)) {
				return fmt.Errorf("directly: %s: row %d, %s: the server has it in clear", sc.sql, i+1, sc.outputs[j].column)
			}
		}
	}
	return nil
}

// checkTrail makes sure that the audit log has the query: who, which columns, how
// many values.
func (sc *scene) checkTrail(records []record, tags *schema.Database) error {
	first, last := records[0], records[len(records)-1]
	fault := func(what string) error { return fmt.Errorf("audit log: %s: %s", sc.sql, what) }
	if first.Role != sc.role || first.Application != application {
		return fault("the record does not say who it was")
	}
	if sc.sqlstate != "" {
		if last.Kind != "refused" || last.Refused != sc.sqlstate {
			return fault("there is no record of the refusal")
		}
		return nil
	}
	if first.Kind != "intent" || last.Kind != "outcome" || last.Intent != first.Seq || last.Ended != "ok" {
		return fault("there is no intent with its outcome")
	}
	opened := int64(0)
	want := sc.want()
	for j, out := range sc.outputs {
		if tagOf(tags, out.column) == nil {
			continue
		}
		shown := false
		for i := range want {
			if want[i][j] != null {
				shown = true
				opened++
			}
		}
		if shown && !slices.ContainsFunc(first.Columns, func(c recordColumn) bool { return c.Column == out.column && c.How == "read" }) {
			return fault("the record does not name " + out.column)
		}
	}
	if last.Rows != int64(len(want)) || last.Opened != opened {
		return fault(fmt.Sprintf("it says %d rows and %d values opened instead of %d and %d", last.Rows, last.Opened, len(want), opened))
	}
	return nil
}

// secrets are the values in clear that neither the server nor the audit log may
// have, long enough not to be found by chance.
func (sc *scene) secrets() [][]byte {
	var list [][]byte
	for _, row := range sc.rows {
		for _, column := range []string{"lab.patient.nir", "lab.patient.phone"} {
			list = append(list, []byte(row[column]))
		}
	}
	return list
}

// tagOf finds a tagged column by its qualified name, nil if it is not tagged.
func tagOf(tags *schema.Database, column string) *schema.Column {
	parts := strings.Split(column, ".")
	return tags.Column(parts[0], parts[1], parts[2])
}

// summary says what an answer is without its values.
func (a *answer) summary() string {
	if a.err != nil {
		return fmt.Sprintf("an error %s (%s)", a.err.Code, a.err.Message)
	}
	return fmt.Sprintf("%d rows", len(a.rows))
}
