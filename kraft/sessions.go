package kraft

import (
	"time"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
)

// sessions is when the quorum's leader heard of each node. It is soft state: heartbeats don't go into the log, only what
// follows from their absence does, and a new leader gives every node a whole session. It reads no clock: the callers say
// what time it is, as time passed since a moment of their choice.
//
// It is not safe for concurrent use.
type sessions struct {
	timeout time.Duration
	heard   map[image.NodeID]contact
	since   time.Duration // when this replica began to lead: who was not heard of yet counts as heard of then
}

type contact struct {
	incarnation image.UUID
	at          time.Duration
}

// lead starts over: whatever was heard before is forgotten.
func (s *sessions) lead(now time.Duration) {
	s.heard, s.since = map[image.NodeID]contact{}, now
}

// touch notes a heartbeat. One of an older incarnation than the registered one must not come here.
func (s *sessions) touch(id image.NodeID, incarnation image.UUID, now time.Duration) {
	s.heard[id] = contact{incarnation, now}
}

// lapsed returns the commands that fence the nodes whose session is over.
func (s *sessions) lapsed(img *image.Image, now time.Duration) (fence []*controller.FenceNode) {
	for n := range img.Nodes() {
		if !n.Fenced && !s.alive(n, now) {
			fence = append(fence, &controller.FenceNode{Node: n.ID, Incarnation: n.Incarnation, Fenced: true})
		}
	}
	return fence
}

// alive says whether this incarnation of a node was heard of within the session time-out.
func (s *sessions) alive(n *image.Node, now time.Duration) bool {
	last := s.since
	if c, ok := s.heard[n.ID]; ok && c.incarnation == n.Incarnation {
		last = max(last, c.at)
	}
	return now-last < s.timeout
}
