package rocketcore

import (
	"context"

	"github.com/duolog/duolog/rocketcore/message"
)

// OpenQueues makes queues; those that exist stay as they are. It returns when they can be appended to.
func (s *Store) OpenQueues(ctx context.Context, queues []message.Queue) error { panic("skeleton") }

// DeleteQueues deletes queues with all that they hold; those that don't exist are no error. Nothing of them is served from
// the moment it returns; the disk gets its space back with the next round of retention.
func (s *Store) DeleteQueues(ctx context.Context, queues []message.Queue) error { panic("skeleton") }

// Trim deletes a queue's records below offset to (Kafka's DeleteRecords) and returns the new start, which is higher than to
// if it was before. Errors: ErrUnknownQueue, ErrOffsetOutOfRange if to lies beyond the end.
func (s *Store) Trim(ctx context.Context, q message.Queue, to message.Offset) (message.Offset, error) {
	panic("skeleton")
}

// Queues lists the queues that the shard holds, in order of topic id and number.
func (s *Store) Queues() []message.Queue { panic("skeleton") }

// Barrier returns when everything that was committed anywhere at the time of the call is applied here. It needs a leader.
func (s *Store) Barrier(ctx context.Context) error { panic("skeleton") }

// LogBytes is what the shard's log takes on disk.
func (s *Store) LogBytes() int64 { panic("skeleton") }
