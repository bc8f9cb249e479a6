package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"slices"
	"strings"

	"github.com/duolog/duolog/internal/vfs"
)

// replacement is the decision to replace the log's segments by others, as the intent file holds it. From the moment on
// that the file is durable it is carried out, if need be by the next Open.
type replacement struct {
	tail    header   // of the segment that goes on behind them
	sources []source // the segments that become the log's
}

// source is a copied segment; first and sequence give the name under which it enters the log.
type source struct {
	path            string
	first, sequence uint64
}

const intentMagic = "DUOLOGIN"

var errBadIntent = errors.New("the file that describes an installation is damaged")

func (r *replacement) encode() []byte {
	b := append([]byte(intentMagic), 0, 0, 0, 0, 0, 0, 0, 0)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint32(b[12:], uint32(len(r.sources)))
	b = append(b, r.tail.encode()...)
	for _, s := range r.sources {
		b = le.AppendUint64(le.AppendUint64(b, s.first), s.sequence)
		b = le.AppendUint32(b, uint32(len(s.path)))
		b = append(b, s.path...)
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeIntent(b []byte) (*replacement, error) {
	if len(b) < 16+headerBytes+4 || string(b[:8]) != intentMagic || le.Uint32(b[8:]) != formatVersion ||
		crc32.Checksum(b[:len(b)-4], castagnoli) != le.Uint32(b[len(b)-4:]) {
		return nil, errBadIntent
	}
	tail, err := decodeHeader(b[16 : 16+headerBytes])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadIntent, err)
	}
	r := &replacement{tail: tail}
	rest := b[16+headerBytes : len(b)-4]
	for range le.Uint32(b[12:]) {
		if len(rest) < 20 || uint64(len(rest)-20) < uint64(le.Uint32(rest[16:])) {
			return nil, errBadIntent
		}
		n := 20 + le.Uint32(rest[16:])
		r.sources = append(r.sources, source{string(rest[20:n]), le.Uint64(rest), le.Uint64(rest[8:])})
		rest = rest[n:]
	}
	return r, nil
}

// finishReplacing carries out the intent file, if there is one. Every step may be done again: what a crash left undone,
// or done but not durable, the next call does.
func finishReplacing(o *Options) error {
	name := path.Join(o.Dir, intentName)
	b, err := readFile(o.FS, name)
	if errors.Is(err, vfs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := decodeIntent(b)
	if err != nil {
		return &CorruptError{File: name, Why: err.Error()}
	}
	if r.tail.uid != o.UID {
		return fmt.Errorf("%w: %s belongs to log %x, this is log %x", ErrForeign, name, r.tail.uid, o.UID)
	}
	if err := r.removeOld(o); err != nil {
		return err
	}
	if err := r.moveIn(o); err != nil {
		return err
	}
	_, file, err := makeSegment(o, &r.tail, o.SegmentBytes, &spares{})
	if err != nil {
		return err
	}
	if err := errors.Join(file.Close(), o.FS.Remove(name)); err != nil {
		return err
	}
	return o.FS.SyncDir(o.Dir)
}

// removeOld removes every segment that is not a moved source, and all tables, which may belong to such a segment.
func (r *replacement) removeOld(o *Options) error {
	dir, err := list(o.FS, o.Dir)
	if err != nil {
		return err
	}
	gone := dir.tables
	for _, n := range dir.segments {
		if !slices.ContainsFunc(r.sources, func(s source) bool { return baseName(s.first, s.sequence) == n.name }) {
			gone = append(gone, n.name+logSuffix)
		}
	}
	for _, name := range gone {
		if err := removeIfThere(o.FS, path.Join(o.Dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// moveIn renames the sources. One that is no longer under its path was moved before.
func (r *replacement) moveIn(o *Options) error {
	dirs := []string{o.Dir}
	for _, s := range r.sources {
		to := path.Join(o.Dir, baseName(s.first, s.sequence))
		from := strings.TrimSuffix(s.path, logSuffix)
		if err := o.FS.Rename(from+tableSuffix, to+tableSuffix); err != nil && !errors.Is(err, vfs.ErrNotExist) {
			return err
		}
		err := o.FS.Rename(s.path, to+logSuffix)
		if errors.Is(err, vfs.ErrNotExist) {
			_, err = o.FS.Size(to + logSuffix)
		}
		if errors.Is(err, vfs.ErrNotExist) {
			err = &CorruptError{File: to + logSuffix, Index: s.first, Why: "a segment that was installed is missing"}
		}
		if err != nil {
			return err
		}
		if d := path.Dir(s.path); !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	for _, d := range dirs {
		if err := o.FS.SyncDir(d); err != nil {
			return err
		}
	}
	return nil
}
