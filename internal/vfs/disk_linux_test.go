package vfs

import (
	"bytes"
	"testing"
)

// /dev/full answers every write with ENOSPC.
func TestDiskFullDevice(t *testing.T) {
	f, err := Disk{}.OpenReadWrite("/dev/full")
	ok(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	fails(t, err, ErrNoSpace)
	n, err := f.WriteVAt([][]byte{[]byte("x"), []byte("y")}, 0)
	fails(t, err, ErrNoSpace)
	check(t, n, 0)
	ok(t, f.Close())
}

func TestSkip(t *testing.T) {
	bufs := [][]byte{[]byte("ab"), nil, []byte("cde"), []byte("f")}
	for n := range 7 {
		check(t, string(bytes.Join(skip(bufs, n), nil)), "abcdef"[n:])
	}
	check(t, string(bytes.Join(bufs, nil)), "abcdef")
}
