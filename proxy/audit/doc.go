// Package audit is pgveil's record of who had what opened: an append-only log in
// JSON Lines that proves its own integrity, and the verifier of that proof.
//
// A Log is a directory of segments, pgveil-000001.jsonl and up. Each line is one
// record, and ends with a MAC over the MAC of the line before it and every byte of
// its own, so that no line can be changed, removed, inserted or moved without the
// key. A segment ends with a checkpoint, a signature over its content, and the next
// one begins by naming where the last one ended. The file head holds, under a MAC,
// the place of the last durable record: without it a log cut short would look whole.
//
// Begin enqueues an intent; Intent.Wait returns when it is on disk. One goroutine
// writes everything that has come in meanwhile with one write and one fdatasync, so
// many sessions share the cost of one. After an error of the disk nothing is
// acknowledged until a new segment could be begun; whatever the old one holds past
// its last acknowledged record is abandoned, and the new one says so.
//
// The package knows nothing of sockets, SQL or keys: a record is made of strings, a
// key is an interface. docs/audit.md describes the format and its limits.
package audit
