// Package config reads the configuration of pgveil: one table of settings gives
// the keys of the YAML file, the flags, the PGVEIL_… variables of the environment
// and the JSON Schema for editors. A flag wins over the environment, the
// environment over the file, the file over the default.
package config
