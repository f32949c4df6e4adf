// Package logical holds the logical types: the types that an application sees for
// the columns that pgveil seals, which the server itself only knows as bytea.
//
// The server can no longer check what is written to such a column, nor turn it into
// text or binary. So this package does, exactly as PostgreSQL would: [Type.Canonical]
// reads a value as the server's input function and assignment cast would, with the
// server's own errors, and gives its canonical encoding, the bytes that are sealed;
// [Type.Append] turns a canonical encoding into what the server would send.
//
// The canonical encoding of a value is the same however the value came: as a literal, as a
// parameter in text or in binary, or of another type that is cast on assignment.
//
//   - text, varchar: the UTF-8 text
//   - char(n): the UTF-8 text without its trailing blanks (Append pads it again)
//   - int2, int4, int8: 8 bytes, big endian
//   - bool: 1 byte
//   - date, timestamp, timestamptz: PostgreSQL's own binary form (4 or 8 bytes)
//   - uuid: 16 bytes
//   - numeric: its text, with its display scale
//   - float4, float8: IEEE 754, big endian
//   - jsonb: PostgreSQL's normalised text
//   - bytea: the bytes
//
// What was sealed with one of these encodings must be readable for ever: they cannot change.
//
// Sources: PostgreSQL manual, chapters "Data Types", "Type Conversion" and appendix B,
// "Date/Time Support"; the catalogs pg_type, pg_cast and pg_operator of PostgreSQL 15.
// The tests compare everything here with a real server.
package logical
