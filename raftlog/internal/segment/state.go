package segment

import (
	"fmt"
	"sort"

	"github.com/duolog/duolog/internal/vfs"
)

// state is the log as it is in memory: guarded by Log.mu once the log runs, and built by recovery before.
type state struct {
	segs []*segment // by sequence; the last one is the tail's
	live []*segment // those of them, without the tail's, that hold entries in effect: ranges ascend
	tail tail

	base     run // entry before the first one kept
	last     uint64
	lastTime int64 // log time of the last entry
	hard     HardState
	hardOurs bool // hard was appended since the log was opened
	commit   uint64
	durable  uint64 // everything up to here is synced
	syncTo   uint64 // what durable will be when the running sync is through
	floors   [2]uint64
}

// tail is the segment that is appended to.
type tail struct {
	seg    *segment
	file   vfs.File
	seed   uint32
	table  *table // shared with nobody until the segment is closed
	synced int64  // bytes known to be durable
}

// takes says whether entry i may be written into the tail: its table has no room for an entry below its first one, nor
// for a gap behind it.
func (t *tail) takes(i uint64) bool {
	return i == t.table.first || i > t.table.first && i <= t.table.last()+1
}

// relist works out live and base after segments came, went or were superseded.
func (st *state) relist() {
	st.live = st.live[:0:0]
	closed := st.segs[:len(st.segs)-1]
	for _, s := range closed {
		if !s.empty() {
			st.live = append(st.live, s)
		}
	}
	oldest := st.tail.seg
	if len(st.live) > 0 {
		oldest = st.live[0]
	}
	st.base = run{oldest.head.first - 1, oldest.head.termBefore}
}

// supersede takes entries at and above i out of effect, which is about to be entered in the tail's table.
func (st *state) supersede(i uint64) {
	if n := len(st.live); n > 0 && st.live[n-1].last >= i {
		supersedeAll(st.live, i)
		st.relist()
	}
	st.durable, st.syncTo = min(st.durable, i-1), min(st.syncTo, i-1)
}

// check says whether entry i is there.
func (st *state) check(i uint64) error {
	if i <= st.base.index {
		return fmt.Errorf("%w: %d, the first one kept is %d", ErrCompacted, i, st.base.index+1)
	}
	if i > st.last {
		return fmt.Errorf("%w: %d, the last one is %d", ErrUnavailable, i, st.last)
	}
	return nil
}

// find returns the segment that holds entry i, which is there, and its table where that is the tail's.
func (st *state) find(i uint64) (*segment, *table) {
	if st.tail.table.holds(i) {
		return st.tail.seg, st.tail.table
	}
	n := sort.Search(len(st.live), func(k int) bool { return st.live[k].head.first > i })
	return st.live[n-1], nil
}

// termOf finds the term of entry i, base.index <= i <= last, without reading a file. Where it can't it returns the segment
// whose table knows.
func (st *state) termOf(i uint64) (uint64, *segment) {
	if i == st.base.index {
		return st.base.term, nil
	}
	if st.tail.table.holds(i) {
		return st.tail.table.term(i), nil
	}
	n := sort.Search(len(st.live), func(k int) bool { return st.live[k].head.first > i })
	s := st.live[n-1]
	if s.runs != nil {
		return termAt(s.runs, i), nil
	}
	after := st.tail.seg // terms never fall: where both ends of a segment have one term, all of it has
	if n < len(st.live) {
		after = st.live[n]
	}
	if after.head.first == s.last+1 && (i == s.last || after.head.termBefore == s.head.termBefore) {
		return after.head.termBefore, nil
	}
	return 0, s
}
