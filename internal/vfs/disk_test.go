package vfs

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

func TestDiskErrorNamesFullDevice(t *testing.T) {
	for _, errno := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		err := diskError(&os.PathError{Op: "write", Path: "/x", Err: errno})
		fails(t, err, ErrNoSpace)
		fails(t, err, errno)
	}
	other := fmt.Errorf("other")
	check(t, diskError(other), other)
	check(t, diskError(nil), nil)
}
