package kafkacompat

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
	"github.com/duolog/duolog/rocketcore/message"
)

// OffsetCommit, v0-v10: a group's progress is stored; RocketMQ's consumers of the same group see it.
//
// v1 generation and member, and a time of the commit, which is not used; v2-v4 how long the offset shall be kept (KIP-211 took
// that away); v6 leader epochs; v7 static members (KIP-345); v8 flexible; v9 GROUP_ID_NOT_FOUND (KIP-848); v10 topic ids.
// v3 to v5 and v9 change nothing else for groups of the classic protocol. Version 0, which in Kafka went to ZooKeeper, is taken
// like a commit without a member.

func (f *Front) offsetCommit(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.OffsetCommitRequest)
	c := f.newCommitting(r, req)
	if len(c.offsets) == 0 {
		return kafka.Now(c.response(nil))
	}
	host, err := f.coordinator(req.Group)
	if err != nil {
		return kafka.Now(c.response(err))
	}
	who := &group.Commit{
		Group: req.Group, Member: req.MemberID, Instance: deref(req.InstanceID), Generation: req.Generation,
		KnowsUnknownGroup: req.Version >= 9,
	}
	if req.Version == 0 {
		who.Generation = -1
	}
	answer := host.Commit(who, c.offsets)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		err, ok := answer.Wait(ctx, nil)
		if !ok {
			return nil, ctx.Err()
		}
		return c.response(err), nil
	})
}

// committing is one request: which of its offsets can be committed, and why the others can't.
type committing struct {
	req     *kmsg.OffsetCommitRequest
	offsets []group.Progress
	codes   [][]Code // by topic and partition; committed where an offset stands for it
}

// committed marks a partition whose outcome is that of the whole commit.
const committed Code = -2

func (f *Front) newCommitting(r *kafka.Request, req *kmsg.OffsetCommitRequest) *committing {
	c := &committing{req: req, codes: make([][]Code, len(req.Topics))}
	img, expires := f.node.Image(), int64(group.ByGroup)
	if req.Version >= 2 && req.Version <= 4 && req.RetentionTimeMillis >= 0 {
		expires = f.opts.Now().Add(time.Duration(min(req.RetentionTimeMillis, maxRetentionMillis)) * time.Millisecond).UnixMilli()
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		topic, err := f.topicOf(img, t.Topic, t.TopicID, req.Version >= 10)
		c.codes[i] = make([]Code, len(t.Partitions))
		for n := range t.Partitions {
			c.codes[i][n] = f.checkCommit(topic, err, &t.Partitions[n])
			if c.codes[i][n] == committed {
				c.offsets = append(c.offsets, progressOf(topic, &t.Partitions[n], req.Version, expires))
			}
		}
	}
	return c
}

// maxRetentionMillis keeps times that clients ask for within what can be reckoned with: 100 years.
const maxRetentionMillis = 100 * 365 * 24 * 3600 * 1000

func (f *Front) checkCommit(topic *image.Topic, err error, p *kmsg.OffsetCommitRequestTopicPartition) Code {
	switch {
	case err != nil:
		return codeOf(err)
	case p.Partition < 0 || int(p.Partition) >= len(topic.Queues):
		return unknownTopicOrPartition
	case p.Metadata != nil && len(*p.Metadata) > f.opts.MaxOffsetMetadata:
		return offsetMetadataTooLarge
	case p.Offset < 0:
		return offsetOutOfRange
	}
	return committed
}

func progressOf(topic *image.Topic, p *kmsg.OffsetCommitRequestTopicPartition, version int16, expires int64) group.Progress {
	out := group.Progress{
		Queue: message.Queue{Topic: topic.ID, Number: p.Partition}, Offset: message.Offset(p.Offset), LeaderEpoch: -1,
		Metadata: deref(p.Metadata), Expires: expires,
	}
	if version >= 6 {
		out.LeaderEpoch = p.LeaderEpoch
	}
	return out
}

// response answers for every partition; err is the outcome for those that could be committed.
func (c *committing) response(err error) *kmsg.OffsetCommitResponse {
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, len(c.req.Topics))
	outcome := coordinatorCode(err)
	for i := range c.req.Topics {
		t := &c.req.Topics[i]
		out := &resp.Topics[i]
		out.Topic, out.TopicID = t.Topic, t.TopicID
		out.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(t.Partitions))
		for n := range t.Partitions {
			out.Partitions[n].Partition, out.Partitions[n].ErrorCode = t.Partitions[n].Partition, c.codes[i][n]
			if c.codes[i][n] == committed {
				out.Partitions[n].ErrorCode = outcome
			}
		}
	}
	return resp
}
