package main

import (
	"encoding/json"
	"text/tabwriter"
)

// printJSON prints a value for machines.
func (c *call) printJSON(v any) error {
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// list makes nil an empty list, so that it is [] in JSON.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// table returns a writer of columns separated by tabs, which has to be flushed.
func (c *call) table() *tabwriter.Writer { return tabwriter.NewWriter(c.out, 0, 8, 2, ' ', 0) }
