package proxy_test

import (
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestReloadCursors: what was opened before another schema file was read shows no more than that says,
// however it is fetched; and goes on where that says the same of its columns.
func TestReloadCursors(t *testing.T) {
	const masked = `secretary: {search: true, mask: {keep_first: 1, fill: "*"}}`
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	reload := func(with string) { s.Reload(t, strings.Replace(stack.Schema, masked, with, 1)) }
	ways := map[string]messages{
		"cursor":               {query("FETCH 1 FROM c")},
		"cursor of a subquery": {query("FETCH 1 FROM v")},
		"cursor WITH HOLD":     {query("FETCH 1 FROM h")},
		"portal by FETCH":      {query("FETCH 1 FROM p")},
		"portal":               {execute("p", 1), sync_},
		"FETCH that is bound":  {execute("f", 1), sync_},
		"FETCH, bound anew":    {bind("again", "fetch"), execute("again", 1), sync_},
		"FETCH, parsed anew":   {parse("", "FETCH 1 FROM c"), bind("", ""), execute("", 1), sync_},
	}
	for _, test := range []struct{ with, want string }{
		{"secretary: deny", "42501"},
		{"secretary: hide", "0A000"},
		{masked, "0A000"},
		{"secretary: {verdict: decrypt, search: false}", "0A000"},
		{"secretary: {verdict: decrypt}", nir1},
	} {
		for way, in := range ways {
			t.Run(way+", "+test.with, func(t *testing.T) {
				reload("secretary: decrypt")
				c := dialWire(t, s.DSN("secretary"))
				// Each gives the first row, if any.
				opened := c.everything(messages{
					query("BEGIN"),
					query("DECLARE c CURSOR FOR SELECT nir FROM lab.patient ORDER BY id"), query("DECLARE v CURSOR FOR SELECT number FROM (SELECT id, nir AS number FROM lab.patient) seen ORDER BY id"),
					query("DECLARE h CURSOR WITH HOLD FOR SELECT nir FROM lab.patient ORDER BY id"),
					parse("s", "SELECT nir FROM lab.patient ORDER BY id"), bind("p", "s"), parse("fetch", "FETCH 1 FROM c"), bind("f", "fetch"), sync_,
				})
				if way == "cursor WITH HOLD" {
					opened += c.everything(messages{query("COMMIT")})
				}
				if strings.Contains(opened, "ERROR") {
					t.Fatal(opened)
				}
				reload(test.with)
				got := c.everything(in)
				if !strings.Contains(got, test.want) || test.want != nir1 && strings.Contains(got, nir1) {
					t.Errorf("want %s:\n%s", test.want, got)
				}
				if got := c.everything(messages{query("ROLLBACK"), query("SELECT nir FROM lab.patient WHERE id = 1")}); test.want == nir1 && !strings.Contains(got, nir1) {
					t.Errorf("afterwards:\n%s", got)
				}
			})
		}
	}
}
