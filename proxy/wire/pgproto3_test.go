package wire

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/jackc/pgproto3/v2"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// encoded gives the body of a message as pgproto3 writes it.
func encoded(t testing.TB, m pgproto3.Message) []byte {
	t.Helper()
	b, err := m.(interface {
		Encode([]byte) ([]byte, error)
	}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b[headerSize:]
}

// seeds are valid bodies of each kind, written by pgproto3.
func seeds(t testing.TB) map[string][]byte {
	value := [][]byte{[]byte("ab"), nil, {}, bytes.Repeat([]byte("x"), 300)}
	return map[string][]byte{
		"Query":     encoded(t, &pgproto3.Query{String: "SELECT 'é'"}),
		"Parse":     encoded(t, &pgproto3.Parse{Name: "n", Query: "SELECT $1", ParameterOIDs: []uint32{23, 0, 4294967295}}),
		"Bind":      encoded(t, &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", ParameterFormatCodes: []int16{0, 1, 0, 1}, Parameters: value, ResultFormatCodes: []int16{1, 0}}),
		"Describe":  encoded(t, &pgproto3.Describe{ObjectType: 'S', Name: "n"}),
		"Close":     encoded(t, &pgproto3.Close{ObjectType: 'P', Name: ""}),
		"Execute":   encoded(t, &pgproto3.Execute{Portal: "p", MaxRows: 100}),
		"Function":  encoded(t, &pgproto3.FunctionCall{Function: 952, ArgFormatCodes: []uint16{1}, Arguments: [][]byte{{1}, {}}, ResultFormatCode: 1}),
		"DataRow":   encoded(t, &pgproto3.DataRow{Values: value}),
		"Row":       encoded(t, &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("nir"), TableOID: 16400, TableAttributeNumber: 3, DataTypeOID: 1042, DataTypeSize: -1, TypeModifier: 19, Format: 1}, {Name: []byte("?column?"), DataTypeOID: 23, DataTypeSize: 4, TypeModifier: -1}}}),
		"Parameter": encoded(t, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{17, 23}}),
		"Ready":     encoded(t, &pgproto3.ReadyForQuery{TxStatus: 'T'}),
		"Tag":       encoded(t, &pgproto3.CommandComplete{CommandTag: []byte("INSERT 0 1")}),
		"Error":     encoded(t, &pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601", Message: "m", Position: 4, Routine: "r"}),
		"Status":    encoded(t, &pgproto3.ParameterStatus{Name: "TimeZone", Value: "Europe/Paris"}),
		"Key":       encoded(t, &pgproto3.BackendKeyData{ProcessID: 1, SecretKey: 4294967295}),
		"Mechs":     encoded(t, &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}})[4:],
		"SASL":      encoded(t, &pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,,n=,r=abc")}),
		"Auth":      encoded(t, &pgproto3.AuthenticationMD5Password{Salt: [4]byte{1, 2, 3, 4}}),
	}
}

func all(v Values) (values [][]byte) {
	for v.Next() {
		values = append(values, v.Value())
	}
	return values
}

func same(a, b any) bool {
	// nil and empty slices of slices are the same to us; nil and empty values are not.
	if reflect.ValueOf(a).Len() == 0 && reflect.ValueOf(b).Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a, b)
}

func words(f Formats) (codes []int16) {
	for i := range f.Len() {
		codes = append(codes, f.At(i))
	}
	return codes
}

func oids(o OIDs) (list []uint32) {
	for i := range o.Len() {
		list = append(list, o.At(i))
	}
	return list
}

