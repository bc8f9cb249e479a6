package rocketcore

import (
	"encoding/binary"
	"errors"

	"github.com/duolog/duolog/rocketcore/internal/cow"
	"github.com/duolog/duolog/rocketcore/message"
)

// refusals are the positions of batches that lie in the log and were not stored, because their producer had sent them before,
// or out of order. Nothing in the log itself tells, so whoever rebuilds an index from it needs this list. It is nearly
// always empty. Batches of unknown queues are not in it: a rebuild sees those by itself.
//
// Positions stand in buckets of 65,536 entries, as differences, so that one costs two or three bytes; buckets go when the
// log's beginning passes them.
type refusals struct {
	tracker cow.Tracker[uint64]
	buckets map[uint64]*refusalBucket
}

type refusalBucket struct {
	last       message.Position
	deltas     []byte
	generation cow.Generation
}

const refusalBits = 16

func bucketOf(p message.Position) uint64 { return p.Index() >> refusalBits }

// add notes a position; positions rise.
func (r *refusals) add(p message.Position) {
	if r.buckets == nil {
		r.buckets = map[uint64]*refusalBucket{}
	}
	n := bucketOf(p)
	b := r.buckets[n]
	if b == nil {
		b = &refusalBucket{last: message.Position(n << (refusalBits + 20))}
		r.touch(n, b)
		r.buckets[n] = b
	} else {
		r.touch(n, b)
	}
	b.deltas = binary.AppendUvarint(b.deltas, uint64(p-b.last))
	b.last = p
}

func (r *refusals) touch(n uint64, b *refusalBucket) {
	r.tracker.Touch(n, &b.generation, func() []byte { return r.encode(n) })
}

// encode gives a bucket's form in a checkpoint, nil if there is none.
func (r *refusals) encode(n uint64) []byte {
	b := r.buckets[n]
	if b == nil {
		return nil
	}
	return append([]byte{}, b.deltas...)
}

// restore takes what encode gave.
func (r *refusals) restore(n uint64, form []byte) error {
	if r.buckets == nil {
		r.buckets = map[uint64]*refusalBucket{}
	}
	b := &refusalBucket{last: message.Position(n << (refusalBits + 20)), deltas: append([]byte{}, form...)}
	err := eachDelta(form, func(d uint64) { b.last += message.Position(d) })
	r.buckets[n] = b
	return err
}

var errRefusals = errors.New("a list of refused batches is malformed")

func eachDelta(deltas []byte, do func(uint64)) error {
	for len(deltas) > 0 {
		d, n := binary.Uvarint(deltas)
		if n <= 0 {
			return errRefusals
		}
		do(d)
		deltas = deltas[n:]
	}
	return nil
}

// within returns the positions of refused batches in entries first..last.
func (r *refusals) within(first, last uint64) map[message.Position]bool {
	out := map[message.Position]bool{}
	for n := first >> refusalBits; n <= last>>refusalBits; n++ {
		b := r.buckets[n]
		if b == nil {
			continue
		}
		p := message.Position(n << (refusalBits + 20))
		_ = eachDelta(b.deltas, func(d uint64) { // it was checked when it came in
			if p += message.Position(d); p.Index() >= first && p.Index() <= last {
				out[p] = true
			}
		})
	}
	return out
}

// prune forgets what lies below entry index.
func (r *refusals) prune(index uint64) {
	for n, b := range r.buckets {
		if (n+1)<<refusalBits <= index {
			r.touch(n, b)
			delete(r.buckets, n)
		}
	}
}
