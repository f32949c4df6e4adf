package proxy

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// subjects are those of whom one statement opens values. It belongs to the backend
// goroutine, and so does all that fills it.
type subjects struct {
	expected bool // a value of somebody is opened
	told     bool // a column of the result tells of whom
	named    bool // the row at hand has told it
	seen     map[[16]byte]struct{}
	tags     []audit.Tag // that are in no record yet
	total    int64
	unnamed  int64 // rows that did not tell
	state    *state
	stop     bool // what is about to leave is of a canary that stops it
}

// maxSeen bounds what is remembered so that a subject is tagged once for a statement.
const maxSeen = 1 << 16

// isSubject reports whether the values of a column tell whom a row is about.
func isSubject(column *schema.Column) bool {
	return column.Subject != nil && column.Subject == column.InFile()
}

// identifier gives what a plaintext of a column identifies a subject by: blanks at the end
// of a char(n) do not count.
func identifier(column *schema.Column, plain []byte) []byte {
	if column.Type.Kind == logical.Bpchar {
		return bytes.TrimRight(plain, " \x00")
	}
	return plain
}

// SubjectTag gives the tag of a subject whose identifier was typed, as the values of the
// column are. The error is that of a value that the column cannot hold.
func SubjectTag(key *audit.TagKey, column *schema.Column, text string) (audit.Tag, error) {
	f := reading{column: column, use: logical.Assign}
	canonical, err := f.canonical(nil, []byte(text), 0, 0, &logical.Settings{})
	if err != nil {
		return audit.Tag{}, err
	}
	return key.Tagger().Tag(column.SubjectDomain(), identifier(column, canonical)), nil
}

// noteSubject notes whose a sealed value is that the client is about to see, or that
// stands in a row beside what it sees. The value itself may be hidden from it.
func (c *conn) noteSubject(from *opener, sealed []byte) {
	s := c.subjects
	if s == nil {
		return
	}
	sum := sha256.Sum256(sealed)
	mark := [16]byte(sum[:])
	if _, known := s.seen[mark]; known {
		s.named = true
		return
	}
	plain, err := from.sealer.Open(c.identifier[:0], sealed)
	if err != nil {
		return // erased, or the row fails for it: it tells nobody
	}
	c.identifier = plain
	if len(s.seen) >= maxSeen {
		clear(s.seen)
	}
	if s.seen == nil {
		s.seen = make(map[[16]byte]struct{})
	}
	s.seen[mark] = struct{}{}
	if c.tagger == nil {
		c.tagger = c.config.Subjects.Tagger()
	}
	domain, id := from.tagged.SubjectDomain(), identifier(from.tagged, plain)
	tag := c.tagger.Tag(domain, id)
	s.tags = append(s.tags, tag)
	s.named = true
	s.total++
	if canary := c.canaryOf(c.tagger, tag, domain, id); canary != nil {
		c.seeCanary(canary, from.tagged)
	}
}

// noteUnseen is noteSubject for a value of a column that is NULL for the client.
func (c *conn) noteUnseen(col *column, value []byte) {
	if c.subjects == nil || col.output.Array || !col.tellsSubject() {
		return
	}
	if !col.binary {
		var err error
		if c.sealed, err = logical.DecodeByteaText(c.sealed[:0], value); err != nil {
			return
		}
		value = c.sealed
	}
	if from := col.sourceOf(value); from != nil && from.subject {
		c.noteSubject(from, value)
	}
}

// opensFor has what is opened from now on counted for a result.
func (c *conn) opensFor(r *result) {
	if c.erased, c.subjects = 0, nil; r.subjects.expected && r.intent != nil {
		c.subjects, r.subjects.state = &r.subjects, r.state
	}
}

// endRow counts a row that did not tell whom it is about, and records the tags once there
// are enough for a record.
func (r *result) endRow() {
	s := &r.subjects
	if s.expected && !s.named {
		s.unnamed++
	}
	s.named = false
	r.recordTags(audit.MaxTags)
}

// recordTags records tags that are more than a record of the outcome has room for.
func (r *result) recordTags(room int) {
	s := &r.subjects
	for len(s.tags) > 0 && len(s.tags) >= room && r.intent != nil {
		n := min(len(s.tags), audit.MaxTags)
		r.intent.Subjects(s.tags[:n])
		s.tags = slices.Delete(s.tags, 0, n)
	}
}

// tellsSubject reports whether a column of a result may name subjects.
func (col *column) tellsSubject() bool {
	if col.json != nil {
		for _, inner := range col.json.values {
			if inner.tellsSubject() {
				return true
			}
		}
	}
	return slices.ContainsFunc(col.sources, func(o opener) bool { return o.subject })
}

// searched are the tags of the subjects by whose identifiers a text, or the values bound
// to one, search. It belongs to the frontend goroutine.
type searched struct {
	key    *audit.TagKey // nil: subjects are not tagged
	tagger *audit.Tagger // made when it is needed
	tags   []audit.Tag
	// found is told of each subject that is searched by.
	found func(tagger *audit.Tagger, tag audit.Tag, column *schema.Column, identifier []byte)
}

// sealer gives the sealer of values that a session gives for a column: where they are
// compared and name subjects, one that notes whom.
func (s *searched) sealer(column *schema.Column, sealer Sealer, compared bool) Sealer {
	if s.key == nil || !compared || column == nil || !isSubject(column) {
		return sealer
	}
	return &searchSealer{sealer, column, s}
}

// maxCompared is to how many tags another is compared before it is added.
const maxCompared = 1024

// searchSealer notes the subjects whose identifiers it seals.
type searchSealer struct {
	Sealer
	column   *schema.Column
	searched *searched
}

func (s *searchSealer) Seal(dst, plain []byte) ([]byte, error) {
	of := s.searched
	if of.tagger == nil {
		of.tagger = of.key.Tagger()
	}
	id := identifier(s.column, plain)
	tag := of.tagger.Tag(s.column.SubjectDomain(), id)
	of.found(of.tagger, tag, s.column, id)
	if len(of.tags) > maxCompared || !slices.Contains(of.tags, tag) {
		of.tags = append(of.tags, tag)
	}
	return s.Sealer.Seal(dst, plain)
}

// take gives what was found since the last time.
func (s *searched) take() []audit.Tag {
	tags := s.tags
	s.tags = nil
	return tags
}

// searchedBy gives the tags of subjects that a statement searches by.
func (c *conn) searchedBy(r *result, query bool) []audit.Tag {
	var tags []audit.Tag
	if query {
		tags = append(tags, c.rewriter.searched.tags...)
	}
	if r.owner != nil {
		tags = append(tags, r.owner.searched...)
	}
	if r.portal != nil {
		tags = append(tags, r.portal.searched...)
	}
	return tags
}
