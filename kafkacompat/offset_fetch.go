package kafkacompat

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
	"github.com/duolog/duolog/rocketcore/message"
)

// OffsetFetch, v0-v10: a group's progress, whoever committed it.
//
// v2 all topics (null), an error for the whole answer; v5 leader epochs; v6 flexible; v7 offsets of open transactions may be
// refused (there are none); v8 many groups (KIP-709); v9 member and epoch of consumer groups (KIP-848), of which there are
// none; v10 topic ids. v1, v3, v4 change nothing here. Version 0, which in Kafka came from ZooKeeper, has its error for no
// offset, UNKNOWN_TOPIC_OR_PARTITION.
//
// Every answer contains what was committed before it was asked for, answered already or not, as Kafka does for requests
// that want stable offsets.

func (f *Front) offsetFetch(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.OffsetFetchRequest)
	groups := req.Groups
	if req.Version < 8 {
		groups = []kmsg.OffsetFetchRequestGroup{theGroup(req)}
	}
	x := offsetFetching{front: f, version: req.Version, settled: map[*group.Host]error{}}
	hosts, errs := make([]*group.Host, len(groups)), make([]error, len(groups))
	for i := range groups {
		hosts[i], errs[i] = f.coordinator(groups[i].Group)
	}
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		resp := kmsg.NewPtrOffsetFetchResponse()
		x.img = f.node.Image()
		resp.Groups = make([]kmsg.OffsetFetchResponseGroup, len(groups))
		for i := range groups {
			if errs[i] == nil {
				errs[i] = x.settle(ctx, hosts[i])
			}
			resp.Groups[i] = x.group(hosts[i], errs[i], &groups[i])
		}
		if req.Version < 8 {
			resp = oneGroup(req, resp.Groups[0])
		}
		return resp, ctx.Err()
	})
}

// theGroup brings a request below version 8 into the form of the others.
func theGroup(req *kmsg.OffsetFetchRequest) kmsg.OffsetFetchRequestGroup {
	g := kmsg.OffsetFetchRequestGroup{Group: req.Group}
	if req.Topics != nil || req.Version < 2 {
		g.Topics = make([]kmsg.OffsetFetchRequestGroupTopic, len(req.Topics)) // not null: not all
	}
	for i, t := range req.Topics {
		g.Topics[i] = kmsg.OffsetFetchRequestGroupTopic{Topic: t.Topic, Partitions: t.Partitions}
	}
	return g
}

// oneGroup brings an answer into the form of versions below 8. Below 2 the error stands with every partition.
func oneGroup(req *kmsg.OffsetFetchRequest, g kmsg.OffsetFetchResponseGroup) *kmsg.OffsetFetchResponse {
	resp := kmsg.NewPtrOffsetFetchResponse()
	resp.ErrorCode = g.ErrorCode
	if req.Version < 2 && g.ErrorCode != none {
		for _, t := range req.Topics {
			topic := kmsg.OffsetFetchResponseGroupTopic{Topic: t.Topic}
			for _, n := range t.Partitions {
				topic.Partitions = append(topic.Partitions, noOffset(n, g.ErrorCode))
			}
			g.Topics = append(g.Topics, topic)
		}
	}
	for _, t := range g.Topics {
		topic := kmsg.OffsetFetchResponseTopic{Topic: t.Topic, Partitions: make([]kmsg.OffsetFetchResponseTopicPartition, len(t.Partitions))}
		for i, p := range t.Partitions {
			topic.Partitions[i] = kmsg.OffsetFetchResponseTopicPartition(p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// offsetFetching is one request.
type offsetFetching struct {
	front   *Front
	img     *image.Image
	version int16
	settled map[*group.Host]error // coordinators that have been asked already
}

// settle waits until a coordinator's offsets can be read, once for all groups of the request.
func (x *offsetFetching) settle(ctx context.Context, host *group.Host) error {
	err, ok := x.settled[host]
	if !ok {
		ctx, cancel := context.WithTimeout(ctx, x.front.opts.RequestTimeout)
		err = host.Settle(ctx)
		cancel()
		x.settled[host] = err
	}
	return err
}

func (x *offsetFetching) group(host *group.Host, err error, asked *kmsg.OffsetFetchRequestGroup) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group, out.ErrorCode = asked.Group, coordinatorCode(err)
	switch {
	case err != nil:
	case asked.Topics == nil:
		out.Topics = allOffsets(x.img, host.Keeper().GroupProgress(asked.Group))
	default:
		out.Topics = make([]kmsg.OffsetFetchResponseGroupTopic, len(asked.Topics))
		for i := range asked.Topics {
			x.topic(&out.Topics[i], host, asked.Group, &asked.Topics[i])
		}
	}
	return out
}

// topic looks up the partitions of one topic. A topic that is not known has no offsets, which is no error by name, and is
// one by id.
func (x *offsetFetching) topic(out *kmsg.OffsetFetchResponseGroupTopic, host *group.Host, name string, asked *kmsg.OffsetFetchRequestGroupTopic) {
	out.Topic, out.TopicID = asked.Topic, asked.TopicID
	out.Partitions = make([]kmsg.OffsetFetchResponseGroupTopicPartition, len(asked.Partitions))
	topic, err := x.front.topicOf(x.img, asked.Topic, asked.TopicID, x.version >= 10)
	absent := none
	switch {
	case x.version == 0:
		absent = unknownTopicOrPartition
	case err != nil && x.version >= 10:
		absent = codeOf(err)
	}
	for i, number := range asked.Partitions {
		out.Partitions[i] = noOffset(number, absent)
		if err != nil {
			continue
		}
		if p, ok := host.Keeper().Progress(name, message.Queue{Topic: topic.ID, Number: number}); ok {
			out.Partitions[i] = offsetOf(p)
		}
	}
}

func noOffset(partition int32, code Code) kmsg.OffsetFetchResponseGroupTopicPartition {
	return kmsg.OffsetFetchResponseGroupTopicPartition{
		Partition: partition, Offset: -1, LeaderEpoch: -1, Metadata: new(string), ErrorCode: code,
	}
}

func offsetOf(p group.Progress) kmsg.OffsetFetchResponseGroupTopicPartition {
	return kmsg.OffsetFetchResponseGroupTopicPartition{
		Partition: p.Queue.Number, Offset: int64(p.Offset), LeaderEpoch: p.LeaderEpoch, Metadata: &p.Metadata,
	}
}

// allOffsets lists a group's offsets by topic, but for those of topics that are gone or that Kafka clients can't name.
func allOffsets(img *image.Image, progress []group.Progress) []kmsg.OffsetFetchResponseGroupTopic {
	topics := []kmsg.OffsetFetchResponseGroupTopic{}
	for i := range progress {
		id := progress[i].Queue.Topic
		if i == 0 || id != progress[i-1].Queue.Topic {
			topics = append(topics, kmsg.OffsetFetchResponseGroupTopic{TopicID: id})
		}
		last := &topics[len(topics)-1]
		last.Partitions = append(last.Partitions, offsetOf(progress[i]))
	}
	named := topics[:0]
	for _, t := range topics {
		if name, ok := kafkaTopic(img, t.TopicID); ok {
			t.Topic = name
			named = append(named, t)
		}
	}
	return named
}

// kafkaTopic is the name by which Kafka clients know a topic.
func kafkaTopic(img *image.Image, id message.TopicID) (string, bool) {
	t, ok := img.TopicByID(image.UUID(id))
	if !ok {
		return "", false
	}
	return t.KafkaName()
}
