package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/duolog/duolog/kafkacompat"
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcompat"
	"github.com/duolog/duolog/rocketcore"
)

// node is what the fronts see of the node around them. A change of topics returns when its queues are open here, or
// gone: the very next request of the client must find them so.
type node struct{ b *Broker }

var (
	_ kafkacompat.Node     = node{}
	_ rocketcompat.Cluster = node{}
)

// ID is this node's id.
func (n node) ID() image.NodeID { return image.NodeID(n.b.opts.NodeID) }

// NodeID is ID for the other front.
func (n node) NodeID() image.NodeID { return n.ID() }

// Image is the newest metadata.
func (n node) Image() *image.Image { return n.b.meta.Image() }

// Store is this node's replica of a shard.
func (n node) Store(id image.ShardID) (*rocketcore.Store, bool) { return n.b.shards.store(id) }

// settled waits until the shards are in step with the image that a change gave.
func (n node) settled(ctx context.Context) error {
	return n.b.shards.assign.settled(ctx, n.Image().Version())
}

// CreateTopics creates topics and waits for their queues.
func (n node) CreateTopics(ctx context.Context, cmd *controller.CreateTopics) (*controller.CreateTopicsResult, error) {
	result, err := n.b.meta.CreateTopics(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return result, n.settled(ctx)
}

// DeleteTopics deletes topics; the image has lost them when it returns.
func (n node) DeleteTopics(ctx context.Context, topics ...controller.TopicRef) (*controller.DeleteTopicsResult, error) {
	return n.b.meta.DeleteTopics(ctx, topics...)
}

// AllocateProducerIDs takes a block of producer ids.
func (n node) AllocateProducerIDs(ctx context.Context) (first int64, count int, err error) {
	return n.b.meta.AllocateProducerIDs(ctx)
}

// EnsureTopic creates a topic unless it exists, and returns it once its queues can be used. Several clients that send
// their first message at once get the same topic.
func (n node) EnsureTopic(ctx context.Context, topic controller.NewTopic, origin image.Origin) (*image.Topic, error) {
	result, err := n.CreateTopics(ctx, &controller.CreateTopics{
		Topics: []controller.NewTopic{topic}, Origin: origin, Defaults: n.b.topicLimits(),
	})
	if err != nil {
		return nil, err
	}
	if err := result.Topics[0].Err; err != nil && !errors.Is(err, controller.ErrTopicExists) {
		return nil, err
	}
	return n.existing(ctx, topic.Name)
}

// existing returns a topic once its queues can be used.
func (n node) existing(ctx context.Context, name string) (*image.Topic, error) {
	if err := n.settled(ctx); err != nil {
		return nil, err
	}
	t, ok := n.Image().Resolve(name)
	if !ok {
		return nil, fmt.Errorf("topic %q: %w", name, controller.ErrUnknownTopic)
	}
	return t, nil
}

// GrowTopic gives a topic more queues, and returns it once they can be used.
func (n node) GrowTopic(ctx context.Context, name string, queues int32) (*image.Topic, error) {
	result, err := n.b.meta.GrowTopics(ctx, &controller.GrowTopics{Topics: []controller.Growth{{Name: name, Queues: queues}}})
	if err != nil {
		return nil, err
	}
	if err := result.Topics[0].Err; err != nil {
		return nil, err
	}
	return n.existing(ctx, name)
}

// AlterTopic changes a topic's configs.
func (n node) AlterTopic(ctx context.Context, change controller.ConfigChange) error {
	result, err := n.b.meta.AlterTopicConfigs(ctx, &controller.AlterTopicConfigs{
		Topics: []controller.ConfigChange{change}, Defaults: n.b.topicLimits(),
	})
	if err != nil {
		return err
	}
	return result.Outcomes[0].Err
}

// DeleteTopic deletes a topic by its own name.
func (n node) DeleteTopic(ctx context.Context, name string) error {
	result, err := n.b.meta.DeleteTopics(ctx, controller.TopicRef{Name: name})
	if err != nil {
		return err
	}
	return result.Topics[0].Err
}

// topicLimits are the defaults and limits for topics that a front creates by itself.
func (b *Broker) topicLimits() controller.Defaults {
	return controller.Defaults{Queues: b.opts.Partitions, MaxMessageBytes: int32(b.opts.MaxMessageBytes)}
}
