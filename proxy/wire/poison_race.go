//go:build race

package wire

const poisoned = true
