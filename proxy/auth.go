package proxy

import (
	"context"
	"errors"

	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// login is what the server said until its first ReadyForQuery.
type login struct {
	parameters map[string]string // ParameterStatus
	key        *cancelKey        // nil when the server gives none
	status     byte              // of the ReadyForQuery
}

// authenticate relays the server's authentication of the client until the first
// ReadyForQuery, which is relayed too, or has pgveil log in itself where b says so. On an error the client has been told and the
// caller closes both connections. ctx bounds it all.
func authenticate(ctx context.Context, s *startup, cr *wire.Reader, cw *wire.Writer, b *backend) (*login, error) {
	a := &authentication{startup: s, cr: cr, cw: cw, backend: b}
	a.login.parameters = make(map[string]string)
	release := boundBy(ctx, s.conn, b.conn)
	defer release()
	cr.SetLimits(wire.LoginLimits)
	if err := a.run(); err != nil {
		return nil, a.tell(timedOut(ctx, err))
	}
	cr.SetLimits(wire.FrontendLimits)
	return &a.login, nil
}

type authentication struct {
	*startup
	cr      *wire.Reader
	cw      *wire.Writer
	backend *backend
	login   login
	plus    bool // the server offered channel binding and the client was not told
	ready   bool // AuthenticationOk has come
	asked   bool // whether the role's password is valid still, in a query of pgveil's own
	valid   bool // it is
}

// errTold is an error of which the client already knows: the server's own.
type errTold struct{ error }

func (e errTold) Unwrap() error { return e.error }

// tell tells the client of an error of pgveil's own, or of a connection that broke.
func (a *authentication) tell(err error) error {
	var told errTold
	var stale errStale
	if errors.As(err, &told) || errors.As(err, &stale) {
		return err
	}
	e, ok := pgerror.As(err)
	if !ok {
		if a.cr.Err() != nil || a.cw.Err() != nil {
			return err // there is nobody to tell
		}
		e = pgerror.New(pgerror.ConnectionFailure, "the connection to the server broke during authentication").Fatal()
	}
	e.Fatal()
	if a.cw.Flush() == nil {
		tellClient(a.conn, e)
	}
	return err
}

func (a *authentication) run() error {
	r := a.backend.r
	for {
		if !r.Buffered() {
			if err := a.cw.Flush(); err != nil {
				return err
			}
		}
		typ, _, err := r.Next()
		if err != nil {
			return err
		}
		switch typ {
		case wire.TypeAuthentication:
			err = a.request()
		case wire.TypeErrorResponse:
			err = a.serverError()
		case wire.TypeNoticeResponse:
			err = r.Forward(a.cw)
		case wire.TypeParameterStatus:
			err = a.parameter()
		case wire.TypeBackendKeyData:
			err = a.backendKey()
		case wire.TypeNegotiateProtocolVersion:
			// The client has had pgveil's own; 3.0 without options is all that was
			// asked for here.
		case wire.TypeReadyForQuery:
			if a.mustAsk() {
				err = a.askValidity()
				break
			}
			return a.readyForQuery()
		default:
			if !a.asked {
				return a.unexpected(typ)
			}
			err = a.validity(typ)
		}
		if err != nil {
			return err
		}
	}
}

func (a *authentication) unexpected(typ byte) error {
	return pgerror.New(pgerror.ProtocolViolation, "unexpected message of type %d from the server during authentication", typ)
}

func (a *authentication) serverError() error {
	body, err := a.backend.r.Body()
	if err != nil {
		return err
	}
	fields, err := wire.DecodeErrorResponse(body)
	if err != nil {
		return err
	}
	e := pgerror.New(string(fields.Get(wire.FieldCode)), "%s", fields.Get(wire.FieldMessage))
	e.Severity = string(fields.Get(wire.FieldSeverityOriginal))
	switch {
	case a.asked:
		return a.unknownValidity(e)
	case a.backend.own.mayBeStale(e, a.ready):
		return errStale{e}
	}
	if err := a.backend.r.Forward(a.cw); err != nil {
		return err
	}
	return errTold{errors.Join(e, a.cw.Flush())}
}

func (a *authentication) parameter() error {
	body, err := a.backend.r.Body()
	if err != nil {
		return err
	}
	name, value, err := wire.DecodeParameterStatus(body)
	if err != nil {
		return err
	}
	a.login.parameters[string(name)] = string(value)
	return a.backend.r.Forward(a.cw)
}

func (a *authentication) backendKey() error {
	body, err := a.backend.r.Body()
	if err != nil {
		return err
	}
	pid, key, err := wire.DecodeBackendKeyData(body)
	if err != nil {
		return err
	}
	a.login.key = &cancelKey{pid: pid, secret: append([]byte(nil), key...)}
	return a.backend.r.Forward(a.cw)
}

func (a *authentication) readyForQuery() error {
	if !a.ready || a.asked && !a.valid {
		return a.unexpected(wire.TypeReadyForQuery)
	}
	body, err := a.backend.r.Body()
	if err != nil {
		return err
	}
	if a.login.status, err = wire.DecodeReadyForQuery(body); err != nil {
		return err
	}
	if e := a.backend.wrongTarget(a.login.parameters); e != nil {
		return e
	}
	if err := a.backend.r.Forward(a.cw); err != nil {
		return err
	}
	return a.cw.Flush()
}
