package segment

import (
	"fmt"
	"path"
	"strings"

	"github.com/duolog/duolog/internal/vfs"
)

// CheckCopied verifies a segment file that was copied from another replica, every frame of it up to the end of the file,
// makes it durable and writes its offsets table beside it. Copied segments, without a gap, in a directory of their own are
// a log that Open opens; the hard state that it finds there is the other replica's, and the caller's first Append must
// replace it.
func CheckCopied(fs vfs.FS, uid [16]byte, name string) (Info, error) {
	s, err := openCopied(fs, uid, name)
	if err != nil {
		return Info{}, err
	}
	file, err := fs.OpenReadWrite(name)
	if err != nil {
		return Info{}, err
	}
	defer file.Close()
	r := replay{}
	if err := r.through(path.Dir(name), s, file, s.size); err != nil {
		return Info{}, err
	}
	if err := file.Sync(); err != nil {
		return Info{}, err
	}
	s.last, s.end, s.lastTime = r.table.last(), r.table.end, r.lastTime
	// This syncs the directory too.
	return s.info(true), writeTable(fs, path.Join(path.Dir(name), s.name), uid, s.head.sequence, r.table)
}

// openCopied reads the header of a copied segment.
func openCopied(fs vfs.FS, uid [16]byte, name string) (*segment, error) {
	first, sequence, ok := parseName(path.Base(name))
	if !ok {
		return nil, fmt.Errorf("%w: %s is not named like a segment", ErrInvariant, name)
	}
	base := strings.TrimSuffix(path.Base(name), logSuffix)
	s, err := openHeader(&Options{FS: fs, Dir: path.Dir(name), UID: uid}, named{base, first, sequence})
	if err == nil && s.head.sequence == 0 {
		err = s.corrupt(path.Dir(name), 0, first, errZeroHeader.Error())
	}
	return s, err
}
