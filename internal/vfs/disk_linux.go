package vfs

import (
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// maxIovecs is IOV_MAX: how many buffers one pwritev takes.
const maxIovecs = 1024

// control runs one system call on the file's descriptor and repeats it as long as a signal interrupts it.
func (d *diskFile) control(op string, call func(fd int) error) error {
	var err error
	closed := d.raw.Control(func(fd uintptr) {
		for {
			if err = call(int(fd)); err != unix.EINTR {
				return
			}
		}
	})
	if closed != nil { // Control fails for nothing but a closed file, in words that no sentinel matches
		return pathError(op, d.f.Name(), fs.ErrClosed)
	}
	if err != nil {
		return diskError(pathError(op, d.f.Name(), err))
	}
	return nil
}

// WriteVAt may take several pwritev calls, when there are more than 1024 buffers or the system writes short.
func (d *diskFile) WriteVAt(bufs [][]byte, off int64) (int, error) {
	if off < 0 {
		return 0, pathError("pwritev", d.f.Name(), errNegative)
	}
	total := 0
	for len(bufs) > 0 {
		window := bufs[:min(len(bufs), maxIovecs)]
		n := 0
		err := d.control("pwritev", func(fd int) (err error) {
			n, err = unix.Pwritev(fd, window, off+int64(total))
			return err
		})
		if n > 0 {
			total += n
		}
		if err != nil {
			return total, err
		}
		rest := skip(window, n)
		if len(rest) > 0 && n <= 0 { // the system may write less than asked, but nothing at all is an error without a name
			return total, pathError("pwritev", d.f.Name(), io.ErrShortWrite)
		}
		if len(rest) > 0 {
			bufs = append(rest, bufs[len(window):]...)
		} else {
			bufs = bufs[len(window):]
		}
	}
	return total, nil
}

// skip returns what follows the first n bytes of bufs, in a list of its own unless nothing follows; empty buffers count
// for nothing.
func skip(bufs [][]byte, n int) [][]byte {
	for i, b := range bufs {
		if n < len(b) {
			rest := append([][]byte(nil), bufs[i:]...)
			rest[0] = b[n:]
			return rest
		}
		n -= len(b)
	}
	return nil
}

func (d *diskFile) SyncData() error { return d.control("fdatasync", unix.Fdatasync) }

// Preallocate reserves blocks where the file system can, and otherwise only sets the length.
func (d *diskFile) Preallocate(size int64) error {
	if size < 0 {
		return pathError("fallocate", d.f.Name(), errNegative)
	}
	if size == 0 {
		return nil
	}
	err := d.control("fallocate", func(fd int) error { return unix.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return d.growTo(size)
	}
	return err
}
