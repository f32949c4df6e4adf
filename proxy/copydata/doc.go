// Package copydata rewrites the data of COPY while it streams by: of each row only
// the fields of some columns, in the text, CSV and binary formats of PostgreSQL. All
// other bytes pass as they were. It knows nothing of keys or sockets: what takes the
// place of a value is for the caller to say.
package copydata
