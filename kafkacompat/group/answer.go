package group

import "context"

// Answer is the answer to a request, now or later. It comes once.
type Answer[T any] struct{ c chan T }

func newAnswer[T any]() Answer[T] { return Answer[T]{make(chan T, 1)} }

// Wait returns the answer; false if ctx ended or quit was closed before it came. A nil quit is never closed.
func (a Answer[T]) Wait(ctx context.Context, quit <-chan struct{}) (v T, ok bool) {
	select {
	case v := <-a.c:
		return v, true
	default:
	}
	select {
	case v := <-a.c:
		return v, true
	case <-ctx.Done():
	case <-quit:
	}
	return v, false
}

// waiting is a call whose answer has not been given.
type waiting struct {
	answer func(body any)
	fail   func(error)
}
