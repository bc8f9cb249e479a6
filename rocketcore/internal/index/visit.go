package index

import (
	"errors"
	"math"
)

// Visit walks a queue's runs that end beyond offset after, in order, and calls visit for those that want (which may be nil)
// accepts; it is asked of the rows of fences too, so it must accept a row if it accepts any run inside. Visit's result
// says whether to go on.
func (s *Set) Visit(queue uint64, after int64, want func(Run) bool, visit func(Leaf, Run) (bool, error)) error {
	w := walk{set: s, queue: queue, after: after, want: want, visit: visit}
	tops := *s.tops.Load()
	begin, err := w.begin(tops)
	if err != nil {
		return err
	}
	return w.all(tops[begin:])
}

// VisitBeyond is Visit for segments above sequence only. It reads no file that covers others, so that a rebuild can use it.
func (s *Set) VisitBeyond(sequence, queue uint64, visit func(Leaf, Run) (bool, error)) error {
	w := walk{set: s, queue: queue, after: math.MinInt64, visit: visit, bounded: true, beyond: sequence}
	return w.all(*s.tops.Load())
}

type walk struct {
	set     *Set
	queue   uint64
	after   int64
	want    func(Run) bool
	visit   func(Leaf, Run) (bool, error)
	bounded bool // only segments above beyond
	beyond  uint64
}

// begin finds the top to begin with: from the newest back to the one that holds after, because most readers are near the end.
func (w *walk) begin(tops []top) (int, error) {
	for i := len(tops) - 1; i > 0; i-- {
		r, ok, err := w.find(tops[i], w.after)
		if err != nil && !errors.Is(err, errGone) {
			if tops[i].fence.Level > 0 {
				return 0, nil // it can't be mended at the moment: do without it
			}
			return 0, err
		}
		if ok && r.Base <= w.after {
			return i, nil
		}
	}
	return 0, nil
}

func (w *walk) find(t top, after int64) (r Run, ok bool, err error) {
	if t.fence.Level == 0 {
		return t.leaf.Find(w.queue, after)
	}
	err = w.set.with(t.fence, func(f *file) error {
		r, ok, err = f.find(w.queue, after)
		return err
	})
	return r, ok, err
}

func (w *walk) all(tops []top) error {
	for _, t := range tops {
		more, err := w.top(t)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (w *walk) top(t top) (more bool, err error) {
	if t.fence.Level > 0 {
		return w.fence(t.fence)
	}
	if w.bounded && t.leaf.sequence <= w.beyond {
		return true, nil
	}
	return w.leaf(t.leaf)
}

func (w *walk) leaf(l Leaf) (bool, error) {
	for after := w.after; ; {
		r, ok, err := l.Find(w.queue, after)
		if errors.Is(err, errGone) || err == nil && !ok {
			return true, nil // dropped meanwhile: the queue's start lies beyond it
		}
		if err != nil {
			return false, err
		}
		if w.want == nil || w.want(r) {
			if more, err := w.visit(l, r); err != nil || !more {
				return false, err
			}
		}
		after = r.End
	}
}

func (w *walk) fence(n Name) (bool, error) {
	children := Run{first: 1<<fanout - 1}
	first, last := n.segments()
	if w.bounded && last <= w.beyond {
		return true, nil
	}
	if !w.bounded || first > w.beyond {
		r, ok, err := w.find(top{fence: n}, w.after)
		if errors.Is(err, errGone) || err == nil && (!ok || w.want != nil && !w.want(r)) {
			return true, nil
		}
		if err == nil {
			children = r
		} // else it can't be mended at the moment: all children are asked
	}
	for i := range fanout {
		if children.first&(1<<i) == 0 {
			continue
		}
		child := n.child(i)
		t := top{fence: child}
		if child.Level == 0 {
			t = top{leaf: Leaf{set: w.set, sequence: child.Number}}
		}
		if more, err := w.top(t); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}
