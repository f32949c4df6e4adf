package differential

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// report counts what a run saw.
type report struct {
	statements, same, errors, invalid, faults int
	kinds                                     map[string]int
	refused                                   map[string]*refusal
	codes                                     map[string]int
	words                                     map[string]int // errors of one code in other words than the server's
	places                                    int            // errors at another position than the server's
	first                                     int            // errors of another of two mistakes than the server's
	mismatches                                map[string]*mismatch
}

type refusal struct {
	reason, example string
	count           int
}

func newReport() report {
	return report{
		kinds: make(map[string]int), refused: make(map[string]*refusal), codes: make(map[string]int),
		words: make(map[string]int), mismatches: make(map[string]*mismatch),
	}
}

// refuse counts a refusal; alone says that the statement had no other reason for one.
func (r *report) refuse(reason string, e *pgconn.PgError, alone bool) {
	if r.refused[reason] == nil {
		r.refused[reason] = &refusal{reason: reason}
	}
	if alone && r.refused[reason].example == "" {
		r.refused[reason].example = e.Message
	}
	r.refused[reason].count++
}

// fail notes an error that both sides gave.
func (r *report) fail(veil, twin *pgconn.PgError) {
	r.errors++
	r.codes[veil.Code]++
	if veil.Message != twin.Message {
		r.words[veil.Code+": "+nameless(veil.Message)+" | "+nameless(twin.Message)]++
	} else if veil.Position != twin.Position {
		r.places++
	}
}

func (r *report) refusals() (all []*refusal, total int) {
	for _, f := range r.refused {
		all = append(all, f)
		total += f.count
	}
	slices.SortFunc(all, func(a, b *refusal) int { return cmp.Or(b.count-a.count, cmp.Compare(a.reason, b.reason)) })
	return all, total
}

func counted(m map[string]int) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(m[b]-m[a], cmp.Compare(a, b)) })
	for i, k := range all {
		all[i] = fmt.Sprintf("%s (%d)", k, m[k])
	}
	return all
}

// summary is a line for the test's log.
func (r *report) summary() string {
	_, refused := r.refusals()
	return fmt.Sprintf("%d statements: %d same answers, %d same errors, %d refused as they have to be, %d mistakes refused, %d faults",
		r.statements, r.same, r.errors, refused, r.invalid, r.faults)
}

// document is docs/differential.md.
func (r *report) document(seed uint64) string {
	var b strings.Builder
	refusals, total := r.refusals()
	fmt.Fprintf(&b, `# The differential test

`+"`make test-differential STATEMENTS=%d`"+` wrote this page. It runs random statements of a grammar
([testenv/differential](../testenv/differential)) through pgveil on tagged tables, and directly on an untagged twin of the
same tables in another server, in both protocols, with literals and parameters, in text and binary, inside and outside of
transactions. Both have to give the same rows, descriptions of rows (names, types, modifiers, formats, origins), types of
parameters, command tags, SQLSTATEs and transaction states; the contents of all tables are compared at intervals. Otherwise
pgveil has to refuse the statement for an operation that the design refuses. Of EXPLAIN the rows are not compared. Afterwards the files, the WAL and the log of the
server behind pgveil, and a dump of it, are searched for every text that was stored in a tagged column.

A run is repeated with its seed: `+"`PGVEIL_SEED=%d`"+`.

| %d statements | |
|---|---:|
| the same answer | %d |
| the same error | %d |
| refused, as the operation cannot be done on sealed values | %d |
| refused where the server has another error | %d |
| a different answer, or refused without need | %d |

## What was generated

| kind | statements |
|---|---:|
`, r.statements, seed, r.statements, r.same, r.errors, total, r.invalid, r.faults)
	for _, k := range kinds {
		fmt.Fprintf(&b, "| %s | %d |\n", k.name, r.kinds[k.name])
	}
	b.WriteString("\n## What was refused, and why\n\n| operation | statements | for example |\n|---|---:|---|\n")
	for _, f := range refusals {
		fmt.Fprintf(&b, "| %s | %d | %s |\n", strings.ReplaceAll(f.reason, "|", `\|`), f.count, strings.ReplaceAll(f.example, "|", `\|`))
	}
	b.WriteString("\n## Errors of the server's that pgveil gives in its stead\n\nErrors of one SQLSTATE whose words differ (pgveil | PostgreSQL):\n\n")
	for _, w := range counted(r.words) {
		fmt.Fprintf(&b, "- %s\n", w)
	}
	if len(r.words) == 0 {
		b.WriteString("None.\n")
	}
	fmt.Fprintf(&b, "\nErrors at another position: %d; of another of two mistakes in a statement: %d. SQLSTATEs met: %s.\n", r.places, r.first, strings.Join(counted(r.codes), ", "))
	return b.String()
}
