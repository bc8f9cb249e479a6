package controller

import (
	"math"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
)

// Bootstrap makes a cluster: its id, its first shards, and the coordinator slots, dealt out over these shards. On the
// same cluster once more it changes nothing. Its result is nil.
type Bootstrap struct {
	ClusterID    string
	FeatureLevel int32
	Slots        int32
	Shards       []NewShard
}

// NewShard is a shard to create. Its replicas found its log.
type NewShard struct {
	UID      image.UUID
	Name     string // brokerName; "" is broker-<shard number>
	Replicas []image.NodeID
}

// Kind is the command's number.
func (*Bootstrap) Kind() Kind { return KindBootstrap }

func (c *Bootstrap) encode(w *enc.Writer) {
	w.String(c.ClusterID)
	w.Int(int64(c.FeatureLevel))
	w.Int(int64(c.Slots))
	w.Uint(uint64(len(c.Shards)))
	for i := range c.Shards {
		c.Shards[i].encode(w)
	}
}

func (c *Bootstrap) decode(r *enc.Reader) {
	c.ClusterID = r.String(maxTextBytes)
	c.FeatureLevel = r.Int32()
	c.Slots = int32(r.Int(0, math.MaxInt32))
	for range r.Count(MaxShardsPerCommand) {
		var s NewShard
		s.decode(r)
		c.Shards = append(c.Shards, s)
	}
}

func (s *NewShard) encode(w *enc.Writer) {
	w.UUID(s.UID)
	w.String(s.Name)
	encodeNodes(w, s.Replicas)
}

func (s *NewShard) decode(r *enc.Reader) {
	s.UID, s.Name, s.Replicas = r.UUID(), r.String(maxTextBytes), decodeNodes(r)
}

func (c *Bootstrap) decide(d *draft) any {
	if id := d.img.ClusterID(); id != "" {
		if id == c.ClusterID {
			return nil
		}
		return refuse(ErrOtherCluster, "this is cluster %q, not %q", id, c.ClusterID)
	}
	if c.ClusterID == "" || len(c.ClusterID) > image.MaxNameBytes {
		return refuse(ErrInvalidRequest, "a cluster id has 1 to %d bytes, this one %d", image.MaxNameBytes, len(c.ClusterID))
	}
	if c.Slots < 1 || c.Slots > image.MaxSlots {
		return refuse(ErrInvalidRequest, "%d coordinator slots, there may be 1 to %d", c.Slots, image.MaxSlots)
	}
	if len(c.Shards) == 0 {
		return refuse(ErrInvalidRequest, "a cluster starts with at least one shard")
	}
	records := []image.Record{&image.Cluster{ID: c.ClusterID, FeatureLevel: c.FeatureLevel, Slots: c.Slots, Created: d.now}}
	for i := range c.Shards {
		shard, err := c.Shards[i].found(image.ShardID(i))
		if err != nil {
			return err
		}
		for _, earlier := range records[1:] {
			if err := differ(shard, earlier.(*image.Shard)); err != nil {
				return err
			}
		}
		records = append(records, shard)
	}
	for slot := range c.Slots {
		records = append(records, &image.Slot{Number: slot, Shard: image.ShardID(int(slot) % len(c.Shards))})
	}
	d.put(records...)
	return nil
}
