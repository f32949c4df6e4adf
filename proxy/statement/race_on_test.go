//go:build race

package statement

// slowdown is how much longer things may take under the race detector.
const slowdown = 20
