package schema_test

import (
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema"
)

func canaryFile(canaries, subject string) string {
	return `version: 1
keys: {identity: deterministic}
databases:
  laboratory:
    canaries: ` + canaries + `
    tables:
      lab.patient:
        ` + subject + `
        columns:
          nir: {type: char(15), encryption: deterministic, access: {biologist: decrypt}}
`
}

func TestCanaries(t *testing.T) {
	const tag, other = "2jWhvLGtq+hQTuv7zDRCMQ", "AAECAwQFBgcICQoLDA0ODw"
	f, err := schema.Parse("schema.yaml", []byte(canaryFile(`{a: {tags: ["`+tag+`"], stop: true}, b: {tags: ["`+other+`"]}}`, "subject: nir")))
	if err != nil {
		t.Fatal(err)
	}
	db := f.Databases["laboratory"]
	if b := db.Canaries[[16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}]; len(db.Canaries) != 2 || b == nil || b.Name != "b" || b.Stop {
		t.Errorf("%v", db.Canaries)
	}
	for canaries, want := range map[string]string{
		`{a: {stop: true}}`:                                        `canary "a" has no tags`,
		`{a: {tags: []}}`:                                          "a list of tags",
		`{a: {tags: ` + tag + `}}`:                                 "a list of tags",
		`{a: {tags: [185057800608436]}}`:                           "a tag in quotes",
		`{a: {tags: ["185057800608436"]}}`:                         "is no subject tag",
		`{a: {tags: ["` + tag + `="]}}`:                            "is no subject tag",
		`{a: {tags: ["` + tag + `"], stops: on}}`:                  `did you mean "stop"?`,
		`{a: {tags: ["` + tag + `"], stop: 1}}`:                    "stop",
		`{a: {tags: ["` + tag + `"]}, b: {tags: ["` + tag + `"]}}`: `"b" has a tag of canary "a"`,
	} {
		if _, err := schema.Parse("schema.yaml", []byte(canaryFile(canaries, "subject: nir"))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", canaries, err, want)
		}
	}
	_, err = schema.Parse("schema.yaml", []byte(canaryFile(`{a: {tags: ["`+tag+`"]}}`, "access: {biologist: decrypt}")))
	if err == nil || !strings.Contains(err.Error(), "no table of it has a subject") {
		t.Error(err)
	}
}
