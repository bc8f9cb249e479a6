package rocketcore

import (
	"context"

	"github.com/duolog/duolog/rocketcore/message"
)

// Progress is how far a group has come in a queue. The queue need not be one of this shard: progress is kept by the shard
// that owns the group.
type Progress struct {
	Queue       message.Queue
	Offset      message.Offset // next to be consumed
	LeaderEpoch int32          // as the client gave it; -1 = unknown
	CommitTime  int64          // ms, set from the log when it is stored
	Metadata    string         // the client's; at most Options.MetadataBytes
	// Rewind lets this commit lower the offset. Without it a lower offset changes nothing: progress goes back only when a
	// client asks for it. Not stored.
	Rewind bool
}

// CommitProgress stores a group's progress and returns when it is committed. Errors: ErrTooLarge for metadata or group
// beyond their bounds, and those of the log.
func (s *Store) CommitProgress(ctx context.Context, group string, items []Progress) error {
	panic("skeleton")
}

// CommitLater takes progress that need not be answered: it is stored within Options.ProgressInterval, if it changed, together
// with others. FlushProgress stores it at once. Not stored at all if leadership or the process is lost before.
func (s *Store) CommitLater(group string, item Progress) { panic("skeleton") }

// FlushProgress stores what CommitLater holds.
func (s *Store) FlushProgress(ctx context.Context) error { panic("skeleton") }

// Progress returns a group's progress in a queue as applied here; what CommitLater still holds is not in it.
func (s *Store) Progress(group string, q message.Queue) (Progress, bool) { panic("skeleton") }

// GroupProgress returns all progress of a group, in order of queues.
func (s *Store) GroupProgress(group string) []Progress { panic("skeleton") }

// Groups lists the groups that have progress, in order.
func (s *Store) Groups() []string { panic("skeleton") }

// DeleteProgress forgets a group's progress in the given queues; nil means in all.
func (s *Store) DeleteProgress(ctx context.Context, group string, queues []message.Queue) error {
	panic("skeleton")
}
