package config

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		key, text string
		want      any // nil for an error
	}{
		{"audit.segment_size", "4096", 4096},
		{"audit.segment_size", "64MB", 64 << 20},
		{"audit.segment_size", "64 MiB", 64 << 20},
		{"audit.segment_size", "8kB", 8 << 10},
		{"audit.segment_size", "1024GB", 1 << 40},
		{"audit.segment_size", "1025GB", nil},
		{"audit.segment_size", "4095", nil},
		{"audit.segment_size", "4095B", nil},
		{"audit.segment_size", "9223372036854775807", nil},
		{"audit.segment_size", "9223372036854775807GB", nil},
		{"audit.segment_size", "-1", nil},
		{"audit.segment_size", "64mb", nil},
		{"audit.segment_size", "GB", nil},
		{"server.port", "1", 1},
		{"server.port", "65535", 65535},
		{"server.port", "0", nil},
		{"server.port", "65536", nil},
		{"server.port", "5432.0", nil},
		{"login.refresh", "1m30s", 90 * time.Second},
		{"login.refresh", "0s", nil},
		{"login.refresh", "-5s", nil},
		{"login.refresh", "5", nil},
		{"listen", "localhost:0", "localhost:0"},
		{"listen", "[::1]:6432", "[::1]:6432"},
		{"listen", ":6432", ":6432"},
		{"listen", "::1:6432", nil},
		{"listen", "localhost:65536", nil},
		{"listen", "localhost:postgresql", nil},
		{"log.level", "warn", "warn"},
		{"log.level", "WARN", nil},
		{"login.password_env", "A1_b", "A1_b"},
		{"login.password_env", "1A", nil},
		{"login.password_env", "a-b", nil},
		{"login.password_vault", "a/b#c", "a/b#c"},
		{"login.password_vault", "/#c", nil},
		{"login.password_vault", "a/b#", nil},
		{"login.user", "", nil},
	} {
		got, err := lookup(test.key).parse(test.text)
		if (err != nil) != (test.want == nil) || err == nil && got != test.want {
			t.Errorf("%s %q: %v, %v, not %v", test.key, test.text, got, err, test.want)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int]string{0: "0B", 1: "1B", 1 << 10: "1kB", 1500: "1500B", 64 << 20: "64MB", 3 << 30: "3GB", 1 << 40: "1024GB"} {
		if got := formatSize(n); got != want {
			t.Errorf("%d: %s, not %s", n, got, want)
		}
		if back, ok := parseSize(formatSize(n)); !ok || back != n {
			t.Errorf("%s reads back as %d", formatSize(n), back)
		}
	}
}
