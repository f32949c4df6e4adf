package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"time"
)

// TagSize is the length of a subject tag in bytes.
const TagSize = 16

// Tag stands for a subject, a patient, in the log: a keyed hash of the identifier. Without
// the key nobody can tell whose it is, nor try identifiers.
type Tag [TagSize]byte

// String gives the form that records have.
func (t Tag) String() string { return base64.RawStdEncoding.EncodeToString(t[:]) }

// ParseTag reads what String gives.
func ParseTag(text string) (Tag, error) {
	data, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || len(data) != TagSize {
		return Tag{}, fmt.Errorf("%q is not a subject tag", text)
	}
	return Tag(data), nil
}

// TagKey is the key of subject tags. It is immutable and safe for concurrent use.
type TagKey struct {
	key   []byte
	older [][]byte // that tags were made with
}

// NewTagKey derives the key of subject tags from a MAC key, and those that tags were made with
// before from older ones.
func NewTagKey(mac MAC, older ...MAC) (*TagKey, error) {
	derived := make([][]byte, 0, 1+len(older))
	for _, m := range append([]MAC{mac}, older...) {
		key, err := m.ComputeMAC([]byte("pgveil audit subject tag key v1\n"))
		if err != nil {
			return nil, err
		}
		if len(derived) == 0 || !bytes.Equal(key, derived[0]) {
			derived = append(derived, key)
		}
	}
	return &TagKey{derived[0], derived[1:]}, nil
}

// Tagger makes tags, without an allocation for each. It is for one goroutine.
type Tagger struct {
	key  *TagKey
	hash hash.Hash
	buf  []byte
}

// Tagger gives a tagger of the key.
func (k *TagKey) Tagger() *Tagger { return &Tagger{key: k, hash: hmac.New(sha256.New, k.key)} }

// Tag gives the tag of the subject that an identifier, in the canonical encoding of its
// type, names within a domain. It is HMAC-SHA-256, cut to TagSize.
func (t *Tagger) Tag(domain string, identifier []byte) Tag { return t.by(t.hash, domain, identifier) }

func (t *Tagger) by(h hash.Hash, domain string, identifier []byte) Tag {
	h.Reset()
	t.buf = append(append(append(t.buf[:0], domain...), 0), identifier...)
	h.Write(t.buf) // never an error
	t.buf = h.Sum(t.buf[:0])
	return Tag(t.buf[:TagSize])
}

// Older gives the tags that the subject had by older keys; none, mostly.
func (t *Tagger) Older(domain string, identifier []byte) []Tag {
	var tags []Tag
	for _, key := range t.key.older {
		tags = append(tags, t.by(hmac.New(sha256.New, key), domain, identifier))
	}
	return tags
}

// MaxTags bounds the tags of one record.
const MaxTags = 256

// Subjects enqueues tags of subjects whose values the statement has opened, beyond those
// that its outcome will list; at most MaxTags. Nothing waits for it. It is written even if
// the log cannot be written at the moment, as an outcome is. tags is not kept.
func (i *Intent) Subjects(tags []Tag) {
	if len(tags) == 0 || i.failed() {
		return
	}
	// An error says that the log is closed; Close has told the operator.
	_ = i.log.enqueue(&entry{at: time.Now(), kind: kindSubjects, intent: i, rest: appendTags(nil, "tags", tags)})
}

// Searched is Subjects for those by whose identifiers the statement searches, beyond those
// in its own record.
func (i *Intent) Searched(tags []Tag) {
	if len(tags) > 0 && !i.failed() {
		_ = i.log.enqueue(&entry{at: time.Now(), kind: kindSubjects, intent: i, rest: appendTags(nil, "searched", tags)})
	}
}

func appendTags(dst []byte, name string, tags []Tag) []byte {
	dst = append(append(append(dst, ',', '"'), name...), `":[`...)
	for n := range tags {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = base64.RawStdEncoding.AppendEncode(dst, tags[n][:])
		dst = append(dst, '"')
	}
	return append(dst, ']')
}
