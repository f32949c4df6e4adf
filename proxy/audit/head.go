package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	headName      = "head"
	headTemporary = "head.new"
	// headSize is small enough to lie in one sector, which a disk writes wholly or
	// not at all.
	headSize = 512
)

// headContext begins what the head's MAC covers, so that a head cannot be taken for
// a record.
var headContext = []byte("pgveil audit head v1\n")

// head is where the last durable record is.
type head struct {
	Chain   string  `json:"chain"`
	Segment string  `json:"segment"`
	Size    int64   `json:"size"`
	Seq     uint64  `json:"seq"` // 0 when the chain has no record yet
	LastMAC encoded `json:"last_mac"`
}

// encodeHead gives headSize bytes.
func encodeHead(c *cursor, key MAC) ([]byte, error) {
	return encodeHeadIn(nil, new([]byte), c, key)
}

// encodeHeadIn is encodeHead with buffers to overwrite: dst, for what it gives, and
// covered, for what the MAC covers. The writer encodes a head with each group of
// records, so it is not left to encoding/json.
func encodeHeadIn(dst []byte, covered *[]byte, c *cursor, key MAC) ([]byte, error) {
	dst = append(dst[:0], `{"chain":`...)
	dst = appendString(dst, c.chain, maxName)
	dst = append(dst, `,"segment":"`...)
	if c.segment > 0 {
		dst = append(dst, segmentName(c.segment)...)
	}
	dst = append(dst, `","size":`...)
	dst = strconv.AppendInt(dst, c.size, 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, c.seq, 10)
	dst = append(dst, `,"last_mac":"`...)
	dst = base64.RawStdEncoding.AppendEncode(dst, c.mac)
	dst, _, err := appendMACWith(covered, append(dst, '"'), 0, key, headContext)
	if err != nil {
		return nil, err
	}
	if len(dst) > headSize {
		return nil, fmt.Errorf("the MAC is too long for the file %s", headName)
	}
	dst = dst[:len(dst)-1]
	for len(dst) < headSize-1 {
		dst = append(dst, ' ')
	}
	return append(dst, '\n'), nil
}

var errHead = errors.New("it is not authentic")

func decodeHead(data []byte, key MAC) (*head, error) {
	body, mac, err := splitMAC(bytes.TrimRight(data, " \n"))
	if err != nil || len(data) != headSize || !follows(key, headContext, body, mac) {
		return nil, errHead
	}
	h := new(head)
	if err := json.Unmarshal(append(bytes.Clone(body), '}'), h); err != nil {
		return nil, errHead
	}
	return h, nil
}

// readHead reads the head of a log. A process may be writing it: what is not
// authentic is read again. No head at all is os.ErrNotExist.
func readHead(dir string, key MAC) (*head, error) {
	var err error
	for range 5 {
		var data []byte
		data, err = os.ReadFile(filepath.Join(dir, headName))
		if err != nil {
			return nil, err
		}
		var h *head
		if h, err = decodeHead(data, key); err == nil {
			return h, nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return nil, err
}

// headFile is the head being written.
type headFile struct{ f *os.File }

// createHead puts a head in place of the one there is, durably.
func createHead(dir string, data []byte) (*headFile, error) {
	temporary := filepath.Join(dir, headTemporary)
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(temporary, filepath.Join(dir, headName))
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &headFile{f}, nil
}

// put replaces the content. Other processes see it at once; sync makes it last.
func (h *headFile) put(data []byte) error {
	_, err := h.f.WriteAt(data, 0)
	return err
}

func (h *headFile) sync() error  { return datasync(h.f) }
func (h *headFile) close() error { return h.f.Close() }
