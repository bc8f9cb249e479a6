package rocketcore

import (
	"context"
	"fmt"
	"slices"

	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// queuesPerCommand keeps commands about queues small.
const queuesPerCommand = 4096

// OpenQueues makes queues; those that exist stay as they are. It returns when they can be appended to.
func (s *Store) OpenQueues(ctx context.Context, queues []message.Queue) error {
	return s.runQueues(ctx, command.KindOpenQueues, queues)
}

// DeleteQueues deletes queues with all that they hold; those that don't exist are no error. Nothing of them is served from
// the moment it returns; the disk gets its space back soon after, as far as whole segments become empty.
func (s *Store) DeleteQueues(ctx context.Context, queues []message.Queue) error {
	return s.runQueues(ctx, command.KindDeleteQueues, queues)
}

func (s *Store) runQueues(ctx context.Context, kind uint8, queues []message.Queue) error {
	for part := range slices.Chunk(queues, queuesPerCommand) {
		if _, err := s.run(ctx, kind, command.EncodeQueues(part)); err != nil {
			return fmt.Errorf("%s of %d queues: %w", command.Name(kind), len(queues), err)
		}
	}
	return nil
}

// Trim deletes a queue's records below offset to (Kafka's DeleteRecords) and returns the new start, which is higher than to
// if it was before. Errors: ErrUnknownQueue, ErrOffsetOutOfRange if to lies beyond the end.
func (s *Store) Trim(ctx context.Context, q message.Queue, to message.Offset) (message.Offset, error) {
	v, err := s.machine.view(q)
	if err != nil {
		return 0, err
	}
	if to > v.end || to < 0 {
		return v.start, fmt.Errorf("trim queue %s, which ends at %d, to %d: %w", q, v.end, to, ErrOffsetOutOfRange)
	}
	if to <= v.start {
		return v.start, nil
	}
	before, err := s.bytesBefore(&v, to)
	if err != nil {
		return v.start, fmt.Errorf("trim queue %s: %w", q, err)
	}
	results, err := s.trimAll(ctx, []command.Trim{{Queue: q, Start: to, Bytes: before}})
	if err != nil {
		return v.start, fmt.Errorf("trim queue %s: %w", q, err)
	}
	return results[0].start, results[0].err
}

func (s *Store) trimAll(ctx context.Context, trims []command.Trim) (trimmed, error) {
	result, err := s.run(ctx, command.KindTrim, command.EncodeTrims(trims))
	if err != nil {
		return nil, err
	}
	out, ok := result.(trimmed)
	if !ok || len(out) != len(trims) {
		return nil, fmt.Errorf("result %T: %w", result, ErrFailed)
	}
	return out, nil
}

// Queues lists the queues that the shard holds, in order of topic id and number.
func (s *Store) Queues() []message.Queue {
	keys := s.machine.keys()
	slices.SortFunc(keys, progress.CompareQueues)
	return keys
}

func (m *machine) keys() []message.Queue {
	m.mu.RLock()
	defer m.mu.RUnlock()
	keys := make([]message.Queue, 0, m.queues.len())
	for k := range m.queues.places {
		keys = append(keys, k)
	}
	return keys
}

// Bounds are a queue's limits.
type Bounds struct {
	Start message.Offset // first that is kept
	End   message.Offset // next to be assigned: high watermark and end of log in one, since all that is applied is committed
	// MaxTime is the greatest record time ever appended, in ms; -1 if there was none.
	MaxTime int64
	// Bytes is what the queue's kept records take in the log.
	Bytes int64
}

// Bounds returns a queue's limits as applied here. For an answer that no newer one precedes anywhere, call Barrier first.
func (s *Store) Bounds(q message.Queue) (Bounds, error) {
	v, err := s.machine.view(q)
	return Bounds{Start: v.start, End: v.end, MaxTime: v.maxTime, Bytes: v.total - v.trimmed}, err
}
