package rocketcore

import (
	"math/bits"
	"sync"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/cow"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/internal/producer"
	"github.com/duolog/duolog/rocketcore/internal/states"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// machine is the shard's state: what follows from applying the log's entries in order. Apply alone changes it, under mu;
// readers take mu for a moment and read the disk outside of it.
//
// The same entries give the same state on every replica, but for what depends on how the log is cut into segments: places
// in files, and what is pruned with a segment. That is not in the hash.
type machine struct {
	index    *index.Set
	counters *counters

	mu  sync.RWMutex
	log logReader // nil until the log is open
	// trimmedSome is called when something may have become free.
	trimmedSome func()
	hash        uint64
	queues      queueTable
	nextID      uint64 // of the next queue that is opened; ids are never used again
	// applied is the last entry with commands, or the checkpoint's.
	applied uint64
	covered uint64 // the checkpoint's index: entries above it were applied since Restore
	time    int64  // log time of applied
	// terms says when leaderships began to write. It is replaced, never changed in place.
	terms     []termStart
	producers *producer.Table
	progress  *progress.Table
	states    *states.Table
	refused   refusals

	segment *index.Memory // of the segment that the last entry lies in
	dumps   map[uint64]*dump
	changes cow.Tracker[message.Queue]
	waiters map[*queue][]*waiter
	closed  bool
	life    uint64 // counts Restores: places from before are void
}

// termStart is the first entry with commands of a leadership. Its time is what apply saw: within a leadership the log's time
// rises by itself, but the first leader's clock may have been ahead of the next one's, and then apply holds it.
type termStart struct {
	term  raftlog.Term
	index uint64
	time  int64
}

func newMachine(c *counters) *machine {
	m := &machine{counters: c, trimmedSome: func() {}}
	m.clear()
	return m
}

// clear makes the state empty. The caller holds mu, or is alone.
func (m *machine) clear() {
	m.counters.queues.Sub(float64(m.queues.len()))
	m.hash, m.nextID, m.applied, m.covered, m.time, m.terms = 0, 1, 0, 0, 0, nil
	m.queues = newQueueTable()
	m.producers, m.progress, m.states = producer.New(0), progress.New(), states.New()
	m.refused = refusals{}
	m.segment, m.dumps = nil, map[uint64]*dump{}
	m.changes.Reset()
	m.waiters = map[*queue][]*waiter{}
	m.life++
}

// mix adds facts to the state hash. Every change of state passes through it.
func (m *machine) mix(facts ...uint64) {
	h := m.hash
	for _, f := range facts {
		h = bits.RotateLeft64(h^f, 29) * 0x9e3779b97f4a7c15
	}
	m.hash = h
}

func (m *machine) mixBytes(s string) {
	h := m.hash ^ uint64(len(s))
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	m.hash = bits.RotateLeft64(h, 29) * 0x9e3779b97f4a7c15
}

// Hash is equal on all replicas that applied the same entries.
func (m *machine) Hash() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.hash
}

// touch announces a change of a queue's state.
func (m *machine) touch(q *queue) {
	m.changes.Touch(q.key, &q.generation, func() []byte { return m.encodeQueue(q.key) })
}

// SegmentClosed lets the index write a segment's sidecar.
func (m *machine) SegmentClosed(s raftlog.SegmentInfo) {
	m.index.Seal(s.Sequence, uint64(s.First), uint64(s.Last))
}

// begin makes the entry's segment the current one.
func (m *machine) begin(sequence uint64) {
	if m.segment != nil && m.segment.Sequence() == sequence {
		return
	}
	m.segment = m.index.Begin(sequence, m.applied+1, m.mu.RLocker())
	m.dumps[sequence] = &dump{memory: m.segment, published: m.applied}
}

// termOf finds the leadership under which an entry was stored.
func termOf(terms []termStart, index uint64) termStart {
	for i := len(terms) - 1; i >= 0; i-- {
		if terms[i].index <= index {
			return terms[i]
		}
	}
	return termStart{}
}