// agree decodes a body as every kind of message. Where this package takes it, what
// was decoded is written again and must give the same bytes, and pgproto3 must see
// the same. It gives the kinds that took it.
func agree(t *testing.T, body []byte) map[string]bool {
	taken := make(map[string]bool)
	rebuilt := func(kind string, typ byte, write func(*Writer) error) {
		t.Helper()
		taken[kind] = true
		if b := built(t, typ, write); !bytes.Equal(b, body) {
			t.Fatalf("%s %q is written again as %q", kind, body, b)
		}
	}
	check := func(kind string, err error, equal bool) {
		t.Helper()
		if err != nil || !equal {
			t.Fatalf("%s %q: pgproto3 sees something else (%v)", kind, body, err)
		}
	}
	agreeFrontend(t, body, rebuilt, check)
	agreeBackend(t, body, rebuilt, check)
	agreeLogin(body, taken, check)
	return taken
}

type (
	rebuiltFunc func(kind string, typ byte, write func(*Writer) error)
	checkFunc   func(kind string, err error, equal bool)
)

func agreeFrontend(t *testing.T, body []byte, rebuilt rebuiltFunc, check checkFunc) {
	t.Helper()
	if sql, err := DecodeQuery(body); err == nil {
		rebuilt("Query", 'Q', func(w *Writer) error { return WriteQuery(w, sql) })
		var m pgproto3.Query
		check("Query", m.Decode(body), m.String == string(sql))
	}
	if p, err := DecodeParse(body); err == nil {
		rebuilt("Parse", 'P', func(w *Writer) error { return WriteParse(w, p.Name, p.SQL, oids(p.OIDs)...) })
		var m pgproto3.Parse
		check("Parse", m.Decode(body), m.Name == string(p.Name) && m.Query == string(p.SQL) && same(m.ParameterOIDs, oids(p.OIDs)))
	}
	if p, err := DecodeBind(body); err == nil {
		rebuilt("Bind", 'B', func(w *Writer) error {
			StartBind(w, p.Portal, p.Statement)
			writeFormats(w, words(p.ParamFormats))
			w.Int16(p.Params.Len())
			for v := p.Params; v.Next(); {
				w.Value(v.Value())
			}
			writeFormats(w, words(p.ResultFormats))
			return w.End()
		})
		var m pgproto3.Bind
		check("Bind", m.Decode(body), m.DestinationPortal == string(p.Portal) && m.PreparedStatement == string(p.Statement) &&
			same(m.ParameterFormatCodes, words(p.ParamFormats)) && same(m.Parameters, all(p.Params)) && same(m.ResultFormatCodes, words(p.ResultFormats)))
	}
	if p, err := DecodeDescribe(body); err == nil {
		rebuilt("Describe", 'D', func(w *Writer) error { return WriteDescribe(w, p.Kind, p.Name) })
		var m pgproto3.Describe
		check("Describe", m.Decode(body), m.ObjectType == p.Kind && m.Name == string(p.Name))
	}
	if p, err := DecodeClose(body); err == nil {
		rebuilt("Close", 'C', func(w *Writer) error { return WriteClose(w, p.Kind, p.Name) })
		var m pgproto3.Close
		check("Close", m.Decode(body), m.ObjectType == p.Kind && m.Name == string(p.Name))
	}
	if p, err := DecodeExecute(body); err == nil {
		rebuilt("Execute", 'E', func(w *Writer) error { return WriteExecute(w, p.Portal, p.MaxRows) })
		var m pgproto3.Execute
		check("Execute", m.Decode(body), m.Portal == string(p.Portal) && int32(m.MaxRows) == p.MaxRows)
	}
	if p, err := DecodeFunctionCall(body); err == nil {
		rebuilt("Function", 'F', func(w *Writer) error {
			w.Message('F')
			w.OID(p.OID)
			writeFormats(w, words(p.ArgFormats))
			w.Int16(p.Args.Len())
			for v := p.Args; v.Next(); {
				w.Bytes(v.Raw())
			}
			w.Int16(int(p.ResultFormat))
			return w.End()
		})
		// pgproto3 takes a NULL argument for one of 4 GB, and format codes over 1 for errors.
		plain := p.ResultFormat>>1 == 0
		for _, code := range words(p.ArgFormats) {
			plain = plain && code>>1 == 0
		}
		for v := p.Args; v.Next(); {
			plain = plain && !v.Null()
		}
		if plain {
			var m pgproto3.FunctionCall
			check("Function", m.Decode(body), m.Function == p.OID && same(m.Arguments, all(p.Args)) && len(m.ArgFormatCodes) == p.ArgFormats.Len())
		}
	}
}

