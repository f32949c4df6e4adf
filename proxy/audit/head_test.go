package audit

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// TestHeadEncoding compares the head with what encoding/json makes of the same place, in
// buffers that held another head before.
func TestHeadEncoding(t *testing.T) {
	var dst, covered []byte
	for _, c := range []cursor{
		{chain: "c"},
		{chain: strings.Repeat("0f", 16), segment: 999999, size: math.MaxInt64, seq: math.MaxUint64, mac: bytes.Repeat([]byte{0xff}, 37)},
		{chain: strings.Repeat("0f", 16), segment: 1, size: 1, seq: 1, mac: []byte{0}},
		{chain: `a"b\c`, segment: 1234567, size: 12, seq: 3, mac: bytes.Repeat([]byte{7}, 32)},
	} {
		h := head{Chain: c.chain, Size: c.size, Seq: c.seq, LastMAC: c.mac}
		if c.segment > 0 {
			h.Segment = segmentName(c.segment)
		}
		fields, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if dst, err = encodeHeadIn(dst, &covered, &c, theMAC); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(dst, append(fields[:len(fields)-1], macStart...)) || len(dst) != headSize {
			t.Errorf("%d bytes, %s; encoding/json gives %s", len(dst), dst, fields)
		}
		got, err := decodeHead(dst, theMAC)
		if err != nil {
			t.Fatal(err)
		}
		if got.Chain != h.Chain || got.Segment != h.Segment || got.Size != h.Size || got.Seq != h.Seq || !bytes.Equal(got.LastMAC, h.LastMAC) {
			t.Errorf("decoded %+v; want %+v", got, h)
		}
		alone, err := encodeHead(&c, theMAC)
		if err != nil || !bytes.Equal(alone, dst) {
			t.Errorf("with buffers of its own: %s, %v", alone, err)
		}
	}
	if _, err := encodeHeadIn(dst, &covered, &cursor{chain: "c", mac: make([]byte, headSize)}, theMAC); err == nil {
		t.Error("a head longer than its file is encoded")
	}
}

// fixedMAC allocates nothing.
type fixedMAC []byte

func (m fixedMAC) ComputeMAC([]byte) ([]byte, error) { return m, nil }
func (m fixedMAC) VerifyMAC([]byte, []byte) error    { return nil }

// TestHeadAllocations bounds what each group of records allocates beside its lines.
func TestHeadAllocations(t *testing.T) {
	c := &cursor{chain: strings.Repeat("0f", 16), segment: 12, size: 4096, seq: 99, mac: make([]byte, 37)}
	var key MAC = fixedMAC(make([]byte, 37))
	dst, covered := make([]byte, 0, headSize), make([]byte, 0, 1024)
	allocations := testing.AllocsPerRun(100, func() {
		var err error
		if dst, err = encodeHeadIn(dst, &covered, c, key); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 2 { // the segment's name
		t.Errorf("encoding a head allocates %v times", allocations)
	}
}
