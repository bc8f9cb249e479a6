package index

import "sort"

// Leaf is the index of one segment, wherever it is at the moment: in memory, in its sidecar, or nowhere, so that it is made
// again by the first that needs it. It stays valid while the segment does.
type Leaf struct {
	set      *Set
	memory   *Memory // nil: the sidecar
	sequence uint64
}

// Sequence is the segment's number.
func (l Leaf) Sequence() uint64 { return l.sequence }

// Find returns the queue's first run in the segment that ends beyond offset after.
func (l Leaf) Find(queue uint64, after int64) (r Run, ok bool, err error) {
	if l.memory != nil {
		return l.memory.Find(queue, after)
	}
	err = l.set.with(Name{0, l.sequence}, func(f *file) error {
		r, ok, err = f.find(queue, after)
		return err
	})
	return r, ok, err
}

// Entries copies a run's entries from the i-th into dst and returns how many; fewer than len(dst) means the run's end. The
// run must come from this leaf.
func (l Leaf) Entries(r Run, i int, dst []Entry) (n int, err error) {
	if l.memory != nil {
		return l.memory.Entries(r, i, dst)
	}
	err = l.set.with(Name{0, l.sequence}, func(f *file) error {
		n, err = f.entries(r, i, dst)
		return err
	})
	return n, err
}

// TimeOf returns the log time of the entry at index, which must be one of this leaf's, and the index up to which,
// exclusive, it stays the same.
func (l Leaf) TimeOf(index uint64) (time int64, until uint64, ok bool, err error) {
	if l.memory != nil {
		return l.memory.TimeOf(index)
	}
	err = l.set.with(Name{0, l.sequence}, func(f *file) error {
		time, until, ok, err = f.timeOf(index)
		return err
	})
	return time, until, ok, err
}

// FirstAt returns the leaf's first index whose log time is at or after time.
func (l Leaf) FirstAt(time int64) (index uint64, ok bool, err error) {
	if l.memory != nil {
		return l.memory.FirstAt(time)
	}
	err = l.set.with(Name{0, l.sequence}, func(f *file) error {
		index, ok, err = f.firstAt(time)
		return err
	})
	return index, ok, err
}

// SearchOffset returns the number of the run's first entry that ends beyond offset.
func (l Leaf) SearchOffset(r Run, offset int64) (int, error) {
	if offset <= r.Base {
		return 0, nil
	}
	return l.search(r, func(e *Entry) bool { return e.End() > offset })
}

// SearchPosition returns the number of the run's first entry at or behind an entry of the log and an ordinal in it.
func (l Leaf) SearchPosition(r Run, index uint64, ordinal int) (int, error) {
	return l.search(r, func(e *Entry) bool {
		return e.Index > index || e.Index == index && e.Ordinal+e.Count > ordinal
	})
}

// search is a binary search among a run's entries; r.Count if none is beyond.
func (l Leaf) search(r Run, beyond func(*Entry) bool) (int, error) {
	var failed error
	var probe [1]Entry
	i := sort.Search(r.Count, func(i int) bool {
		n, err := l.Entries(r, i, probe[:])
		if err != nil || n == 0 {
			failed = err
			return true
		}
		return beyond(&probe[0])
	})
	return i, failed
}

// Runs walks the runs of a segment's sidecar in order of queues, until visit says stop.
func (s *Set) Runs(sequence uint64, visit func(Run) bool) error {
	return s.with(Name{0, sequence}, func(f *file) error {
		c := runCursor{file: f}
		for {
			r, ok, err := c.peek()
			if err != nil || !ok || !visit(r) {
				return err
			}
			c.next()
		}
	})
}
