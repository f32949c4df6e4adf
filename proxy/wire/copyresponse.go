package wire

// CopyResponse is a CopyInResponse or CopyOutResponse.
type CopyResponse struct {
	Binary  bool
	Columns int
}

// DecodeCopyResponse reads a CopyInResponse or CopyOutResponse.
func DecodeCopyResponse(body []byte) (CopyResponse, error) {
	c := cursor{rest: body}
	m := CopyResponse{Binary: c.byte() != 0, Columns: c.int16()}
	c.bytes(2 * m.Columns)
	return m, c.end()
}
