package audit

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pgveil/pgveil/testenv"
)

// fakeCopy is a place that fails as the test says.
type fakeCopy struct {
	mu    sync.Mutex
	away  bool
	lines bytes.Buffer
}

func (f *fakeCopy) Name() string { return "fake" }
func (f *fakeCopy) Close() error { return nil }

func (f *fakeCopy) Write(lines []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return errors.New("away")
	}
	f.lines.Write(lines)
	return nil
}

func (f *fakeCopy) set(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

func logText(t *testing.T, dir string) string {
	t.Helper()
	numbers, _, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, n := range numbers {
		data, err := os.ReadFile(filepath.Join(dir, segmentName(n)))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

// TestCopies: copies get every line of the log, those too that were written while one of
// them was away, and nothing waits for it.
func TestCopies(t *testing.T) {
	dir, away, there := logDir(t), &fakeCopy{away: true}, &fakeCopy{}
	o := options(dir)
	o.Copies, o.SegmentSize = []Copy{away, there}, 4096
	l := mustOpen(t, o)
	for n := range 30 {
		do(t, l, fmt.Sprintf("s%d", n))
	}
	away.set(false)
	mustClose(t, l)
	want := logText(t, dir)
	for name, c := range map[string]*fakeCopy{"away": away, "there": there} {
		if got := c.lines.String(); got != want {
			t.Errorf("%s has %d bytes, the log %d", name, len(got), len(want))
		}
	}
}

// TestCopyOverflow: what is too much for a copy that is away is counted, and not kept.
func TestCopyOverflow(t *testing.T) {
	c := &copier{log: &Log{stopped: make(chan struct{})}, to: &fakeCopy{away: true}, wake: make(chan struct{}, 1)}
	c.log.copies = []*copier{c}
	lines := bytes.Repeat([]byte("a line\n"), 1<<19)
	for range 4 {
		c.log.copyOut(lines)
	}
	if len(c.waiting) > maxCopyBytes || c.lost != 2<<19 {
		t.Errorf("%d bytes wait, %d are lost", len(c.waiting), c.lost)
	}
}

// TestSyslog: each record is one message of RFC 5424 in a frame of RFC 6587, again after
// the connection broke.
func TestSyslog(t *testing.T) {
	t.Run("TCP", func(t *testing.T) {
		server, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		testSyslog(t, server, nil)
	})
	t.Run("TLS", func(t *testing.T) {
		ca, err := testenv.NewCA(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		cert, key, err := ca.Issue("localhost", "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		pem, err := os.ReadFile(ca.File())
		if err != nil {
			t.Fatal(err)
		}
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(pem)
		server, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if conn, err := server.Accept(); err == nil {
				_, _ = io.Copy(io.Discard, conn) // with the handshake
				conn.Close()
			}
		}()
		// A server that the copy does not trust gets nothing.
		if err := NewSyslogCopy(server.Addr().String(), &tls.Config{ServerName: "127.0.0.1"}).Write([]byte("{}\n")); err == nil {
			t.Error("a server with an unknown certificate is written to")
		}
		testSyslog(t, server, &tls.Config{ServerName: "127.0.0.1", RootCAs: trusted})
	})
}

func testSyslog(t *testing.T, server net.Listener, trusted *tls.Config) {
	defer server.Close()
	messages := make(chan string, 1000)
	go func() {
		for n := 0; ; n++ {
			conn, err := server.Accept()
			if err != nil {
				close(messages)
				return
			}
			if n == 0 {
				conn.Close() // the first is cut
				continue
			}
			for r := bufio.NewReader(conn); ; {
				length, err := r.ReadString(' ')
				if err != nil {
					break
				}
				n, err := strconv.Atoi(strings.TrimSpace(length))
				if err != nil {
					t.Errorf("frame %q", length)
					break
				}
				message := make([]byte, n)
				if _, err := io.ReadFull(r, message); err != nil {
					break
				}
				messages <- string(message)
			}
		}
	}()
	dir := logDir(t)
	o := options(dir)
	o.Copies = []Copy{NewSyslogCopy(server.Addr().String(), trusted)}
	l := mustOpen(t, o)
	form := regexp.MustCompile(`(?s)^<110>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ pgveil \d+ audit - (\{"seq":\d+,.*\})$`)
	got := 0
	for n := 0; got < 10; n++ {
		do(t, l, fmt.Sprintf("s%d", n))
		for range len(messages) {
			m := form.FindStringSubmatch(<-messages)
			if m == nil {
				t.Fatal("a message has another form")
			}
			if !strings.Contains(logText(t, dir), m[1]+"\n") {
				t.Errorf("a message is no line of the log: %s", m[1])
			}
			got++
		}
	}
	mustClose(t, l)
	wantOK(t, verify(t, dir))
}
