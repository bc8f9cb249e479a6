package segment

import (
	"errors"
	"path"
	"sync"

	"github.com/duolog/duolog/internal/vfs"
)

// segment is one file of the log. Its ranges and pins are guarded by Log.mu; the handle guards itself.
type segment struct {
	head header
	name string // without suffix, in the log's directory
	size int64  // length of the file

	// Entries in effect here: [head.first, last], none where last is head.first-1. Ranges of the log's segments are
	// disjoint and ascend with the sequence.
	last uint64

	// What the next header says about a closed segment; kept up by the tail for itself.
	end      int64
	link     uint32
	lastTime int64

	runs   []run // terms, nil where not known
	pins   int
	handle handle

	loading fileLock // held while the offsets table is read from disk
}

func newSegment(name string, size int64) *segment {
	return &segment{name: name, size: size, loading: newFileLock()}
}

func (s *segment) empty() bool { return s.last < s.head.first }

// supersede takes the entries at and above i out of effect.
func (s *segment) supersede(i uint64) {
	s.last = max(min(s.last, i-1), s.head.first-1)
}

func (s *segment) info(closed bool) Info {
	return Info{
		Sequence: s.head.sequence, Name: s.name + logSuffix, First: s.head.first, Last: s.last, Bytes: s.end, FileBytes: s.size,
		Closed: closed, FirstTime: s.head.firstTime, LastTime: s.lastTime, Pinned: s.pins,
	}
}

// corrupt names damage in this segment.
func (s *segment) corrupt(dir string, off int64, index uint64, why string) error {
	return &CorruptError{File: path.Join(dir, s.name+logSuffix), Offset: off, Index: index, Why: why}
}

// handle is a segment's open file, shared by its readers. The tail holds one reference for as long as it is the tail.
type handle struct {
	mu     sync.Mutex
	file   vfs.File // nil while closed
	refs   int
	doomed bool   // the segment is gone; the last reader closes
	used   uint64 // tick of the last use, for eviction
}

// handles opens segment files on demand and keeps a bounded number open.
type handles struct {
	fs  vfs.FS
	dir string

	mu   sync.Mutex // taken before a handle's own
	tick uint64
	open []*segment
}

// maxOpenFiles bounds the files of closed segments that are open without a reader.
const maxOpenFiles = 64

// acquire returns the segment's file for reading and holds it until release.
func (h *handles) acquire(s *segment) (vfs.File, error) {
	if f, err := h.take(s, nil); f != nil || err != nil {
		return f, err
	}
	f, err := h.fs.Open(path.Join(h.dir, s.name+logSuffix))
	if errors.Is(err, vfs.ErrNotExist) && !s.handle.gone() {
		err = s.corrupt(h.dir, 0, s.head.first, "the segment file is missing")
	}
	if err != nil {
		return nil, err
	}
	got, err := h.take(s, f)
	if got != f {
		_ = f.Close() // somebody else was quicker, or the segment went meanwhile
	}
	return got, err
}

// take takes a reference to the segment's file, which is opened unless it is nil; it returns nil if there is none.
func (h *handles) take(s *segment, opened vfs.File) (vfs.File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.handle.mu.Lock()
	defer s.handle.mu.Unlock()
	if s.handle.doomed {
		return nil, ErrCompacted
	}
	if s.handle.file == nil {
		if opened == nil {
			return nil, nil
		}
		h.evict()
		s.handle.file = opened
		h.open = append(h.open, s)
	}
	h.tick++
	s.handle.used = h.tick
	s.handle.refs++
	return s.handle.file, nil
}

// release ends one acquire.
func (h *handles) release(s *segment) {
	s.handle.mu.Lock()
	defer s.handle.mu.Unlock()
	s.handle.refs--
	if s.handle.doomed && s.handle.refs == 0 {
		s.handle.close()
	}
}

// adopt makes f, open for writing, the file of the tail, with the tail's own reference.
func (h *handles) adopt(s *segment, f vfs.File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = append(h.open, s)
	h.tick++
	s.handle = handle{file: f, refs: 1, used: h.tick}
}

// doom ends the use of a segment: no reader gets its file any more. It says whether one still has it.
func (h *handles) doom(s *segment) (busy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, o := range h.open {
		if o == s {
			h.open = append(h.open[:i], h.open[i+1:]...)
			break
		}
	}
	s.handle.mu.Lock()
	defer s.handle.mu.Unlock()
	s.handle.doomed = true
	if s.handle.refs == 0 {
		s.handle.close()
	}
	return s.handle.refs > 0
}

// evict closes the file that was idle longest if too many are open. Needs h.mu; the caller's segment has no file.
func (h *handles) evict() {
	if len(h.open) < maxOpenFiles {
		return
	}
	oldest := -1
	for i, s := range h.open {
		s.handle.mu.Lock()
		if s.handle.refs == 0 && (oldest < 0 || s.handle.used < h.open[oldest].handle.used) {
			oldest = i
		}
		s.handle.mu.Unlock()
	}
	if oldest < 0 {
		return
	}
	s := h.open[oldest]
	s.handle.mu.Lock()
	defer s.handle.mu.Unlock()
	if s.handle.refs == 0 {
		s.handle.close()
		h.open = append(h.open[:oldest], h.open[oldest+1:]...)
	}
}

// gone says whether the segment is no longer part of the log.
func (h *handle) gone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doomed
}

// close needs the handle's mutex. An error of closing a file that was read, or synced before, changes nothing.
func (h *handle) close() {
	if h.file != nil {
		_ = h.file.Close()
		h.file = nil
	}
}
