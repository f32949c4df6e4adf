package testenv

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// portBusyError says that a server could not bind its port.
type portBusyError struct{ port int }

func (e *portBusyError) Error() string { return fmt.Sprintf("port %d is in use", e.port) }

// withPort calls start with a port, or, where that is 0, with a free one. As
// somebody else may take a free port between the question and its use, it then
// tries a few more.
func withPort(port int, start func(port int) error) error {
	if port != 0 {
		return start(port)
	}
	for try := 1; ; try++ {
		free, err := freePort()
		if err != nil {
			return err
		}
		err = start(free)
		var busy *portBusyError
		if try == 5 || !errors.As(err, &busy) {
			return err
		}
	}
}

// freePort returns a TCP port of 127.0.0.1 that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// startError explains why a server ended before it answered.
func startError(name string, port int, log string) error {
	tail := tailOf(log)
	// Each of them quotes strerror(EADDRINUSE), or Go's form of it.
	if strings.Contains(strings.ToLower(tail), "address already in use") {
		return &portBusyError{port}
	}
	return fmt.Errorf("%s ended at its start; its log says:\n%s", name, tail)
}

// tailOf returns the last lines of a log, for a message.
func tailOf(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const most = 4096
	if len(data) > most {
		data = data[len(data)-most:]
	}
	return strings.TrimSpace(string(data))
}
