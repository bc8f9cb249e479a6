package segment

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/duolog/duolog/internal/vfs"
)

// Log is one segmented log.
//
// Locks, in the order in which they are taken: writeMu (one writer), jobMu (one background job or compaction), syncMu (one
// sync), mu (the state; never held across a file operation).
type Log struct {
	o       Options
	files   handles
	tables  tables
	spares  spares
	worker  worker
	writeMu fileLock
	jobMu   fileLock
	syncMu  fileLock
	round   round // owned by the holder of writeMu

	mu sync.RWMutex
	state
	cache    cache
	sidecars []sidecarJob
	failed   error
	closed   bool
}

// Create makes a log in an empty or missing directory whose first entry will be index+1; term is the term of index.
func Create(o Options, index, term uint64, hard HardState) (*Log, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, err
	}
	if err := o.FS.SyncDir(path.Dir(o.Dir)); err != nil {
		return nil, err
	}
	l := newLog(o)
	dir, err := list(o.FS, o.Dir)
	if err != nil {
		return nil, err
	}
	if len(dir.segments) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrExists, o.Dir)
	}
	spares, err := tidy(&l.o, dir)
	if err != nil {
		return nil, err
	}
	l.spares.set(spares)
	h := header{uid: o.UID, sequence: 1, first: index + 1, termBefore: term, hard: hard, created: l.nowMs(), bootID: o.BootID}
	s, file, err := makeSegment(&l.o, &h, o.SegmentBytes, &l.spares)
	if err != nil {
		return nil, err
	}
	l.files.adopt(s, file)
	l.worker.ahead.start(s, s.end)
	l.segs, l.tail = []*segment{s}, newTail(s, file)
	l.last, l.hard, l.commit, l.durable = index, hard, max(hard.Commit, index), index
	l.floors = [2]uint64{index, index}
	l.relist()
	l.start()
	return l, nil
}

func newLog(o Options) *Log {
	return &Log{
		o: o, files: handles{fs: o.FS, dir: o.Dir}, cache: cache{maxBytes: o.TailBytes},
		writeMu: newFileLock(), jobMu: newFileLock(), syncMu: newFileLock(),
	}
}

func newTail(s *segment, file vfs.File) tail {
	return tail{
		seg: s, file: file, seed: frameSeed(s.head.uid, s.head.sequence), synced: headerBytes,
		table: &table{first: s.head.first, end: headerBytes, link: s.head.crc},
	}
}

func (l *Log) nowMs() int64 { return l.o.Now().UnixMilli() }

// path is that of a segment's files, without suffix.
func (l *Log) path(s *segment) string { return path.Join(l.o.Dir, s.name) }

// First is the index of the first entry kept.
func (l *Log) First() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.base.index + 1
}

// Last is the index of the last entry, First()-1 where there is none.
func (l *Log) Last() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.last
}

// Durable is the highest index that is known to be synced.
func (l *Log) Durable() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.durable
}

// Hard is the newest hard state written.
func (l *Log) Hard() HardState {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.hard
}

// SetCommit tells the log what is committed; later frames carry it, and nothing at or below it can be superseded.
func (l *Log) SetCommit(commit uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commit = max(l.commit, commit)
}

// Segments describes the segments, oldest first; the last one is open.
func (l *Log) Segments() []Info {
	l.mu.RLock()
	defer l.mu.RUnlock()
	infos := make([]Info, len(l.segs))
	for i, s := range l.segs {
		infos[i] = s.info(i < len(l.segs)-1)
	}
	return infos
}

// Failed returns why the log has failed, nil while it has not.
func (l *Log) Failed() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.failed
}

// usable says whether the log takes writes.
func (l *Log) usable() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.failed != nil {
		return l.failed
	}
	if l.closed {
		return ErrClosed
	}
	return nil
}

// fail makes the log refuse every further write: after a failed write or sync nobody knows what the file holds, and a
// second sync would report success for pages that the kernel has given up. The first failure is the one that is kept.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		l.o.Logger.Error("log failed and takes no more writes", "dir", l.o.Dir, "error", err)
	}
	return l.failed
}

// Close writes the clean marker, syncs and closes. A failed log closes without the marker and returns its failure. A
// closed log stays closed: further calls do nothing.
func (l *Log) Close() error {
	l.worker.finish(l)
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	err := l.usable()
	if errors.Is(err, ErrClosed) {
		return nil
	}
	if err == nil {
		err = l.writeClean()
	}
	l.shut()
	return err
}

// Abandon stops background work and closes the files without writing anything, as a killed process would.
func (l *Log) Abandon() {
	l.worker.stop()
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	l.shut()
}

// shut closes the files. Readers that have one keep it until they are done; later ones get ErrClosed or ErrCompacted.
func (l *Log) shut() {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	l.mu.Unlock()
	l.letGo()
}

// letGo closes all segment files. Needs syncMu.
func (l *Log) letGo() {
	l.mu.RLock()
	segs, tail := l.segs, l.tail.seg
	l.mu.RUnlock()
	for _, s := range segs {
		l.files.doom(s)
	}
	if tail != nil {
		l.files.release(tail)
	}
}

// bySequence finds a segment.
func (l *Log) bySequence(sequence uint64) (*segment, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, ErrClosed
	}
	i, found := slices.BinarySearchFunc(l.segs, sequence, func(s *segment, q uint64) int { return cmp.Compare(s.head.sequence, q) })
	if found {
		return l.segs[i], nil
	}
	if sequence < l.tail.seg.head.sequence {
		return nil, fmt.Errorf("%w: segment %d", ErrCompacted, sequence)
	}
	return nil, fmt.Errorf("%w: segment %d", ErrUnavailable, sequence)
}
