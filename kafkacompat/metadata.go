package kafkacompat

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
)

// Metadata, v0-v13: nodes, topics, who leads.
//
// v0 an empty list of topics means all of them, from v1 a null list does; v1 controller id, racks, internal topics; v2
// cluster id; v4 the request may forbid creation; v5 offline replicas; v7 leader epochs; v8 to v10 authorised operations;
// v9 flexible; v10 topic ids in answers, v12 in requests; v13 a top-level error.
//
// Addresses are those of the listener by which the client came in. Every node takes admin requests, so the controller that
// is reported is this node. A topic that may be created is created, and the answer waits until it is ready.

// errNoAddress closes the connection: an empty list of brokers makes clients forget the cluster (kafka.md I-45).
var errNoAddress = errors.New("this node is not registered with an address of this listener yet")

func (f *Front) metadata(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.MetadataRequest)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		img := f.createMissing(ctx, req)
		resp := f.metadataOf(img, r.Conn.Listener())
		if len(resp.Brokers) == 0 {
			return nil, errNoAddress
		}
		b := metadataBuilder{front: f, img: img, listener: r.Conn.Listener(), version: req.Version,
			operations: req.IncludeTopicAuthorizedOperations}
		if req.IncludeClusterAuthorizedOperations {
			resp.AuthorizedOperations = clusterOperations
		}
		if req.Topics == nil || req.Version == 0 && len(req.Topics) == 0 {
			for topic := range img.Topics() {
				if name, ok := topic.KafkaName(); ok {
					resp.Topics = append(resp.Topics, b.topic(topic, name))
				}
			}
			return resp, nil
		}
		resp.Topics = make([]kmsg.MetadataResponseTopic, 0, len(req.Topics))
		for i := range req.Topics {
			resp.Topics = append(resp.Topics, b.asked(&req.Topics[i]))
		}
		return resp, nil
	})
}

// metadataOf answers without topics.
func (f *Front) metadataOf(img *image.Image, listener string) *kmsg.MetadataResponse {
	resp := kmsg.NewPtrMetadataResponse()
	cluster := img.ClusterID()
	resp.ClusterID = &cluster
	resp.ControllerID = -1
	for n := range img.Nodes() {
		address, ok := endpoint(img, n.ID, listener)
		if !ok {
			continue
		}
		broker := kmsg.NewMetadataResponseBroker()
		broker.NodeID, broker.Host, broker.Port = int32(n.ID), address.Host, int32(address.Port)
		resp.Brokers = append(resp.Brokers, broker)
		if n.ID == f.node.ID() || resp.ControllerID < 0 {
			resp.ControllerID = int32(n.ID)
		}
	}
	return resp
}

// createMissing creates the topics that were asked for by name and don't exist, where broker and request allow it, and
// returns the image to answer from. Failures are left to the answer, which finds the topic missing.
func (f *Front) createMissing(ctx context.Context, req *kmsg.MetadataRequest) *image.Image {
	img := f.node.Image()
	if f.opts.NoAutoCreate || req.Version >= 4 && !req.AllowAutoTopicCreation {
		return img
	}
	create := &controller.CreateTopics{Origin: image.ByKafka, Defaults: f.defaults()}
	seen := map[string]bool{}
	for i := range req.Topics {
		name := req.Topics[i].Topic
		if name == nil || seen[*name] || len(create.Topics) == controller.MaxTopicsPerCommand {
			continue
		}
		seen[*name] = true
		if _, err := f.topicNamed(img, *name); err == nil || controller.CheckTopicName(*name, image.ByKafka, false) != nil {
			continue
		}
		create.Topics = append(create.Topics, controller.NewTopic{Name: *name, Queues: -1, Replicas: -1})
	}
	if len(create.Topics) == 0 {
		return img
	}
	ctx, cancel := context.WithTimeout(ctx, f.opts.RequestTimeout)
	defer cancel()
	result, err := f.node.CreateTopics(ctx, create)
	if err != nil {
		f.log.Warn("topics were not created on request of a Metadata call", "topics", len(create.Topics), "err", err)
		return f.node.Image()
	}
	for _, t := range result.Topics {
		if t.Err != nil && !errors.Is(t.Err, controller.ErrTopicExists) {
			f.log.Warn("topic was not created on request of a Metadata call", "err", t.Err)
		}
	}
	return f.node.Image()
}

