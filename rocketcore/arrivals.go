package rocketcore

import "github.com/duolog/duolog/rocketcore/message"

// Arrivals returns a channel that is closed as soon as the queue's end lies beyond from, or the queue is deleted, or its
// start moves beyond from, or the store closes. It costs no goroutine. Cancel must be called, and may be called twice.
func (s *Store) Arrivals(q message.Queue, from message.Offset) (ready <-chan struct{}, cancel func()) {
	panic("skeleton")
}
