package rocketcore

import (
	"context"
	"fmt"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// Change is what a coordinator has decided: records of its own, which the shard keeps for it without knowing what they
// mean, and groups' progress. It is stored as a whole, in the order of the calls that made it.
type Change struct {
	body []byte
	// commits are those whose later, unanswered ones are void.
	commits []progress.Key
	err     error
}

// NewChange begins a change. Term is the leadership under which it was decided, as Leadership told; if the shard is led
// under another one when its turn has come, nothing is stored. 0: under any.
func NewChange(term uint64) *Change { return &Change{body: command.AppendCoordinate(nil, term)} }

// maxKeyBytes bounds a record's key.
const maxKeyBytes = 1<<16 - 1

// Put stores a record; value is not empty.
func (c *Change) Put(key string, value []byte) {
	if len(key) > maxKeyBytes || len(value) == 0 {
		c.fail(fmt.Errorf("a record with a key of %d bytes and a value of %d: %w", len(key), len(value), ErrTooLarge))
		return
	}
	c.step(command.Step{Kind: command.StepPut, Name: key, Value: value})
}

// Delete forgets a record, if there is one.
func (c *Change) Delete(key string) {
	if len(key) > maxKeyBytes {
		return // there is none
	}
	c.step(command.Step{Kind: command.StepDelete, Name: key})
}

// Commit stores a group's progress in a queue, also if it goes back.
func (c *Change) Commit(group string, p Progress) {
	if len(group) > maxGroupBytes || len(p.Metadata) > maxMetadataBytes {
		c.fail(fmt.Errorf("progress with %d bytes of metadata, of a group with a name of %d: %w", len(p.Metadata), len(group), ErrTooLarge))
		return
	}
	if p.Offset < 0 {
		c.fail(fmt.Errorf("group %q commits offset %d: %w", group, p.Offset, ErrOffsetOutOfRange))
		return
	}
	c.commits = append(c.commits, progress.Key{Group: group, Queue: p.Queue})
	c.step(command.Step{
		Kind: command.StepCommit, Name: group, Queue: p.Queue, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Expires: p.Expires,
		Metadata: p.Metadata,
	})
}

// Forget forgets a group's progress in a queue, if it was committed at that time; 0: whenever it was.
func (c *Change) Forget(group string, q message.Queue, committed int64) {
	if len(group) > maxGroupBytes {
		return // it has none
	}
	c.step(command.Step{Kind: command.StepForget, Name: group, Queue: q, Time: committed})
}

// ForgetAll forgets all progress of a group.
func (c *Change) ForgetAll(group string) {
	if len(group) > maxGroupBytes {
		return
	}
	c.step(command.Step{Kind: command.StepForgetAll, Name: group})
}

func (c *Change) step(s command.Step) { c.body = command.AppendStep(c.body, &s) }

func (c *Change) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Coordinate stores a change and returns when it is committed. Errors: ErrNotLeader if the leadership was another one,
// ErrTooLarge and ErrOffsetOutOfRange for what can't be stored, and those of the log.
func (s *Store) Coordinate(ctx context.Context, c *Change) error {
	if c.err != nil {
		return c.err
	}
	if len(c.body) > s.options.Log.CommandBytes {
		return fmt.Errorf("a change of %d bytes, at most %d: %w", len(c.body), s.options.Log.CommandBytes, ErrTooLarge)
	}
	s.dropLate(c.commits)
	result, err := s.run(ctx, command.KindCoordinate, c.body)
	if refused, ok := result.(error); err == nil && ok {
		err = refused
	}
	if err != nil {
		return fmt.Errorf("what a coordinator decided: %w", err)
	}
	return nil
}

// dropLate drops what CommitLater holds for queues whose progress is about to be stored: it is older.
func (s *Store) dropLate(keys []progress.Key) {
	s.late.mu.Lock()
	defer s.late.mu.Unlock()
	for _, k := range keys {
		s.late.pending.Drop(k)
	}
}

// State returns a coordinator's record; it must not be changed.
func (s *Store) State(key string) ([]byte, bool) {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	return s.machine.states.Get(key)
}

// States yields the coordinators' records whose keys begin with prefix, in order. What changes meanwhile may be missing, or
// be there in its new form.
func (s *Store) States(prefix string, yield func(key string, value []byte) error) error {
	s.machine.mu.RLock()
	keys := s.machine.states.Keys(prefix)
	s.machine.mu.RUnlock()
	for _, key := range keys {
		if value, ok := s.State(key); ok {
			if err := yield(key, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// Leadership says under which term this replica leads the shard as far as it knows; false if it does not lead.
func (s *Store) Leadership() (term uint64, leads bool) {
	if !s.log.IsLeader() {
		return 0, false
	}
	_, t := s.log.Leader()
	return uint64(t), true
}

// coordinate does the steps of a coordinator's decision, unless it comes from another leadership.
func (a *applying) coordinate(c *raftlog.Applied) any {
	decided, err := decodable(c, command.DecodeCoordinate)
	if err != nil {
		return err
	}
	if decided.Term != 0 && decided.Term != uint64(a.entry.Term) {
		return ErrNotLeader
	}
	for i := range decided.Steps {
		a.step(&decided.Steps[i])
	}
	return nil
}

func (a *applying) step(s *command.Step) {
	a.mix(uint64(s.Kind))
	a.mixBytes(s.Name)
	k := progress.Key{Group: s.Name, Queue: s.Queue}
	switch s.Kind {
	case command.StepPut:
		a.states.Put(s.Name, s.Value)
		a.mix(uint64(checksum(s.Value)), uint64(len(s.Value)))
	case command.StepDelete:
		a.states.Delete(s.Name)
	case command.StepCommit:
		a.progress.Commit(k, progress.Item{
			Offset: s.Offset, LeaderEpoch: s.LeaderEpoch, Time: a.entry.Time, Expires: s.Expires, Metadata: s.Metadata,
		}, true)
		a.mixCommit(k, s.Offset, s.LeaderEpoch, s.Metadata)
		a.mix(uint64(s.Expires))
	case command.StepForget:
		if had, ok := a.progress.Get(k); ok && (s.Time == 0 || s.Time == had.Time) {
			a.forget(k)
		}
	case command.StepForgetAll:
		for _, q := range a.progress.Queues(s.Name) {
			a.forget(progress.Key{Group: s.Name, Queue: q})
		}
	}
}
