package kafkacompat

import (
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// partition is a partition that this node leads, with what is needed to act on it.
type partition struct {
	topic *image.Topic
	name  string // as Kafka clients know the topic
	home  image.Home
	shard *image.Shard
	queue message.Queue
	store *rocketcore.Store
}

// epoch is the partition's leader epoch, as Metadata answers give it.
func (p *partition) epoch() int32 { return p.home.LeaderEpoch(p.shard.Term) }

// topicNamed finds a topic by the name that Kafka clients know it by: its own, or for RocketMQ's %RETRY% and %DLQ% topics
// the alias.
func (f *Front) topicNamed(img *image.Image, name string) (*image.Topic, error) {
	if t, ok := img.Resolve(name); ok {
		if known, ok := t.KafkaName(); ok && known == name {
			return t, nil
		}
	}
	err := controller.UnknownTopic(img, name)
	if f.opts.NoAutoCreate {
		return nil, faultf(unknownTopicOrPartition, "%v; auto-create is off (auto.create.topics.enable)", err)
	}
	return nil, err
}

// topicWithID finds a topic by id.
func topicWithID(img *image.Image, id image.UUID) (*image.Topic, error) {
	if t, ok := img.TopicByID(id); ok {
		return t, nil
	}
	return nil, faultf(unknownTopicID, "no topic has the id %s", image.FormatUUID(id))
}

// topicOf finds the topic of a request that names topics by id from some version on.
func (f *Front) topicOf(img *image.Image, name string, id image.UUID, byID bool) (*image.Topic, error) {
	if byID {
		return topicWithID(img, id)
	}
	return f.topicNamed(img, name)
}

// partitionOf finds a partition of the topic that this node leads.
//
// The error is UNKNOWN_TOPIC_OR_PARTITION or NOT_LEADER_OR_FOLLOWER; with the latter the partition is still filled in as
// far as it is known, so that an answer can name the leader.
func (f *Front) partitionOf(img *image.Image, topic *image.Topic, number int32) (partition, error) {
	name, _ := topic.KafkaName()
	p := partition{topic: topic, name: name, queue: message.Queue{Topic: topic.ID, Number: number}}
	if number < 0 || int(number) >= len(topic.Queues) {
		return p, faultf(unknownTopicOrPartition, "topic %q has %d partitions, there is no number %d", name, len(topic.Queues), number)
	}
	p.home = topic.Queues[number]
	shard, ok := img.Shard(p.home.Shard)
	if !ok {
		return p, faultf(notLeaderOrFollower, "partition %d of %q has no shard", number, name)
	}
	p.shard = shard
	if shard.Leader != f.node.ID() && shard.Leader != image.NoNode {
		return p, faultf(notLeaderOrFollower, "partition %d of %q is led by node %d; refresh metadata (epoch %d)",
			number, name, shard.Leader, p.epoch())
	}
	if p.store, ok = f.node.Store(shard.ID); !ok {
		return p, faultf(notLeaderOrFollower, "partition %d of %q is not open on this node", number, name)
	}
	return p, nil
}

// checkEpoch compares the leader epoch that a client knows with ours (KIP-320); -1 means that it knows none.
func (p *partition) checkEpoch(known int32) error {
	switch current := p.epoch(); {
	case known < 0 || known == current:
		return nil
	case known < current:
		return faultf(fencedLeaderEpoch, "leader epoch %d is over, it is %d", known, current)
	default:
		return faultf(unknownLeaderEpoch, "leader epoch %d is not known here yet, it is %d", known, current)
	}
}

// endOfEpoch finds the greatest leader epoch at or below the given one under which anything was written, and the offset
// behind it; false if the log that is kept begins later, or the epoch lies before the partition's time on its shard.
func (p *partition) endOfEpoch(epoch int32) (int32, message.Offset, bool, error) {
	if epoch < p.home.EpochBase {
		return 0, 0, false, nil
	}
	term, end, ok, err := atTerm(p.store.OffsetAtTerm, p.queue, int64(epoch-p.home.EpochBase))
	if err != nil || !ok || term < 0 {
		return 0, 0, false, err
	}
	return p.home.LeaderEpoch(term), end, true, nil
}

// atTerm calls Store.OffsetAtTerm with plain numbers: the type of terms belongs to a room below the core.
func atTerm[T ~uint64](find func(message.Queue, T) (T, message.Offset, bool, error), q message.Queue, term int64) (int64, message.Offset, bool, error) {
	known, end, ok, err := find(q, T(term))
	return int64(known), end, ok, err
}

// endpoint is the address of a node on the listener by which the client came in; false if clients can't reach it there.
func endpoint(img *image.Image, node image.NodeID, listener string) (image.Listener, bool) {
	n, ok := img.Node(node)
	if !ok || n.Fenced {
		return image.Listener{}, false
	}
	return n.Listener(listener)
}
