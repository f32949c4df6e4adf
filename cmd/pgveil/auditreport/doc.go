// Package auditreport makes of an audit log what a data-protection officer reads: who
// opened how much, of how many patients, what was refused, and what was alerted, as text,
// JSON, and one HTML page that needs nothing beside itself.
package auditreport
