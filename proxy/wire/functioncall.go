package wire

import "github.com/pgveil/pgveil/schema/pgerror"

// FunctionCallMessage is a FunctionCall: a function by its OID, without SQL.
type FunctionCallMessage struct {
	OID          uint32
	ArgFormats   Formats
	Args         Values
	ResultFormat int16
}

// DecodeFunctionCall decodes a FunctionCall.
func DecodeFunctionCall(body []byte) (FunctionCallMessage, error) {
	c := cursor{rest: body}
	m := FunctionCallMessage{OID: c.uint32()}
	m.ArgFormats = Formats(c.bytes(2 * c.int16()))
	m.Args = c.values(c.int16())
	m.ResultFormat = int16(c.int16())
	if n := m.ArgFormats.Len(); c.err == nil && n > 1 && n != m.Args.Len() {
		c.fail(pgerror.New(pgerror.ProtocolViolation, "function call message contains %d argument formats but %d arguments", n, m.Args.Len()))
	}
	return m, c.end()
}
