package kafkacompat

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
	"github.com/duolog/duolog/rocketcore/message"
)

// OffsetDelete, v0: a group's offsets in some partitions are forgotten (KIP-496). A consumer group's members may be
// subscribed to other topics; other groups must have no members.

func (f *Front) offsetDelete(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.OffsetDeleteRequest)
	resp := kmsg.NewPtrOffsetDeleteResponse()
	host, err := f.coordinator(req.Group)
	if req.Group == "" {
		err = group.ErrInvalidGroup
	}
	if err != nil {
		resp.ErrorCode = coordinatorCode(err)
		return kafka.Now(resp)
	}
	img := f.node.Image()
	deletes := make([]group.OffsetDelete, len(req.Topics))
	resp.Topics = make([]kmsg.OffsetDeleteResponseTopic, len(req.Topics))
	for i := range req.Topics {
		deletes[i].Topic = req.Topics[i].Topic
		deletes[i].Queues = f.queuesToForget(img, &req.Topics[i], &resp.Topics[i])
	}
	answer := host.DeleteOffsets(req.Group, deletes)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		deleted, ok := answer.Wait(ctx, nil)
		if !ok {
			return nil, ctx.Err()
		}
		if deleted.Err != nil {
			resp.ErrorCode, resp.Topics = coordinatorCode(deleted.Err), nil
			return resp, nil
		}
		for i := range resp.Topics {
			for n := range resp.Topics[i].Partitions {
				if p := &resp.Topics[i].Partitions[n]; p.ErrorCode == none {
					p.ErrorCode = coordinatorCode(deleted.Topics[i])
				}
			}
		}
		return resp, nil
	})
}

// queuesToForget finds the queues that are meant, and answers for those that don't exist.
func (f *Front) queuesToForget(img *image.Image, asked *kmsg.OffsetDeleteRequestTopic, out *kmsg.OffsetDeleteResponseTopic) (queues []message.Queue) {
	topic, err := f.topicNamed(img, asked.Topic)
	out.Topic = asked.Topic
	out.Partitions = make([]kmsg.OffsetDeleteResponseTopicPartition, len(asked.Partitions))
	for i, p := range asked.Partitions {
		out.Partitions[i].Partition = p.Partition
		switch {
		case err != nil:
			out.Partitions[i].ErrorCode = codeOf(err)
		case p.Partition < 0 || int(p.Partition) >= len(topic.Queues):
			out.Partitions[i].ErrorCode = unknownTopicOrPartition
		default:
			queues = append(queues, message.Queue{Topic: topic.ID, Number: p.Partition})
		}
	}
	return queues
}
