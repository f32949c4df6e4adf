package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// parseSchema reads the JSON Schema as an editor does.
func parseSchema(t *testing.T) map[string]any {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(JSONSchema(), &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// leaves gives the schemas of the settings by key; every mapping has to refuse other
// keys.
func leaves(t *testing.T, node map[string]any, prefix string, into map[string]map[string]any) {
	t.Helper()
	properties, ok := node["properties"].(map[string]any)
	if !ok {
		into[strings.TrimSuffix(prefix, ".")] = node
		return
	}
	if node["additionalProperties"] != false || node["type"] != "object" {
		t.Errorf("%q allows other keys", prefix)
	}
	for name, child := range properties {
		leaves(t, child.(map[string]any), prefix+name+".", into)
	}
}

// The JSON Schema has the decoder's keys: a file with every key of the schema decodes,
// and sets every setting.
func TestJSONSchemaHasTheDecodersKeys(t *testing.T) {
	all := make(map[string]map[string]any)
	leaves(t, parseSchema(t), "", all)
	file := make(map[string]any)
	for key := range all {
		at := file
		parts := strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			next, ok := at[part].(map[string]any)
			if !ok {
				next = make(map[string]any)
				at[part] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = sample(lookup(key))
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	values, err := readFile("all.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if len(values) != len(settings) {
		t.Errorf("%d values of %d settings", len(values), len(settings))
	}
	for _, s := range settings {
		if _, ok := values[s.Key]; !ok {
			t.Errorf("the JSON Schema has no %s", s.Key)
		}
		if all[s.Key]["description"] == "" {
			t.Errorf("%s is not described", s.Key)
		}
	}
}

// sample is a value that a setting takes.
func sample(s *Setting) any {
	switch s.Kind {
	case Choice:
		return s.Words[len(s.Words)-1]
	case Number:
		return s.High
	case Size:
		return formatSize(s.High)
	case Duration:
		return "1h30m"
	case Address:
		return "[::1]:6432"
	case Variable:
		return "SOME_SECRET"
	case Reference:
		return "pgveil/login#password"
	default:
		return "text"
	}
}

// The JSON Schema and the decoder take and refuse the same values.
func TestJSONSchemaAgreesWithTheDecoder(t *testing.T) {
	all := make(map[string]map[string]any)
	leaves(t, parseSchema(t), "", all)
	for _, s := range settings {
		node := all[s.Key]
		candidates := []any{
			sample(s), s.Default, "", "text", "x y", "disable", "requre", "error", 0, 1, -1, 5432, 70000, 1 << 21, 1 << 50, 1.5, true, nil,
			"64MB", "64 MiB", "3XB", "MB", "10s", "1.5h", "10", "-1s", "500ms", "soon", "127.0.0.1:6432", ":6432", "6432", "host:x",
			"A_B", "1A", "a/b#c", "a/b", "#c", "a#",
			[]any{"a"},
			map[string]any{"a": "b"},
		}
		for _, v := range candidates {
			if v == "" && s.Default == "" {
				continue // sample of a setting without default
			}
			byDecoder, bySchema := decodes(t, s, v), conforms(t, node, v)
			if byDecoder != bySchema && !tolerated(s, v) {
				t.Errorf("%s: %#v: the decoder says %v, the JSON Schema %v", s.Key, v, byDecoder, bySchema)
			}
		}
	}
}

// tolerated are values out of a range, or nothing but punctuation, that a JSON Schema
// lets pass because it cannot tell.
func tolerated(s *Setting, v any) bool {
	switch s.Kind {
	case Size: // a size in text, below or above the bounds
		text, ok := v.(string)
		return ok && sizePattern.MatchString(text)
	default:
		return false
	}
}

var sizePattern = regexp.MustCompile(`^[0-9]+ ?[A-Za-z]*$`)

func decodes(t *testing.T, s *Setting, v any) bool {
	t.Helper()
	var file any = v
	parts := strings.Split(s.Key, ".")
	for _, part := range slices.Backward(parts) {
		file = map[string]any{part: file}
	}
	text, err := json.Marshal(file) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	_, err = readFile("f", text)
	return err == nil
}

// conforms knows the part of JSON Schema that is used here, and fails on any other.
func conforms(t *testing.T, node map[string]any, v any) bool {
	t.Helper()
	ok := true
	for keyword, arg := range node {
		switch keyword {
		case "description", "default", "title":
		case "type":
			types, list := arg.([]any)
			if !list {
				types = []any{arg}
			}
			ok = ok && slices.ContainsFunc(types, func(name any) bool { return hasType(v, name.(string)) })
		case "enum":
			ok = ok && slices.ContainsFunc(arg.([]any), func(word any) bool { return word == v })
		case "pattern":
			text, isText := v.(string)
			ok = ok && (!isText || regexp.MustCompile(arg.(string)).MatchString(text))
		case "minLength":
			text, isText := v.(string)
			ok = ok && (!isText || len(text) >= int(arg.(float64)))
		case "minimum":
			n, isNumber := v.(int)
			ok = ok && (!isNumber || float64(n) >= arg.(float64))
		case "maximum":
			n, isNumber := v.(int)
			ok = ok && (!isNumber || float64(n) <= arg.(float64))
		default:
			t.Fatalf("the test does not know the keyword %q", keyword)
		}
	}
	return ok
}

func hasType(v any, name string) bool {
	switch v.(type) {
	case string:
		return name == "string"
	case int:
		return name == "integer"
	default:
		return false
	}
}

// The table: keys, flags and variables are told apart, each has a field of its own,
// and every default is a value of its setting.
func TestSettings(t *testing.T) {
	seen := make(map[string]string)
	fields := make(map[string]string)
	c := &Config{}
	for _, s := range settings {
		for _, name := range []string{s.Key, "--" + s.Flag(), s.Env()} {
			if other, ok := seen[name]; ok {
				t.Errorf("%s belongs to %s and %s", name, other, s.Key)
			}
			seen[name] = s.Key
		}
		field := fmt.Sprintf("%p", s.field(c))
		if other, ok := fields[field]; ok {
			t.Errorf("%s and %s share a field", other, s.Key)
		}
		fields[field] = s.Key
		if s.Default != "" {
			if _, err := s.parse(s.Default); err != nil {
				t.Errorf("default of %s: %v", s.Key, err)
			}
		}
		if s.Help == "" || strings.HasSuffix(s.Help, ".") {
			t.Errorf("help of %s: %q", s.Key, s.Help)
		}
	}
	keys := make([]string, 0, len(settings))
	for _, s := range Settings("audit.dir", "log", "server.ssl") {
		keys = append(keys, s.Key)
	}
	sort.Strings(keys)
	if want := []string{"audit.dir", "log.format", "log.level"}; !slices.Equal(keys, want) {
		t.Errorf("settings below: %v", keys)
	}
}
