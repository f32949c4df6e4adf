package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"
)

// format is the version of the log's format, in the first record of each segment.
const format = 1

// encoded is binary data in a record: base64 without padding.
type encoded []byte

func (e encoded) MarshalText() ([]byte, error) {
	return base64.RawStdEncoding.AppendEncode(nil, e), nil
}

func (e *encoded) UnmarshalText(text []byte) (err error) {
	*e, err = base64.RawStdEncoding.Strict().AppendDecode(nil, text)
	return err
}

// header is the content of a segment's first record.
type header struct {
	Format    int       `json:"format"`
	Chain     string    `json:"chain"`
	Segment   string    `json:"segment"`            // its own name: a renamed file is noticed
	Previous  *position `json:"previous,omitempty"` // none where a chain begins
	Abandoned []region  `json:"abandoned,omitempty"`
	// Unsigned are earlier segments whose checkpoint follows, without their signature.
	Unsigned []*checkpoint `json:"unsigned,omitempty"`
	Broken   *broken       `json:"broken,omitempty"`
}

// position is the last record before a segment.
type position struct {
	Segment string  `json:"segment"`
	Seq     uint64  `json:"seq"`
	LastMAC encoded `json:"last_mac"`
	Size    int64   `json:"size"`   // bytes of the segment up to and with that record
	Closed  bool    `json:"closed"` // that record is the segment's checkpoint
}

// region is the end of a segment that holds no records: what a crash or an error of
// the disk left there. It was never acknowledged. Length and SHA256 are there when
// it was found by a later process; after an error of the disk nobody can say what
// the file will hold.
type region struct {
	Segment string  `json:"segment"`
	Offset  int64   `json:"offset"`
	Length  int64   `json:"length,omitempty"`
	SHA256  encoded `json:"sha256,omitempty"`
}

// broken says why a chain was begun beside an old one.
type broken struct {
	Problem string `json:"problem"`
	Head    string `json:"head,omitempty"` // what the file head held, if it was authentic
}

// checkpoint is a signed statement about a whole segment.
type checkpoint struct {
	Chain     string  `json:"chain"`
	Segment   string  `json:"segment"`
	First     uint64  `json:"first"`
	Last      uint64  `json:"last"`
	Size      int64   `json:"size"` // bytes before the checkpoint
	LastMAC   encoded `json:"last_mac"`
	SHA256    encoded `json:"sha256"` // of these bytes
	Signature encoded `json:"signature,omitempty"`
}

// same tells whether two checkpoints say the same of a segment.
func (c *checkpoint) same(o *checkpoint) bool { return bytes.Equal(c.signed(), o.signed()) }

// signed is what the signature of a checkpoint covers.
func (c *checkpoint) signed() []byte {
	return fmt.Appendf(nil, "pgveil audit checkpoint v1\n%s\n%s\n%d\n%d\n%d\n%s\n%x\n",
		c.Chain, c.Segment, c.First, c.Last, c.Size, base64.RawStdEncoding.EncodeToString(c.LastMAC), []byte(c.SHA256))
}

// started and recovered are the contents of records of their kinds.
type started struct {
	Program string `json:"program"`
	Host    string `json:"host"`
	PID     int    `json:"pid"`
}

type recovered struct {
	Since   string `json:"since"`
	Error   string `json:"error"`
	Intents int    `json:"lost_intents"` // whose statements failed for it
	Refused int    `json:"lost_refused"`
}

// appendContent appends the fields of a content made by encoding/json.
func appendContent(dst []byte, content any) ([]byte, error) {
	fields, err := json.Marshal(content)
	if err != nil || len(fields) <= len("{}") {
		return dst, err
	}
	return append(append(dst, ','), fields[1:len(fields)-1]...), nil
}

// cursor is a place in the log: just after a record.
type cursor struct {
	chain   string
	segment int    // number; 0 before the first
	first   uint64 // seq of the segment's first record
	size    int64  // bytes of the segment up to here
	seq     uint64
	mac     []byte
	closed  bool      // the record was the segment's checkpoint
	hash    hash.Hash // SHA-256 of these bytes
}

// checkpoint makes the signed statement about the segment that ends at c.
func (c *cursor) checkpoint(signer Signer) (*checkpoint, error) {
	p := c.summary()
	var err error
	p.Signature, err = signer.Sign(p.signed())
	return p, err
}

// summary is a checkpoint that is yet to be signed.
func (c *cursor) summary() *checkpoint {
	return &checkpoint{
		Chain: c.chain, Segment: segmentName(c.segment), First: c.first, Last: c.seq,
		Size: c.size, LastMAC: c.mac, SHA256: c.hash.Sum(nil),
	}
}

// anchor names the last record before c in a way that can be kept elsewhere and
// given to the verifier.
func (c *cursor) anchor() Anchor { return Anchor{Seq: c.seq, MAC: c.mac} }

// Anchor is a record that is known to have been in the log. Kept on another
// machine it shows what nothing within the log's directory can: that the log and
// its head were put back together to an older state.
type Anchor struct {
	Seq uint64
	MAC []byte
}

// String gives an anchor as ParseAnchor takes it: seq, a colon, the MAC in base64.
func (a Anchor) String() string {
	return strconv.FormatUint(a.Seq, 10) + ":" + base64.RawStdEncoding.EncodeToString(a.MAC)
}

// ParseAnchor reads what String gives.
func ParseAnchor(s string) (Anchor, error) {
	number, text, ok := strings.Cut(s, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	mac, err2 := base64.RawStdEncoding.DecodeString(text)
	if !ok || err != nil || err2 != nil || len(mac) == 0 {
		return Anchor{}, fmt.Errorf("%q is not an anchor: it should be a record's number, a colon and its MAC", s)
	}
	return Anchor{Seq: seq, MAC: mac}, nil
}

// rawRecord is what the verifier reads of a line.
type rawRecord struct {
	Seq     uint64          `json:"seq"`
	Time    time.Time       `json:"time"`
	Kind    string          `json:"kind"`
	Intent  uint64          `json:"intent"`
	Session json.RawMessage `json:"session"`
	Role    json.RawMessage `json:"role"`
	Command json.RawMessage `json:"command"`
	User    json.RawMessage `json:"user"`
}

func newHash() hash.Hash { return sha256.New() }
