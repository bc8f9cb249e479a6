package rocketcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/message"
)

// RetentionPolicy says for how long a queue keeps its records. The zero value keeps everything.
type RetentionPolicy struct {
	// MaxAge drops leading batches whose greatest record time is older; 0 or less: no bound (retention.ms).
	MaxAge time.Duration
	// MaxBytes drops leading batches while the rest is at least so large; 0 or less: no bound (retention.bytes).
	MaxBytes int64
}

// trimsPerCommand keeps a round of retention over many queues from being one large command.
const trimsPerCommand = 1024

// Retain runs one round of retention now: a leader moves the starts of queues as their policies ask, and every replica gives
// back segments in which nothing is kept. It runs by itself every Options.RetentionInterval.
func (s *Store) Retain(ctx context.Context) error {
	s.reclaim.round.Lock()
	defer s.reclaim.round.Unlock()
	var failed error
	if s.cfg.Retention != nil && s.log.IsLeader() {
		failed = s.retainQueues(ctx)
	}
	return errors.Join(failed, s.reclaimSegments())
}

// retainQueues proposes the trims that are due.
func (s *Store) retainQueues(ctx context.Context) error {
	now := s.options.Log.Now()
	var trims []command.Trim
	for keys := range slices.Chunk(s.machine.keys(), trimsPerCommand) {
		for _, k := range keys {
			t, ok, err := s.due(k, now)
			if err != nil {
				return fmt.Errorf("retention of queue %s: %w", k, err)
			}
			if ok {
				trims = append(trims, t)
			}
		}
		if len(trims) >= trimsPerCommand {
			if err := s.proposeTrims(ctx, trims); err != nil {
				return err
			}
			trims = trims[:0]
		}
	}
	return s.proposeTrims(ctx, trims)
}

func (s *Store) proposeTrims(ctx context.Context, trims []command.Trim) error {
	if len(trims) == 0 {
		return nil
	}
	if _, err := s.trimAll(ctx, trims); err != nil {
		return fmt.Errorf("retention of %d queues: %w", len(trims), err)
	}
	s.counters.retained.Add(float64(len(trims)))
	return nil
}

// due works out where a queue has to begin. Most queues cost two comparisons.
func (s *Store) due(k message.Queue, now time.Time) (command.Trim, bool, error) {
	policy := s.cfg.Retention(k)
	if policy.MaxAge <= 0 && policy.MaxBytes <= 0 {
		return command.Trim{}, false, nil
	}
	v, err := s.machine.view(k)
	if err != nil || v.start == v.end {
		return command.Trim{}, false, nil // deleted, or empty
	}
	to := v.start
	if policy.MaxAge > 0 {
		if to, err = s.keptByAge(&v, now.Add(-policy.MaxAge).UnixMilli()); err != nil {
			return command.Trim{}, false, err
		}
	}
	if excess := v.total - policy.MaxBytes; policy.MaxBytes > 0 && excess > v.trimmed {
		bySize, err := s.keptBySize(&v, excess)
		if err != nil {
			return command.Trim{}, false, err
		}
		to = max(to, bySize)
	}
	if to <= v.start {
		return command.Trim{}, false, nil
	}
	before, err := s.bytesBefore(&v, to)
	return command.Trim{Queue: k, Start: to, Bytes: before}, err == nil, err
}

// keptByAge is the offset of the first batch that has a record at or after the cutoff: like Kafka, retention stops at the
// first one that it has to keep.
func (s *Store) keptByAge(v *view, cutoff int64) (message.Offset, error) {
	if v.expiry > cutoff {
		return v.start, nil
	}
	if v.maxTime < cutoff {
		return v.end, nil
	}
	p, ok, err := s.firstEntry(v, v.start,
		func(r index.Run) bool { return r.MaxTime >= cutoff },
		func(e *index.Entry) bool { return e.Reaches(cutoff) })
	if err != nil || !ok {
		return v.end, err
	}
	s.machine.hint(v, p.MaxTime)
	return max(message.Offset(p.Base), v.start), nil
}

// hint notes that the first batch that retention keeps of a queue has this time, so that the next rounds need not look.
func (m *machine) hint(v *view, time int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if q := m.queues.get(v.key); q != nil && q.id == v.id {
		q.expiry = time
	}
}

// keptBySize is the offset of the batch that holds byte number excess of all bytes that the queue ever had.
func (s *Store) keptBySize(v *view, excess int64) (message.Offset, error) {
	to := v.start
	err := s.machine.index.Visit(v.id, int64(v.start), func(r index.Run) bool { return r.Before+r.Bytes > excess },
		func(l index.Leaf, r index.Run) (bool, error) {
			sum := r.Before
			err := eachEntry(l, r, 0, func(e *index.Entry) bool {
				to = message.Offset(e.Base)
				sum += int64(e.Size)
				return sum <= excess
			})
			return false, err
		})
	return min(to, v.end), err
}
