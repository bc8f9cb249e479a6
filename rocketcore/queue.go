package rocketcore

import (
	"iter"

	"github.com/duolog/duolog/rocketcore/internal/cow"
	"github.com/duolog/duolog/rocketcore/message"
)

// queue is one queue. Guarded by machine.mu. It holds no pointers and stays small: there may be a hundred thousand.
type queue struct {
	key        message.Queue
	generation cow.Generation
	id         uint64
	opened     uint64 // position of the command that opened it
	start, end message.Offset
	total      int64 // bytes of all batches, ever
	trimmed    int64 // of those, below start
	maxTime    int64 // greatest record time ever, -1 if there was none
	// expiry is a hint of retention, not state: the first batch that is kept has this time. 0: not known.
	expiry int64
	hint   uint32 // of the index, for the next batch
	waited bool   // machine.waiters has an entry
}

// queueTable holds queues by key, in memory that the garbage collector need not look into.
type queueTable struct {
	places map[message.Queue]uint32
	slab   [][]queue
	free   []uint32
	used   uint32
}

const queueSlab = 256

func newQueueTable() queueTable { return queueTable{places: map[message.Queue]uint32{}} }

func (t *queueTable) at(place uint32) *queue { return &t.slab[place/queueSlab][place%queueSlab] }

// get returns a queue, nil if there is none. The pointer is valid until the queue is removed.
func (t *queueTable) get(k message.Queue) *queue {
	place, ok := t.places[k]
	if !ok {
		return nil
	}
	return t.at(place)
}

// add adds a queue, whose key is not there yet.
func (t *queueTable) add(q queue) *queue {
	place := t.used
	if n := len(t.free); n > 0 {
		place, t.free = t.free[n-1], t.free[:n-1]
	} else if t.used++; int(place) == len(t.slab)*queueSlab {
		t.slab = append(t.slab, make([]queue, queueSlab))
	}
	t.places[q.key] = place
	*t.at(place) = q
	return t.at(place)
}

func (t *queueTable) remove(k message.Queue) {
	if place, ok := t.places[k]; ok {
		delete(t.places, k)
		t.free = append(t.free, place)
	}
}

func (t *queueTable) len() int { return len(t.places) }

// all yields the queues in no order.
func (t *queueTable) all() iter.Seq2[message.Queue, *queue] {
	return func(yield func(message.Queue, *queue) bool) {
		for k, place := range t.places {
			if !yield(k, t.at(place)) {
				return
			}
		}
	}
}
