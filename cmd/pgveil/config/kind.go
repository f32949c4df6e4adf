package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// Kind says what a setting's value is.
type Kind uint8

// The kinds.
const (
	Text      Kind = iota
	Path           // of a file or directory
	RootCert       // a path, or the word system
	Address        // address:port
	Variable       // name of a variable of the environment
	Reference      // path#field of a secret in Vault
	Choice         // one of Setting.Words
	Number         // from Setting.Low to Setting.High
	Size           // bytes, likewise
	Duration
)

// String names the kind, for flags without a better word.
func (k Kind) String() string {
	switch k {
	case Path, RootCert:
		return "file"
	case Address:
		return "address"
	case Variable:
		return "name"
	case Reference:
		return "path#field"
	case Choice:
		return "word"
	case Number:
		return "number"
	case Size:
		return "size"
	case Duration:
		return "duration"
	default:
		return "text"
	}
}

// parse reads a value; it is a string, int or time.Duration. The error is for
// the end of a message about the setting.
func (s *Setting) parse(text string) (any, error) {
	if text == "" {
		return nil, fmt.Errorf("it is empty")
	}
	switch s.Kind {
	case Choice:
		if !slices.Contains(s.Words, text) {
			hint := yamlfile.DidYouMean(text, s.Words)
			if hint == "" {
				hint = "; it is one of " + strings.Join(s.Words, ", ")
			}
			return nil, fmt.Errorf("unknown word %q%s", text, hint)
		}
		return text, nil
	case Number:
		n, err := strconv.Atoi(text)
		if err != nil || n < s.Low || n > s.High {
			return nil, fmt.Errorf("it is a whole number from %d to %d, not %q", s.Low, s.High, text)
		}
		return n, nil
	case Size:
		n, ok := parseSize(text)
		if !ok {
			return nil, fmt.Errorf("it is a size such as 64MB (B, kB, MB or GB, each 1024 of the one before), not %q", text)
		}
		if n < s.Low || n > s.High {
			return nil, fmt.Errorf("it is a size from %s to %s, not %s", formatSize(s.Low), formatSize(s.High), text)
		}
		return n, nil
	case Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("it is a duration such as 500ms, 10s, 5m or 24h, not %q", text)
		}
		return d, nil
	case Address:
		if _, port, err := net.SplitHostPort(text); err != nil {
			return nil, fmt.Errorf("it is an address and a port such as 127.0.0.1:6432 or [::]:6432, not %q", text)
		} else if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			return nil, fmt.Errorf("%q is not a TCP port", port)
		}
		return text, nil
	case Variable:
		if !variableName.MatchString(text) {
			// It may be the secret itself: it is not shown.
			return nil, fmt.Errorf("it is the name of a variable of the environment, not its value")
		}
		return text, nil
	case Reference:
		if path, field, ok := strings.Cut(text, "#"); !ok || strings.Trim(path, "/") == "" || field == "" {
			return nil, fmt.Errorf("it is a path and a field such as pgveil/login#password")
		}
		return text, nil
	default:
		return text, nil
	}
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// sizeUnits are PostgreSQL's units of memory, and the same by their IEC names.
var sizeUnits = []struct {
	name  string
	bytes int
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"kB", 1 << 10},
	{"MB", 1 << 20},
	{"GB", 1 << 30},
	{"B", 1},
	{"", 1},
}

func parseSize(text string) (int, bool) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(digits))
		return n * unit.bytes, err == nil && n >= 0 && n <= 1<<40/unit.bytes
	}
	return 0, false
}

func formatSize(n int) string {
	for _, unit := range []string{"GB", "MB", "kB"} {
		if size, _ := parseSize("1" + unit); n >= size && n%size == 0 {
			return strconv.Itoa(n/size) + unit
		}
	}
	return strconv.Itoa(n) + "B"
}
