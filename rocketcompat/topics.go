package rocketcompat

import (
	"context"
	"errors"
	"strings"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// place is where a request's queue is.
type place struct {
	topic *image.Topic
	shard *image.Shard
	store *rocketcore.Store
	queue message.Queue
}

// topic finds a topic by its own name or its alias, or says why not, with the nearest name where one is near.
func (f *Front) topic(img *image.Image, name string) (*image.Topic, error) {
	if t, ok := img.Resolve(name); ok {
		return t, nil
	}
	sentence := controller.UnknownTopic(img, clip(name)).Error()
	switch {
	case f.opts.AutoCreate:
	case strings.HasSuffix(sentence, "?"):
		sentence += " auto-create is off (auto.create.topics.enable)"
	default:
		sentence += "; auto-create is off (auto.create.topics.enable)"
	}
	return nil, refuse(remoting.TopicNotExist, "%s", sentence)
}

// shard finds the shard that a request means: by the broker's name where one was sent and is known, else by the port at
// which it came in.
func (f *Front) shard(img *image.Image, via Via, broker string) (*image.Shard, error) {
	if broker != "" {
		if s, ok := img.ShardByName(broker); ok {
			return s, nil
		}
	}
	if via.Shard != image.NoShard {
		if s, ok := img.Shard(via.Shard); ok {
			return s, nil
		}
	}
	for s := range img.Shards() {
		if f.leads(s) {
			return s, nil
		}
	}
	return nil, refuse(remoting.ServiceNotAvailable, "this node leads no broker; refresh routes")
}

// leads reports whether this node leads a shard. Until a leader was ever reported, it is the node with the first replica.
func (f *Front) leads(s *image.Shard) bool { return leaderOf(s) == f.cluster.NodeID() }

func leaderOf(s *image.Shard) image.NodeID {
	if s.Leader == image.NoNode && len(s.Replicas) > 0 {
		return s.Replicas[0].Node
	}
	return s.Leader
}

// storeOf returns this node's replica of a shard, if it may serve it.
func (f *Front) storeOf(img *image.Image, s *image.Shard) (*rocketcore.Store, error) {
	store, ok := f.cluster.Store(s.ID)
	if !ok || !f.leads(s) {
		return nil, refuse(remoting.ServiceNotAvailable, "broker %q is led by node %d; refresh routes (epoch %d)",
			s.Name, leaderOf(s), img.Version())
	}
	return store, nil
}

// find finds a queue of a topic on the shard that a request means.
func (f *Front) find(img *image.Image, via Via, topic, broker string, queueID int32) (place, error) {
	t, err := f.topic(img, topic)
	if err != nil {
		return place{}, err
	}
	s, err := f.shard(img, via, broker)
	if err != nil {
		return place{}, err
	}
	number, ok := t.Partition(s.ID, queueID)
	if !ok {
		return place{}, refuse(remoting.InvalidParameter, "topic %q has queues 0 to %d on broker %q, there is no queue %d",
			t.Name, len(t.OnShard(s.ID))-1, s.Name, queueID)
	}
	store, err := f.storeOf(img, s)
	if err != nil {
		return place{}, err
	}
	return place{t, s, store, message.Queue{Topic: message.TopicID(t.ID), Number: number}}, nil
}

// TopicSetup is how a topic shall be.
type TopicSetup struct {
	Name                    string
	ReadQueues, WriteQueues int32
	Perm                    int32
	Order                   bool
	// Attributes are changes: "+name=value" sets, "-name" removes (class AttributeParser).
	Attributes map[string]string
}

// perBroker turns a number of queues per broker, which is how RocketMQ counts, into the number that a topic needs to have
// so many on every shard.
func perBroker(img *image.Image, queues int32) int32 { return queues * int32(max(img.ShardCount(), 1)) }

// SetTopic creates a topic or changes it (code 17). Queues can be added and not taken away, are read and written alike,
// and can't be closed; what differs is refused.
func (f *Front) SetTopic(ctx context.Context, t TopicSetup) error {
	img := f.cluster.Image()
	switch {
	case t.WriteQueues < 1 || t.WriteQueues > controller.MaxQueuesPerCommand:
		return refuse(remoting.InvalidParameter, "topic %q: %d queues, there can be 1 to %d", clip(t.Name), t.WriteQueues, controller.MaxQueuesPerCommand)
	case t.Order:
		return refuse(remoting.InvalidParameter, "topic %q: order=true is not supported; order holds within each queue anyway", clip(t.Name))
	case t.Perm != 0 && t.Perm&(remoting.PermRead|remoting.PermWrite) != remoting.PermRead|remoting.PermWrite:
		return refuse(remoting.InvalidParameter, "topic %q: permission %d is not supported, topics are readable and writable (6)", clip(t.Name), t.Perm)
	case t.ReadQueues != t.WriteQueues:
		return refuse(remoting.InvalidParameter, "topic %q: %d read and %d write queues; the numbers must be the same", clip(t.Name), t.ReadQueues, t.WriteQueues)
	}
	ctx, cancel := context.WithTimeout(ctx, f.opts.MetadataWait)
	defer cancel()
	ops, configs, err := attributeChanges(t.Attributes)
	if err != nil {
		return err
	}
	queues := perBroker(img, t.WriteQueues)
	have, ok := img.Resolve(t.Name)
	if !ok {
		_, err := f.cluster.EnsureTopic(ctx, controller.NewTopic{Name: t.Name, Queues: queues, Replicas: -1, Configs: configs}, image.ByRocketMQ)
		return err
	}
	switch {
	case int(queues) < len(have.Queues):
		return refuse(remoting.InvalidParameter, "topic %q has %d queues in all and can't shrink to %d", have.Name, len(have.Queues), queues)
	case int(queues) > len(have.Queues):
		if _, err := f.cluster.GrowTopic(ctx, have.Name, queues); err != nil {
			return err
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return f.cluster.AlterTopic(ctx, controller.ConfigChange{Name: have.Name, Ops: ops})
}

// attributeChanges translates attribute changes to changes of an existing topic's configs and to a new topic's configs.
func attributeChanges(attributes map[string]string) (ops []controller.ConfigOp, configs []controller.Config, err error) {
	for name, value := range attributes {
		switch {
		case len(name) > 1 && name[0] == '+':
			ops = append(ops, controller.ConfigOp{Name: name[1:], Op: controller.OpSet, Value: &value})
			configs = append(configs, controller.Config{Name: name[1:], Value: &value})
		case len(name) > 1 && name[0] == '-':
			ops = append(ops, controller.ConfigOp{Name: name[1:], Op: controller.OpDelete})
		default:
			return nil, nil, refuse(remoting.InvalidParameter, "attribute %q: a change begins with + or -", clip(name))
		}
	}
	return ops, configs, nil
}

// DeleteTopic deletes a topic (codes 215 and 216). A topic that does not exist is no error: tools delete it at every
// broker and at the name server.
func (f *Front) DeleteTopic(ctx context.Context, name string) error {
	if name == "" {
		return refuse(remoting.InvalidParameter, "the topic has no name")
	}
	if closedTopics[name] || name == TemplateTopic {
		return refuse(remoting.InvalidParameter, "topic %q is a system topic and can't be deleted", name)
	}
	topic, ok := f.cluster.Image().Resolve(name)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.opts.MetadataWait)
	defer cancel()
	err := f.cluster.DeleteTopic(ctx, topic.Name)
	if errors.Is(err, controller.ErrUnknownTopic) {
		return nil
	}
	return err
}

// Topics lists every topic that RocketMQ clients can name, by name.
func (f *Front) Topics() []string {
	var names []string
	for t := range f.cluster.Image().Topics() {
		if name, ok := t.RocketMQName(); ok {
			names = append(names, name)
		}
	}
	return names
}

// TopicConfig shows how a topic is set up on the shard that a request means (codes 351 and 21).
func (f *Front) TopicConfig(via Via, name string) (remoting.TopicConfig, error) {
	img := f.cluster.Image()
	t, err := f.topic(img, name)
	if err != nil {
		return remoting.TopicConfig{}, err
	}
	s, err := f.shard(img, via, "")
	if err != nil {
		return remoting.TopicConfig{}, err
	}
	return topicConfig(t, s, name), nil
}

// TopicConfigs shows every topic that has queues on the shard that a request means.
func (f *Front) TopicConfigs(via Via) (remoting.TopicConfigTable, error) {
	img := f.cluster.Image()
	table := remoting.TopicConfigTable{
		Version: remoting.DataVersion{Counter: int64(img.Version() % (1 << 31)), Timestamp: f.now().UnixMilli()},
		Topics:  map[string]remoting.TopicConfig{},
	}
	s, err := f.shard(img, via, "")
	if err != nil {
		return table, err
	}
	for t := range img.Topics() {
		if name, ok := t.RocketMQName(); ok && len(t.OnShard(s.ID)) > 0 {
			table.Topics[name] = topicConfig(t, s, name)
		}
	}
	return table, nil
}

// topicConfig shows one topic. Its only attribute is the kind of its messages, which is what tools ask for.
func topicConfig(t *image.Topic, s *image.Shard, name string) remoting.TopicConfig {
	queues := len(t.OnShard(s.ID))
	return remoting.TopicConfig{
		Attributes: map[string]string{image.MessageType: t.Settings(image.DefaultSettings()).MessageType},
		Perm:       remoting.PermRead | remoting.PermWrite,
		ReadQueues: queues, WriteQueues: queues,
		Filter: "SINGLE_TAG", Name: name,
	}
}
