package kafkacompat

import (
	"context"
	"sync"
)

// fetchMemory is the account of bytes in Fetch answers that are being made or written, over all connections.
//
// While half of it is free, a read gets what it asks for. Beyond, it gets at most a quarter of what is left, so that a few
// clients that ask for much and read slowly leave something for all others.
type fetchMemory struct {
	limit int64

	mu    sync.Mutex    // guards what follows
	free  int64         // not taken
	freed chan struct{} // closed at the next give; nil when nobody waits
}

// leastGrant is the smallest grant below what was asked for; less is not worth a read.
const leastGrant = 64 << 10

func newFetchMemory(limit int64) *fetchMemory { return &fetchMemory{limit: limit, free: limit} }

// take grants up to want bytes at once; 0 if there are too few.
func (m *fetchMemory) take(want int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.grant(want)
}

func (m *fetchMemory) grant(want int64) int64 {
	granted := min(want, m.free)
	if m.free < m.limit/2 {
		granted = min(want, m.free/4)
	}
	if granted < want && granted < leastGrant {
		return 0
	}
	m.free -= granted
	return granted
}

// await is take that waits while there is nothing; 0 when ctx ended first.
func (m *fetchMemory) await(ctx context.Context, want int64) int64 {
	for {
		m.mu.Lock()
		if granted := m.grant(want); granted > 0 {
			m.mu.Unlock()
			return granted
		}
		if m.freed == nil {
			m.freed = make(chan struct{})
		}
		freed := m.freed
		m.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return 0
		}
	}
}

// give takes bytes back.
func (m *fetchMemory) give(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free += bytes
	if m.freed != nil && bytes > 0 {
		close(m.freed)
		m.freed = nil
	}
}
