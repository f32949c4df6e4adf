//go:build !linux

package audit

import "os"

// syncer makes what was written to a file durable.
type syncer struct{}

func newSyncer() *syncer { return nil }

func (*syncer) datasync(f *os.File, _ bool) error { return datasync(f) }

func datasync(f *os.File) error { return f.Sync() }

func (*syncer) close() {}
