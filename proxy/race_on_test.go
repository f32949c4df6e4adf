//go:build race

package proxy_test

// raced says that the race detector watches, which takes ten times as long.
const raced = true
