package testenv

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestRelayHalfClose sends 8 MB through an echo server, closes the sending half
// and expects every byte and then the end.
func TestRelayHalfClose(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	r, err := StartRelay(echo.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()

	sent := make([]byte, 8<<20)
	if _, err := rand.Read(sent); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		written <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(conn)
	if err := errors.Join(err, <-written); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes come back of %d, %v", len(got), len(sent), err)
	}

	open, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if _, err := open.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(open, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Stop(), r.Stop()); err != nil {
		t.Fatal(err)
	}
	if err := open.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a connection outlives the relay")
	}
	if _, err := net.Dial("tcp", r.Addr()); err == nil {
		t.Error("a stopped relay accepts")
	}
}

func TestRelayBeforePostgres(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{})
	dir := t.TempDir()
	for name, start := range map[string]func() (*Relay, error){
		"relay":           func() (*Relay, error) { return StartRelay(p.Addr()) },
		"recording relay": func() (*Relay, error) { return StartRecordingRelay(p.Addr(), dir) },
	} {
		r, err := start()
		if err != nil {
			t.Fatal(err)
		}
		dsn := connectionURL(r.Addr(), "postgres", p.SuperPassword(), "postgres", nil)
		if role, _, err := whoami(t.Context(), dsn); err != nil || role != "postgres" {
			t.Errorf("%s: role %q, %v", name, role, err)
		}
		if err := r.Stop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if records, err := os.Stat(filepath.Join(dir, "records")); err != nil || records.Size() < 2*RecordSize {
		t.Errorf("the recording relay has kept no records: %v", err)
	}
}

// TestRecordingRelayFails: without its record nothing is passed back.
func TestRecordingRelayFails(t *testing.T) {
	greeter, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer greeter.Close()
	go func() {
		for {
			conn, err := greeter.Accept()
			if err != nil {
				return
			}
			if _, err := io.ReadFull(conn, make([]byte, 1)); err == nil {
				_, _ = conn.Write([]byte("answer"))
			}
		}
	}()
	dir := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(dir, "records")); err != nil {
		t.Fatal(err)
	}
	r, err := StartRecordingRelay(greeter.Addr().String(), dir)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(conn); len(got) > 0 {
		t.Errorf("%q is passed back", got)
	}
	if err := r.Stop(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("stop: %v", err)
	}
}
