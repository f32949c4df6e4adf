package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// The manual's examples are configurations, and it names every setting with its
// default.
func TestManualPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(examples) != 2 {
		t.Fatalf("%d examples", len(examples))
	}
	for i, want := range []Config{
		{Listen: "0.0.0.0:6432", Schema: "schema.yaml", Server: Server{Host: "db.example", SSLMode: "verify-full"}, Vault: Vault{Address: "https://vault.example:8200"}},
		{Listen: "127.0.0.1:6432", Schema: "schema.yaml", Server: Server{Host: "127.0.0.1", SSLMode: "prefer"}, Insecure: "insecure-keys"},
	} {
		name := filepath.Join(t.TempDir(), "pgveil.yaml")
		if err := os.WriteFile(name, []byte(examples[i][1]), 0o600); err != nil {
			t.Fatal(err)
		}
		c := load(t, []string{"--config", name}, nil)
		path := func(s string) string {
			if s == "" {
				return ""
			}
			return filepath.Join(filepath.Dir(name), s)
		}
		if c.Listen != want.Listen || c.Schema != path(want.Schema) || c.Insecure != path(want.Insecure) ||
			c.Server.Host != want.Server.Host || c.Server.SSLMode != want.Server.SSLMode || c.Vault.Address != want.Vault.Address {
			t.Errorf("example %d: %+v", i, c)
		}
	}
	rows := strings.Split(string(page), "\n")
	for _, s := range settings {
		found := false
		for _, row := range rows {
			if cells := strings.Split(row, "|"); len(cells) >= 4 && strings.Contains(cells[1], "`"+s.Key+"`") {
				found = true
				if want := strings.TrimSpace(cells[2]); want != "" && want != "`"+s.Default+"`" || want == "" && s.Default != "" {
					t.Errorf("%s: the page says that the default is %q, and it is %q", s.Key, want, s.Default)
				}
				for _, word := range s.Words {
					if !strings.Contains(row, "`"+word+"`") {
						t.Errorf("%s: the page does not name %q", s.Key, word)
					}
				}
			}
		}
		if !found {
			t.Errorf("the page has no row for %s", s.Key)
		}
	}
}

// load loads a configuration from arguments and an environment.
func load(t *testing.T, args []string, env map[string]string) *Config {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Flags(flags, Settings())
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	c, err := Load(flags, func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
