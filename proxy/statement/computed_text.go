package statement

import (
	"bytes"
	"math"
	"unicode/utf8"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// function is one of the server's functions of strings that pgveil computes: of those
// whose result depends on nothing but the arguments. Its arguments are strings but
// for the numbers from the first one on.
type function struct {
	name        string
	least, most int
	firstNumber int // index of the first argument that is a number; 0: none
	lax         bool
	apply       func(texts [][]byte, numbers []int64) ([]byte, error)
}

func (f *function) numbers(i int) bool { return f.firstNumber > 0 && i >= f.firstNumber }

// functions are those known, by their names in pg_catalog.
var functions = make(map[string]*function)

func init() {
	for _, f := range []*function{
		{name: "lower", least: 1, most: 1, apply: func(t [][]byte, _ []int64) ([]byte, error) { return changeCase(t[0], 'A', 'Z') }},
		{name: "upper", least: 1, most: 1, apply: func(t [][]byte, _ []int64) ([]byte, error) { return changeCase(t[0], 'a', 'z') }},
		{name: "btrim", least: 1, most: 2, apply: func(t [][]byte, _ []int64) ([]byte, error) { return trim(t, true, true), nil }},
		{name: "ltrim", least: 1, most: 2, apply: func(t [][]byte, _ []int64) ([]byte, error) { return trim(t, true, false), nil }},
		{name: "rtrim", least: 1, most: 2, apply: func(t [][]byte, _ []int64) ([]byte, error) { return trim(t, false, true), nil }},
		{name: "concat", least: 1, most: maxArguments, lax: true, apply: func(t [][]byte, _ []int64) ([]byte, error) { return bytes.Join(t, nil), nil }},
		{name: "replace", least: 3, most: 3, apply: func(t [][]byte, _ []int64) ([]byte, error) { return replace(t[0], t[1], t[2]), nil }},
		{name: "left", least: 2, most: 2, firstNumber: 1, apply: func(t [][]byte, n []int64) ([]byte, error) { return left(t[0], n[0]), nil }},
		{name: "right", least: 2, most: 2, firstNumber: 1, apply: func(t [][]byte, n []int64) ([]byte, error) { return right(t[0], n[0]), nil }},
		{name: "substr", least: 2, most: 3, firstNumber: 1, apply: substring},
		{name: "substring", least: 2, most: 3, firstNumber: 1, apply: substring},
	} {
		functions[f.name] = f
	}
}

// maxArguments is the server's FUNC_MAX_ARGS.
const maxArguments = 100

// changeCase changes the letters from first to last. Beyond ASCII the result depends
// on the database's collation, which pgveil does not have.
func changeCase(text []byte, first, last byte) ([]byte, error) {
	out := make([]byte, len(text))
	for i, c := range text {
		switch {
		case c >= utf8.RuneSelf:
			return nil, pgerror.New(pgerror.FeatureNotSupported, "lower() and upper() of a value for a sealed column are computed for ASCII letters only").
				WithHint("The server's collation decides about other letters. Send the value as it is to be stored.")
		case c >= first && c <= last:
			c ^= 0x20
		}
		out[i] = c
	}
	return out, nil
}

// trim takes the characters of the second text, or blanks, off the ends of the first.
func trim(texts [][]byte, start, end bool) []byte {
	text, set := texts[0], []byte(" ")
	if len(texts) > 1 {
		set = texts[1]
	}
	for start && len(text) > 0 {
		_, size := utf8.DecodeRune(text)
		if !bytes.Contains(set, text[:size]) {
			break
		}
		text = text[size:]
	}
	for end && len(text) > 0 {
		_, size := utf8.DecodeLastRune(text)
		if !bytes.Contains(set, text[len(text)-size:]) {
			break
		}
		text = text[:len(text)-size]
	}
	return text
}

func replace(text, from, to []byte) []byte {
	if len(from) == 0 {
		return text
	}
	return bytes.ReplaceAll(text, from, to)
}

// chars gives the characters [from, until) of a text, counted from 0.
func chars(text []byte, from, until int64) []byte {
	at, start, n := 0, -1, int64(0)
	for at < len(text) && n < until {
		if n == from {
			start = at
		}
		_, size := utf8.DecodeRune(text[at:])
		at += size
		n++
	}
	if start < 0 {
		return nil
	}
	return text[start:at]
}

// left gives the first n characters, or all but the last -n.
func left(text []byte, n int64) []byte {
	if n < 0 {
		n += int64(utf8.RuneCount(text))
	}
	return chars(text, 0, n)
}

// right gives the last n characters, or all but the first -n. The least int4 has no
// opposite of its type, and the server leaves nothing out.
func right(text []byte, n int64) []byte {
	if n == math.MinInt32 {
		return text
	}
	count := int64(utf8.RuneCount(text))
	if n < 0 {
		n = count + n
	}
	return chars(text, max(count-n, 0), count)
}

// substring gives the characters from the first number on, as many as the second
// says. A place before the text counts.
func substring(texts [][]byte, numbers []int64) ([]byte, error) {
	from, until := numbers[0]-1, int64(utf8.RuneCount(texts[0]))
	if len(numbers) > 1 {
		if numbers[1] < 0 {
			return nil, pgerror.New("22011", "negative substring length not allowed")
		}
		until = min(until, from+numbers[1])
	}
	return chars(texts[0], max(from, 0), until), nil
}
