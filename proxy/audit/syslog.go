package audit

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// NewStreamCopy copies to a stream, which stays open.
func NewStreamCopy(name string, out io.Writer) Copy { return &streamCopy{name, out} }

type streamCopy struct {
	name string
	out  io.Writer
}

func (s *streamCopy) Name() string { return s.name }
func (s *streamCopy) Close() error { return nil }

func (s *streamCopy) Write(lines []byte) error {
	_, err := s.out.Write(lines)
	return err
}

// syslogPriority is facility 13, log audit, and severity 6, informational (RFC 5424,
// section 6.2.1).
const syslogPriority = 13*8 + 6

// syslogTimeout bounds a connection and each write.
const syslogTimeout = 10 * time.Second

// syslogCopy sends each record as a message of RFC 5424 in a frame that begins with its
// length (RFC 6587, section 3.4.1; RFC 5425 with TLS).
type syslogCopy struct {
	address string
	tls     *tls.Config // nil: in clear
	head    string      // of each message, behind the time
	conn    net.Conn
	frames  []byte
}

// NewSyslogCopy copies to a syslog server at host:port over TCP, or TLS if config is given.
func NewSyslogCopy(address string, config *tls.Config) Copy {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "-"
	}
	return &syslogCopy{address: address, tls: config, head: fmt.Sprintf(" %s pgveil %d audit - ", host, os.Getpid())}
}

func (s *syslogCopy) Name() string {
	if s.tls != nil {
		return "syslog+tls://" + s.address
	}
	return "syslog+tcp://" + s.address
}

func (s *syslogCopy) Write(lines []byte) error {
	if s.conn == nil {
		if err := s.dial(); err != nil {
			return err
		}
	}
	s.frames = s.frames[:0]
	at := string(appendTime(nil, time.Now()))
	for line := range bytes.Lines(lines) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		head := "<" + strconv.Itoa(syslogPriority) + ">1 " + at + s.head
		s.frames = strconv.AppendInt(s.frames, int64(len(head)+len(line)), 10)
		s.frames = append(append(append(s.frames, ' '), head...), line...)
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(syslogTimeout))
	if err == nil {
		_, err = s.conn.Write(s.frames)
	}
	if err != nil {
		_ = s.Close()
	}
	return err
}

func (s *syslogCopy) dial() (err error) {
	dialer := &net.Dialer{Timeout: syslogTimeout, KeepAlive: 30 * time.Second}
	if s.tls != nil {
		s.conn, err = tls.DialWithDialer(dialer, "tcp", s.address, s.tls)
	} else {
		s.conn, err = dialer.Dial("tcp", s.address)
	}
	if err != nil {
		s.conn = nil // a nil *tls.Conn is no nil net.Conn
	}
	return err
}

func (s *syslogCopy) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
