package rocketcore

import (
	"fmt"
	"sync"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/message"
)

// reclaim gives back the segments at the log's beginning in which nothing is kept.
//
// To know that something is kept, one batch will do: the witness. Only when it dies is another one looked for, in the
// sidecar of the same segment, and only when none is found does the next segment come in question. So a round costs
// nothing while nothing is to be gained, whatever the number of queues and segments.
type reclaim struct {
	round   sync.Mutex // held during a round; guards the rest
	wanted  chan struct{}
	dead    uint64 // segments below it hold nothing that is kept
	segment uint64 // of the witness, 0: none
	witness witness
}

type witness struct {
	key message.Queue
	id  uint64
	end int64
}

func (r *reclaim) init() { r.wanted = make(chan struct{}, 1) }

// nudge asks for a round soon: something was trimmed or deleted.
func (r *reclaim) nudge() {
	select {
	case r.wanted <- struct{}{}:
	default:
	}
}

// lives says that a run of a queue still has a record that is kept.
func (m *machine) lives(w witness) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	q := m.queues.get(w.key)
	return q != nil && q.id == w.id && int64(q.start) < w.end
}

// reclaimSegments does a round. The caller holds r.round.
func (s *Store) reclaimSegments() error {
	r := &s.reclaim
	if r.segment != 0 && s.machine.lives(r.witness) {
		return s.compact()
	}
	r.segment = 0
	var byID map[uint64]message.Queue
	for _, g := range s.machine.index.Segments() {
		if g.Sequence < r.dead {
			continue
		}
		if !g.Closed || !s.machine.index.Durable(g.Sequence) {
			break
		}
		if byID == nil {
			byID = s.machine.byID()
		}
		w, ok, err := s.findWitness(g.Sequence, byID)
		if err != nil {
			return fmt.Errorf("look for what segment %d keeps: %w", g.Sequence, err)
		}
		if ok {
			r.segment, r.witness = g.Sequence, w
			break
		}
		r.dead = g.Sequence + 1
	}
	return s.compact()
}

func (m *machine) byID() map[uint64]message.Queue {
	m.mu.RLock()
	defer m.mu.RUnlock()
	ids := make(map[uint64]message.Queue, m.queues.len())
	for k, q := range m.queues.all() {
		ids[q.id] = k
	}
	return ids
}

func (s *Store) findWitness(sequence uint64, byID map[uint64]message.Queue) (w witness, ok bool, err error) {
	err = s.machine.index.Runs(sequence, func(r index.Run) bool {
		if k, known := byID[r.Queue]; known {
			w = witness{k, r.Queue, r.End}
			ok = s.machine.lives(w)
		}
		return !ok
	})
	return w, ok, err
}

// compact drops what is dead from the log, as far as its checkpoints allow, and then from what follows from it.
func (s *Store) compact() error {
	segments := s.reader.Segments()
	for _, g := range segments {
		if g.Sequence < s.reclaim.dead {
			continue
		}
		if g.Sequence > segments[0].Sequence {
			if err := s.log.Compact(g.First); err != nil {
				return fmt.Errorf("drop segments before entry %d: %w", g.First, err)
			}
		}
		break
	}
	if segments = s.reader.Segments(); len(segments) == 0 {
		return nil
	}
	s.machine.index.Drop(segments[0].Sequence)
	s.machine.prune(uint64(segments[0].First))
	return nil
}

// prune forgets what was only needed for entries below index.
func (m *machine) prune(index uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused.prune(index)
	n := 0
	for n+1 < len(m.terms) && m.terms[n+1].index <= index {
		n++
	}
	m.terms = m.terms[n:len(m.terms):len(m.terms)]
}

var _ logReader = (*raftlog.Log)(nil)
