package segment

import (
	"errors"
	"io"

	"github.com/duolog/duolog/internal/vfs"
)

// removeIfThere removes a file; a missing one is no error.
func removeIfThere(fs vfs.FS, name string) error {
	if err := fs.Remove(name); err != nil && !errors.Is(err, vfs.ErrNotExist) {
		return err
	}
	return nil
}

// ignoreEOF drops the io.EOF that a reader may return with the last byte. Callers know how long the file is.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
