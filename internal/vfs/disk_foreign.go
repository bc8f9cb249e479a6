//go:build !linux && !darwin

package vfs

import (
	"errors"
	"os"
)

// lockFile can't lock here: two processes on one data directory are not kept apart on this system.
func lockFile(*os.File) error { return nil }

// diskSpace is unknown here.
func diskSpace(dir string) (free, total uint64, err error) {
	return 0, 0, pathError("statfs", dir, errors.ErrUnsupported)
}
