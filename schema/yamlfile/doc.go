// Package yamlfile reads YAML files strictly: an unknown key, a wrong type or a
// duplicate is an error with file, line, column and a suggestion, and all errors
// of a file are told at once.
package yamlfile
