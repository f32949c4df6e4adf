package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// screen is where the tour is shown. Colours and the moving progress bar are for
// terminals alone (https://no-color.org).
type screen struct {
	out      io.Writer
	terminal bool
	colour   bool

	mu     sync.Mutex
	err    error  // of the first write that failed
	failed func() // called once then
}

// newScreen shows on f. failed is called when f can no longer be written.
func newScreen(f *os.File, failed func()) *screen {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	terminal := err == nil && os.Getenv("TERM") != "dumb"
	return &screen{out: f, terminal: terminal, colour: terminal && os.Getenv("NO_COLOR") == "", failed: failed}
}

// width is the terminal's, in columns.
func (s *screen) width() int {
	if f, ok := s.out.(*os.File); ok && s.terminal {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 20 {
			return int(size.Col)
		}
	}
	return 120
}

func (s *screen) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if _, s.err = io.WriteString(s.out, text); s.err != nil && s.failed != nil {
		s.failed()
	}
}

// line shows one line.
func (s *screen) line(format string, args ...any) { s.write(fmt.Sprintf(format, args...) + "\n") }

// blank shows an empty line.
func (s *screen) blank() { s.write("\n") }

// title shows the heading of a part of the tour.
func (s *screen) title(name, rest string) {
	text := s.paint(bold+cyan, name)
	if rest != "" {
		text += "  " + rest
	}
	s.write("\n" + text + "\n")
}

// about shows what the next query is for.
func (s *screen) about(text string) { s.write("\n  " + s.paint(bold, text) + "\n") }

// label shows lines under a short label in the margin.
func (s *screen) label(name string, lines ...string) {
	const margin = 8
	for i, line := range lines {
		if i > 0 {
			name = ""
		}
		s.write("  " + s.paint(dim, name) + pad("", margin-utf8.RuneCountInString(name)) + line + "\n")
	}
}

// step says that something is done.
func (s *screen) step(format string, args ...any) {
	s.line("%s %s", s.paint(green, "✓"), fmt.Sprintf(format, args...))
}

// The styles, as parameters of the SGR control sequence (ECMA-48, 8.3.117).
const (
	bold  = "1;"
	dim   = "2;"
	red   = "31;"
	green = "32;"
	cyan  = "36;"
)

// paint gives text a style, on a terminal.
func (s *screen) paint(style, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + strings.TrimSuffix(style, ";") + "m" + text + "\x1b[0m"
}

// pad fills text up to a width with blanks. Every character here is one column
// wide.
func pad(text string, width int) string {
	if n := width - utf8.RuneCountInString(text); n > 0 {
		return text + strings.Repeat(" ", n)
	}
	return text
}

// thousands writes a number with separators.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count writes a number of things.
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return thousands(n) + " " + thing
}
