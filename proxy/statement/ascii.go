package statement

import "encoding/binary"

// IsASCII reports whether all bytes of s are ASCII.
func IsASCII(s []byte) bool {
	for ; len(s) >= 8; s = s[8:] {
		if binary.NativeEndian.Uint64(s)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range s {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
