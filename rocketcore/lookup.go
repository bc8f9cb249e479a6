package rocketcore

import (
	"fmt"
	"math"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/message"
)

// Lookup finds the batch that holds the record at p, and the record's number in it. Errors: ErrNotFound, ErrCorrupt.
func (s *Store) Lookup(p message.Position) (f Found, ordinal int, err error) {
	missing := fmt.Errorf("position %s: %w", p, ErrNotFound)
	s.machine.mu.RLock()
	applied := s.machine.applied
	s.machine.mu.RUnlock()
	if !p.Valid() || p.Index() > applied {
		return Found{}, 0, missing
	}
	queue, segment, ok, err := s.queueAt(p)
	if err != nil {
		return Found{}, 0, fmt.Errorf("position %s: %w", p, err)
	}
	v, err := s.machine.view(queue)
	if !ok || err != nil {
		return Found{}, 0, missing
	}
	at, ok, err := s.entryAt(&v, segment, p)
	if err != nil {
		return Found{}, 0, fmt.Errorf("position %s: %w", p, err)
	}
	ordinal = p.Ordinal() - at.Ordinal
	if !ok || message.Offset(at.Base)+message.Offset(ordinal) < v.start {
		return Found{}, 0, missing
	}
	f, err = s.load(&v, at)
	return f, ordinal, err
}

// queueAt reads the entry of the log and finds the queue that the record at p was meant for. An entry whose segment is gone
// is not found.
func (s *Store) queueAt(p message.Position) (q message.Queue, segment uint64, ok bool, err error) {
	if segments := s.reader.Segments(); len(segments) == 0 || uint64(segments[0].First) > p.Index() {
		return q, 0, false, nil
	}
	e, err := s.reader.ReadEntry(raftlog.Index(p.Index()))
	if err != nil {
		return q, 0, false, err
	}
	ordinal := 0
	for i := range e.Commands {
		c := &e.Commands[i]
		if c.Kind != command.KindAppend || c.Version != command.Version {
			continue
		}
		cmd, err := command.DecodeAppend(c.Head, c.Body)
		if err != nil || !storable(c, cmd.Batch.Count()) {
			continue
		}
		if ordinal += cmd.Batch.Count(); ordinal > p.Ordinal() {
			return cmd.Queue, c.Place.Segment, true, nil
		}
	}
	return q, 0, false, nil
}

// entryAt finds the index entry of the batch that holds the record at p, if it was stored.
func (s *Store) entryAt(v *view, segment uint64, p message.Position) (place, bool, error) {
	leaves, err := s.machine.index.Leaf(segment)
	if err != nil {
		return place{}, false, nil // dropped meanwhile
	}
	for _, l := range leaves {
		for after := int64(math.MinInt64); ; {
			r, ok, err := l.Find(v.id, after)
			if err != nil {
				return place{}, false, err
			}
			if !ok {
				break
			}
			i, err := l.SearchPosition(r, p.Index(), p.Ordinal())
			if err != nil {
				return place{}, false, err
			}
			var e [1]index.Entry
			if n, err := l.Entries(r, i, e[:]); err != nil || n == 1 {
				match := err == nil && e[0].Index == p.Index() && e[0].Ordinal <= p.Ordinal()
				return place{e[0], l}, match, err
			}
			after = r.End
		}
	}
	return place{}, false, nil
}
