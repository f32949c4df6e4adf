package testenv

import (
	"cmp"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// RecordSize is about what pgveil's audit log holds of a statement, in bytes.
const RecordSize = 700

// StartRecordingRelay is StartRelay with one thing more: for whatever a client sends
// it makes a record durable in a file of dir, while the server works, and passes
// nothing back before. Clients that come meanwhile share one sync. It is what any
// proxy costs at least that keeps such a promise on that disk. When a record cannot be
// made durable, nothing is passed back any more, and Stop tells why.
func StartRecordingRelay(target, dir string) (*Relay, error) {
	f, err := os.Create(filepath.Join(dir, "records"))
	if err != nil {
		return nil, err
	}
	c := &relayRecorder{file: f, wake: make(chan struct{}, 1), done: make(chan struct{})}
	c.changed.L = &c.mu
	go c.run()
	r, err := startRelay(target, c)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return r, nil
}

// relayRecorder makes records durable, several at once.
type relayRecorder struct {
	file *os.File
	wake chan struct{}
	done chan struct{}

	mu      sync.Mutex
	changed sync.Cond
	asked   uint64
	durable uint64
	err     error
}

// begin asks for a record and returns at once; wait waits for it.
func (c *relayRecorder) begin() uint64 {
	c.mu.Lock()
	c.asked++
	n := c.asked
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return n
}

func (c *relayRecorder) wait(n uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.durable < n && c.err == nil {
		c.changed.Wait()
	}
	return c.err
}

func (c *relayRecorder) run() {
	defer close(c.done)
	record := make([]byte, RecordSize)
	for range c.wake {
		c.mu.Lock()
		from, to := c.durable, c.asked
		c.mu.Unlock()
		var err error
		for ; from < to && err == nil; from++ {
			_, err = c.file.Write(record)
		}
		if err == nil {
			err = syscall.Fdatasync(int(c.file.Fd()))
		}
		c.mu.Lock()
		c.durable, c.err = to, cmp.Or(c.err, err)
		c.changed.Broadcast()
		c.mu.Unlock()
	}
}

// stop ends the recorder. No connection may use it any more.
func (c *relayRecorder) stop() error {
	close(c.wake)
	<-c.done
	return errors.Join(c.err, c.file.Close())
}

// pass copies as pump does, with a call before each piece that is passed on. An error
// of it ends both connections.
func pass(to, from *net.TCPConn, before func() error) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			held := before()
			if held == nil {
				_, held = to.Write(buffer[:n])
			}
			if held != nil {
				_ = from.Close()
				_ = to.Close()
				return
			}
		}
		if err != nil {
			_ = to.CloseWrite()
			return
		}
	}
}