func agreeBackend(t *testing.T, body []byte, rebuilt rebuiltFunc, check checkFunc) {
	t.Helper()
	if row, err := DecodeDataRow(body); err == nil {
		rebuilt("DataRow", 'D', func(w *Writer) error {
			StartDataRow(w, row.Len())
			for v := row; v.Next(); {
				w.Bytes(v.Raw())
			}
			return w.End()
		})
		var m pgproto3.DataRow
		check("DataRow", m.Decode(body), same(m.Values, all(row)))
	}
	if fields, err := DecodeRowDescription(body); err == nil {
		rebuilt("Row", 'T', func(w *Writer) error {
			StartRowDescription(w, int(binary.BigEndian.Uint16(body)))
			for f := fields; f.Next(); {
				WriteField(w, f.Field())
			}
			return w.End()
		})
		var m pgproto3.RowDescription
		err := m.Decode(body)
		n, equal := 0, true
		for ; equal && n < len(m.Fields) && fields.Next(); n++ {
			f, g := fields.Field(), m.Fields[n]
			equal = string(f.Name) == string(g.Name) && f.TableOID == g.TableOID && f.Attribute == g.TableAttributeNumber &&
				f.TypeOID == g.DataTypeOID && f.Size == g.DataTypeSize && f.Modifier == g.TypeModifier && f.Format == g.Format
		}
		check("Row", err, equal && n == len(m.Fields) && !fields.Next())
	}
	if list, err := DecodeParameterDescription(body); err == nil {
		rebuilt("Parameter", 't', func(w *Writer) error {
			StartParameterDescription(w, list.Len())
			for _, oid := range oids(list) {
				w.OID(oid)
			}
			return w.End()
		})
		var m pgproto3.ParameterDescription
		check("Parameter", m.Decode(body), same(m.ParameterOIDs, oids(list)))
	}
	if status, err := DecodeReadyForQuery(body); err == nil {
		rebuilt("Ready", 'Z', func(w *Writer) error { return WriteReadyForQuery(w, status) })
		var m pgproto3.ReadyForQuery
		check("Ready", m.Decode(body), m.TxStatus == status)
	}
	if tag, err := DecodeCommandComplete(body); err == nil {
		rebuilt("Tag", 'C', func(w *Writer) error {
			w.Message('C')
			w.CString(tag)
			return w.End()
		})
		var m pgproto3.CommandComplete
		check("Tag", m.Decode(body), string(m.CommandTag) == string(tag))
	}
	if fields, err := DecodeErrorResponse(body); err == nil {
		rebuilt("Error", 'E', func(w *Writer) error {
			w.Message('E')
			for f := fields; f.Next(); {
				code, value := f.Field()
				w.Byte(code)
				w.CString(value)
			}
			w.Byte(0)
			return w.End()
		})
		// pgproto3 takes the last of a field that comes twice.
		twice := false
		seen := make(map[byte]bool)
		for f := fields; f.Next(); {
			code, _ := f.Field()
			twice = twice || seen[code]
			seen[code] = true
		}
		if !twice {
			var m pgproto3.ErrorResponse
			check("Error", m.Decode(body), m.Code == string(fields.Get('C')) && m.Message == string(fields.Get('M')) && m.Hint == string(fields.Get('H')))
		}
	}
	if name, value, err := DecodeParameterStatus(body); err == nil {
		rebuilt("Status", 'S', func(w *Writer) error {
			w.Message('S')
			w.CString(name)
			w.CString(value)
			return w.End()
		})
		var m pgproto3.ParameterStatus
		check("Status", m.Decode(body), m.Name == string(name) && m.Value == string(value))
	}
}

