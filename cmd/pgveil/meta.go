package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/schema"
)

func versionCommand() *command {
	return &command{
		name: "version", short: "print the version", long: "Prints the version, and that of Go.",
		examples: []string{"pgveil version"},
		run: func(_ context.Context, c *call) error {
			_, err := fmt.Fprintf(c.out, "pgveil %s (%s %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// version is what the Go toolchain knows of the source that this was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func configCommand() *command {
	return &command{name: "config", short: "the configuration", long: "Helps to write the configuration."}
}

func configSchemaCommand() *command {
	return &command{
		name: "config schema", args: "[config|schema]",
		short: "print the JSON Schema of the configuration or of the schema file",
		long: `
Prints a JSON Schema, for editors to complete and check: that of the configuration
file, or with "schema" that of the schema file.`,
		examples: []string{
			"pgveil config schema > pgveil.schema.json",
			"pgveil config schema schema > schema-file.schema.json",
			"# yaml-language-server: $schema=pgveil.schema.json      (the first line of pgveil.yaml)",
		},
		most: 1,
		run: func(_ context.Context, c *call) error {
			text := config.JSONSchema()
			if len(c.args) == 1 {
				switch c.args[0] {
				case "config":
				case "schema":
					text = schema.JSONSchema()
				default:
					return usageErrorf(configSchemaCommand(), "unknown file %q: it is config or schema", c.args[0])
				}
			}
			_, err := c.out.Write(text)
			return err
		},
	}
}
