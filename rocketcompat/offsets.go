package rocketcompat

import (
	"context"
	"strings"
	"time"

	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// QueueRef names a queue as a request does.
type QueueRef struct {
	Via     Via
	Topic   string
	Broker  string // "" from old clients
	QueueID int32
}

// MaxOffset is the offset behind the last message (code 30); 0 for an unknown queue. Nobody can have been told a higher
// one before the call.
func (f *Front) MaxOffset(ctx context.Context, q QueueRef) (int64, error) {
	at, err := f.find(f.cluster.Image(), q.Via, q.Topic, q.Broker, q.QueueID)
	if err != nil {
		return 0, unknownIsEmpty(err)
	}
	if err := at.store.Barrier(ctx); err != nil {
		return 0, err
	}
	b, err := at.store.Bounds(at.queue)
	return int64(b.End), unknownIsEmpty(err)
}

// MinOffset is the offset of the first message that is kept (code 31); 0 for an unknown queue.
func (f *Front) MinOffset(q QueueRef) (int64, error) {
	at, err := f.find(f.cluster.Image(), q.Via, q.Topic, q.Broker, q.QueueID)
	if err != nil {
		return 0, unknownIsEmpty(err)
	}
	b, err := at.store.Bounds(at.queue)
	return int64(b.Start), unknownIsEmpty(err)
}

// OffsetAt searches by store time (code 29). Usually it is the first message stored at or after ms, or the end of the
// queue; with upper, the last one stored at or before ms, or the first. 0 for an unknown queue.
func (f *Front) OffsetAt(q QueueRef, ms int64, upper bool) (int64, error) {
	at, err := f.find(f.cluster.Image(), q.Via, q.Topic, q.Broker, q.QueueID)
	if err != nil {
		return 0, unknownIsEmpty(err)
	}
	if !upper {
		offset, _, err := at.store.OffsetAtStoreTime(at.queue, ms)
		return int64(offset), unknownIsEmpty(err)
	}
	behind, _, err := at.store.OffsetAtStoreTime(at.queue, ms+1)
	if err != nil {
		return 0, unknownIsEmpty(err)
	}
	b, err := at.store.Bounds(at.queue)
	return int64(max(behind-1, b.Start)), unknownIsEmpty(err)
}

// IsUpper reads the boundary type of a search by time; its case does not matter (class BoundaryType).
func IsUpper(boundary string) bool { return strings.EqualFold(boundary, "UPPER") }

// unknownIsEmpty takes unknown topics and queues for empty ones, as upstream's store does when it is asked for offsets.
func unknownIsEmpty(err error) error {
	switch code, _ := Explain(err); code {
	case remoting.TopicNotExist, remoting.InvalidParameter:
		return nil
	}
	return err
}

// CommitOffset takes a group's progress, also a lower one: clients that reset progress do it so (code 15). It is stored
// within a second, together with others, or at once by FlushOffsets. It does not wait, so that what one client says is
// taken in the order in which it was said.
func (f *Front) CommitOffset(q QueueRef, group string, offset int64) error {
	if offset < 0 {
		return refuse(remoting.InvalidParameter, "offset %d is negative", offset)
	}
	if err := checkGroup(group); err != nil {
		return err
	}
	at, err := f.find(f.cluster.Image(), q.Via, q.Topic, q.Broker, q.QueueID)
	if err != nil {
		return err
	}
	return f.commitLater(at, group, offset, true)
}

// commitWait bounds a commit that its client waits for; clients give up after three to five seconds.
const commitWait = 5 * time.Second

// FlushOffsets returns when all that CommitOffset took for a group is stored. A client that has gone does not cancel it:
// the last that a consumer says before it closes its connection is how far it has come.
func (f *Front) FlushOffsets(ctx context.Context, group string) error {
	store, err := f.coordinator(group)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitWait)
	defer cancel()
	return store.FlushProgress(ctx)
}

// commitLater takes progress without waiting. What rode on a pull does not go back: it may come from a consumer that has
// lost the queue and does not know it yet.
func (f *Front) commitLater(at place, group string, offset int64, rewind bool) error {
	store, err := f.coordinator(group)
	if err != nil {
		return err
	}
	item := rocketcore.Progress{Queue: at.queue, Offset: message.Offset(offset), LeaderEpoch: -1, Rewind: rewind}
	store.CommitLater(group, item)
	return nil
}

// coordinator is the shard that keeps a group's progress.
func (f *Front) coordinator(group string) (*rocketcore.Store, error) {
	img := f.cluster.Image()
	s, ok := img.Shard(img.Slot(group))
	if !ok {
		return nil, refuse(remoting.ServiceNotAvailable, "no broker coordinates group %q at the moment", group)
	}
	return f.storeOf(img, s)
}

// QueryOffset is a group's progress in a queue (code 14). Without any it is code 22, after which the client goes by its
// own setting, except that a group without progress starts at 0 of a young queue, which the broker answers as if it were
// progress (ConsumerManageProcessor.queryConsumerOffset). zeroIfNone false switches the exception off.
func (f *Front) QueryOffset(ctx context.Context, q QueueRef, group string, zeroIfNone bool) (int64, error) {
	if err := checkGroup(group); err != nil {
		return 0, err
	}
	at, err := f.find(f.cluster.Image(), q.Via, q.Topic, q.Broker, q.QueueID)
	if err != nil {
		if unknownIsEmpty(err) != nil {
			return 0, err
		}
		return 0, refuse(remoting.QueryNotFound, "group %q has no progress in queue %d of topic %q: there is no such queue",
			group, q.QueueID, clip(q.Topic))
	}
	store, err := f.coordinator(group)
	if err != nil {
		return 0, err
	}
	if err := store.FlushProgress(ctx); err != nil {
		return 0, err
	}
	if err := store.Barrier(ctx); err != nil {
		return 0, err
	}
	if had, ok := store.Progress(group, at.queue); ok {
		return int64(had.Offset), nil
	}
	b, err := at.store.Bounds(at.queue)
	if err != nil {
		return 0, err
	}
	if zeroIfNone && b.Start == 0 && b.Bytes <= f.opts.YoungQueueBytes {
		return 0, nil
	}
	return 0, refuse(remoting.QueryNotFound, "group %q has no progress in queue %d of topic %q", group, q.QueueID, at.topic.Name)
}