func agreeLogin(body []byte, taken map[string]bool, check checkFunc) {
	if pid, key, err := DecodeBackendKeyData(body); err == nil {
		taken["Key"] = true
		if len(key) == 4 {
			var m pgproto3.BackendKeyData
			check("Key", m.Decode(body), m.ProcessID == pid && m.SecretKey == binary.BigEndian.Uint32(key))
		}
	}
	if mechanisms, err := DecodeMechanisms(body); err == nil {
		taken["Mechs"] = true
		var m pgproto3.AuthenticationSASL
		src := append([]byte{0, 0, 0, AuthSASL}, body...)
		check("Mechs", m.Decode(src), same(m.AuthMechanisms, mechanisms))
	}
	if s, err := DecodeSASLInitialResponse(body); err == nil {
		taken["SASL"] = true
		var m pgproto3.SASLInitialResponse
		check("SASL", m.Decode(body), m.AuthMechanism == string(s.Mechanism) && bytes.Equal(m.Data, s.Data))
	}
	if code, data, err := DecodeAuthentication(body); err == nil {
		taken["Auth"] = true
		if code == AuthMD5Password {
			var m pgproto3.AuthenticationMD5Password
			check("Auth", m.Decode(body), string(m.Salt[:]) == string(data))
		}
	}
	if params, err := DecodeStartupParams(body); err == nil {
		taken["Startup"] = true
		packet := AppendStartup(nil, params)
		again, err := DecodeStartupParams(packet[8:])
		check("Startup", err, bytes.Equal(packet[8:], body) && same(again, params))
		if len(params) > 0 {
			var m pgproto3.StartupMessage
			err := m.Decode(packet[4:])
			last := params[len(params)-1]
			check("Startup", err, m.Parameters[last.Name] == last.Value)
		}
	}
}

func TestAgreesWithPgproto3(t *testing.T) {
	for kind, body := range seeds(t) {
		if taken := agree(t, body); !taken[kind] {
			t.Errorf("%s %q is not taken", kind, body)
		}
		// Cut short or prolonged it must be refused by the same decoder, but for those that
		// end in bytes of any length.
		for n := range len(body) {
			if taken := agree(t, body[:n]); taken[kind] && kind != "Key" {
				t.Errorf("%s %q is taken when cut to %d bytes", kind, body, n)
			}
		}
		if taken := agree(t, append(body[:len(body):len(body)], 0)); taken[kind] && kind != "Key" {
			t.Errorf("%s %q is taken with a byte more", kind, body)
		}
	}
}

func TestErrorResponseForPgproto3(t *testing.T) {
	e := &pgerror.Error{Code: "0A000", Message: "m", Detail: "d", Hint: "h", Position: 9, Schema: "s", Table: "t", Column: "c"}
	body := built(t, 'E', func(w *Writer) error { return WriteErrorResponse(w, e) })
	var m pgproto3.ErrorResponse
	if err := m.Decode(body); err != nil {
		t.Fatal(err)
	}
	want := pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "0A000", Message: "m", Detail: "d", Hint: "h", Position: 9, SchemaName: "s", TableName: "t", ColumnName: "c"}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("%+v", m)
	}
}

func TestMechanismsForPgproto3(t *testing.T) {
	body := built(t, 'R', func(w *Writer) error { return WriteMechanisms(w, []string{"SCRAM-SHA-256"}) })
	if want := encoded(t, &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256"}}); !bytes.Equal(body, want) {
		t.Errorf("%q, want %q", body, want)
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range seeds(f) {
		f.Add(body)
	}
	f.Add(AppendStartup(nil, []StartupParam{{"user", "a"}, {"options", "-c x=y"}})[8:])
	f.Add([]byte("p\x00s\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00"))
	f.Add([]byte("\x00\x01\xff\xff\xff\xfe"))
	f.Fuzz(func(t *testing.T, body []byte) { agree(t, body) })
}
