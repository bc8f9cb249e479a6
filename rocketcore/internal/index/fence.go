package index

import (
	"math"

	"github.com/duolog/duolog/internal/vfs"
)

// fanout is how many files a fence covers. The row of a fence says in its lowest bits which of them hold the queue.
const fanout = 16

const maxLevel = 15 // 16^16 is more than the numbers there are

// parent names the fence that covers n.
func (n Name) parent() Name { return Name{n.Level + 1, n.Number / fanout} }

// child names the i-th file that a fence covers.
func (n Name) child(i int) Name { return Name{n.Level - 1, n.Number*fanout + uint64(i)} }

// segments is the range of segment numbers that a file covers, both included.
func (n Name) segments() (first, last uint64) {
	shift := 4 * n.Level
	return n.Number << shift, (n.Number+1)<<shift - 1
}

// writeFence merges the runs of children, in ascending order of their numbers, into the fence that covers them.
func writeFence(fs vfs.FS, dir string, uid [16]byte, name Name, children []*file) error {
	h := header{name: name, uid: uid}
	var cursors []*runCursor
	for i, c := range children {
		if i == 0 {
			h.first = c.head.first
		}
		h.last = c.head.last
		cursors = append(cursors, &runCursor{file: c, bit: 1 << (c.name.Number % fanout)})
	}
	w, err := newWriter(fs, dir, h)
	if err != nil {
		return err
	}
	w.begin(sectionRuns)
	fences := newFences()
	for {
		r, more, err := mergeNext(cursors)
		if err != nil {
			_ = w.abort() // the first error is the one that counts
			return err
		}
		if !more {
			break
		}
		fences.add(&r)
		putRun(w.row(), &r)
	}
	fences.write(w)
	return w.commit()
}

// mergeNext joins all runs of the smallest queue that the cursors stand at.
func mergeNext(cursors []*runCursor) (Run, bool, error) {
	queue, any := uint64(math.MaxUint64), false
	for _, c := range cursors {
		r, ok, err := c.peek()
		if err != nil {
			return Run{}, false, err
		}
		if ok && (!any || r.Queue < queue) {
			queue, any = r.Queue, true
		}
	}
	if !any {
		return Run{}, false, nil
	}
	var sum Run
	for _, c := range cursors {
		for {
			r, ok, err := c.peek()
			if err != nil {
				return Run{}, false, err
			}
			if !ok || r.Queue != queue {
				break
			}
			r.first = c.bit
			sum = join(sum, r)
			c.next()
		}
	}
	return sum, true, nil
}

// join makes one row of two runs of a queue, the earlier first; the first may be empty.
func join(a, b Run) Run {
	if a.first == 0 {
		return b
	}
	a.End = b.End
	a.MaxTime = max(a.MaxTime, b.MaxTime)
	a.Bytes += b.Bytes
	a.Count = min(a.Count+b.Count, math.MaxUint32)
	a.first |= b.first
	return a
}

// runCursor walks the runs of a file, block by block, past the cache: a merge reads each of them once.
type runCursor struct {
	file  *file
	bit   uint32
	i     int
	block []byte
	at    int // number of the block
}

func (c *runCursor) peek() (Run, bool, error) {
	s := c.file.head.section(sectionRuns)
	if c.i >= int(s.rows) {
		return Run{}, false, nil
	}
	per := s.perBlock()
	if c.block == nil || c.at != c.i/per {
		block, err := c.file.read(s.block + uint64(c.i/per))
		if err != nil {
			return Run{}, false, err
		}
		c.block, c.at = block, c.i/per
	}
	return getRun(c.block[c.i%per*runBytes:]), true, nil
}

func (c *runCursor) next() { c.i++ }
