package segment

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/duolog/duolog/internal/vfs"
)

// spare is a file from which the next segment can be made.
type spare struct {
	name    string
	written bool // every block of it was written before
}

// spares holds the spare files of a directory.
type spares struct {
	mu    sync.Mutex
	files []spare
	named uint64 // the highest number in a name that newName gave
}

// newName returns a name that no file has: one that was taken may be on its way to become a segment.
func (s *spares) newName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.named++
	return strconv.FormatUint(s.named, 10) + freshSuffix
}

// take returns a spare file, a written one first.
func (s *spares) take() (spare, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.files) == 0 {
		return spare{}, false
	}
	i := max(0, slices.IndexFunc(s.files, func(f spare) bool { return f.written }))
	got := s.files[i]
	s.files = slices.Delete(s.files, i, i+1)
	return got, true
}

func (s *spares) set(files []spare) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = files
	for _, f := range files {
		if n, err := strconv.ParseUint(strings.TrimSuffix(f.name, freshSuffix), 10, 64); err == nil {
			s.named = max(s.named, n)
		}
	}
}

func (s *spares) put(f spare) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, f)
}

// takeFresh returns a spare that was not written through.
func (s *spares) takeFresh() (spare, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.files, func(f spare) bool { return !f.written })
	if i < 0 {
		return spare{}, false
	}
	got := s.files[i]
	s.files = slices.Delete(s.files, i, i+1)
	return got, true
}

func (s *spares) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files)
}

// makeSegment makes a segment file with header h, from a spare or new, and makes it durable, contents before name.
func makeSegment(o *Options, h *header, size int64, pool *spares) (*segment, vfs.File, error) {
	s := newSegment(baseName(h.first, h.sequence), size)
	s.last, s.end, s.lastTime = h.first-1, headerBytes, h.prevTime
	temp, file, err := segmentFile(o, h, s, pool)
	if err != nil {
		return nil, nil, err
	}
	_, err = file.WriteAt(h.encode(), 0)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = o.FS.Rename(temp, path.Join(o.Dir, s.name+logSuffix))
	}
	if err == nil {
		err = o.FS.SyncDir(o.Dir)
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	s.head, s.link = *h, h.crc
	return s, file, nil
}

// segmentFile opens a file of the right size under a name that is not a segment's.
func segmentFile(o *Options, h *header, s *segment, pool *spares) (string, vfs.File, error) {
	if s.size == o.SegmentBytes {
		if old, ok := pool.take(); ok {
			if old.written {
				h.flags |= flagWritten
			}
			name := path.Join(o.Dir, old.name)
			file, err := o.FS.OpenReadWrite(name)
			return name, file, err
		}
	}
	name := path.Join(o.Dir, s.name+tempSuffix)
	file, err := newFile(o.FS, name, s.size)
	return name, file, err
}

// newFile makes a file of size bytes with blocks behind them.
func newFile(fs vfs.FS, name string, size int64) (vfs.File, error) {
	file, err := fs.Create(name)
	if err != nil {
		return nil, err
	}
	if err := file.Preallocate(size); err != nil {
		return nil, errors.Join(err, file.Close(), removeIfThere(fs, name))
	}
	return file, nil
}

// listing is what lies in a log's directory.
type listing struct {
	segments []named // by sequence
	tables   []string
	spares   []spare
	rest     []string // left over from work that a crash interrupted
}

type named struct {
	name            string
	first, sequence uint64
}

func list(fs vfs.FS, dir string) (listing, error) {
	names, err := fs.List(dir)
	if errors.Is(err, vfs.ErrNotExist) {
		return listing{}, nil
	}
	var l listing
	for _, name := range names {
		first, sequence, isSegment := parseName(name)
		switch {
		case isSegment:
			l.segments = append(l.segments, named{strings.TrimSuffix(name, logSuffix), first, sequence})
		case strings.HasSuffix(name, tableSuffix):
			l.tables = append(l.tables, name)
		case strings.HasSuffix(name, spareSuffix), strings.HasSuffix(name, freshSuffix):
			l.spares = append(l.spares, spare{name, strings.HasSuffix(name, spareSuffix)})
		case strings.HasSuffix(name, tempSuffix):
			l.rest = append(l.rest, name)
		}
	}
	slices.SortFunc(l.segments, func(a, b named) int { return cmp.Compare(a.sequence, b.sequence) })
	return l, err
}

// tidy removes what interrupted work left, tables without a segment and spares that can't be used, and returns the others.
// A removal that does not survive a power loss is done again by the next Open.
func tidy(o *Options, l listing) ([]spare, error) {
	gone := l.rest
	for _, t := range l.tables {
		base := strings.TrimSuffix(t, tableSuffix)
		if !slices.ContainsFunc(l.segments, func(n named) bool { return n.name == base }) {
			gone = append(gone, t)
		}
	}
	var kept []spare
	for _, s := range l.spares {
		size, err := o.FS.Size(path.Join(o.Dir, s.name))
		if err != nil {
			return nil, err
		}
		if size == o.SegmentBytes && len(kept) < o.Spare {
			kept = append(kept, s)
		} else {
			gone = append(gone, s.name)
		}
	}
	for _, name := range gone {
		if err := removeIfThere(o.FS, path.Join(o.Dir, name)); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// openHeaders opens every segment and reads its header. A header of zeros is left to the caller: it is returned with
// sequence 0.
func openHeaders(o *Options, l listing) ([]*segment, error) {
	var segs []*segment
	for i, n := range l.segments {
		if i > 0 && l.segments[i-1].sequence == n.sequence {
			return nil, &CorruptError{File: path.Join(o.Dir, n.name+logSuffix), Index: n.first, Why: "two segments have one sequence number"}
		}
		s, err := openHeader(o, n)
		if err != nil {
			return nil, err
		}
		segs = append(segs, s)
	}
	return segs, nil
}

func openHeader(o *Options, n named) (*segment, error) {
	file, err := o.FS.Open(path.Join(o.Dir, n.name+logSuffix))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	s := newSegment(n.name, size)
	h, err := readHeader(file)
	switch {
	case errors.Is(err, errZeroHeader):
		s.head = header{first: n.first}
		return s, nil
	case isDamage(err):
		return nil, s.corrupt(o.Dir, 0, n.first, err.Error())
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path.Join(o.Dir, n.name+logSuffix), err)
	case h.uid != o.UID:
		return nil, fmt.Errorf("%w: %s belongs to log %x, this is log %x", ErrForeign, path.Join(o.Dir, n.name+logSuffix), h.uid, o.UID)
	case h.first != n.first || h.sequence != n.sequence:
		return nil, s.corrupt(o.Dir, 0, n.first, "the header is that of another segment")
	}
	s.head = h
	return s, nil
}
