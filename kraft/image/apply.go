package image

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/duolog/duolog/kraft/internal/ordered"
)

// Apply returns the image with the records applied in order; i itself stays as it is. The cost of a record is that of
// encoding the object before and after, and of copying the paths that lead to it.
func (i *Image) Apply(records ...Record) (*Image, error) {
	if len(records) == 0 {
		return i, nil
	}
	next := *i
	for _, r := range records {
		if err := next.put(r); err != nil {
			return i, err
		}
	}
	return &next, nil
}

// put changes i, which nobody else sees yet.
func (i *Image) put(r Record) error {
	key := RecordKey(r)
	if old := i.find(r.Kind(), key[1:]); old != nil {
		i.count(key, old, -1)
	}
	if _, gone := r.(Removal); !gone {
		i.count(key, r, 1)
	}
	switch r := r.(type) {
	case *Cluster:
		return i.putCluster(r)
	case *Node:
		i.nodes = i.nodes.Set(ordered.Int(r.ID), r)
	case *Shard:
		i.shards = i.shards.Set(ordered.Int(r.ID), r)
	case *Slot:
		return i.putSlot(r)
	case *Topic:
		i.dropTopic(r.Name)
		i.putTopic(r.derive())
	case *Group:
		i.groups = i.groups.Set(ordered.String(r.Name), r)
	case *ProducerIDs:
		i.producers = r
	case Removal:
		return i.remove(r)
	default:
		return fmt.Errorf("kind %d: %w", r.Kind(), ErrUnknownKind)
	}
	return nil
}

func (i *Image) remove(r Removal) error {
	switch r.kind {
	case KindNode:
		i.nodes = i.nodes.Delete(ordered.Int(binary.BigEndian.Uint32(r.key())))
	case KindTopic:
		i.dropTopic(r.name)
	case KindGroup:
		i.groups = i.groups.Delete(ordered.String(r.name))
	default:
		return fmt.Errorf("%w: a %v is never removed", ErrBadRecord, r.kind)
	}
	return nil
}

func (i *Image) putCluster(c *Cluster) error {
	if i.cluster == nil {
		i.slots = slices.Repeat([]ShardID{NoShard}, int(c.Slots))
	}
	if len(i.slots) != int(c.Slots) {
		return fmt.Errorf("%w: the number of coordinator slots goes from %d to %d", ErrBadRecord, len(i.slots), c.Slots)
	}
	i.cluster = c
	return nil
}

// putSlot assigns a slot. There is no record for a slot that has no shard, so none is ever taken away.
func (i *Image) putSlot(s *Slot) error {
	if int(s.Number) >= len(i.slots) || s.Shard < 0 {
		return fmt.Errorf("%w: slot %d of %d goes to shard %d", ErrBadRecord, s.Number, len(i.slots), s.Shard)
	}
	i.slots = slices.Clone(i.slots)
	i.slots[s.Number] = s.Shard
	return nil
}

func (i *Image) putTopic(t *Topic) {
	i.topics = i.topics.Set(ordered.String(t.Name), t)
	i.ids = i.ids.Set(ordered.UUID(t.ID), t)
	i.collapsed = i.collapsed.Set(ordered.String(Collapse(t.Name)), t)
	if t.Alias != "" {
		i.aliases = i.aliases.Set(ordered.String(t.Alias), t)
	}
	i.queues += len(t.Queues)
}

func (i *Image) dropTopic(name string) {
	t, ok := i.Topic(name)
	if !ok {
		return
	}
	i.topics = i.topics.Delete(ordered.String(name))
	i.ids = i.ids.Delete(ordered.UUID(t.ID))
	i.collapsed = i.collapsed.Delete(ordered.String(Collapse(name)))
	if t.Alias != "" {
		i.aliases = i.aliases.Delete(ordered.String(t.Alias))
	}
	i.queues -= len(t.Queues)
}

// count takes a record into the hash and the number of records, or out of them.
func (i *Image) count(key []byte, r Record, by int) {
	i.records += by
	i.hash += uint64(by) * recordHash(key, encodeValue(r))
}

// recordHash is the first eight bytes of SHA-256 over the key's length, the key and the value. Image.Hash is their sum
// modulo 2^64.
func recordHash(key, value []byte) uint64 {
	buf := make([]byte, 0, 2+len(key)+len(value))
	buf = binary.LittleEndian.AppendUint16(buf, uint16(len(key)))
	sum := sha256.Sum256(append(append(buf, key...), value...))
	return binary.LittleEndian.Uint64(sum[:])
}

// Find returns the live record under a checkpoint key (see RecordKey); nil if there is none.
func (i *Image) Find(key []byte) Record {
	if len(key) == 0 || checkKey(Kind(key[0]), key[1:]) != nil {
		return nil
	}
	return i.find(Kind(key[0]), key[1:])
}

func (i *Image) find(kind Kind, name []byte) Record {
	switch kind {
	case KindCluster:
		if i.cluster != nil {
			return i.cluster
		}
	case KindNode:
		if n, ok := i.Node(NodeID(binary.BigEndian.Uint32(name))); ok {
			return n
		}
	case KindShard:
		if s, ok := i.Shard(ShardID(binary.BigEndian.Uint32(name))); ok {
			return s
		}
	case KindSlot:
		if n := int32(binary.BigEndian.Uint32(name)); i.SlotShard(int(n)) != NoShard {
			return &Slot{Number: n, Shard: i.slots[n]}
		}
	case KindTopic:
		if t, ok := i.Topic(string(name)); ok {
			return t
		}
	case KindGroup:
		if g, ok := i.Group(string(name)); ok {
			return g
		}
	case KindProducerIDs:
		if i.producers != nil {
			return i.producers
		}
	}
	return nil
}

// Records yields every live record, in the order of their keys: applied to an empty image they give this one.
func (i *Image) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		_ = (i.cluster == nil || yield(i.cluster)) &&
			each(i.Nodes(), yield) && each(i.Shards(), yield) && i.eachSlot(yield) &&
			each(i.Topics(), yield) && each(i.Groups(), yield) &&
			(i.producers == nil || yield(i.producers))
	}
}

func each[R Record](records iter.Seq[R], yield func(Record) bool) bool {
	for r := range records {
		if !yield(r) {
			return false
		}
	}
	return true
}

func (i *Image) eachSlot(yield func(Record) bool) bool {
	for n, shard := range i.slots {
		if shard != NoShard && !yield(&Slot{Number: int32(n), Shard: shard}) {
			return false
		}
	}
	return true
}
