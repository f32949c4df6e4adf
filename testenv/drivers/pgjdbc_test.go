package drivers

import (
	"context"
	"os/exec"
	"testing"

	"github.com/pgveil/pgveil/testenv"
)

func runPgJDBC(t *testing.T, p *pair) {
	java, jar, err := testenv.PgJDBC()
	if err != nil {
		t.Fatal(err)
	}
	readFile(t, "testdata/Driver.java")
	classes := t.TempDir()
	compiler, err := exec.LookPath("javac")
	if err != nil {
		t.Fatal(&testenv.MissingError{Part: testenv.PartPgJDBC, Package: "default-jdk-headless", Detail: "no javac on PATH"})
	}
	out, err := exec.CommandContext(t.Context(), compiler, "-encoding", "UTF-8", "-cp", jar, "-d", classes, "testdata/Driver.java").CombinedOutput()
	if err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	p.both(t, func(ctx context.Context, s side) ([]line, error) {
		return program(ctx, s, java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", classes+":"+jar, "Driver")
	})
}
