package controller

import (
	"fmt"
	"math"
	"slices"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
)

// CreateShard adds a shard with the next free number. Its result is *CreateShardResult. Proposed again with the same UID
// it answers the shard that is there.
type CreateShard struct{ Shard NewShard }

// CreateShardResult says which number the shard got.
type CreateShardResult struct{ ID image.ShardID }

// Kind is the command's number.
func (*CreateShard) Kind() Kind { return KindCreateShard }

func (c *CreateShard) encode(w *enc.Writer) { c.Shard.encode(w) }
func (c *CreateShard) decode(r *enc.Reader) { c.Shard.decode(r) }

func (c *CreateShard) decide(d *draft) any {
	next := image.ShardID(0)
	for s := range d.img.Shards() {
		if s.UID == c.Shard.UID {
			return &CreateShardResult{ID: s.ID}
		}
		next = s.ID + 1
	}
	shard, err := c.Shard.found(next)
	if err != nil {
		return err
	}
	for s := range d.img.Shards() {
		if err := differ(shard, s); err != nil {
			return err
		}
	}
	for _, r := range shard.Replicas {
		if _, ok := d.img.Node(r.Node); !ok {
			return refuse(ErrUnknownNode, "shard %q is to have a replica on node %d, which is not registered", shard.Name, r.Node)
		}
	}
	d.put(shard)
	return &CreateShardResult{ID: next}
}

// found makes the shard's first record.
func (s *NewShard) found(id image.ShardID) (*image.Shard, error) {
	name := s.Name
	if name == "" {
		name = fmt.Sprintf("broker-%d", id)
	}
	if !image.RocketMQLegal(name) {
		return nil, refuse(ErrInvalidRequest, "shard name %q: 1 to %d letters, digits, \"_\" or \"-\" are wanted", name, image.MaxRocketMQName)
	}
	if n := len(s.Replicas); n != 1 && n != 3 && n != 5 {
		return nil, refuse(ErrInvalidReplicas, "shard %q is to have %d replicas, a shard has 1, 3 or 5", name, n)
	}
	shard := &image.Shard{
		ID: id, UID: s.UID, Name: name, Version: 1,
		Founders: uint64(len(s.Replicas)), NextReplica: uint64(len(s.Replicas)) + 1, Leader: image.NoNode,
	}
	for i, node := range s.Replicas {
		if slices.Contains(s.Replicas[:i], node) {
			return nil, refuse(ErrInvalidReplicas, "shard %q is to have two replicas on node %d", name, node)
		}
		shard.Replicas = append(shard.Replicas, image.Replica{Node: node, ID: uint64(i) + 1})
	}
	return shard, nil
}

// differ says whether a new shard can stand beside another.
func differ(shard, other *image.Shard) error {
	if shard.Name == other.Name {
		return refuse(ErrShardExists, "shard %d has the name %q already", other.ID, other.Name)
	}
	if shard.UID == other.UID {
		return refuse(ErrShardExists, "shard %d has the uid %s already", other.ID, image.FormatUUID(other.UID))
	}
	return nil
}

// ReportLeader says who leads a shard, as its log has it. The newest term wins; what is known already changes nothing.
// Its result is nil.
type ReportLeader struct {
	Shard image.ShardID
	Node  image.NodeID
	Term  int64
}

// Kind is the command's number.
func (*ReportLeader) Kind() Kind { return KindReportLeader }

func (c *ReportLeader) encode(w *enc.Writer) {
	w.Int(int64(c.Shard))
	w.Int(int64(c.Node))
	w.Int(c.Term)
}

func (c *ReportLeader) decode(r *enc.Reader) {
	c.Shard, c.Node, c.Term = decodeShardID(r), decodeNodeID(r), r.Int(0, math.MaxInt64)
}

func (c *ReportLeader) decide(d *draft) any {
	shard, ok := d.img.Shard(c.Shard)
	if !ok {
		return refuse(ErrUnknownShard, "there is no shard %d", c.Shard)
	}
	if shard.Term == c.Term && shard.Leader == c.Node {
		return nil
	}
	if _, ok := shard.ReplicaOn(c.Node); !ok {
		return refuse(ErrInvalidRequest, "node %d is reported to lead shard %d, of which it has no replica", c.Node, c.Shard)
	}
	if c.Term <= shard.Term && shard.Leader != image.NoNode {
		return refuse(ErrStaleTerm, "shard %d is led by node %d in term %d, node %d in term %d comes late",
			c.Shard, shard.Leader, shard.Term, c.Node, c.Term)
	}
	next := *shard
	next.Leader, next.Term = c.Node, c.Term
	d.put(&next)
	return nil
}

// AssignSlots moves coordinator slots to shards. All or none are moved. Its result is nil.
type AssignSlots struct{ Slots []image.Slot }

// Kind is the command's number.
func (*AssignSlots) Kind() Kind { return KindAssignSlots }

func (c *AssignSlots) encode(w *enc.Writer) {
	w.Uint(uint64(len(c.Slots)))
	for _, s := range c.Slots {
		w.Int(int64(s.Number))
		w.Int(int64(s.Shard))
	}
}

func (c *AssignSlots) decode(r *enc.Reader) {
	for range r.Count(image.MaxSlots) {
		c.Slots = append(c.Slots, image.Slot{Number: int32(r.Int(0, math.MaxInt32)), Shard: decodeShardID(r)})
	}
}

func (c *AssignSlots) decide(d *draft) any {
	var records []image.Record
	for _, s := range c.Slots {
		if int(s.Number) >= d.img.SlotCount() {
			return refuse(ErrUnknownSlot, "there is no coordinator slot %d, the slots are 0 to %d", s.Number, d.img.SlotCount()-1)
		}
		if _, ok := d.img.Shard(s.Shard); !ok {
			return refuse(ErrUnknownShard, "slot %d is to go to shard %d, which does not exist", s.Number, s.Shard)
		}
		if d.img.SlotShard(int(s.Number)) != s.Shard {
			records = append(records, &s)
		}
	}
	d.put(records...)
	return nil
}
