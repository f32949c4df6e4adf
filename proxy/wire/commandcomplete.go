package wire

import "bytes"

// DecodeCommandComplete gives the command tag, such as "SELECT 3".
func DecodeCommandComplete(body []byte) (tag []byte, err error) {
	c := cursor{rest: body}
	tag = c.string()
	return tag, c.end()
}

// TagRows is the number of rows in a command tag, its last word; 0 when there is
// none.
func TagRows(tag []byte) int64 {
	var n int64
	for _, b := range tag[bytes.LastIndexByte(tag, ' ')+1:] {
		if b < '0' || b > '9' || n > 1<<59 {
			return 0
		}
		n = 10*n + int64(b-'0')
	}
	return n
}
