package wire

// Codes of the authentication requests.
const (
	AuthOK                = 0
	AuthKerberosV5        = 2
	AuthCleartextPassword = 3
	AuthMD5Password       = 5
	AuthSCMCredential     = 6
	AuthGSS               = 7
	AuthGSSContinue       = 8
	AuthSSPI              = 9
	AuthSASL              = 10
	AuthSASLContinue      = 11
	AuthSASLFinal         = 12
)

// DecodeAuthentication gives the code of an authentication request and what
// follows it.
func DecodeAuthentication(body []byte) (code uint32, data []byte, err error) {
	c := cursor{rest: body}
	code, data = c.uint32(), c.rest
	if c.err != nil {
		return 0, nil, c.err
	}
	want := -1
	switch code {
	case AuthOK, AuthKerberosV5, AuthCleartextPassword, AuthGSS, AuthSSPI, AuthSCMCredential:
		want = 0
	case AuthMD5Password:
		want = 4
	}
	if want >= 0 && len(data) != want {
		return 0, nil, errFormat()
	}
	return code, data, nil
}

// DecodeMechanisms gives the SASL mechanisms that follow AuthSASL, in the server's
// order of preference.
func DecodeMechanisms(data []byte) ([]string, error) {
	c := cursor{rest: data}
	var all []string
	for c.err == nil {
		name := c.string()
		if len(name) == 0 {
			break
		}
		all = append(all, string(name))
	}
	return all, c.end()
}

// WriteMechanisms writes an AuthenticationSASL.
func WriteMechanisms(w *Writer, mechanisms []string) error {
	w.Message(TypeAuthentication)
	w.Int32(AuthSASL)
	for _, name := range mechanisms {
		w.String(name)
	}
	w.Byte(0)
	return w.End()
}

// WriteAuthentication writes an authentication request, or what goes with one.
func WriteAuthentication[D Text](w *Writer, code int32, data D) error {
	w.Message(TypeAuthentication)
	w.Int32(code)
	w.Bytes([]byte(data))
	return w.End()
}

// WritePassword writes a PasswordMessage or SASLResponse; the former ends in a zero byte,
// which is part of data.
func WritePassword[D Text](w *Writer, data D) error {
	w.Message(TypePassword)
	w.Bytes([]byte(data))
	return w.End()
}

// WriteSASLInitialResponse writes the choice of a mechanism.
func WriteSASLInitialResponse(w *Writer, mechanism, data string) error {
	w.Message(TypePassword)
	w.String(mechanism)
	w.Value([]byte(data))
	return w.End()
}

// SASLInitialResponse is a client's choice of mechanism.
type SASLInitialResponse struct {
	Mechanism []byte
	Data      []byte // nil when the client sends none
}

// DecodeSASLInitialResponse decodes a SASLInitialResponse.
func DecodeSASLInitialResponse(body []byte) (SASLInitialResponse, error) {
	c := cursor{rest: body}
	m := SASLInitialResponse{Mechanism: c.string()}
	if n := int32(c.uint32()); n != -1 {
		m.Data = c.bytes(int(n))
	}
	return m, c.end()
}
