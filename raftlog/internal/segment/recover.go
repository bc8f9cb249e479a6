package segment

import (
	"fmt"
	"path"

	"github.com/duolog/duolog/internal/vfs"
)

// found is what recovery made of a directory. Recovery itself changes nothing, so that it may crash anywhere.
type found struct {
	state
	dir     listing
	end     cut
	orphan  string              // a last segment that never got its header, "" if there is none
	tables  map[*segment]*table // of the closed segments that were scanned
	bootID  string
	clean   bool
	topType uint8
}

// cut is where the frames of the last segment stop.
type cut struct {
	off    int64 // the next frame goes here
	synced int64 // frames up to here are known to be durable
	erase  int64 // torn frames reach up to here; off where there are none
}

// recoverDir reads the log. Of segments in which the checkpoint holds every entry only the header is read.
func recoverDir(o *Options, l listing, floor Floor) (*found, error) {
	segs, err := openHeaders(o, l)
	if err != nil {
		return nil, err
	}
	if len(segs) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoLog, o.Dir)
	}
	f := &found{tables: map[*segment]*table{}}
	if f.segs, err = f.dropUnborn(o, segs, l); err != nil {
		return nil, err
	}
	if err := chain(o.Dir, f.segs); err != nil {
		return nil, err
	}
	return f, f.scan(o, firstToScan(f.segs, floor), floor.Index)
}

// dropUnborn takes off a last segment whose header is zeros. A header is durable before any frame, so such a segment has
// none; if it has, or if it is not the last one, the header was lost.
func (f *found) dropUnborn(o *Options, segs []*segment, l listing) ([]*segment, error) {
	for i, s := range segs {
		if s.head.sequence != 0 {
			continue
		}
		if i < len(segs)-1 || i == 0 {
			return nil, s.corrupt(o.Dir, 0, s.head.first, errZeroHeader.Error())
		}
		off, err := firstFrame(o, s, l.segments[i].sequence)
		if err != nil {
			return nil, err
		}
		if off > 0 {
			return nil, s.corrupt(o.Dir, 0, s.head.first, fmt.Sprintf("%v, but there is a frame at byte %d", errZeroHeader, off))
		}
		f.orphan = s.name
		return segs[:i], nil
	}
	return segs, nil
}

// firstFrame returns the offset of the first intact frame header in a segment that has no header, 0 where there is none.
func firstFrame(o *Options, s *segment, sequence uint64) (int64, error) {
	file, err := o.FS.Open(path.Join(o.Dir, s.name+logSuffix))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	scan := scanner{file: file, size: s.size, seed: frameSeed(o.UID, sequence)}
	behind, err := scan.look(headerBytes)
	return behind.first, err
}

// chain checks that no segment is missing between the first and the last, and takes over what each header says about the
// segment before it.
func chain(dir string, segs []*segment) error {
	for i, s := range segs {
		s.last = s.head.first - 1
		if i == 0 {
			continue
		}
		if err := follow(dir, segs[i-1], s); err != nil {
			return err
		}
		if prev := segs[i-1]; !prev.empty() {
			supersedeAll(segs[:i-1], prev.head.first)
		}
	}
	return nil
}

// follow is chain for two segments.
func follow(dir string, prev, s *segment) error {
	h := &s.head
	if h.prevSequence != prev.head.sequence {
		return &CorruptError{File: dir, Index: h.first, Why: fmt.Sprintf(
			"segment %d is missing: segment %d follows it, but the one before is %d", h.prevSequence, h.sequence, prev.head.sequence)}
	}
	if h.prevEnd < headerBytes || h.prevEnd > prev.size || h.prevLast+1 < prev.head.first {
		return prev.corrupt(dir, prev.size, prev.head.first, fmt.Sprintf(
			"the next segment says that it ends at byte %d with entry %d", h.prevEnd, h.prevLast))
	}
	prev.end, prev.link, prev.last, prev.lastTime = h.prevEnd, h.prevLink, h.prevLast, h.prevTime
	return nil
}

func supersedeAll(segs []*segment, i uint64) {
	for _, s := range segs {
		s.supersede(i)
	}
}

// firstToScan is the first segment with an entry that the checkpoint lacks, or the last segment.
func firstToScan(segs []*segment, floor Floor) int {
	for i, s := range segs {
		if floor.Index == 0 || !s.empty() && s.last > floor.Index {
			return i
		}
	}
	return len(segs) - 1
}

// scan replays the segments from number from on.
func (f *found) scan(o *Options, from int, floor uint64) error {
	r := replay{floor: floor}
	for i, s := range f.segs[:from] { // nothing more is known of these
		if i == 0 {
			r.table = &table{first: s.head.first}
		}
		r.last, r.lastTime = max(r.last, s.last), s.lastTime
	}
	for i := from; i < len(f.segs); i++ {
		if err := f.scanSegment(o, &r, i); err != nil {
			return err
		}
	}
	last := f.segs[len(f.segs)-1]
	last.end, last.link, last.lastTime = f.end.off, r.table.link, r.lastTime
	f.tail = newTail(last, nil)
	f.tail.table = r.table
	last.last = r.table.last()
	if !last.empty() {
		supersedeAll(f.segs[:len(f.segs)-1], last.head.first)
	}
	f.last, f.lastTime, f.hard, f.commit = r.last, r.lastTime, r.hard, r.commit
	f.bootID, f.clean, f.topType = r.bootID, r.clean, r.topType
	f.relist()
	return nil
}

func (f *found) scanSegment(o *Options, r *replay, i int) error {
	s := f.segs[i]
	file, err := o.FS.Open(path.Join(o.Dir, s.name+logSuffix))
	if err != nil {
		return err
	}
	defer file.Close()
	if i == len(f.segs)-1 {
		return f.scanTail(o, r, s, file)
	}
	if err := r.closed(o.Dir, s, file, f.segs[i+1].head); err != nil {
		return err
	}
	f.tables[s], s.runs = r.table, r.table.runs
	return nil
}

// scanTail replays the last segment and decides what the end of its frames means.
func (f *found) scanTail(o *Options, r *replay, s *segment, file vfs.File) error {
	scan := newScanner(file, s.size, &s.head)
	why, err := r.tail(o.Dir, s, scan)
	if err != nil {
		return err
	}
	behind, err := scan.look(scan.off)
	if err != nil {
		return err
	}
	if behind.vouched {
		return s.corrupt(o.Dir, scan.off, r.table.last()+1, fmt.Sprintf(
			"%s; the frame at byte %d says that bytes up to %d were durable", why, behind.by, behind.synced))
	}
	f.end = cut{off: scan.off, synced: r.synced, erase: behind.end}
	return nil
}
