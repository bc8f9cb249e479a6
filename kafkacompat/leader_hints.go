package kafkacompat

import "github.com/duolog/duolog/kraft/image"

// leaderHints tells clients who came to the wrong node where to go, without a Metadata request in between (KIP-951).
type leaderHints struct {
	img      *image.Image
	listener string
	nodes    []hintedNode // each node once
}

type hintedNode struct {
	id      int32
	address image.Listener
}

// of returns a partition's leader and epoch and remembers the leader's address; -1 where none is known.
func (h *leaderHints) of(p *partition) (leader, epoch int32) {
	if p.shard == nil || p.shard.Leader == image.NoNode {
		return -1, -1
	}
	address, ok := endpoint(h.img, p.shard.Leader, h.listener)
	if !ok {
		return -1, -1
	}
	leader = int32(p.shard.Leader)
	for _, n := range h.nodes {
		if n.id == leader {
			return leader, p.epoch()
		}
	}
	h.nodes = append(h.nodes, hintedNode{leader, address})
	return leader, p.epoch()
}
