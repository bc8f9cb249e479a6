package rocketcore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// Progress is how far a group has come in a queue. The queue need not be one of this shard: progress is kept by the shard
// that owns the group.
type Progress struct {
	Queue       message.Queue
	Offset      message.Offset // next to be consumed
	LeaderEpoch int32          // as the client gave it; -1 = unknown
	CommitTime  int64          // ms, set from the log when it is stored
	Metadata    string         // the client's; at most Options.MetadataBytes
	// Expires says when the commit may be forgotten, to whoever looks for such: 0 never, otherwise as agreed with those who
	// commit. The shard keeps it, and forgets nothing by itself. Only a Change can set it.
	Expires int64
	// Rewind lets this commit lower the offset. Without it a lower offset changes nothing: progress goes back only when a
	// client asks for it. Not stored.
	Rewind bool
}

// commitsPerCommand keeps commands with progress small.
const commitsPerCommand = 1024

// CommitProgress stores a group's progress and returns when it is committed. Errors: ErrTooLarge for metadata or group
// beyond their bounds, and those of the log.
func (s *Store) CommitProgress(ctx context.Context, group string, items []Progress) error {
	commits := make([]command.Commit, len(items))
	for i := range items {
		if err := s.checkProgress(group, &items[i]); err != nil {
			return err
		}
		commits[i] = commitOf(group, &items[i])
	}
	return s.commit(ctx, commits)
}

func commitOf(group string, p *Progress) command.Commit {
	return command.Commit{
		Group: group, Queue: p.Queue, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Rewind: p.Rewind, Metadata: p.Metadata,
	}
}

func (s *Store) checkProgress(group string, p *Progress) error {
	switch {
	case len(group) > maxGroupBytes:
		return fmt.Errorf("the group's name has %d bytes, at most %d: %w", len(group), maxGroupBytes, ErrTooLarge)
	case len(p.Metadata) > s.options.MetadataBytes:
		return fmt.Errorf("metadata of group %q has %d bytes, at most %d: %w", group, len(p.Metadata), s.options.MetadataBytes, ErrTooLarge)
	case p.Offset < 0:
		return fmt.Errorf("group %q commits offset %d: %w", group, p.Offset, ErrOffsetOutOfRange)
	}
	return nil
}

// commit proposes commits, all of them before it waits for any.
func (s *Store) commit(ctx context.Context, commits []command.Commit) error {
	var waits []func() error
	for len(commits) > 0 {
		n, bytes := 0, 0
		for n < len(commits) && n < commitsPerCommand && bytes < s.options.Log.BundleBytes {
			bytes += len(commits[n].Group) + len(commits[n].Metadata) + 64
			n++
		}
		t := s.propose(progressCommand(commits[:n]))
		waits = append(waits, func() error {
			_, err := t.Wait(ctx)
			return fromLog(err)
		})
		commits = commits[n:]
	}
	var errs []error
	for _, wait := range waits {
		errs = append(errs, wait())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("commit progress: %w", err)
	}
	return nil
}

func progressCommand(commits []command.Commit) raftlog.Command {
	return raftlog.Command{Kind: command.KindCommitProgress, Version: command.Version, Body: command.EncodeCommits(commits)}
}

// late gathers the commits of CommitLater. mu is not held while they are stored.
type late struct {
	mu      sync.Mutex
	pending *progress.Later
	full    chan struct{}
	flush   sync.Mutex // one flush at a time, so that an older value is never proposed behind a newer one
}

// lateCommits is how many commits wait at most before they are stored early.
const lateCommits = 16384

func (l *late) init() {
	l.pending, l.full = progress.NewLater(lateCommits), make(chan struct{}, 1)
}

