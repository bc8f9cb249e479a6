package rocketcore

import (
	"container/list"
	"fmt"
	"slices"
	"sync"

	"github.com/duolog/duolog/rocketcore/message"
)

// Records returns a batch's records, decoded, from a cache. They are shared: the caller must not change them. Offsets are
// f.BaseOffset + OffsetDelta. Errors: message.ErrExpansion, message.ErrInvalidRecord.
func (s *Store) Records(f *Found) ([]message.Record, error) {
	if r, ok := s.decoded.get(f.Position); ok {
		s.counters.decodeHits.Inc()
		return r, nil
	}
	s.counters.decodeMisses.Inc()
	batch := f.Batch
	if batch.Codec() == message.CodecNone { // the records share the batch's memory, and that may be part of a larger read
		batch = slices.Clone(batch)
	}
	r, err := batch.Records(message.Limits{})
	if err != nil {
		return nil, fmt.Errorf("decode the batch at %d of queue %s: %w", f.BaseOffset, f.Queue, err)
	}
	s.decoded.put(f.Position, r, len(f.Batch))
	return r, nil
}

// decodeCache keeps decoded batches by position, which names a batch for life. The least recently used go first. It is
// bounded in bytes.
type decodeCache struct {
	mu      sync.Mutex
	limit   int64
	bytes   int64
	batches map[message.Position]*list.Element
	order   list.List // of *decodedBatch, most recently used first
}

type decodedBatch struct {
	position message.Position
	records  []message.Record
	bytes    int64
}

func newDecodeCache(limit int64) *decodeCache {
	return &decodeCache{limit: limit, batches: map[message.Position]*list.Element{}}
}

func (c *decodeCache) get(p message.Position) ([]message.Record, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.batches[p]
	if e == nil {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*decodedBatch).records, true
}

// put keeps a batch unless it would take a quarter of the cache.
func (c *decodeCache) put(p message.Position, records []message.Record, stored int) {
	b := &decodedBatch{position: p, records: records, bytes: decodedBytes(records, stored)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.batches[p] != nil || b.bytes > c.limit/4 {
		return
	}
	c.batches[p] = c.order.PushFront(b)
	for c.bytes += b.bytes; c.bytes > c.limit; {
		last := c.order.Back()
		old := c.order.Remove(last).(*decodedBatch)
		delete(c.batches, old.position)
		c.bytes -= old.bytes
	}
}

// decodedBytes is about what decoded records keep in memory: the structs, the buffer with keys and values, header names.
func decodedBytes(records []message.Record, stored int) int64 {
	const perBatch, perRecord, perHeader = 200, 88, 56
	n := int64(perBatch)
	expanded := 0
	for i := range records {
		r := &records[i]
		n += perRecord
		expanded += len(r.Key) + len(r.Value)
		for _, h := range r.Headers {
			n += perHeader + int64(len(h.Key))
			expanded += len(h.Value)
		}
	}
	return n + int64(max(expanded, stored))
}