// defaults are this node's defaults and limits for new topics.
func (f *Front) defaults() controller.Defaults {
	return controller.Defaults{Queues: f.opts.Partitions, MaxMessageBytes: f.opts.MaxMessageBytes}
}

// What may be done with a topic and with the cluster, as bits by the number of the operation
// (org.apache.kafka.common.acl.AclOperation): everything, while nobody is told apart.
const (
	topicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
)

// metadataBuilder builds the topics of one answer.
type metadataBuilder struct {
	front      *Front
	img        *image.Image
	listener   string
	version    int16
	operations bool
}

// asked answers for one topic of the request, by name or by id.
func (b *metadataBuilder) asked(asked *kmsg.MetadataRequestTopic) kmsg.MetadataResponseTopic {
	var topic *image.Topic
	var err error
	switch byID := asked.TopicID != (image.UUID{}); {
	case byID && (b.version < 12 || asked.Topic != nil), !byID && asked.Topic == nil:
		err = faultf(invalidRequest, "a topic is asked for by name, or from version 12 on by id")
	case byID:
		topic, err = topicWithID(b.img, asked.TopicID)
	default:
		if topic, err = b.front.topicNamed(b.img, *asked.Topic); err != nil {
			if wrong := controller.CheckTopicName(*asked.Topic, image.ByKafka, false); errors.Is(wrong, controller.ErrInvalidTopicName) {
				err = wrong
			}
		}
	}
	if err == nil {
		if name, ok := topic.KafkaName(); ok {
			return b.topic(topic, name)
		}
		err = faultf(unknownTopicID, "topic %q has no name that Kafka clients can spell", topic.Name)
	}
	out := kmsg.NewMetadataResponseTopic()
	out.ErrorCode, out.Topic, out.TopicID = codeOf(err), asked.Topic, asked.TopicID
	if out.Topic == nil && b.version < 12 {
		out.Topic = new(string) // not nullable yet
	}
	return out
}

func (b *metadataBuilder) topic(t *image.Topic, name string) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.TopicID, out.IsInternal = &name, t.ID, t.Internal
	if b.operations {
		out.AuthorizedOperations = topicOperations
	}
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.Queues))
	for i, home := range t.Queues {
		b.partition(&out.Partitions[i], int32(i), home)
	}
	return out
}

// partition fills one partition. A shard's replicas are in sync as long as their node is alive: what a majority does not
// have was not acknowledged.
func (b *metadataBuilder) partition(out *kmsg.MetadataResponseTopicPartition, number int32, home image.Home) {
	out.Default()
	out.Partition, out.Leader, out.ErrorCode = number, -1, leaderNotAvailable
	shard, ok := b.img.Shard(home.Shard)
	if !ok {
		return
	}
	out.LeaderEpoch = home.LeaderEpoch(shard.Term)
	for _, r := range shard.Replicas {
		out.Replicas = append(out.Replicas, int32(r.Node))
		if n, ok := b.img.Node(r.Node); ok && !n.Fenced {
			out.ISR = append(out.ISR, int32(r.Node))
		} else {
			out.OfflineReplicas = append(out.OfflineReplicas, int32(r.Node))
		}
	}
	if leader, ok := b.img.Node(shard.Leader); !ok || leader.Fenced {
		return
	}
	if _, ok := endpoint(b.img, shard.Leader, b.listener); !ok {
		if b.version >= 6 {
			out.ErrorCode = listenerNotFound
		}
		return
	}
	out.Leader, out.ErrorCode = int32(shard.Leader), none
}
