package segment

import (
	"fmt"
	"path"
	"strings"

	"github.com/duolog/duolog/internal/vfs"
)

// Reset drops all entries and goes on at index+1 behind (index, term), after a snapshot without segments. The hard state
// stays. The snapshot must be durable before as a checkpoint that is given to Open with Floor.Installed: then a power
// loss at any moment leaves the old log, which Open restarts, or the new one.
func (l *Log) Reset(index, term uint64) error { return l.Install(nil, index, term) }

// Install replaces all entries by those of segments copied from another replica, which are moved into the log's directory
// from paths, in sequence order, and were verified by CheckCopied before. They must hold entry index, with term, in the
// last of them; the log goes on behind it. The hard state stays. As for Reset, the checkpoint must be durable before, and
// Floor.Segments names the same paths as long as it is not known that Install returned.
//
// ErrInvariant, ErrForeign and ErrCorrupt in a copied file mean that nothing was changed; other errors are final.
func (l *Log) Install(paths []string, index, term uint64) error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	l.jobMu.Lock()
	defer l.jobMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	f, err := l.replace(paths, Floor{Index: index, Term: term, Commit: index})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.floors = [2]uint64{index, index}
	l.mu.Unlock()
	if err := l.resume(f); err != nil {
		return l.fail(err)
	}
	return nil
}

// replace does the work of Install up to a tail without frames. It fails the log if it does not succeed after its first
// change.
func (l *Log) replace(paths []string, floor Floor) (*found, error) {
	plan, err := l.planReplacement(paths, floor)
	if err != nil {
		return nil, err
	}
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.letGo()
	l.mu.Lock()
	l.cache = cache{maxBytes: l.o.TailBytes}
	l.sidecars = nil
	l.mu.Unlock()
	if err := writeFile(l.o.FS, path.Join(l.o.Dir, intentName), plan.encode()); err != nil {
		return nil, l.fail(err)
	}
	f, err := l.load(floor)
	if err != nil {
		return nil, l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commit = floor.Index // the copied frames may know of more than was copied
	return f, nil
}

// planReplacement reads the copied segments' headers and tables and works out how the log goes on behind them.
func (l *Log) planReplacement(paths []string, floor Floor) (*replacement, error) {
	l.mu.RLock()
	plan := &replacement{tail: header{
		uid: l.o.UID, sequence: l.segs[len(l.segs)-1].head.sequence, first: floor.Index + 1, termBefore: floor.Term,
		hard: l.hard, created: l.nowMs(), firstTime: l.lastTime, bootID: l.o.BootID, prevTime: l.lastTime,
	}}
	l.mu.RUnlock()
	var segs []*segment
	for _, p := range paths {
		s, err := openCopied(&l.o, p)
		if err != nil {
			return nil, err
		}
		segs = append(segs, s)
		plan.sources = append(plan.sources, source{p, s.head.first, s.head.sequence})
		plan.tail.sequence = max(plan.tail.sequence, s.head.sequence)
	}
	plan.tail.sequence++
	if err := chain(l.o.Dir, segs); err != nil || len(segs) == 0 {
		return plan, err
	}
	return plan, plan.goOnBehind(&l.o, paths[len(paths)-1], segs[len(segs)-1], floor)
}

// goOnBehind makes the tail follow s, which must hold the floor.
func (r *replacement) goOnBehind(o *Options, name string, s *segment, floor Floor) error {
	t, err := copiedTable(o, name, s)
	if err != nil {
		return err
	}
	if !t.holds(floor.Index) || t.term(floor.Index) != floor.Term {
		return fmt.Errorf("%w: the last copied segment, %s, does not hold entry %d of term %d", ErrInvariant, name, floor.Index, floor.Term)
	}
	offset, _ := t.at(floor.Index)
	file, err := o.FS.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	b := make([]byte, frameBytes)
	if _, err := file.ReadAt(b, int64(offset)); ignoreEOF(err) != nil {
		return err
	}
	f, whole := decodeFrame(b, frameSeed(s.head.uid, s.head.sequence))
	if !whole {
		return s.corrupt(path.Dir(name), int64(offset), floor.Index, string(badHeader))
	}
	h := &r.tail
	h.prevSequence, h.prevEnd, h.prevLast, h.prevLink = s.head.sequence, t.end, floor.Index, t.link
	h.prevTime = max(h.prevTime, f.time)
	h.firstTime = h.prevTime
	return nil
}

// openCopied reads the header of a copied segment.
func openCopied(o *Options, name string) (*segment, error) {
	base, ok := strings.CutSuffix(path.Base(name), logSuffix)
	if !ok {
		return nil, fmt.Errorf("%w: %s is not named like a segment", ErrInvariant, name)
	}
	file, err := o.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	s := &segment{name: base}
	if s.size, err = file.Size(); err != nil {
		return nil, err
	}
	s.head, err = readHeader(file)
	switch {
	case isDamage(err):
		return nil, s.corrupt(path.Dir(name), 0, 0, err.Error())
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case s.head.uid != o.UID:
		return nil, fmt.Errorf("%w: %s belongs to log %x, this is log %x", ErrForeign, name, s.head.uid, o.UID)
	}
	return s, nil
}

// copiedTable reads the table that CheckCopied wrote, or has it written.
func copiedTable(o *Options, name string, s *segment) (*table, error) {
	base := strings.TrimSuffix(name, logSuffix)
	t, err := readTable(o.FS, base, o.UID, s.head.sequence, s.head.first)
	if err == nil && t.end == s.size {
		return t, nil
	}
	if _, err := CheckCopied(o.FS, o.UID, name); err != nil {
		return nil, err
	}
	return readTable(o.FS, base, o.UID, s.head.sequence, s.head.first)
}

// CheckCopied verifies a segment file copied from another replica, every frame of it, and makes it durable together with
// its offsets table, which it writes beside it. It is the slow part of Install and touches no log.
func CheckCopied(fs vfs.FS, uid [16]byte, name string) (Info, error) {
	s, err := openCopied(&Options{FS: fs, UID: uid}, name)
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
	s.last, s.end, s.link, s.lastTime = r.table.last(), r.table.end, r.table.link, r.lastTime
	// The directory is synced with it.
	return s.info(true), writeTable(fs, strings.TrimSuffix(name, logSuffix), uid, s.head.sequence, r.table)
}
