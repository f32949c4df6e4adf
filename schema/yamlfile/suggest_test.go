package yamlfile

import "testing"

func TestSuggest(t *testing.T) {
	words := []string{"decrypt", "mask", "hide", "deny"}
	for name, want := range map[string]string{
		"decript": "decrypt", "Mask": "mask", "hdie": "hide", "dney": "deny", "pseudonym": "", "": "", "msak": "mask",
	} {
		if got := Suggest(name, words); got != want {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
}
