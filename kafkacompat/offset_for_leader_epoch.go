package kafkacompat

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
)

// OffsetForLeaderEpoch, v2-v4: the greatest leader epoch at or below the asked one, and the offset behind it (KIP-320).
//
// v3 replica id; v4 flexible. Where nothing is known of the epoch, epoch and offset are -1 without an error.

func (f *Front) offsetForLeaderEpoch(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.OffsetForLeaderEpochRequest)
	return kafka.Later(func(context.Context) (kafka.Response, error) { // it may read an index from disk
		return f.endsOfEpochs(req), nil
	})
}

func (f *Front) endsOfEpochs(req *kmsg.OffsetForLeaderEpochRequest) *kmsg.OffsetForLeaderEpochResponse {
	img := f.node.Image()
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for i := range req.Topics {
		topic, topicErr := f.topicNamed(img, req.Topics[i].Topic)
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			asked := &req.Topics[i].Partitions[j]
			part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			part.Partition, part.LeaderEpoch, part.EndOffset = asked.Partition, -1, -1
			err := topicErr
			if err == nil {
				err = f.answerEndOfEpoch(img, topic, asked, &part)
			}
			part.ErrorCode = readCode(err)
			out.Partitions = append(out.Partitions, part)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (f *Front) answerEndOfEpoch(img *image.Image, topic *image.Topic, asked *kmsg.OffsetForLeaderEpochRequestTopicPartition,
	out *kmsg.OffsetForLeaderEpochResponseTopicPartition) error {
	p, err := f.partitionOf(img, topic, asked.Partition)
	if err != nil {
		return err
	}
	if err := p.checkEpoch(asked.CurrentLeaderEpoch); err != nil {
		return err
	}
	if asked.LeaderEpoch < 0 || asked.LeaderEpoch > p.epoch() {
		return nil
	}
	epoch, end, ok, err := p.endOfEpoch(asked.LeaderEpoch)
	if err != nil || !ok {
		return err
	}
	out.LeaderEpoch, out.EndOffset = epoch, int64(end)
	return nil
}
