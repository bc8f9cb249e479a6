package kafkacompat

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// shardKeeper is a shard as a group coordinator sees it.
type shardKeeper struct{ store *rocketcore.Store }

var _ group.Keeper = shardKeeper{}

// groupRecords is what the keys of groups' records begin with, in the shard.
const groupRecords = "kafka.group/"

func (k shardKeeper) Leadership() (term uint64, leads bool) { return k.store.Leadership() }
func (k shardKeeper) Barrier(ctx context.Context) error     { return k.store.Barrier(ctx) }
func (k shardKeeper) Flush(ctx context.Context) error       { return k.store.FlushProgress(ctx) }
func (k shardKeeper) HasProgress(name string) bool          { return k.store.HasProgress(name) }
func (k shardKeeper) Groups() []string                      { return k.store.Groups() }

func (k shardKeeper) Records(yield func(name string, record []byte) error) error {
	return k.store.States(groupRecords, func(key string, value []byte) error {
		return yield(strings.TrimPrefix(key, groupRecords), value)
	})
}

// Store makes one command of the steps.
func (k shardKeeper) Store(ctx context.Context, term uint64, steps []group.Step) error {
	c := rocketcore.NewChange(term)
	for _, s := range steps {
		switch s := s.(type) {
		case group.PutRecord:
			c.Put(groupRecords+s.Group, s.Record)
		case group.DeleteRecord:
			c.Delete(groupRecords + s.Group)
		case group.PutProgress:
			c.Commit(s.Group, rocketcore.Progress{
				Queue: s.Progress.Queue, Offset: s.Progress.Offset, LeaderEpoch: s.Progress.LeaderEpoch,
				Metadata: s.Progress.Metadata, Expires: s.Progress.Expires,
			})
		case group.ForgetProgress:
			c.Forget(s.Group, s.Queue, s.Time)
		case group.ForgetGroup:
			c.ForgetAll(s.Group)
		default:
			panic(fmt.Sprintf("a step of type %T", s))
		}
	}
	err := k.store.Coordinate(ctx, c)
	if errors.Is(err, rocketcore.ErrNotLeader) || errors.Is(err, rocketcore.ErrClosed) {
		return fmt.Errorf("%w: %w", group.ErrNotCoordinator, err)
	}
	return err
}

func (k shardKeeper) Progress(name string, q message.Queue) (group.Progress, bool) {
	p, ok := k.store.Progress(name, q)
	return storedProgress(p), ok
}

func (k shardKeeper) GroupProgress(name string) []group.Progress {
	stored := k.store.GroupProgress(name)
	out := make([]group.Progress, len(stored))
	for i, p := range stored {
		out[i] = storedProgress(p)
	}
	return out
}

func storedProgress(p rocketcore.Progress) group.Progress {
	return group.Progress{
		Queue: p.Queue, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata, CommitTime: p.CommitTime, Expires: p.Expires,
	}
}
