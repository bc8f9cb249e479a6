package rocketcore

import (
	"slices"

	"github.com/duolog/duolog/rocketcore/message"
)

// waiter is one call of Arrivals. Its channel is closed once: by whoever takes it out of machine.waiters.
type waiter struct {
	from  message.Offset
	ready chan struct{}
}

func (w *waiter) wake() { close(w.ready) }

// alreadyArrived is what Arrivals returns when there is nothing to wait for.
var alreadyArrived = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Arrivals returns a channel that is closed as soon as the queue's end lies beyond from, or the queue is deleted, or its
// start moves beyond from, or the store closes. It costs no goroutine. Cancel must be called, and may be called twice.
func (s *Store) Arrivals(q message.Queue, from message.Offset) (ready <-chan struct{}, cancel func()) {
	return s.machine.arrivals(q, from)
}

func (m *machine) arrivals(key message.Queue, from message.Offset) (<-chan struct{}, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.queues.get(key)
	if q == nil || m.closed || arrived(q, from) {
		return alreadyArrived, func() {}
	}
	w := &waiter{from: from, ready: make(chan struct{})}
	m.waiters[q] = append(m.waiters[q], w)
	q.waited = true
	return w.ready, func() { m.cancel(q, w) }
}

func arrived(q *queue, from message.Offset) bool { return q.end > from || q.start > from }

func (m *machine) cancel(q *queue, w *waiter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.waiters[q], w); i >= 0 {
		m.keep(q, slices.Delete(m.waiters[q], i, i+1))
	}
}

// keep sets the waiters of a queue. The caller holds mu.
func (m *machine) keep(q *queue, waiters []*waiter) {
	if q.waited = len(waiters) > 0; q.waited {
		m.waiters[q] = waiters
	} else {
		delete(m.waiters, q)
	}
}

// wake takes out those who wait for what has arrived and adds them to woken. The caller holds mu.
func (m *machine) wake(q *queue, woken []*waiter) []*waiter {
	stay := m.waiters[q][:0]
	for _, w := range m.waiters[q] {
		if arrived(q, w.from) {
			woken = append(woken, w)
		} else {
			stay = append(stay, w)
		}
	}
	clear(m.waiters[q][len(stay):])
	m.keep(q, stay)
	return woken
}

// wakeAll takes out all who wait for a queue. The caller holds mu.
func (m *machine) wakeAll(q *queue, woken []*waiter) []*waiter {
	woken = append(woken, m.waiters[q]...)
	m.keep(q, nil)
	return woken
}

// wakeEverybody ends all waiting: the store closes, or its log became another one.
func (m *machine) wakeEverybody() {
	m.mu.Lock()
	var woken []*waiter
	for q := range m.waiters {
		woken = m.wakeAll(q, woken)
	}
	m.mu.Unlock()
	for _, w := range woken {
		w.wake()
	}
}
