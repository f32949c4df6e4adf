// Package wire is the PostgreSQL frontend/backend protocol, version 3.0, as bytes:
// frames read and written without being decoded, and the messages that the proxy
// must look into or make itself.
//
// A Reader and a Writer hold one buffer each and allocate nothing per frame.
// Decoders check every length and count of a message before anything is taken from
// it, and give views into the body, so they are valid only as long as the body is.
// Their errors are *pgerror.Error values with the server's own SQLSTATE and
// message. Encoders append to a Writer.
//
// The package knows nothing of sockets, keys or SQL. It is the only one that may
// import pgproto3, whose decoders trust the lengths they are given.
//
// Source: PostgreSQL manual, "Frontend/Backend Protocol", sections "Message
// Formats" and "Message Flow"; pqformat.c for what a malformed message is called.
package wire
