// Package proxy is a connection's life between a PostgreSQL client and its
// server: startup, authentication, both directions of the message flow, and the
// errors that pgveil raises itself.
//
// A connection has one goroutine per direction. The frontend goroutine reads the
// client's messages, plans the statements that name something tagged, seals their
// literals and parameters, and writes to the server; the backend goroutine reads
// the server's messages, opens sealed columns, and writes to the client. They meet
// in a pipeline.Queue: everything that was sent, in order, with what its answer
// needs. Frames that need no change are forwarded without being decoded.
//
// A statement that pgveil refuses is replaced, in its place in the pipeline, by one
// that fails in the server; the server's error then becomes pgveil's. So the
// transaction is left as any failed statement leaves it.
package proxy
