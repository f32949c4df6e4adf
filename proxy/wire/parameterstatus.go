package wire

// DecodeParameterStatus gives a setting that the server reports.
func DecodeParameterStatus(body []byte) (name, value []byte, err error) {
	c := cursor{rest: body}
	name, value = c.string(), c.string()
	return name, value, c.end()
}
