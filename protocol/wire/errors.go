package wire

import "errors"

// What ends a connection. A handler returns them as they are or wrapped; the listener logs them by kind.
var (
	ErrFrameTooLarge = errors.New("wire: frame is longer than the limit")
	ErrFrameLength   = errors.New("wire: frame length is negative")
	ErrStranger      = errors.New("wire: another protocol's bytes")
	ErrOverBudget    = errors.New("wire: half-read frame waited too long for memory (the listener's frames use all of it)")
	ErrSlowFrame     = errors.New("wire: frame did not arrive in time")
	ErrIdle          = errors.New("wire: connection was idle for too long")
	ErrSlowReader    = errors.New("wire: client does not read its replies")
	ErrDraining      = errors.New("wire: listener is closing")
	ErrClosed        = errors.New("wire: connection is closed")
	ErrQueueFull     = errors.New("wire: reply queue is full")
)