// CommitLater takes progress that need not be answered: it is stored within Options.ProgressInterval, if it changed, together
// with others. FlushProgress stores it at once. Not stored at all if leadership or the process is lost before, or if
// CommitProgress would refuse it.
func (s *Store) CommitLater(group string, item Progress) {
	if s.checkProgress(group, &item) != nil {
		return
	}
	s.late.mu.Lock()
	defer s.late.mu.Unlock()
	full := s.late.pending.Put(progress.Late{
		Key:  progress.Key{Group: group, Queue: item.Queue},
		Item: progress.Item{Offset: item.Offset, LeaderEpoch: item.LeaderEpoch, Metadata: item.Metadata}, Rewind: item.Rewind,
	})
	if full || s.late.pending.Len() == 1 {
		select {
		case s.late.full <- struct{}{}:
		default:
		}
	}
}

// FlushProgress stores what CommitLater holds.
func (s *Store) FlushProgress(ctx context.Context) error {
	s.late.flush.Lock()
	defer s.late.flush.Unlock()
	s.late.mu.Lock()
	s.machine.mu.RLock()
	taken := s.late.pending.Take(s.machine.progress.Get)
	s.machine.mu.RUnlock()
	s.late.mu.Unlock()
	commits := make([]command.Commit, len(taken))
	for i, c := range taken {
		commits[i] = command.Commit{
			Group: c.Group, Queue: c.Queue, Offset: c.Offset, LeaderEpoch: c.LeaderEpoch, Rewind: c.Rewind, Metadata: c.Metadata,
		}
	}
	return s.commit(ctx, commits)
}

// flushLate is the goroutine that stores what CommitLater holds, an interval after the first commit came, or at once when
// there are many.
func (s *Store) flushLate() {
	timer := time.NewTimer(s.options.ProgressInterval)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.late.full:
			s.late.mu.Lock()
			many := s.late.pending.Len() >= lateCommits
			s.late.mu.Unlock()
			if !many {
				timer.Reset(s.options.ProgressInterval)
				continue
			}
		case <-timer.C:
		}
		if err := s.FlushProgress(s.ctx); err != nil && s.ctx.Err() == nil {
			s.logger.Warn("one-way commits were not stored", "err", err)
		}
	}
}

// Progress returns a group's progress in a queue as applied here; what CommitLater still holds is not in it.
func (s *Store) Progress(group string, q message.Queue) (Progress, bool) {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	item, ok := s.machine.progress.Get(progress.Key{Group: group, Queue: q})
	return progressOf(q, item), ok
}

func progressOf(q message.Queue, item progress.Item) Progress {
	return Progress{
		Queue: q, Offset: item.Offset, LeaderEpoch: item.LeaderEpoch, CommitTime: item.Time, Expires: item.Expires, Metadata: item.Metadata,
	}
}

// GroupProgress returns all progress of a group, in order of queues.
func (s *Store) GroupProgress(group string) []Progress {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	queues := s.machine.progress.Queues(group)
	out := make([]Progress, len(queues))
	for i, q := range queues {
		item, _ := s.machine.progress.Get(progress.Key{Group: group, Queue: q})
		out[i] = progressOf(q, item)
	}
	return out
}

// HasProgress says whether a group has progress.
func (s *Store) HasProgress(group string) bool {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	return s.machine.progress.Has(group)
}

// Groups lists the groups that have progress, in order.
func (s *Store) Groups() []string {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	return s.machine.progress.Groups()
}

// DeleteProgress forgets a group's progress in the given queues; nil means in all.
func (s *Store) DeleteProgress(ctx context.Context, group string, queues []message.Queue) error {
	if len(group) > maxGroupBytes {
		return fmt.Errorf("the group's name has %d bytes, at most %d: %w", len(group), maxGroupBytes, ErrTooLarge)
	}
	d := command.DeleteProgress{Group: group, All: queues == nil, Queues: queues}
	if _, err := s.run(ctx, command.KindDeleteProgress, d.Encode()); err != nil {
		return fmt.Errorf("delete progress of group %q: %w", group, err)
	}
	return nil
}
