package proxy

import "github.com/pgveil/pgveil/proxy/wire"

// boundParam is one parameter of the Bind message that is sent.
type boundParam struct {
	format int16
	value  []byte // nil: NULL
}

// writeBind writes a Bind with these parameters and result formats in place of m's.
func writeBind(w *wire.Writer, m *wire.BindMessage, params []boundParam, results []int16) error {
	wire.StartBind(w, m.Portal, m.Statement)
	w.Int16(len(params))
	for i := range params {
		w.Int16(int(params[i].format))
	}
	w.Int16(len(params))
	for i := range params {
		w.Value(params[i].value)
	}
	w.Int16(len(results))
	for _, format := range results {
		w.Int16(int(format))
	}
	return w.End()
}

func appendFormats(dst []int16, formats wire.Formats) []int16 {
	for i := range formats.Len() {
		dst = append(dst, formats.At(i))
	}
	return dst
}

func appendOIDs(dst []uint32, oids wire.OIDs) []uint32 {
	for i := range oids.Len() {
		dst = append(dst, oids.At(i))
	}
	return dst
}
