package kafkacompat

import (
	"context"
	"reflect"
	"time"

	"github.com/duolog/duolog/rocketcore/message"
)

// run reads until there is enough to answer, or no time left.
//
// A fetch that waits holds no data: what its first pass found is dropped and read again when it is answered. Otherwise a
// handful of clients that ask for many bytes and much patience could keep all memory that fetches share. Whether it is worth
// to read again is seen from the queues' sizes, so a large MinBytes does not cost a read per arrival.
func (x *fetch) run(ctx context.Context, draining <-chan struct{}) error {
	x.pass(ctx)
	left := time.Until(x.until)
	if x.failed || len(x.parts) == 0 || x.bytes >= x.minBytes || left <= 0 {
		return ctx.Err()
	}
	found := x.bytes
	x.sizes()
	x.Release()
	w := newWaiting(x.parts)
	defer w.cancel()
	timer := time.NewTimer(left)
	defer timer.Stop()
	for {
		woken, ok := w.wait(ctx, timer.C, draining)
		if err := ctx.Err(); err != nil {
			return err
		}
		if !ok || x.parts[woken].gone() || found+x.grown() >= x.minBytes {
			x.pass(ctx)
			return nil
		}
		w.watch(woken, &x.parts[woken])
	}
}

// sizes notes how large the queues are, and forgets what was read.
func (x *fetch) sizes() {
	for i := range x.parts {
		p := &x.parts[i]
		p.batches = nil
		if b, err := p.place.store.Bounds(p.place.queue); err == nil {
			p.stored = b.Bytes
		}
	}
}

// grown is how many bytes the queues have gained since. Retention may hide some; then the fetch waits a little longer.
func (x *fetch) grown() (bytes int) {
	for i := range x.parts {
		p := &x.parts[i]
		if b, err := p.place.store.Bounds(p.place.queue); err == nil && b.Bytes > p.stored {
			bytes += int(b.Bytes - p.stored)
		}
	}
	return bytes
}

// gone says that waiting for this partition has no sense any more: it was deleted, trimmed beyond the offset, or moved.
func (p *fetching) gone() bool {
	b, err := p.place.store.Bounds(p.place.queue)
	return err != nil || b.Start > p.from
}

// waiting waits for arrivals in any of a fetch's partitions.
type waiting struct {
	cases   []reflect.SelectCase // context, timer, draining, then the partitions
	cancels []func()
}

// otherCases stand before the partitions' cases. maxCases is reflect.Select's limit; partitions beyond it are looked at
// when the time is over.
const (
	otherCases = 3
	maxCases   = 1 << 16
)

func newWaiting(parts []fetching) *waiting {
	n := min(len(parts), maxCases-otherCases)
	w := &waiting{cases: make([]reflect.SelectCase, otherCases+n), cancels: make([]func(), n)}
	for i := range n {
		w.watch(i, &parts[i])
	}
	return w
}

// watch waits for what comes behind the queue's present end.
func (w *waiting) watch(i int, p *fetching) {
	if w.cancels[i] != nil {
		w.cancels[i]()
	}
	end := max(p.end, message.Offset(p.from))
	if b, err := p.place.store.Bounds(p.place.queue); err == nil && w.cancels[i] != nil {
		end = b.End
	}
	ready, cancel := p.place.store.Arrivals(p.place.queue, end)
	w.cancels[i] = cancel
	w.cases[otherCases+i] = receiveFrom(ready)
}

// wait returns the partition in which something arrived; false when time is over, the connection ends or the listener
// closes.
func (w *waiting) wait(ctx context.Context, timer <-chan time.Time, draining <-chan struct{}) (int, bool) {
	w.cases[0], w.cases[1], w.cases[2] = receiveFrom(ctx.Done()), receiveFrom(timer), receiveFrom(draining)
	chosen, _, _ := reflect.Select(w.cases)
	return chosen - otherCases, chosen >= otherCases
}

func receiveFrom[T any](c <-chan T) reflect.SelectCase {
	return reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)}
}

func (w *waiting) cancel() {
	for _, cancel := range w.cancels {
		cancel()
	}
}
