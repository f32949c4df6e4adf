package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in the schema file; lines and columns count from 1, and
// columns count characters.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// FileError is a fault of a schema file, or a warning about it.
type FileError struct {
	File string `json:"file"`
	Position
	Message string `json:"message"`
}

// Error gives file:line:column: message.
func (e *FileError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Position.Column, e.Message)
}

// FileErrors holds every fault found in a schema file, in its order. It is what
// [Parse] returns as an error.
type FileErrors []*FileError

// Error gives one line for each fault.
func (list FileErrors) Error() string {
	lines := make([]string, len(list))
	for i, e := range list {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the faults to errors.As.
func (list FileErrors) Unwrap() []error {
	errs := make([]error, len(list))
	for i, e := range list {
		errs[i] = e
	}
	return errs
}

func (list FileErrors) sorted() FileErrors {
	slices.SortStableFunc(list, func(a, b *FileError) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Position.Column, b.Position.Column))
	})
	return list
}
