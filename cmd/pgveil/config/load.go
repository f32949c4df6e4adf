package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// FileVariable names the configuration file in the environment.
const FileVariable = "PGVEIL_CONFIG"

// DefaultFiles are where a configuration file is looked for when none is named.
var DefaultFiles = []string{"pgveil.yaml", "/etc/pgveil/pgveil.yaml"}

// flag is a setting as a flag.
type flag struct {
	setting *Setting
	text    string
	value   any
}

func (f *flag) String() string { return f.text }
func (f *flag) Type() string   { return f.setting.Kind.String() }

func (f *flag) Set(text string) error {
	v, err := f.setting.parse(text)
	f.text, f.value = text, v
	return err
}

// Flags adds the flags of settings, and --config.
func Flags(flags *pflag.FlagSet, list []*Setting) {
	flags.String("config", "", "the configuration `file`; without it "+FileVariable+" in the environment, "+strings.Join(DefaultFiles, " or "))
	for _, s := range list {
		flags.Var(&flag{setting: s, text: s.Default}, s.Flag(), s.Help)
	}
}

// Load puts the configuration together. flags were made by [Flags] and parsed.
// The errors are an *[Error], or a [yamlfile.Errors] of the file.
func Load(flags *pflag.FlagSet, lookupEnv func(string) (string, bool)) (*Config, error) {
	c := &Config{origins: make(map[string]origin)}
	for _, s := range settings {
		if s.Default == "" {
			continue
		}
		v, err := s.parse(s.Default)
		if err != nil {
			return nil, fmt.Errorf("default of %s: %w", s.Key, err)
		}
		s.set(c, v)
	}
	if err := c.loadFile(flags, lookupEnv); err != nil {
		return nil, err
	}
	if err := c.loadEnv(lookupEnv); err != nil {
		return nil, err
	}
	flags.Visit(func(f *pflag.Flag) {
		if own, ok := f.Value.(*flag); ok {
			c.put(own.setting, own.value, origin{"--" + f.Name, fromFlag})
		}
	})
	return c, c.check()
}

func (c *Config) put(s *Setting, v any, from origin) {
	s.set(c, v)
	c.origins[s.Key] = from
}

// loadFile reads the file that a flag or the environment names, or else one of
// DefaultFiles if it is there.
func (c *Config) loadFile(flags *pflag.FlagSet, lookupEnv func(string) (string, bool)) error {
	name, place := "", ""
	if f := flags.Lookup("config"); f != nil && f.Changed {
		name, place = f.Value.String(), "--config"
	} else if text, ok := lookupEnv(FileVariable); ok && text != "" {
		name, place = text, FileVariable
	}
	var data []byte
	var err error
	if place != "" {
		data, err = os.ReadFile(name)
	} else {
		for _, name = range DefaultFiles {
			if data, err = os.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
				break
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	if err != nil {
		return &Error{Place: place, Message: "the configuration file cannot be read: " + err.Error()}
	}
	values, err := readFile(name, data)
	if err != nil {
		return err
	}
	c.File = name
	for key, v := range values {
		c.put(lookup(key), v.value, origin{v.place, fromFile})
	}
	return nil
}

func (c *Config) loadEnv(lookupEnv func(string) (string, bool)) error {
	for _, s := range settings {
		text, ok := lookupEnv(s.Env())
		if !ok || text == "" {
			continue
		}
		v, err := s.parse(text)
		if err != nil {
			return &Error{Place: s.Env(), Message: err.Error()}
		}
		c.put(s, v, origin{s.Env(), fromEnvironment})
	}
	return nil
}

// UnknownVariables lists the variables of the environment that begin with
// PGVEIL_ and mean nothing, each with a suggestion.
func UnknownVariables(environ []string) []string {
	known := []string{FileVariable}
	for _, s := range settings {
		known = append(known, s.Env())
	}
	var list []string
	for _, setting := range environ {
		name, _, _ := strings.Cut(setting, "=")
		if !strings.HasPrefix(name, "PGVEIL_") {
			continue
		}
		hint := yamlfile.DidYouMean(name, known)
		if !slices.Contains(known, name) && hint != "" {
			list = append(list, name+" is not a setting"+hint)
		}
	}
	return list
}
