package testenv

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Relay copies bytes between its clients and a target and does nothing else: it
// is what a proxy written in Go costs at least.
type Relay struct {
	listener *net.TCPListener
	target   string
	recorder *relayRecorder // nil: nothing is kept

	mu     sync.Mutex
	conns  map[net.Conn]struct{} // of both sides
	closed bool
	done   sync.WaitGroup
}

// StartRelay listens on a free port of 127.0.0.1 and relays every connection to
// the target, a TCP address.
func StartRelay(target string) (*Relay, error) { return startRelay(target, nil) }

func startRelay(target string, recorder *relayRecorder) (*Relay, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	r := &Relay{listener: l, target: target, recorder: recorder, conns: make(map[net.Conn]struct{})}
	r.done.Go(r.accept)
	return r, nil
}

// Addr returns the address that the relay listens on.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Stop closes the listener and every connection, and waits for their end.
// Further calls do nothing.
func (r *Relay) Stop() error {
	r.mu.Lock()
	var err error
	first := !r.closed
	if first {
		r.closed = true
		err = r.listener.Close()
		for c := range r.conns {
			_ = c.Close()
		}
	}
	r.mu.Unlock()
	r.done.Wait()
	if first && r.recorder != nil {
		err = errors.Join(err, r.recorder.stop())
	}
	return err
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.done.Go(func() { r.serve(client) })
	}
}

func (r *Relay) serve(client *net.TCPConn) {
	defer client.Close()
	conn, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	if !r.register(client, server) {
		return
	}
	defer r.forget(client, server)
	// Go sets TCP_NODELAY by itself; the benchmarks depend on it.
	if errors.Join(client.SetNoDelay(true), server.SetNoDelay(true)) != nil {
		return
	}
	var both sync.WaitGroup
	if r.recorder != nil {
		var last atomic.Uint64
		both.Go(func() { pass(server, client, func() error { last.Store(r.recorder.begin()); return nil }) })
		both.Go(func() { pass(client, server, func() error { return r.recorder.wait(last.Load()) }) })
	} else {
		both.Go(func() { pump(server, client) })
		both.Go(func() { pump(client, server) })
	}
	both.Wait()
}

// pump copies until the source ends, and passes that end on.
func pump(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = from.Close()
		_ = to.Close()
		return
	}
	_ = to.CloseWrite()
}

// register reports false if the relay has stopped meanwhile.
func (r *Relay) register(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.conns[c] = struct{}{}
	}
	return !r.closed
}

func (r *Relay) forget(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		delete(r.conns, c)
	}
}
