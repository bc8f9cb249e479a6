package segment

import (
	"errors"
	"path"
	"sync"

	"github.com/duolog/duolog/internal/vfs"
)

// SetFloor tells the log of a new durable checkpoint at index. The one before it stays the limit of compaction.
func (l *Log) SetFloor(index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if index > l.floors[1] {
		l.floors = [2]uint64{l.floors[1], index}
	}
}

// Compact drops whole segments that lie entirely below keep, oldest first; their files become spares or go. It stops at
// the older of the two newest checkpoints and at a pinned segment. First moves on.
func (l *Log) Compact(keep uint64) error {
	l.jobMu.Lock()
	defer l.jobMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	n := l.droppable(keep)
	if n == 0 {
		return nil
	}
	// What supersedes entries of these segments must be durable before they go.
	if err := l.Sync(); err != nil {
		return err
	}
	for range n {
		s := l.unlist()
		if s == nil {
			return nil
		}
		if err := l.drop(s); err != nil {
			return l.fail(err)
		}
	}
	return nil
}

// droppable counts the oldest segments that may go.
func (l *Log) droppable(keep uint64) int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	keep = min(keep, l.floors[0]+1)
	for n, s := range l.segs {
		if s == l.tail.seg || s.pins > 0 || !s.empty() && s.last >= keep {
			return n
		}
	}
	return 0
}

// unlist takes the oldest segment out of the log, unless it was pinned meanwhile.
func (l *Log) unlist() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.segs[0]
	if s.pins > 0 {
		return nil
	}
	l.segs = l.segs[1:]
	l.relist()
	return s
}

// drop recycles or removes the files of a segment. The directory is synced each time: were a later removal to survive a
// power loss without an earlier one, a segment would be missing in the middle of the log.
func (l *Log) drop(s *segment) error {
	l.tables.drop(s)
	busy := l.files.doom(s)
	if err := removeIfThere(l.o.FS, l.path(s)+tableSuffix); err != nil {
		return err
	}
	// A segment that was closed early leaves a file that is not written through.
	file := spare{name: s.name + freshSuffix}
	if s.head.flags&flagWritten != 0 || s.end > s.size-s.size/16 {
		file = spare{name: s.name + spareSuffix, written: true}
	}
	wanted := false
	if !busy && s.size == l.o.SegmentBytes {
		var err error
		if wanted, err = l.makeRoom(file); err != nil {
			return err
		}
	}
	if !wanted {
		return errors.Join(l.o.FS.Remove(l.path(s)+logSuffix), l.o.FS.SyncDir(l.o.Dir))
	}
	if err := l.o.FS.Rename(l.path(s)+logSuffix, path.Join(l.o.Dir, file.name)); err != nil {
		return err
	}
	if err := l.o.FS.SyncDir(l.o.Dir); err != nil {
		return err
	}
	l.spares.put(file)
	return nil
}

// makeRoom says whether the file is wanted as a spare. One that is written through takes the place of one that is not.
func (l *Log) makeRoom(file spare) (bool, error) {
	if l.spares.count() < l.o.Spare {
		return true, nil
	}
	if !file.written {
		return false, nil
	}
	fresh, ok := l.spares.takeFresh()
	if !ok {
		return false, nil
	}
	return true, l.o.FS.Remove(path.Join(l.o.Dir, fresh.name))
}

// Pinned is a segment that is not compacted before Release.
type Pinned struct {
	log  *Log
	seg  *segment
	file vfs.File
	info Info
	once sync.Once
}

// Pin keeps a segment, for copying it to another replica. Of the open segment it takes the frames written so far.
func (l *Log) Pin(sequence uint64) (*Pinned, error) {
	s, err := l.bySequence(sequence)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	s.pins++
	p := &Pinned{log: l, seg: s, info: s.info(s != l.tail.seg)}
	l.mu.Unlock()
	if p.file, err = l.files.acquire(s); err != nil {
		p.unpin()
		return nil, err
	}
	return p, nil
}

// Info describes the segment as it was when it was pinned. Its first Info.Bytes bytes are a whole segment file.
func (p *Pinned) Info() Info { return p.info }

// ReadAt reads raw bytes of the segment file.
func (p *Pinned) ReadAt(buf []byte, off int64) (int, error) { return p.file.ReadAt(buf, off) }

// Release gives the segment free. It may be called twice.
func (p *Pinned) Release() {
	p.once.Do(func() {
		p.unpin()
		p.log.files.release(p.seg)
	})
}

func (p *Pinned) unpin() {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	p.seg.pins--
}
