package logical

import "github.com/pgveil/pgveil/schema/pgerror"

// Canonical appends to dst the canonical encoding of value.
func (t Type) Canonical(dst, value []byte, from uint32, format int16, use Use, s *Settings) ([]byte, error) {
	return dst, pgerror.New(pgerror.FeatureNotSupported, "values of type %s cannot be read yet", t)
}

// Append appends the value's wire form for a client.
func (t Type) Append(dst, canonical []byte, format int16, s *Settings) ([]byte, error) {
	return dst, pgerror.New(pgerror.FeatureNotSupported, "values of type %s cannot be written yet", t)
}

// ArrayElements calls f for each element of an array value.
func ArrayElements(array []byte, format int16, f func(elem []byte, isNull bool) error) error {
	return pgerror.New(pgerror.FeatureNotSupported, "arrays cannot be read yet")
}
