package schema

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

func (p *fileParser) parseMask(e yamlfile.Entry, what string) Pattern {
	what += ": mask"
	fields := p.Fields(e.Value, what, maskKeys)
	var m Pattern
	if f, ok := fields["keep_first"]; ok {
		m.KeepFirst, _ = p.Integer(f, what, 0, maxMaskLength)
	}
	if f, ok := fields["keep_last"]; ok {
		m.KeepLast, _ = p.Integer(f, what, 0, maxMaskLength)
	}
	if f, ok := fields["fill"]; ok {
		if s, ok := p.Text(f, what); ok {
			if len(s) != 1 || s[0] <= ' ' || s[0] > '~' {
				p.Errorf(yamlfile.PositionOf(f.Value), "%s: fill is one printable ASCII character, not %q", what, s)
			} else {
				m.Fill = s[0]
			}
		}
	}
	if f, ok := fields["length"]; ok {
		if n, ok := f.Value.(*ast.StringNode); ok && n.Value == "same" {
			m.Length = SameLength
		} else if _, ok := f.Value.(*ast.IntegerNode); ok {
			m.Length, _ = p.Integer(f, what, 1, maxMaskLength)
		} else {
			p.WrongType(f.Value, what+`: "length"`, "a number of characters, or same")
		}
	}
	if f, ok := fields["truncate"]; ok {
		switch s, _ := p.Choice(f, what, "year", "month"); s {
		case "year":
			m.Truncate = TruncateYear
		case "month":
			m.Truncate = TruncateMonth
		}
	}
	if f, ok := fields["round"]; ok {
		m.Round = p.maskNumber(f, what, false)
	}
	if f, ok := fields["bucket"]; ok {
		m.Bucket, m.From = p.parseBucket(f, what)
	}
	if f, ok := fields["email"]; ok {
		_, m.Email = p.Choice(f, what, "domain")
	}
	if f, ok := fields["nir"]; ok {
		_, m.NIR = p.Choice(f, what, "order")
	}
	if f, ok := fields["fixed"]; ok {
		m.Fixed, m.HasFixed = p.parseFixed(f, what)
	}
	p.checkMaskKeys(fields, what)
	return m
}

// maskRivals are keys of a mask of which only one can be said.
var maskRivals = [][2][]string{
	{{"fixed"}, {"keep_first", "keep_last", "fill", "length", "email", "nir", "truncate", "round", "bucket"}},
	{{"email"}, {"keep_first", "keep_last", "length", "nir"}},
	{{"nir"}, {"keep_first", "keep_last", "length"}},
	{{"round"}, {"bucket"}},
}

func (p *fileParser) checkMaskKeys(fields map[string]yamlfile.Entry, what string) {
	for _, rivals := range maskRivals {
		one, ok := fields[rivals[0][0]]
		if !ok {
			continue
		}
		for _, key := range rivals[1] {
			if _, both := fields[key]; both {
				p.Errorf(one.At, "%s: %s and %s exclude each other", what, rivals[0][0], key)
			}
		}
	}
}

// parseBucket reads the size of buckets, and where one of them begins.
func (p *fileParser) parseBucket(f yamlfile.Entry, what string) (size, from string) {
	if !yamlfile.IsMapping(f.Value) {
		return p.maskNumber(f, what, false), ""
	}
	what += ": bucket"
	fields := p.Fields(f.Value, what, bucketKeys)
	if s, ok := fields["size"]; ok {
		size = p.maskNumber(s, what, false)
	} else {
		p.Errorf(f.At, "%s has no size", what)
	}
	if s, ok := fields["from"]; ok {
		from = p.maskNumber(s, what, true)
	}
	return size, from
}

// parseFixed reads a value of any type, as it is written.
func (p *fileParser) parseFixed(f yamlfile.Entry, what string) (string, bool) {
	switch f.Value.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return f.Value.GetToken().Value, true
	case *ast.StringNode:
		if f.Value.GetToken().Value == "" {
			return "", true
		}
	}
	return p.Text(f, what)
}

// maskNumber takes a number as it is written: a float would lose 0.1. It is positive, unless
// any will do.
func (p *fileParser) maskNumber(f yamlfile.Entry, what string, any bool) string {
	const positive, whatever = "a positive number such as 10 or 0.5", "a number such as 18 or -0.5"
	want := positive
	if any {
		want = whatever
	}
	switch f.Value.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
	default:
		p.WrongType(f.Value, fmt.Sprintf("%s: %q", what, f.Key), want)
		return ""
	}
	s := f.Value.GetToken().Value
	digits := s
	if any {
		digits = strings.TrimPrefix(s, "-")
	}
	if n, ok := parseDecimal(digits); !ok || !any && n.Sign() <= 0 {
		p.Errorf(yamlfile.PositionOf(f.Value), "%s: %s is %s, not %q", what, f.Key, want, s)
		return ""
	}
	return s
}
