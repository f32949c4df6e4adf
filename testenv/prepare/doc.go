// Command prepare names the real parts that pgveil's tests need and that are
// missing on this machine, and builds Vault beforehand, so that no test has to
// wait for it. It ends with status 1 if a part is missing.
package main
