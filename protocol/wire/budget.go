package wire

import (
	"sync"
	"time"
)

// Budget bounds the bytes that all connections of a listener hold in frames.
//
// A reader that would exceed it waits, first come first served: the client feels it as TCP back-pressure. Waiting alone
// could stand still, when all bytes belong to frames that are half read and each waits for more. So one half-read
// frame at a time may overdraw: the total stays under limit + one frame, and somebody always gets on. A half-read frame
// whose client stalls falls to the frame time-out, and so does one that waits here for so long: what it holds is needed.
type Budget struct {
	mu        sync.Mutex
	limit     int64
	used      int64     // granted and not given back
	overdrawn bool      // a half-read frame is using the overdraft
	waiting   []*waiter // in order of arrival
}

type waiter struct {
	bytes    int64
	halfRead bool
	granted  chan struct{} // closed under mu when the bytes are granted
	overdraw bool          // granted as the overdraft; written before granted closes
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// grantOf is what one frame holds of a budget.
type grantOf struct {
	bytes    int64
	overdraw bool // this frame is the one that may overdraw, until it is released
}

// acquire adds bytes to what a frame holds, waiting if need be: without limit for a frame's first bytes, else for as long as
// patience. The error is ErrClosed when cancel closed first, or ErrOverBudget; what the frame held before stays held.
func (b *Budget) acquire(g *grantOf, bytes int64, patience time.Duration, cancel <-chan struct{}) error {
	w := b.enqueue(g, bytes)
	if w == nil {
		g.bytes += bytes
		return nil
	}
	var late <-chan time.Time
	if g.bytes > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	err := ErrClosed
	select {
	case <-w.granted:
		g.bytes += bytes
		g.overdraw = g.overdraw || w.overdraw
		return nil
	case <-cancel:
	case <-late:
		err = ErrOverBudget
	}
	if !b.giveUp(w) { // granted at the same moment
		b.release(grantOf{bytes: bytes, overdraw: w.overdraw})
	}
	return err
}

// enqueue grants at once (nil) or leaves a waiter behind.
func (b *Budget) enqueue(g *grantOf, bytes int64) *waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g.overdraw || len(b.waiting) == 0 && b.used+bytes <= b.limit {
		b.used += bytes
		return nil
	}
	w := &waiter{bytes: bytes, halfRead: g.bytes > 0, granted: make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.grantWaiting()
	return w
}

func (b *Budget) giveUp(w *waiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.waiting {
		if other == w {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.grantWaiting()
			return true
		}
	}
	return false
}

func (b *Budget) release(g grantOf) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= g.bytes
	if g.overdraw {
		b.overdrawn = false
	}
	b.grantWaiting()
}

// grantWaiting serves waiters in order while they fit, then lets the first half-read frame overdraw. Called under mu.
func (b *Budget) grantWaiting() {
	for len(b.waiting) > 0 && b.used+b.waiting[0].bytes <= b.limit {
		b.grant(0)
	}
	if b.overdrawn {
		return
	}
	for i, w := range b.waiting {
		if w.halfRead {
			w.overdraw, b.overdrawn = true, true
			b.grant(i)
			return
		}
	}
}

func (b *Budget) grant(i int) {
	w := b.waiting[i]
	b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
	if len(b.waiting) == 0 {
		b.waiting = nil
	}
	b.used += w.bytes
	close(w.granted)
}

// Used returns the bytes held at this moment.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
