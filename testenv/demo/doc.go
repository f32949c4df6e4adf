// Command demo shows pgveil at work on a laboratory that nobody is a patient of.
//
// It starts a private PostgreSQL, creates the laboratory's tables in their sealed
// form, runs the real command bin/pgveil in front of it, fills the laboratory
// through pgveil, and then shows for three users what each of them sees, what the
// server itself would tell, and what the audit log has about it. It stays until
// Ctrl-C and leaves no process and no file behind, however it ends.
//
// Everything that is shown is compared with what the generator of the laboratory
// made: the demo ends with status 1 if any of it is not as it should be.
package main
