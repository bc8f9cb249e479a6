// Package vfs is the only door to files: every other package reads and writes through an FS, so that a test can put a
// faulty disk under any of them.
//
// Disk is the operating system's file system, Memory a volatile one, and Fault wraps Memory: it forgets what was not
// synced when the power goes, tears writes, fails the n-th operation, flips bits and runs full.
package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// Errors that every implementation returns, possibly wrapped; compare with errors.Is.
var (
	ErrNotExist = fs.ErrNotExist
	ErrExist    = fs.ErrExist
	// ErrNoSpace says that the device is full; nothing or only a part of a write was stored.
	ErrNoSpace = errors.New("no space left on device")
	// ErrLocked says that another process, or this one, holds the lock file.
	ErrLocked = errors.New("file is locked by another process")
)

// FS is a file system with explicit durability. Nothing survives a power loss unless it was made to: file contents and
// lengths by File.Sync or File.SyncData, directory entries (create, rename, remove) by SyncDir of the directory.
// Names use forward slashes. All methods are safe for concurrent use.
type FS interface {
	// Create makes a new file for reading and writing. An existing file of that name is replaced by an empty one.
	Create(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// OpenReadWrite opens an existing file for reading and writing.
	OpenReadWrite(name string) (File, error)
	// Rename moves a file; an existing target is replaced atomically.
	Rename(from, to string) error
	// Remove deletes one file or empty directory.
	Remove(name string) error
	// RemoveAll deletes a directory and all that is in it; a missing one is no error.
	RemoveAll(dir string) error
	// MkdirAll makes a directory and its parents.
	MkdirAll(dir string) error
	// List returns the names (not paths) in a directory, sorted.
	List(dir string) ([]string, error)
	// Size returns the length of a file in bytes.
	Size(name string) (int64, error)
	// SyncDir makes the entries of a directory durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on a file, creating it where needed, and writes note (one line: who holds it) into it.
	// If it is held elsewhere the error wraps ErrLocked and contains the holder's note. Closing gives the lock up.
	Lock(name, note string) (io.Closer, error)
	// Space returns the free and the total bytes of the device that holds dir.
	Space(dir string) (free, total uint64, err error)
}

// File is an open file. Offsets are explicit: there is no file position. Reads and writes at different offsets may run
// concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// WriteVAt writes the buffers one after another at off, as one pwritev where the system has it. It does not modify
	// bufs.
	WriteVAt(bufs [][]byte, off int64) (int, error)
	// Sync makes contents, length and metadata durable (fsync).
	Sync() error
	// SyncData makes contents, and the length if it changed, durable (fdatasync).
	SyncData() error
	// Truncate sets the length.
	Truncate(size int64) error
	// Preallocate reserves blocks for [0, size) and extends the length to size; the new part reads as zeros.
	Preallocate(size int64) error
	// Size returns the length in bytes.
	Size() (int64, error)
}
