package auditreport

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Text writes the report for a terminal.
func (s *Summary) Text(out io.Writer) error {
	fmt.Fprintf(out, "Audit report, %s\n", s.Period())
	fmt.Fprintf(out, "%s\n\n", s.Verdict())
	if err := s.ByRole(out); err != nil {
		return err
	}
	for _, r := range s.Roles {
		fmt.Fprintf(out, "\n%s\n", r.Role)
		for _, part := range []struct {
			name   string
			counts []Count
		}{{"columns", r.Columns}, {"from", r.Clients}, {"acting for", r.EndUsers}, {"applications", r.Programs}} {
			if len(part.counts) > 0 {
				fmt.Fprintf(out, "  %s: %s\n", part.name, joined(part.counts))
			}
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nRefusals: %d\n", len(s.Refusals)+s.MoreRefusals)
	for _, r := range s.Refusals {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", stamp(r.Time), r.SQLState, r.Role, r.Client, strings.Join(r.Columns, ", "))
	}
	fmt.Fprintf(w, "\nAlerts: %d\n", len(s.Alerts)+s.MoreAlerts)
	for _, a := range s.Alerts {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", stamp(a.Time), a.Kind, a.Role, a.Text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nBreak-glass to be reviewed: %d\n", len(s.BreakGlass))
	if s.ReviewsUnknown != "" {
		fmt.Fprintf(out, "which were reviewed is not known: %s\n", s.ReviewsUnknown)
	}
	if err := WriteGlasses(out, s.BreakGlass); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nKeys: %d\n", len(s.Keys))
	for _, k := range s.Keys {
		fmt.Fprintf(w, "  %s\t%d\t%s\t%s\t%s\n", k.Name, k.ID, k.Type, k.Status, s.Age(k))
	}
	if s.KeysUnknown != "" {
		fmt.Fprintf(w, "  not known: %s\n", s.KeysUnknown)
	}
	return w.Flush()
}

// ByRole writes the table of the roles.
func (s *Summary) ByRole(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROLE\tSTATEMENTS\tROWS\tOPENED\tPATIENTS\tSEARCHED\tUNNAMED\tFAILED\tUNFINISHED\tREFUSED\tFIRST\tLAST")
	for _, r := range s.Roles {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", r.Role, r.Statements, r.Rows, r.Opened, r.Subjects, r.Searched, r.Unnamed,
			r.Failed, r.Unfinished, r.Refused, stamp(r.First), stamp(r.Last))
	}
	return w.Flush()
}

// Period says which time the report is of.
func (s *Summary) Period() string {
	from, to := "the beginning of the log", "its end"
	if !s.From.IsZero() {
		from = stamp(s.From)
	}
	if !s.To.IsZero() {
		to = stamp(s.To)
	}
	return "from " + from + " to " + to
}

// Verdict says whether the log is as it was written.
func (s *Summary) Verdict() string {
	if n := len(s.Log.Problems); n > 0 {
		return fmt.Sprintf("The log is NOT as it was written, and what is said here may be wrong. The first of %d problems: %s", n, s.Log.Problems[0])
	}
	return fmt.Sprintf("The log is as it was written: %d records in %d segments, verified when the report was made.", s.Log.Records, s.Log.Segments)
}

// Age says how old a key is, in days.
func (s *Summary) Age(k Key) string {
	if k.Added.IsZero() {
		return "age not known"
	}
	return fmt.Sprintf("%d days", s.Days(k))
}

// Days is the age of a key.
func (s *Summary) Days(k Key) int { return int(s.Generated.Sub(k.Added).Hours() / 24) }

func joined(counts []Count) string {
	var parts []string
	for _, c := range counts {
		parts = append(parts, fmt.Sprintf("%s (%d)", c.Name, c.Count))
	}
	return strings.Join(parts, "; ")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// Printable makes a text of the log fit for a terminal: what does not print is a question
// mark.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
