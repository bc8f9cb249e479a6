package segment

import (
	"fmt"

	"github.com/duolog/duolog/internal/vfs"
)

// replay is what the frames of one or more segments add up to, taken in order. Recovery, the rebuilding of a table and
// the check of a copied file all use it.
type replay struct {
	head  header // of the segment at hand
	table *table

	last     uint64 // last entry of the log
	lastTime int64
	hard     HardState
	commit   uint64 // the highest that any frame knew
	synced   int64  // bytes of the segment that a frame knew to be durable
	bootID   string
	clean    bool   // the last frame was the clean marker
	floor    uint64 // of entries above this one, topType is the highest type, superseded ones included
	topType  uint8
}

// begin goes on with the next segment. It says why that can't follow what was replayed, if so.
func (r *replay) begin(h header) (why string) {
	if r.table == nil {
		r.last, r.lastTime = h.first-1, h.prevTime
	}
	if h.first > r.last+1 {
		return fmt.Sprintf("the segment begins with entry %d, but the log before it ends with entry %d", h.first, r.last)
	}
	if t := r.table; t != nil && t.holds(h.first-1) && t.term(h.first-1) != h.termBefore {
		return fmt.Sprintf("the segment follows term %d, but entry %d has term %d", h.termBefore, h.first-1, t.term(h.first-1))
	}
	r.head, r.table = h, &table{first: h.first, end: headerBytes, link: h.crc}
	r.hard, r.bootID, r.clean, r.synced = h.hard, h.bootID, false, headerBytes
	r.commit = max(r.commit, h.hard.Commit)
	return ""
}

// frame takes in one frame that lies at off. It says what is wrong with it, if anything.
func (r *replay) frame(f *frame, payload []byte, off int64) (why string) {
	r.clean = false
	switch f.typ {
	case typeHard:
		r.hard = decodeHard(payload)
	case typeBoot:
		r.bootID = decodeBoot(payload).id
	case typeClean:
		r.clean = true
	default:
		if why = r.entry(f, off); why != "" {
			return why
		}
	}
	r.commit = max(r.commit, f.commit)
	r.synced = max(r.synced, int64(f.synced))
	if f.typ == typeHard {
		r.commit = max(r.commit, r.hard.Commit)
	}
	r.table.end, r.table.link = off+frameSpan(int(f.length)), f.crc
	return ""
}

func (r *replay) entry(f *frame, off int64) (why string) {
	t, termBefore := r.table, r.head.termBefore
	if t.empty() && f.index != t.first {
		return fmt.Sprintf("entry %d is not the first one named in the header, %d", f.index, t.first)
	}
	if f.index < t.first || f.index > t.last()+1 {
		return fmt.Sprintf("entry %d does not follow entry %d", f.index, t.last())
	}
	if f.index <= r.last && f.index <= r.commit {
		return fmt.Sprintf("entry %d supersedes what was committed up to %d", f.index, r.commit)
	}
	if f.index > t.first {
		termBefore = t.term(f.index - 1)
	}
	if f.term < termBefore {
		return fmt.Sprintf("entry %d goes back to term %d", f.index, f.term)
	}
	t.put(f.index, f.term, uint32(off), f.length)
	r.last, r.lastTime = f.index, f.time
	if f.index > r.floor {
		r.topType = max(r.topType, f.typ)
	}
	return ""
}

// through replays a whole segment that is known to end at byte end. Whatever is wrong is corruption, since a segment is
// synced before the next one is made.
func (r *replay) through(dir string, s *segment, file vfs.File, end int64) error {
	if why := r.begin(s.head); why != "" {
		return s.corrupt(dir, 0, s.head.first, why)
	}
	scan := newScanner(file, end, &s.head)
	for scan.off < end {
		off := scan.off
		f, payload, bad, err := scan.next()
		if err != nil {
			return err
		}
		why := string(bad)
		if why == "" {
			why = r.frame(&f, payload, off)
		}
		if why != "" {
			return s.corrupt(dir, off, r.table.last()+1, why)
		}
	}
	return nil
}

// closed replays a segment and checks that it ends as the header of the next one says.
func (r *replay) closed(dir string, s *segment, file vfs.File, next header) error {
	if err := r.through(dir, s, file, next.prevEnd); err != nil {
		return err
	}
	t := r.table
	if t.link != next.prevLink || t.last() != next.prevLast {
		return s.corrupt(dir, t.end, t.last()+1, fmt.Sprintf(
			"the segment ends with entry %d, the next one says with entry %d", t.last(), next.prevLast))
	}
	return nil
}

// tail replays the last segment up to where its frames stop, and says why they stop there.
func (r *replay) tail(dir string, s *segment, scan *scanner) (bad, error) {
	if why := r.begin(s.head); why != "" {
		return "", s.corrupt(dir, 0, s.head.first, why)
	}
	for {
		off := scan.off
		f, payload, bad, err := scan.next()
		if err != nil || bad != "" {
			return bad, err
		}
		if why := r.frame(&f, payload, off); why != "" {
			return "", s.corrupt(dir, off, r.table.last()+1, why)
		}
	}
}
