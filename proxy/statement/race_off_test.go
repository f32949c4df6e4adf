//go:build !race

package statement

// slowdown is how much longer things may take than planned.
const slowdown = 1
