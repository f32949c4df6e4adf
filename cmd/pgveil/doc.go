// Command pgveil is the proxy and everything that goes with it: the schema file's
// check and DDL, keys, and the verification of the audit log. docs/configuration.md
// is the manual of its settings and exit statuses.
package main
