package segment

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/duolog/duolog/internal/vfs"
)

// Open recovers the log in o.Dir. What it has to change (a torn tail is erased, files left over from interrupted work are
// removed, a frame says that the log was opened) it changes after everything was read, and durably.
//
// Damage is returned as a *CorruptError; nothing was changed then.
func Open(o Options, floor Floor) (*Log, Recovered, error) {
	if err := o.Validate(); err != nil {
		return nil, Recovered{}, err
	}
	floor.Commit = max(floor.Commit, floor.Index)
	l := newLog(o.withDefaults())
	rec, err := l.open(floor)
	if err != nil {
		l.Abandon()
		return nil, Recovered{}, err
	}
	l.start()
	return l, rec, nil
}

func (l *Log) open(floor Floor) (Recovered, error) {
	f, err := l.load(floor)
	if err != nil {
		return Recovered{}, err
	}
	if err := l.vouch(floor); err != nil {
		return Recovered{}, err
	}
	l.floors = [2]uint64{floor.Index, floor.Index}
	if floor.Older != 0 {
		l.floors[0] = floor.Older
	}
	rec := l.recovered(f, floor)
	if l.o.Accept != nil {
		if err := l.o.Accept(rec); err != nil {
			return rec, err
		}
	}
	return rec, l.resume(f)
}

// load reads the directory into the state.
func (l *Log) load(floor Floor) (*found, error) {
	dir, err := list(l.o.FS, l.o.Dir)
	if err != nil {
		return nil, err
	}
	f, err := recoverDir(&l.o, dir, floor)
	if err != nil {
		return nil, err
	}
	f.dir = dir
	s := f.tail.seg
	if f.tail.file, err = l.o.FS.OpenReadWrite(l.path(s) + logSuffix); err != nil {
		return nil, err
	}
	l.files.adopt(s, f.tail.file)
	l.worker.ahead.start(s, s.end)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = f.state
	for s, t := range f.tables {
		l.tables.put(s, t)
		if !slices.Contains(dir.tables, s.name+tableSuffix) {
			l.sidecars = append(l.sidecars, sidecarJob{s, t})
		}
	}
	return f, nil
}

// vouch holds the checkpoint against the log.
func (l *Log) vouch(floor Floor) error {
	if floor.Index == 0 {
		return nil
	}
	corrupt := func(format string, args ...any) error {
		return &CorruptError{File: l.o.Dir, Index: floor.Index, Why: fmt.Sprintf(format, args...)}
	}
	if floor.Index < l.base.index {
		return corrupt("entries %d to %d, between the checkpoint and the log, are missing", floor.Index+1, l.base.index)
	}
	if floor.Commit > l.last {
		return corrupt("the log ends with entry %d, but entries up to %d are committed", l.last, floor.Commit)
	}
	term, err := l.Term(floor.Index)
	if err == nil && floor.Term != term {
		err = corrupt("entry %d has term %d, but the checkpoint says %d", floor.Index, term, floor.Term)
	}
	return err
}

// recovered tells what was found. The commit index is at least what compaction and the checkpoint prove, and never ahead
// of the log: its last entries may have been lost together with a tail that nobody had acknowledged.
func (l *Log) recovered(f *found, floor Floor) Recovered {
	l.commit = min(max(l.commit, floor.Commit, l.base.index), l.last)
	l.hard.Commit = l.commit
	return Recovered{
		Hard: l.hard, First: l.base.index + 1, Last: l.last,
		TornBytes: f.end.erase - f.end.off, TornFile: l.path(l.tail.seg) + logSuffix, TornOffset: f.end.off,
		PreviousBoot: f.bootID, CleanStop: f.clean, TopType: f.topType,
	}
}

// resume makes a recovered log ready for appends: what was found is made durable, a torn tail is erased so that later
// recoveries are not puzzled by it, and a frame marks the opening, which also ends what a clean marker said.
func (l *Log) resume(f *found) error {
	if f.orphan != "" {
		l.o.Logger.Warn("removing a segment that was never begun", "file", path.Join(l.o.Dir, f.orphan+logSuffix))
		if err := l.o.FS.Remove(path.Join(l.o.Dir, f.orphan+logSuffix)); err != nil {
			return err
		}
	}
	// A process that was killed may have made the names that are seen here without having synced them.
	if err := errors.Join(l.o.FS.SyncDir(path.Dir(l.o.Dir)), l.o.FS.SyncDir(l.o.Dir)); err != nil {
		return err
	}
	spares, err := tidy(&l.o, f.dir)
	if err != nil {
		return err
	}
	l.spares.set(spares)
	s, file := l.tail.seg, l.tail.file
	torn := f.end.erase - f.end.off
	if torn > 0 {
		l.o.Logger.Warn("cutting a torn tail", "file", l.path(s)+logSuffix, "offset", f.end.off, "bytes", torn, "last", l.last)
	}
	if err := rewrite(file, f.end.synced, f.end.off); err != nil {
		return err
	}
	for off := f.end.off; off < f.end.erase; off += zeroChunkBytes {
		if _, err := file.WriteAt(zeroChunk[:min(zeroChunkBytes, f.end.erase-off)], off); err != nil {
			return err
		}
	}
	return l.writeBoot(torn)
}

// rewrite writes bytes [from, to) of a file over themselves. A sync that failed before the process ended has left pages
// that are neither on disk nor marked for writing: reads find them, and a further sync would say that all is well.
func rewrite(file vfs.File, from, to int64) error {
	buf := make([]byte, min(to-from, readBytes))
	for ; from < to; from += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), to-from)]
		if _, err := file.ReadAt(buf, from); ignoreEOF(err) != nil {
			return err
		}
		if _, err := file.WriteAt(buf, from); err != nil {
			return err
		}
	}
	return nil
}

// writeBoot writes a boot frame and syncs.
func (l *Log) writeBoot(torn int64) error {
	if err := l.writeOwn(typeBoot, boot{opened: l.nowMs(), cut: torn, id: l.o.BootID}.encode()); err != nil {
		return err
	}
	return l.Sync()
}

// writeClean syncs, and says so in a last frame.
func (l *Log) writeClean() error {
	if err := l.Sync(); err != nil {
		return err
	}
	if err := l.writeOwn(typeClean, le.AppendUint64(nil, uint64(l.nowMs()))); err != nil {
		return err
	}
	return l.Sync()
}
