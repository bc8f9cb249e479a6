package group

import (
	"context"
	"crypto/rand"
	"encoding/hex"
)

// call lets the machine decide about a request that is answered by a Reply.
func call[T any](h *Host, failed func(error) T, decide func(m *Machine, c Call) Effects) Answer[T] {
	a := newAnswer[T]()
	err := h.decide(func(l *life) Effects {
		l.lastCall++
		l.calls[l.lastCall] = waiting{
			answer: func(body any) { a.c <- body.(T) },
			fail:   func(err error) { a.c <- failed(err) },
		}
		return decide(l.machine, l.lastCall)
	})
	if err != nil {
		a.c <- failed(err)
	}
	return a
}

// Join lets a member in; see Machine.Join. NewID is filled in.
func (h *Host) Join(j *Join) Answer[Joined] {
	j.NewID = newID()
	return call(h, func(err error) Joined { return Joined{Err: err, Member: j.Member} },
		func(m *Machine, c Call) Effects { return m.Join(h.cfg.Now(), c, j) })
}

// newID is a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Sync gives a member its assignment; see Machine.Sync.
func (h *Host) Sync(s *Sync) Answer[Synced] {
	return call(h, func(err error) Synced { return Synced{Err: err} },
		func(m *Machine, c Call) Effects { return m.Sync(h.cfg.Now(), c, s) })
}

// Leave removes members; see Machine.Leave.
func (h *Host) Leave(l *Leave) Answer[Left] {
	return call(h, func(err error) Left { return Left{Err: err} },
		func(m *Machine, c Call) Effects { return m.Leave(h.cfg.Now(), c, l) })
}

// Heartbeat renews a member's session; see Machine.Heartbeat.
func (h *Host) Heartbeat(b *Heartbeat) error {
	var err error
	if absent := h.with(func(l *life) { err = l.machine.Heartbeat(h.cfg.Now(), b) }); absent != nil {
		return absent
	}
	return err
}

// with looks at the machine, or says why there is none. It changes nothing that must be stored or brings a deadline nearer.
func (h *Host) with(look func(l *life)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life == nil {
		return h.absent()
	}
	look(h.life)
	return nil
}

// enqueue queues an item behind all that was decided before. The caller holds mu.
func (h *Host) enqueue(l *life, i item) {
	if i.group != "" {
		l.uncertain[i.group]++
	}
	l.queue = append(l.queue, i)
	if !l.storing {
		signal(h.queued)
	}
}

// hasOffsets says whether a group has offsets, or will.
func (h *Host) hasOffsets(l *life, group string) bool {
	return l.uncertain[group] > 0 || h.cfg.Keeper.HasProgress(group)
}

// Commit stores offsets, if their sender may commit now; see Machine.Commit. HasOffsets is filled in.
func (h *Host) Commit(c *Commit, offsets []Progress) Answer[error] {
	a := newAnswer[error]()
	absent := h.with(func(l *life) {
		c.HasOffsets = c.Generation >= 0 && !l.machine.Knows(c.Group) && h.hasOffsets(l, c.Group)
		if err := l.machine.Commit(h.cfg.Now(), c); err != nil || len(offsets) == 0 {
			a.c <- err
			return
		}
		i := item{group: c.Group, steps: make([]Step, len(offsets)), done: func(err error) { a.c <- err }}
		for n, o := range offsets {
			i.steps[n] = PutProgress{c.Group, o}
		}
		h.enqueue(l, i)
		h.counters.commits.Add(float64(len(offsets)))
	})
	if absent != nil {
		a.c <- absent
	}
	return a
}

// Settle returns when everything is stored that was decided before, offsets that were taken without an answer included,
// and nothing is missing here that anybody was told. Then the Keeper's progress may be read.
func (h *Host) Settle(ctx context.Context) error {
	a := newAnswer[error]()
	err := h.with(func(l *life) {
		if len(l.queue) == 0 && !l.storing {
			a.c <- nil
			return
		}
		h.enqueue(l, item{done: func(err error) { a.c <- err }})
	})
	if err != nil {
		return err
	}
	switch err, ok := a.Wait(ctx, nil); {
	case !ok:
		return ctx.Err()
	case err != nil:
		return err
	}
	if err := h.cfg.Keeper.Flush(ctx); err != nil {
		return err
	}
	return h.cfg.Keeper.Barrier(ctx)
}

// Delete deletes groups with their offsets; one error for each, nil for those that are gone.
func (h *Host) Delete(names []string) Answer[[]error] {
	a := newAnswer[[]error]()
	err := h.decide(func(l *life) Effects {
		effects, errs := l.machine.Delete(h.cfg.Now(), names, func(name string) bool { return h.hasOffsets(l, name) })
		if len(effects.Writes) == 0 {
			a.c <- errs
			return effects
		}
		for _, w := range effects.Writes {
			l.queue = append(l.queue, itemOf(w))
		}
		l.queue[len(l.queue)-1].done = func(err error) { a.c <- orAll(errs, err) }
		effects.Writes = nil
		return effects
	})
	if err != nil {
		a.c <- orAll(make([]error, len(names)), err)
	}
	return a
}

// orAll puts an error in place of every success.
func orAll(errs []error, err error) []error {
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return errs
}
