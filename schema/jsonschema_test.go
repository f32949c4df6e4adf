package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// validator knows the part of JSON Schema that our own schema uses, and fails
// on any other, so that nothing goes unchecked.
type validator struct{ root map[string]any }

func newValidator(t *testing.T) *validator {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(JSONSchema(), &root); err != nil {
		t.Fatal(err)
	}
	return &validator{root}
}

func (v *validator) resolve(s map[string]any) map[string]any {
	ref, ok := s["$ref"].(string)
	if !ok {
		return s
	}
	name := strings.TrimPrefix(ref, "#/definitions/")
	return v.root["definitions"].(map[string]any)[name].(map[string]any)
}

func (v *validator) validate(s map[string]any, value any, at string) error {
	s = v.resolve(s)
	for keyword, arg := range s {
		if err := v.keyword(s, keyword, arg, value, at); err != nil {
			return err
		}
	}
	return nil
}

func (v *validator) keyword(s map[string]any, keyword string, arg, value any, at string) error {
	fail := fmt.Errorf("%s: %v breaks %s %v", at, value, keyword, arg)
	object, _ := value.(map[string]any)
	list, _ := value.([]any)
	text, isText := value.(string)
	number, isNumber := value.(float64)
	bad := false
	switch keyword {
	case "title", "description", "default", "examples", "$schema", "definitions", "$ref":
	case "type":
		switch arg {
		case "object":
			bad = object == nil
		case "array":
			bad = list == nil
		case "string":
			bad = !isText
		case "boolean":
			_, ok := value.(bool)
			bad = !ok
		case "number":
			bad = !isNumber
		case "integer":
			bad = !isNumber || number != float64(int(number))
		default:
			return fmt.Errorf("unknown type %v", arg)
		}
	case "const":
		bad = !reflect.DeepEqual(arg, value)
	case "enum":
		bad = !slices.ContainsFunc(arg.([]any), func(a any) bool { return reflect.DeepEqual(a, value) })
	case "required":
		for _, name := range arg.([]any) {
			_, ok := object[name.(string)]
			bad = bad || !ok
		}
	case "minProperties":
		bad = object != nil && float64(len(object)) < arg.(float64)
	case "minItems":
		bad = list != nil && float64(len(list)) < arg.(float64)
	case "minLength":
		bad = isText && float64(len(text)) < arg.(float64)
	case "maxLength":
		bad = isText && float64(len(text)) > arg.(float64)
	case "minimum":
		bad = isNumber && number < arg.(float64)
	case "maximum":
		bad = isNumber && number > arg.(float64)
	case "exclusiveMinimum":
		bad = isNumber && number <= arg.(float64)
	case "pattern":
		bad = isText && !regexp.MustCompile(arg.(string)).MatchString(text)
	case "propertyNames":
		for name := range object {
			if err := v.validate(arg.(map[string]any), name, at+"."+name); err != nil {
				return err
			}
		}
	case "properties":
		for name, sub := range arg.(map[string]any) {
			if member, ok := object[name]; ok {
				if err := v.validate(sub.(map[string]any), member, at+"."+name); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		known, _ := s["properties"].(map[string]any)
		for name, member := range object {
			if _, ok := known[name]; ok {
				continue
			}
			sub, ok := arg.(map[string]any)
			if !ok {
				return fmt.Errorf("%s: unknown key %q", at, name)
			}
			if err := v.validate(sub, member, at+"."+name); err != nil {
				return err
			}
		}
	case "items":
		for i, member := range list {
			if err := v.validate(arg.(map[string]any), member, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case "anyOf":
		for _, sub := range arg.([]any) {
			if v.validate(sub.(map[string]any), value, at) == nil {
				return nil
			}
		}
		bad = true
	default:
		return fmt.Errorf("the test does not know the keyword %q", keyword)
	}
	if bad {
		return fail
	}
	return nil
}

// validateYAML checks a file's text against the JSON Schema.
func (v *validator) validateYAML(text []byte) error {
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(asJSON, &value); err != nil {
		return err
	}
	return v.validate(v.root, value, "file")
}

func TestJSONSchemaHasTheDecodersKeys(t *testing.T) {
	v := newValidator(t)
	properties := func(definition string) []string {
		s := v.root
		if definition != "" {
			s = v.root["definitions"].(map[string]any)[definition].(map[string]any)
		}
		if s["additionalProperties"] != false {
			t.Errorf("%q allows other keys", definition)
		}
		return names(s["properties"].(map[string]any))
	}
	for definition, known := range map[string][]string{
		"": fileKeys, "key": keyKeys, "project": projectKeys, "database": databaseKeys, "table": tableKeys, "column": columnKeys, "was": wasKeys, "grant": accessKeys, "break_glass": breakGlassKeys, "budget": budgetKeys, "canary": canaryKeys, "mask": maskKeys, "bucket": bucketKeys,
	} {
		want := slices.Sorted(slices.Values(known))
		if got := properties(definition); !slices.Equal(got, want) {
			t.Errorf("%q: the JSON Schema has %q and the decoder %q", definition, got, want)
		}
	}
	var verdicts []string
	for _, x := range v.root["definitions"].(map[string]any)["verdict"].(map[string]any)["enum"].([]any) {
		verdicts = append(verdicts, x.(string))
	}
	if !slices.Equal(verdicts, verdictWords) {
		t.Errorf("verdicts: %q and %q", verdicts, verdictWords)
	}
}

func TestJSONSchemaTakesTheExamples(t *testing.T) {
	v := newValidator(t)
	example, err := os.ReadFile("testdata/hospital.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.validateYAML(example); err != nil {
		t.Error(err)
	}
	for _, keys := range []string{
		fine,
		"type: int, encryption: deterministic, key: d, domain: a.b, context: x, access: [staff, {a: hide}]",
		"type: text, encryption: randomized, padding: none, access: {a: {verdict: hide, search: true}}",
		fine + ", was: {encryption: none}",
		"type: text, encryption: none, access: staff",
		"type: text, encryption: none, was: {encryption: deterministic, key: d, domain: a, padding: 16, context: x}, access: staff",
		"type: text, encryption: randomized, padding: 16, access: {a: {mask: {keep_last: 2, fill: '#', length: same, round: 0.5, truncate: month}}}",
		"type: int, encryption: randomized, access: {a: {mask: {bucket: 10, email: domain}}, b: {mask: {bucket: {size: 5, from: -3}, nir: order}}}",
		"type: bool, encryption: randomized, access: {a: {mask: {fixed: false}}, b: {mask: {fixed: 'no'}}, c: {mask: {fixed: 0}}}",
	} {
		text := []byte(column(keys))
		if _, err := Parse("f", text); err != nil {
			t.Errorf("%s: %v", keys, err)
		}
		if err := v.validateYAML(text); err != nil {
			t.Errorf("%s: %v", keys, err)
		}
	}
}

// What the JSON Schema refuses the decoder refuses, and the other way round, but
// for what depends on other parts of the file.
func TestJSONSchemaRefusesWhatTheDecoderDoes(t *testing.T) {
	v := newValidator(t)
	for _, keys := range []string{
		"encryption: randomized, access: staff",
		"type: text, access: staff",
		"type: text, encryption: nothing, access: staff",
		fine + ", was: {key: k}",
		fine + ", was: {encryption: none, access: staff}",
		"type: 12, encryption: randomized, access: staff",
		fine + ", colour: red",
		fine + ", padding: 0",
		fine + ", padding: 100000",
		fine + ", padding: 'yes'",
		fine + ", context: a b",
		"type: text, encryption: deterministic, domain: 'a:b', access: staff",
		"type: text, encryption: randomized, access: []",
		"type: text, encryption: randomized, access: {}",
		"type: text, encryption: randomized, access: {a: decript}",
		"type: text, encryption: randomized, access: {a: {search: true}}",
		"type: text, encryption: randomized, access: {a: {verdict: hide, search: 1}}",
		"type: text, encryption: randomized, access: {a: {mask: {}}}",
		"type: text, encryption: randomized, access: {a: {mask: {keep_first: -1}}}",
		"type: text, encryption: randomized, access: {a: {mask: {fill: ab}}}",
		"type: text, encryption: randomized, access: {a: {mask: {length: 0}}}",
		"type: date, encryption: randomized, access: {a: {mask: {truncate: day}}}",
		"type: int, encryption: randomized, access: {a: {mask: {round: 0}}}",
		"type: int, encryption: randomized, access: {a: {mask: {bucket: 0}}}",
		"type: int, encryption: randomized, access: {a: {mask: {bucket: {from: 3}}}}",
		"type: int, encryption: randomized, access: {a: {mask: {bucket: {size: 10, to: 3}}}}",
		"type: text, encryption: randomized, access: {a: {mask: {email: local}}}",
		"type: text, encryption: randomized, access: {a: {mask: {nir: sex}}}",
		"type: text, encryption: randomized, access: {a: {mask: {fixed: [a]}}}",
	} {
		text := []byte(column(keys))
		if _, err := Parse("f", text); err == nil {
			t.Errorf("the decoder takes %s", keys)
		}
		if err := v.validateYAML(text); err == nil {
			t.Errorf("the JSON Schema takes %s", keys)
		}
	}
}

func TestJSONSchemaIsTheCallers(t *testing.T) {
	clear(JSONSchema())
	if !bytes.Contains(JSONSchema(), []byte("pgveil schema file")) {
		t.Error("a caller changed it")
	}
}
