package image

import (
	"hash/fnv"
	"iter"

	"github.com/duolog/duolog/kraft/internal/ordered"
)

// Image is the metadata of the whole cluster as of one entry of the metadata log. It never changes; any number of
// goroutines may read it. The zero Image is the cluster before its first record.
type Image struct {
	version uint64
	hash    uint64
	records int
	queues  int

	cluster   *Cluster
	topics    ordered.Map[ordered.String, *Topic]
	ids       ordered.Map[ordered.UUID, *Topic]
	aliases   ordered.Map[ordered.String, *Topic]
	collapsed ordered.Map[ordered.String, *Topic]
	nodes     ordered.Map[ordered.Int, *Node]
	shards    ordered.Map[ordered.Int, *Shard]
	slots     []ShardID
	groups    ordered.Map[ordered.String, *Group]
	producers *ProducerIDs
}

// Version is the index of the metadata log's entry that changed the image last; 0 before the first.
func (i *Image) Version() uint64 { return i.version }

// At returns the same image with another version.
func (i *Image) At(version uint64) *Image {
	next := *i
	next.version = version
	return &next
}

// Hash sums up every live record. Two images with the same records have the same hash, whatever way led to them; the
// version is not part of it.
func (i *Image) Hash() uint64 { return i.hash }

// Len is the number of live records.
func (i *Image) Len() int { return i.records }

// ClusterID is the cluster's id, "" before bootstrap.
func (i *Image) ClusterID() string {
	if i.cluster == nil {
		return ""
	}
	return i.cluster.ID
}

// Cluster returns what holds for the whole cluster; false before bootstrap.
func (i *Image) Cluster() (*Cluster, bool) { return i.cluster, i.cluster != nil }

// Topic finds a topic by its own name.
func (i *Image) Topic(name string) (*Topic, bool) { return i.topics.Get(ordered.String(name)) }

// TopicByID finds a topic by its id.
func (i *Image) TopicByID(id UUID) (*Topic, bool) { return i.ids.Get(ordered.UUID(id)) }

// Resolve finds a topic by its own name or by its alias. The two never clash.
func (i *Image) Resolve(name string) (*Topic, bool) {
	if t, ok := i.Topic(name); ok {
		return t, true
	}
	return i.aliases.Get(ordered.String(name))
}

// AliasOwner returns the topic that has this alias.
func (i *Image) AliasOwner(alias string) (*Topic, bool) { return i.aliases.Get(ordered.String(alias)) }

// Collision returns the topic whose name is the same as this one once every "." is written as "_".
func (i *Image) Collision(name string) (*Topic, bool) {
	return i.collapsed.Get(ordered.String(Collapse(name)))
}

// Topics yields every topic, by name.
func (i *Image) Topics() iter.Seq[*Topic] { return i.topics.Values() }

// TopicsFrom yields the topics whose name is at or after start, by name.
func (i *Image) TopicsFrom(start string) iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		for _, t := range i.topics.From(ordered.String(start)) {
			if !yield(t) {
				return
			}
		}
	}
}

// TopicCount is the number of topics.
func (i *Image) TopicCount() int { return i.topics.Len() }

// QueueCount is the number of queues of all topics.
func (i *Image) QueueCount() int { return i.queues }

// TopicConfig returns what was set on a topic explicitly for one config.
func (i *Image) TopicConfig(topic, config string) (string, bool) {
	t, ok := i.Topic(topic)
	if !ok {
		return "", false
	}
	value, ok := t.Configs[config]
	return value, ok
}

// Node finds a registered node.
func (i *Image) Node(id NodeID) (*Node, bool) { return i.nodes.Get(ordered.Int(id)) }

// Nodes yields every registered node, fenced ones too, by id.
func (i *Image) Nodes() iter.Seq[*Node] { return i.nodes.Values() }

// NodeCount is the number of registered nodes, fenced ones included.
func (i *Image) NodeCount() int { return i.nodes.Len() }

// Shard finds a shard.
func (i *Image) Shard(id ShardID) (*Shard, bool) { return i.shards.Get(ordered.Int(id)) }

// ShardByName finds a shard by the name that RocketMQ clients know as brokerName.
func (i *Image) ShardByName(name string) (*Shard, bool) {
	for s := range i.Shards() {
		if s.Name == name {
			return s, true
		}
	}
	return nil, false
}

// Shards yields every shard, by id.
func (i *Image) Shards() iter.Seq[*Shard] { return i.shards.Values() }

// ShardCount is the number of shards.
func (i *Image) ShardCount() int { return i.shards.Len() }

// SlotCount is the number of coordinator slots, fixed at bootstrap; 0 before.
func (i *Image) SlotCount() int { return len(i.slots) }

// SlotNumber is the coordinator slot of a group: FNV-1a, 64 bits, of the group's name, modulo the number of slots. It is
// -1 before bootstrap. The rule is for life: a group's progress is stored in the shard it leads to.
func (i *Image) SlotNumber(group string) int {
	if len(i.slots) == 0 {
		return -1
	}
	h := fnv.New64a()
	h.Write([]byte(group))
	return int(h.Sum64() % uint64(len(i.slots)))
}

// Slot is the shard that coordinates a group and keeps its progress, NoShard if none is assigned.
func (i *Image) Slot(group string) ShardID { return i.SlotShard(i.SlotNumber(group)) }

// SlotShard is the shard of a coordinator slot, NoShard if there is none.
func (i *Image) SlotShard(slot int) ShardID {
	if slot < 0 || slot >= len(i.slots) {
		return NoShard
	}
	return i.slots[slot]
}

// Group returns a group's configs; false if none was ever set.
func (i *Image) Group(name string) (*Group, bool) { return i.groups.Get(ordered.String(name)) }

// Groups yields the groups that have configs, by name.
func (i *Image) Groups() iter.Seq[*Group] { return i.groups.Values() }

// GroupConfig returns what was set on a group explicitly for one config.
func (i *Image) GroupConfig(group, config string) (string, bool) {
	g, ok := i.Group(group)
	if !ok {
		return "", false
	}
	value, ok := g.Configs[config]
	return value, ok
}

// NextProducerID is the lowest producer id that was never handed out.
func (i *Image) NextProducerID() int64 {
	if i.producers == nil {
		return 0
	}
	return i.producers.Next
}
