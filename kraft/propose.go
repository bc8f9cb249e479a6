package kraft

import (
	"context"
	"errors"
	"fmt"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
)

// Propose puts a command into the metadata log and returns what the controller answered: a pointer to the command's result
// type, or an error. When it returns an answer, Image has the change. If ctx ends first the error wraps
// raftlog.ErrUnknownOutcome: the command may still be applied.
func (n *Node) Propose(ctx context.Context, cmd controller.Command) (any, error) {
	kind, version, data := controller.EncodeCommand(cmd)
	for {
		result, err := n.log.Propose(raftlog.Command{Kind: kind, Version: version, Body: data}).Wait(ctx)
		if errors.Is(err, raftlog.ErrFull) { // not stored: wait for room and say it again
			if err = n.log.WaitRoom(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, fmt.Errorf("metadata log: %w", err)
		}
		if err, ok := result.(error); ok {
			return nil, err
		}
		return result, nil
	}
}

// propose is Propose for a command with a result of type R.
func propose[R any](ctx context.Context, n *Node, cmd controller.Command) (*R, error) {
	result, err := n.Propose(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return result.(*R), nil
}

// CreateTopics creates topics. Topics without an id get one. What became of each stands in the result.
func (n *Node) CreateTopics(ctx context.Context, cmd *controller.CreateTopics) (*controller.CreateTopicsResult, error) {
	for i := range cmd.Topics {
		if cmd.Topics[i].ID == (image.UUID{}) {
			cmd.Topics[i].ID = n.NewID()
		}
	}
	return propose[controller.CreateTopicsResult](ctx, n, cmd)
}

// DeleteTopics deletes topics.
func (n *Node) DeleteTopics(ctx context.Context, topics ...controller.TopicRef) (*controller.DeleteTopicsResult, error) {
	return propose[controller.DeleteTopicsResult](ctx, n, &controller.DeleteTopics{Topics: topics})
}

// GrowTopics adds queues to topics.
func (n *Node) GrowTopics(ctx context.Context, cmd *controller.GrowTopics) (*controller.GrowTopicsResult, error) {
	return propose[controller.GrowTopicsResult](ctx, n, cmd)
}

// AlterTopicConfigs changes topics' configs.
func (n *Node) AlterTopicConfigs(ctx context.Context, cmd *controller.AlterTopicConfigs) (*controller.AlterConfigsResult, error) {
	return propose[controller.AlterConfigsResult](ctx, n, cmd)
}

// AlterGroupConfigs changes groups' configs.
func (n *Node) AlterGroupConfigs(ctx context.Context, cmd *controller.AlterGroupConfigs) (*controller.AlterConfigsResult, error) {
	return propose[controller.AlterConfigsResult](ctx, n, cmd)
}

// CreateShard adds a shard with replicas on these nodes and returns its number.
func (n *Node) CreateShard(ctx context.Context, name string, replicas ...image.NodeID) (image.ShardID, error) {
	cmd := &controller.CreateShard{Shard: controller.NewShard{UID: n.NewID(), Name: name, Replicas: replicas}}
	result, err := propose[controller.CreateShardResult](ctx, n, cmd)
	if err != nil {
		return image.NoShard, err
	}
	return result.ID, nil
}

// ReportLeader says who leads a shard in which term. A report that comes late is no error.
func (n *Node) ReportLeader(ctx context.Context, shard image.ShardID, leader image.NodeID, term int64) error {
	_, err := n.Propose(ctx, &controller.ReportLeader{Shard: shard, Node: leader, Term: term})
	if errors.Is(err, controller.ErrStaleTerm) {
		return nil
	}
	return err
}

// AssignSlots moves coordinator slots to shards.
func (n *Node) AssignSlots(ctx context.Context, slots ...image.Slot) error {
	_, err := n.Propose(ctx, &controller.AssignSlots{Slots: slots})
	return err
}

// AllocateProducerIDs returns a block of producer ids that nobody else gets: first, first+1, …, first+count-1. The node
// must be registered.
func (n *Node) AllocateProducerIDs(ctx context.Context) (first int64, count int, err error) {
	block, err := propose[controller.ProducerIDs](ctx, n, &controller.AllocateProducerIDs{
		Node: n.cfg.NodeID, Incarnation: n.Identity().Incarnation,
	})
	if err != nil {
		return 0, 0, err
	}
	return block.First, block.Count, nil
}
