package controller

import (
	"encoding/binary"
	"slices"

	"github.com/duolog/duolog/kraft/image"
)

// placement deals queues out over the shards in turn. A topic's local ids on a shard stay dense and in partition order.
type placement struct {
	shards []image.ShardID
	turn   int                     // index in shards of the next queue's home
	have   map[image.ShardID]int32 // queues of this topic on each shard
}

// placeNew starts a new topic at a shard that depends on its id, so that topics with one queue don't all meet on the
// first shard. It is nil if there is no shard.
func placeNew(img *image.Image, id image.UUID) *placement {
	p := newPlacement(img)
	if p != nil {
		p.turn = int(binary.BigEndian.Uint32(id[:4]) % uint32(len(p.shards)))
	}
	return p
}

// placeMore goes on behind a topic's last queue.
func placeMore(img *image.Image, t *image.Topic) *placement {
	p := newPlacement(img)
	if p == nil {
		return nil
	}
	for _, home := range t.Queues {
		p.have[home.Shard]++
	}
	if len(t.Queues) > 0 {
		last := t.Queues[len(t.Queues)-1].Shard
		p.turn = (slices.Index(p.shards, last) + 1) % len(p.shards)
	}
	return p
}

func newPlacement(img *image.Image) *placement {
	p := &placement{have: map[image.ShardID]int32{}}
	for s := range img.Shards() {
		p.shards = append(p.shards, s.ID)
	}
	if len(p.shards) == 0 {
		return nil
	}
	return p
}

// next appends the homes of count more queues.
func (p *placement) next(homes []image.Home, count int) []image.Home {
	homes = slices.Grow(homes, count)
	for range count {
		shard := p.shards[p.turn]
		homes = append(homes, image.Home{Shard: shard, LocalID: p.have[shard]})
		p.have[shard]++
		p.turn = (p.turn + 1) % len(p.shards)
	}
	return homes
}
