package segment

import (
	"github.com/duolog/duolog/internal/vfs"
)

// Files names the segment files in dir, in sequence order.
func Files(fs vfs.FS, dir string) ([]string, error) {
	l, err := list(fs, dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(l.segments))
	for i, n := range l.segments {
		names[i] = n.name + logSuffix
	}
	return names, nil
}

// ReadHeader reads and checks the header of a segment file. Damage is a *CorruptError.
func ReadHeader(fs vfs.FS, name string) (Header, error) {
	file, err := fs.Open(name)
	if err != nil {
		return Header{}, err
	}
	defer file.Close()
	h, err := readHeader(file)
	if isDamage(err) {
		err = &CorruptError{File: name, Why: err.Error()}
	}
	if err != nil {
		return Header{}, err
	}
	return h.export(), nil
}
