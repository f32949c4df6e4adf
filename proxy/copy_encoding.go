package proxy

import (
	"github.com/pgveil/pgveil/proxy/copydata"
	"github.com/pgveil/pgveil/proxy/statement"
)

// copyEncoding gives the encoding that the data of a COPY in a text format is in: that of
// its option ENCODING, else the client's.
func (s *state) copyEncoding(copied *statement.CopyPlan) *encoding {
	switch copied.Encoding {
	case "":
		return s.encoding
	case "UTF8":
		return nil
	}
	return encodings[copied.Encoding]
}

// newCopyStream begins the stream of a COPY. As at the server, the text formats are read
// and written in UTF-8, and the values of the binary one are converted one by one.
func (c *conn) newCopyStream(r *result, config copydata.Config) (copydata.Stream, error) {
	copied := r.copied()
	config.Options, config.Columns, config.Relation = copied.Options, copied.Columns, copied.Relation
	config.Version, config.MaxRow = r.state.settings.ServerVersion, c.config.MaxMessage
	stream, err := copydata.New(config)
	if err != nil || config.Format == copydata.Binary {
		return stream, err
	}
	if e := r.state.copyEncoding(copied); e != nil {
		stream = &recodedStream{Stream: stream, encoding: e}
	}
	return stream, nil
}

// copyState is the state under which the values of a COPY are opened: in a text format
// all of a row is converted at once.
func (r *result) copyState() *state {
	if r.copied().Options.Format == copydata.Binary {
		return r.state
	}
	s := *r.state
	s.encoding = nil
	return &s
}

// recodedStream is a stream of data in an encoding of one byte a character.
type recodedStream struct {
	copydata.Stream
	encoding *encoding
	decoded  []byte
}

func (s *recodedStream) Write(dst, data []byte) ([]byte, error) {
	if !statement.IsASCII(data) {
		var err error
		if s.decoded, err = s.encoding.appendDecoded(s.decoded[:0], data); err != nil {
			return dst, err
		}
		data = s.decoded
	}
	start := len(dst)
	dst, err := s.Stream.Write(dst, data)
	return s.encode(dst, start, err)
}

func (s *recodedStream) Close(dst []byte) ([]byte, error) {
	start := len(dst)
	dst, err := s.Stream.Close(dst)
	return s.encode(dst, start, err)
}

// encode converts the rows that were written, whether or not the next one has failed.
func (s *recodedStream) encode(dst []byte, start int, err error) ([]byte, error) {
	dst, failed := s.encoding.encode(dst, start)
	if failed != nil {
		return dst, failed
	}
	return dst, err
}
