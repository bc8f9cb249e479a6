package rocketcore

import (
	"context"
	"time"
)

// RetentionPolicy says for how long a queue keeps its records. The zero value keeps everything.
type RetentionPolicy struct {
	// MaxAge drops leading batches whose greatest record time is older; 0 or less: no bound (retention.ms).
	MaxAge time.Duration
	// MaxBytes drops leading batches while the rest is at least so large; 0 or less: no bound (retention.bytes).
	MaxBytes int64
}

// Retain runs one round of retention now: a leader moves the starts of queues as their policies ask, and every replica gives
// back segments in which nothing is kept. It runs by itself every Options.RetentionInterval.
func (s *Store) Retain(ctx context.Context) error { panic("skeleton") }
