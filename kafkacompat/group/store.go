package group

import (
	"errors"
	"fmt"
)

// item is something to be stored, or a place in the queue that somebody waits for. done is called once, with the outcome.
type item struct {
	steps []Step
	write uint64 // the Write's number; 0: none
	group string // whose offsets it changes; "": nobody's
	done  func(error)
}

func itemOf(w Write) item {
	i := item{write: w.Number, done: func(error) {}}
	switch {
	case w.Record != nil:
		i.steps = []Step{PutRecord{w.Group, w.Record}}
	case w.Forget:
		i.steps = []Step{DeleteRecord{w.Group}, ForgetGroup{w.Group}}
	default:
		i.steps = []Step{DeleteRecord{w.Group}}
	}
	return i
}

// maxStoreBytes bounds what is stored with one command; a group's record alone may take more.
const maxStoreBytes = 4 << 20

// storeAll stores what is queued, as much at once as there is. While that is on its way, more gathers.
func (h *Host) storeAll() {
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-h.queued:
		}
		for h.storeSome() {
		}
	}
}

// storeSome stores the first items of the queue; false if there are none.
func (h *Host) storeSome() bool {
	l, items, steps := h.nextItems()
	if len(items) == 0 {
		return false
	}
	var err error
	if len(steps) > 0 {
		err = h.cfg.Keeper.Store(l.ctx, l.term, steps)
	}
	h.stored(l, items, err)
	return true
}

func (h *Host) nextItems() (l *life, items []item, steps []Step) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l = h.life; l == nil {
		return nil, nil, nil
	}
	bytes := 0
	for len(l.queue) > 0 {
		size := 0
		for _, s := range l.queue[0].steps {
			size += s.bytes()
		}
		if len(items) > 0 && bytes+size > maxStoreBytes {
			break
		}
		bytes += size
		items, steps = append(items, l.queue[0]), append(steps, l.queue[0].steps...)
		l.queue[0] = item{}
		l.queue = l.queue[1:]
	}
	if l.storing = len(items) > 0; !l.storing {
		l.queue = nil
	}
	return l, items, steps
}

// stored sees to what waited for items. If a group's record was among those that failed, the machine is ahead of what is
// stored: it goes. Offsets alone can fail without that, unless leadership has ended.
func (h *Host) stored(l *life, items []item, err error) {
	switch {
	case err != nil && h.ctx.Err() != nil:
		err = ErrNotCoordinator
	case err != nil:
		err = fmt.Errorf("what a group decided was not stored: %w", err)
	}
	h.mu.Lock()
	var last uint64
	for _, i := range items {
		last = max(last, i.write)
		if l.uncertain[i.group]--; l.uncertain[i.group] <= 0 {
			delete(l.uncertain, i.group)
		}
	}
	if err == nil && h.life == l {
		l.durable = max(l.durable, last)
		held := l.held[:0]
		for _, r := range l.held {
			if r.After <= l.durable {
				l.reply(r)
			} else {
				held = append(held, r)
			}
		}
		clear(l.held[len(held):])
		l.held = held
	}
	h.mu.Unlock()
	switch {
	case err == nil:
	case errors.Is(err, ErrNotCoordinator):
		h.finish(l, ErrNotCoordinator)
	case last > 0:
		h.finish(l, fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	for _, i := range items {
		i.done(err)
	}
}
