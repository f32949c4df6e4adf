package wire

// Types of the messages that a frontend sends.
const (
	TypeQuery        = 'Q'
	TypeParse        = 'P'
	TypeBind         = 'B'
	TypeDescribe     = 'D'
	TypeExecute      = 'E'
	TypeClose        = 'C'
	TypeFlush        = 'H'
	TypeSync         = 'S'
	TypeFunctionCall = 'F'
	TypeTerminate    = 'X'
	TypeCopyFail     = 'f'
	TypePassword     = 'p' // PasswordMessage, SASLInitialResponse, SASLResponse, GSSResponse
)

// Types of the messages that go both ways.
const (
	TypeCopyData = 'd'
	TypeCopyDone = 'c'
)

// Types of the messages that a backend sends.
const (
	TypeAuthentication           = 'R'
	TypeBackendKeyData           = 'K'
	TypeParameterStatus          = 'S'
	TypeNegotiateProtocolVersion = 'v'
	TypeReadyForQuery            = 'Z'
	TypeErrorResponse            = 'E'
	TypeNoticeResponse           = 'N'
	TypeNotification             = 'A'
	TypeRowDescription           = 'T'
	TypeDataRow                  = 'D'
	TypeCommandComplete          = 'C'
	TypeEmptyQuery               = 'I'
	TypeParameterDescription     = 't'
	TypeNoData                   = 'n'
	TypeParseComplete            = '1'
	TypeBindComplete             = '2'
	TypeCloseComplete            = '3'
	TypePortalSuspended          = 's'
	TypeFunctionResult           = 'V'
	TypeCopyIn                   = 'G'
	TypeCopyOut                  = 'H'
	TypeCopyBoth                 = 'W'
)

// MaxLength is the greatest length of a body that PostgreSQL itself reads or
// makes: one byte less than its largest allocation.
const MaxLength = 0x3fffffff - 1

// smallLength bounds the messages that only hold names: PQ_SMALL_MESSAGE_LIMIT of
// libpq.h, the length word left out.
const smallLength = 10000 - 4

// authLength bounds answers to an authentication request:
// PG_MAX_AUTH_TOKEN_LENGTH of auth.h.
const authLength = 65535 - 4

// Limits is the greatest length of a body, in bytes, by message type; -1 for a
// type that does not exist.
type Limits [256]int32

// FrontendLimits are the server's own limits on what a client sends after
// authentication (SocketBackend in postgres.c).
var FrontendLimits = limits(map[byte]int32{
	TypeQuery: MaxLength, TypeFunctionCall: MaxLength, TypeParse: MaxLength, TypeBind: MaxLength,
	TypeTerminate: smallLength, TypeClose: smallLength, TypeDescribe: smallLength, TypeExecute: smallLength,
	TypeFlush: smallLength, TypeSync: smallLength,
	TypeCopyData: MaxLength, TypeCopyDone: smallLength, TypeCopyFail: smallLength,
})

// LoginLimits are the server's own limits on what a client sends during
// authentication.
var LoginLimits = limits(map[byte]int32{TypePassword: authLength, TypeTerminate: smallLength})

// BackendLimits are the limits on what a server sends.
var BackendLimits = limits(map[byte]int32{
	TypeAuthentication: authLength, TypeBackendKeyData: 256 + 4, TypeParameterStatus: MaxLength,
	TypeNegotiateProtocolVersion: smallLength, TypeReadyForQuery: 1,
	TypeErrorResponse: MaxLength, TypeNoticeResponse: MaxLength, TypeNotification: MaxLength,
	TypeRowDescription: MaxLength, TypeDataRow: MaxLength, TypeCommandComplete: smallLength,
	TypeEmptyQuery: 0, TypeParameterDescription: 2 + 4*65535, TypeNoData: 0, TypeParseComplete: 0,
	TypeBindComplete: 0, TypeCloseComplete: 0, TypePortalSuspended: 0, TypeFunctionResult: MaxLength,
	TypeCopyIn: 3 + 2*65535, TypeCopyOut: 3 + 2*65535, TypeCopyBoth: 3 + 2*65535,
	TypeCopyData: MaxLength, TypeCopyDone: 0,
})

func limits(known map[byte]int32) *Limits {
	var l Limits
	for i := range l {
		l[i] = -1
	}
	for typ, n := range known {
		l[typ] = n
	}
	return &l
}
