package schema

import (
	"encoding/base64"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// Canary is a patient whom nobody should ever read.
type Canary struct {
	Name string
	Stop bool // a session that opens values of it is ended
}

// canaryTagSize is the length of a subject tag in bytes.
const canaryTagSize = 16

// parseCanaries reads the canaries of a database, which the file knows by their subject tags.
func (p *fileParser) parseCanaries(e yamlfile.Entry, db *Database) {
	db.Canaries = make(map[[canaryTagSize]byte]*Canary)
	if len(db.Subjects()) == 0 {
		p.Errorf(e.At, "database %s has canaries, and no table of it has a subject, by which they would be seen", quote(db.Name))
	}
	for _, e := range p.Mapping(e.Value, "the canaries of database "+quote(db.Name)) {
		if !p.checkName(e.At, "canary", e.Key) {
			continue
		}
		what := "canary " + quote(e.Key)
		fields := p.Fields(e.Value, what, canaryKeys)
		canary := &Canary{Name: e.Key}
		if f, ok := fields["stop"]; ok {
			canary.Stop, _ = p.Boolean(f, what)
		}
		f, ok := fields["tags"]
		if !ok {
			p.Errorf(e.At, "%s has no tags; pgveil schema canary %s < identifier prints them", what, e.Key)
			continue
		}
		list, ok := f.Value.(*ast.SequenceNode)
		if !ok || len(list.Values) == 0 {
			p.WrongType(f.Value, what, "a list of tags, as pgveil schema canary prints them")
			continue
		}
		for _, n := range list.Values {
			text, ok := n.(*ast.StringNode)
			if !ok {
				p.WrongType(n, what, "a tag in quotes, as pgveil schema canary prints it")
				continue
			}
			tag, err := base64.RawStdEncoding.Strict().DecodeString(text.Value)
			switch {
			case err != nil || len(tag) != canaryTagSize:
				p.Errorf(yamlfile.PositionOf(n), "%s: %s is no subject tag; pgveil schema canary %s < identifier prints them", what, quote(text.Value), e.Key)
				continue
			case db.Canaries[[canaryTagSize]byte(tag)] != nil:
				p.Errorf(yamlfile.PositionOf(n), "%s has a tag of canary %s", what, quote(db.Canaries[[canaryTagSize]byte(tag)].Name))
			}
			db.Canaries[[canaryTagSize]byte(tag)] = canary
		}
	}
}
