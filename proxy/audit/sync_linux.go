package audit

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// syncer makes what was written to a file durable. When several sessions wait it has the kernel do so in the
// background and waits as for a socket: a blocking fdatasync keeps one of the turns to run Go code, of which there
// are as many as cores, from the others. A lone one is served sooner by one that blocks, which is
// also used where the kernel has no asynchronous I/O or does not allow it.
type syncer struct {
	context uintptr  // io_setup(2); 0 where there is none
	done    *os.File // an eventfd(2) that tells of the end
	fd      int      // of done
	request iocb
	end     ioEvent
	count   [8]byte
}

// iocb and ioEvent are the kernel's, of linux/aio_abi.h.
type iocb struct {
	_            [2]uint64 // data, key, flags of reading and writing
	opcode       uint16
	_            int16 // priority
	file         uint32
	_            [4]uint64 // buffer, its size, offset, reserved
	flags, event uint32
}

type ioEvent struct {
	_      [2]uint64 // data, request
	result int64
	_      int64
}

const (
	opcodeDatasync = 3
	flagEvent      = 1
)

func newSyncer() *syncer {
	s := new(syncer)
	fd, _, e := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if e != 0 {
		return s
	}
	s.fd, s.done = int(fd), os.NewFile(fd, "eventfd")
	if _, _, e := syscall.Syscall(syscall.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&s.context)), 0); e != 0 {
		s.close()
	}
	return s
}

func (s *syncer) close() {
	if s.context != 0 {
		_, _, _ = syscall.Syscall(syscall.SYS_IO_DESTROY, s.context, 0, 0)
	}
	if s.done != nil {
		_ = s.done.Close() // it holds nothing
	}
	s.context, s.done = 0, nil
}

// datasync is the function of this name, for a file that several sessions wait for, if shared.
func (s *syncer) datasync(f *os.File, shared bool) error {
	if shared && s.context != 0 && s.submit(f) {
		return os.NewSyscallError("fdatasync", s.wait())
	}
	return datasync(f)
}

// datasync makes a file's content and size durable; its times may be lost.
func datasync(f *os.File) error {
	err := restarted(func() error { return syscall.Fdatasync(int(f.Fd())) })
	return os.NewSyscallError("fdatasync", err)
}

// submit asks for the sync; false when the kernel does not take the request.
func (s *syncer) submit(f *os.File) bool {
	s.request = iocb{opcode: opcodeDatasync, file: uint32(f.Fd()), flags: flagEvent, event: uint32(s.fd)}
	requests := &s.request
	n, _, _ := syscall.RawSyscall(syscall.SYS_IO_SUBMIT, s.context, 1, uintptr(unsafe.Pointer(&requests)))
	return n == 1
}

// wait waits for the end of what was submitted and gives its error.
func (s *syncer) wait() error {
	for {
		if _, err := s.done.Read(s.count[:]); err != nil {
			return err
		}
		n, _, e := syscall.RawSyscall6(syscall.SYS_IO_GETEVENTS, s.context, 0, 1, uintptr(unsafe.Pointer(&s.end)), 0, 0)
		switch {
		case e != 0:
			return e
		case n == 0: // not yet
		case s.end.result < 0:
			return syscall.Errno(-s.end.result)
		case s.end.result > 0:
			return errors.New("unknown result")
		default:
			return nil
		}
	}
}
