package yamlfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file; lines and columns count from 1, and
// columns count characters.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Error is a fault of a file, or a warning about it.
type Error struct {
	File string `json:"file"`
	Position
	Message string `json:"message"`
}

// Error gives file:line:column: message.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Position.Column, e.Message)
}

// Errors holds every fault found in a file.
type Errors []*Error

// Error gives one line for each fault.
func (list Errors) Error() string {
	lines := make([]string, len(list))
	for i, e := range list {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the faults to errors.As.
func (list Errors) Unwrap() []error {
	errs := make([]error, len(list))
	for i, e := range list {
		errs[i] = e
	}
	return errs
}

// Sorted sorts by place and returns the list.
func (list Errors) Sorted() Errors {
	slices.SortStableFunc(list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Position.Column, b.Position.Column))
	})
	return list
}
