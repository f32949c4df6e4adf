package drivers

import "testing"

func runPgJDBC(t *testing.T, p *pair) {}
