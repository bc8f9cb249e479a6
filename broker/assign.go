package broker

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// An assigner opens in each shard the queues that the image puts there, and deletes those that it no longer has.
//
// Topics of an image are shared with the image before it unless they changed, so that a change costs a comparison of
// pointers per topic, and work per queue for those topics only that are new, changed or gone.
type assigner struct {
	shards *shards

	work sync.Mutex                  // held during reconcile
	done map[image.UUID]*image.Topic // guarded by work; what was assigned
	from map[image.ShardID]bool      // guarded by work; the shards whose own list of queues was compared

	mu      sync.Mutex    // guards the rest
	version uint64        // of the image that was assigned last
	moved   chan struct{} // closed and replaced when version rises
}

func newAssigner(s *shards) *assigner {
	return &assigner{shards: s, done: map[image.UUID]*image.Topic{}, from: map[image.ShardID]bool{}, moved: make(chan struct{})}
}

// change is what a shard's queues lack, and have too many.
type change struct{ open, gone []message.Queue }

// reconcile brings the open shards in step with img.
func (a *assigner) reconcile(ctx context.Context, img *image.Image) error {
	a.work.Lock()
	defer a.work.Unlock()
	changes := map[image.ShardID]*change{}
	at := func(id image.ShardID) *change {
		if changes[id] == nil {
			changes[id] = &change{}
		}
		return changes[id]
	}
	next := make(map[image.UUID]*image.Topic, img.TopicCount())
	for topic := range img.Topics() {
		next[topic.ID] = topic
		if before := a.done[topic.ID]; before != topic {
			added(before, topic, at)
		}
	}
	for id, before := range a.done {
		if next[id] == nil {
			for number, home := range before.Queues {
				c := at(home.Shard)
				c.gone = append(c.gone, queue(before, number))
			}
		}
	}
	a.compareNewShards(next, at)
	for id, c := range changes {
		store, here := a.shards.store(id)
		if !here {
			continue
		}
		if err := apply(ctx, store, c); err != nil {
			return fmt.Errorf("shard %d: %w", id, err)
		}
	}
	a.done = next
	for id := range *a.shards.open.Load() {
		a.from[id] = true
	}
	a.reached(img.Version())
	return nil
}

// added opens the queues that topic has and before (nil: nothing) had not.
func added(before, topic *image.Topic, at func(image.ShardID) *change) {
	had := 0
	if before != nil {
		had = len(before.Queues)
	}
	for number := had; number < len(topic.Queues); number++ {
		c := at(topic.Queues[number].Shard)
		c.open = append(c.open, queue(topic, number))
	}
}

// compareNewShards finds, for shards that were opened since the last time, what they hold from an earlier life: queues
// that they have already are left alone, queues of topics that are gone are deleted.
func (a *assigner) compareNewShards(topics map[image.UUID]*image.Topic, at func(image.ShardID) *change) {
	for id, store := range *a.shards.open.Load() {
		if a.from[id] {
			continue
		}
		held := map[message.Queue]bool{}
		for _, q := range store.Queues() {
			held[q] = true
			topic := topics[image.UUID(q.Topic)]
			if topic == nil || int(q.Number) >= len(topic.Queues) || topic.Queues[q.Number].Shard != id {
				c := at(id)
				c.gone = append(c.gone, q)
			}
		}
		c := at(id)
		c.open = slices.DeleteFunc(c.open, func(q message.Queue) bool { return held[q] })
	}
}

// batch bounds the queues that one command names.
const batch = 10_000

func apply(ctx context.Context, store *rocketcore.Store, c *change) error {
	for part := range slices.Chunk(c.gone, batch) {
		if err := store.DeleteQueues(ctx, part); err != nil {
			return fmt.Errorf("deleting queues: %w", err)
		}
	}
	for part := range slices.Chunk(c.open, batch) {
		if err := store.OpenQueues(ctx, part); err != nil {
			return fmt.Errorf("opening queues: %w", err)
		}
	}
	return nil
}

func queue(t *image.Topic, number int) message.Queue {
	return message.Queue{Topic: message.TopicID(t.ID), Number: int32(number)}
}

func (a *assigner) reached(version uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if version > a.version {
		a.version = version
		close(a.moved)
		a.moved = make(chan struct{})
	}
}

// settled waits until the queues of an image, or of a newer one, are open.
func (a *assigner) settled(ctx context.Context, version uint64) error {
	for {
		a.mu.Lock()
		reached, moved := a.version, a.moved
		a.mu.Unlock()
		if reached >= version {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the queues to open: %w", ctx.Err())
		}
	}
}
