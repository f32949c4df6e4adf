package auditreport

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.gohtml
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"stamp": stamp, "joined": joined, "join": func(list []string) string { return strings.Join(list, ", ") },
	"day": func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
}).Parse(pageText))

// HTML writes the report as one page, which loads nothing.
func (s *Summary) HTML(out io.Writer) error { return page.Execute(out, s) }

// Charts are the drawings of the page; those without anything to draw are left out.
func (s *Summary) Charts() map[string]*Chart {
	return map[string]*Chart{"time": s.TimeChart(), "patients": s.PatientChart(), "refused": s.RefusalChart(), "keys": s.KeyChart()}
}

// Total sums up what all roles did.
func (s *Summary) Total() Role {
	var t Role
	for _, r := range s.Roles {
		t.Statements += r.Statements
		t.Rows += r.Rows
		t.Opened += r.Opened
		t.Unnamed += r.Unnamed
		t.Refused += r.Refused
		t.Unfinished += r.Unfinished
	}
	return t
}

// Opening gives the roles that opened values, for the head of a table.
func (s *Summary) Opening() []string { return s.opening() }
