//go:build linux || darwin

package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile returns ErrLocked when another open file, of this process or another one, holds the lock.
func lockFile(f *os.File) error {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return ErrLocked
		default:
			return pathError("flock", f.Name(), err)
		}
	}
}

func diskSpace(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	for {
		switch err := unix.Statfs(dir, &st); err {
		case nil:
			block := uint64(st.Bsize)
			return st.Bavail * block, st.Blocks * block, nil
		case unix.EINTR:
		default:
			return 0, 0, pathError("statfs", dir, err)
		}
	}
}
