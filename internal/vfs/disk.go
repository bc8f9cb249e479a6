package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// Disk is the operating system's file system; its zero value is ready for use. Names are the system's own paths,
// relative ones counted from the working directory. Files are made with mode 0640, directories with 0750.
type Disk struct{}

var _ FS = Disk{}

const (
	filePerm = 0o640
	dirPerm  = 0o750
	// maxNoteBytes bounds what is read back from a lock file that somebody else wrote.
	maxNoteBytes = 512
)

func (Disk) Create(name string) (File, error) {
	return openDisk(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (Disk) Open(name string) (File, error) { return openDisk(name, os.O_RDONLY) }

func (Disk) OpenReadWrite(name string) (File, error) { return openDisk(name, os.O_RDWR) }

func (Disk) Rename(from, to string) error { return diskError(os.Rename(from, to)) }

func (Disk) Remove(name string) error { return diskError(os.Remove(name)) }

func (Disk) RemoveAll(dir string) error { return diskError(os.RemoveAll(dir)) }

func (Disk) MkdirAll(dir string) error { return diskError(os.MkdirAll(dir, dirPerm)) }

func (Disk) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (Disk) Size(name string) (int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	if info.IsDir() {
		return 0, pathError("size", name, errIsDirectory)
	}
	return info.Size(), nil
}

func (Disk) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	return diskError(errors.Join(err, f.Close()))
}

// Lock holds the file by flock, so the lock ends with the process, however that ends. The file stays when the lock is
// given up: to remove it would let two holders lock two files of one name.
func (Disk) Lock(name, note string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, diskError(err)
	}
	if err := lockFile(f); err != nil {
		if errors.Is(err, ErrLocked) {
			err = lockedError(name, readNote(f))
		}
		return nil, errors.Join(err, f.Close())
	}
	if err := writeNote(f, note); err != nil {
		return nil, errors.Join(diskError(err), f.Close())
	}
	return f, nil
}

func (Disk) Space(dir string) (free, total uint64, err error) { return diskSpace(dir) }

// lockedError says who holds a lock, as far as the holder's note tells.
func lockedError(name, note string) error {
	if note == "" {
		note = "unknown holder"
	}
	return fmt.Errorf("%w: %s (%s)", ErrLocked, name, note)
}

func readNote(f *os.File) string {
	buf := make([]byte, maxNoteBytes)
	n, _ := f.ReadAt(buf, 0) // an unreadable note only makes the message poorer
	return firstLine(string(buf[:n]))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

func writeNote(f *os.File, note string) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(firstLine(note)+"\n"), 0)
	return err
}

// diskFile is an open file of Disk. The raw connection keeps the descriptor from being closed, and its number from being
// reused, while a system call of ours runs on it.
type diskFile struct {
	f   *os.File
	raw syscall.RawConn
}

func openDisk(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, filePerm)
	if err != nil {
		return nil, diskError(err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() { // the system opens directories for reading; here they are no files
		err = pathError("open", name, errIsDirectory)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &diskFile{f: f, raw: raw}, nil
}

func (d *diskFile) ReadAt(p []byte, off int64) (int, error) { return d.f.ReadAt(p, off) }

func (d *diskFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := d.f.WriteAt(p, off)
	return n, diskError(err)
}

func (d *diskFile) Close() error { return diskError(d.f.Close()) }

func (d *diskFile) Sync() error { return diskError(d.f.Sync()) }

func (d *diskFile) Truncate(size int64) error { return diskError(d.f.Truncate(size)) }

func (d *diskFile) Size() (int64, error) {
	info, err := d.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// growTo is Preallocate where blocks can't be reserved: it only makes the file long enough.
func (d *diskFile) growTo(size int64) error {
	now, err := d.Size()
	if err != nil || now >= size {
		return err
	}
	return d.Truncate(size)
}

// diskError makes a full disk recognizable; every other error passes.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

var (
	errIsDirectory  = errors.New("is a directory")
	errNotDirectory = errors.New("not a directory")
	errNotEmpty     = errors.New("directory not empty")
	errReadOnly     = errors.New("file is open for reading only")
	errNegative     = errors.New("negative offset or size")
	errIntoItself   = errors.New("a directory can not move into itself")
)

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}
