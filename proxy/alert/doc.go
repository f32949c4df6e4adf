// Package alert tells people of what should not wait until somebody reads the audit log: each
// alert is a record of the audit log, a line of the operator's log, a count for the metrics,
// and a message to a webhook, if there is one. docs/alerts.md describes them.
package alert
