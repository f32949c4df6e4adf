// Package pgerror holds the errors that pgveil sends to clients: the fields of an
// ErrorResponse, as values that any package may make and only proxy puts on the wire.
//
// Source: PostgreSQL manual, "Error and Notice Message Fields" and appendix A,
// "PostgreSQL Error Codes".
package pgerror
