package copydata

import (
	"bytes"
	"testing"
)

// fuzz checks that it does not matter where data is cut, and that what was replaced
// can be put back: sealing that again gives the same.
func fuzz(f *testing.F, forms []Options, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed), uint8(0), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, form uint8, cut int) {
		c := config(Text, stars, "a", "*b", "c")
		c.Options = forms[int(form)%len(forms)]
		whole, err := rewrite(t, c, data, 0)
		pieces, cutErr := rewrite(t, c, data, 1+(cut&15))
		if (err == nil) != (cutErr == nil) || err != nil && err.Error() != cutErr.Error() || !bytes.Equal(whole, pieces) {
			t.Fatalf("%q: %q, %v; in pieces %q, %v", data, whole, err, pieces, cutErr)
		}
		if err != nil {
			return
		}
		c.Header, c.Change = NoHeader, unstars
		if c.Options.Format != Binary && forms[int(form)%len(forms)].Header != NoHeader {
			return // a header may be anything
		}
		opened, err := rewrite(t, c, whole, 0)
		if err != nil {
			t.Fatalf("%q became %q: %v", data, whole, err)
		}
		c.Change = stars
		again, err := rewrite(t, c, opened, 0)
		if err != nil || !bytes.Equal(again, whole) {
			t.Fatalf("%q became %q, opened %q, and then %q, %v", data, whole, opened, again, err)
		}
	})
}

func formsOf(f Format) []Options {
	var forms []Options
	for _, form := range serverForms {
		if form.Format == f {
			forms = append(forms, form.Options)
		}
	}
	return forms
}

func FuzzText(f *testing.F) {
	fuzz(f, formsOf(Text), "a\tb\tc\n", "a\t\\N\t\\.\n", "a\tb\\", "\t\t\r\n\\.\r\n", "a\tb\\\tb\\x4\tc\n\\.\nx")
}

func FuzzCSV(f *testing.F) {
	fuzz(f, formsOf(CSV), "a,b,c\n", "a,\"b\n\"\"\",c\r\n", "\\.\nx", ",,\n,\"\",\n", "a,'b\\'',c")
}

func FuzzBinary(f *testing.F) {
	fuzz(f, []Options{{Format: Binary}}, signature+"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x01a\x00\x00\x00\x01b\xff\xff\xff\xff\xff\xff", signature)
}
