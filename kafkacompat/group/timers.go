package group

import (
	"container/heap"
	"time"
)

// timers are the moments at which something falls due, in a heap.
//
// Most timers are sessions, put off by every heartbeat and hardly ever due. So putting one off only notes the new moment
// and leaves its place in the heap, which is found to be too early when it comes up.
type timers struct {
	heap  timerHeap
	count uint64
}

// timer is one of them; the zero value is off.
type timer struct {
	fire  func()
	due   moment
	place moment // in the heap, never later than due
	slot  int    // 1 + index in the heap; 0: off
}

// moment orders what is due at the same time by when it was set.
type moment struct {
	at   time.Time
	turn uint64
}

func (m moment) before(o moment) bool {
	if c := m.at.Compare(o.at); c != 0 {
		return c < 0
	}
	return m.turn < o.turn
}

// set arms a timer, or puts it off, or moves it forward.
func (ts *timers) set(t *timer, due time.Time) {
	ts.count++
	t.due = moment{due, ts.count}
	switch {
	case t.slot == 0:
		t.place = t.due
		heap.Push(&ts.heap, t)
	case !due.After(t.place.at):
		t.place = t.due
		heap.Fix(&ts.heap, t.slot-1)
	}
}

// stop turns a timer off.
func (ts *timers) stop(t *timer) {
	if t.slot > 0 {
		heap.Remove(&ts.heap, t.slot-1)
	}
}

// next is the moment at which the first timer falls due; false if none is set.
func (ts *timers) next() (time.Time, bool) {
	for len(ts.heap) > 0 {
		t := ts.heap[0]
		if !t.place.before(t.due) {
			return t.due.at, true
		}
		t.place = t.due
		heap.Fix(&ts.heap, 0)
	}
	return time.Time{}, false
}

// pop turns the first timer off that is due by now, and returns it; nil if there is none.
func (ts *timers) pop(now time.Time) *timer {
	due, any := ts.next()
	if !any || due.After(now) {
		return nil
	}
	return heap.Pop(&ts.heap).(*timer)
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool { return h[i].place.before(h[j].place) }

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i+1, j+1
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	*h = append(*h, t)
	t.slot = len(*h)
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.slot = 0
	return t
}
