package drivers

import (
	"context"
	"testing"

	"github.com/pgveil/pgveil/testenv"
)

func runPython(t *testing.T, p *pair, part testenv.Part, script string) {
	python, err := testenv.Python(part)
	if err != nil {
		t.Fatal(err)
	}
	readFile(t, script)
	readFile(t, "testdata/steps.py")
	p.both(t, func(ctx context.Context, s side) ([]line, error) {
		return program(ctx, s, python, script)
	})
}

func runPsycopg2(t *testing.T, p *pair) {
	runPython(t, p, testenv.PartPsycopg2, "testdata/driver_psycopg2.py")
}

func runPsycopg3(t *testing.T, p *pair) {
	runPython(t, p, testenv.PartPsycopg3, "testdata/driver_psycopg3.py")
}
