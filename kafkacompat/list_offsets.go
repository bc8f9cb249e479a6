package kafkacompat

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// ListOffsets, v1-v11: offsets by time, to the record; -1 latest, -2 earliest; -3 greatest timestamp (v7); -4 earliest
// local (v8), which is the earliest; -5 latest tiered (v9) and -6 earliest to be tiered (v11), of which there are none.
//
// v2 isolation level, which makes no difference without transactions; v4 leader epochs both ways; v6 flexible; v10
// time-out. Before anything but the earliest offset is answered, a barrier makes sure that no newer answer was given
// anywhere.

const (
	latestOffset       = -1
	earliestOffset     = -2
	maxTimestampOffset = -3
	earliestLocal      = -4
	latestTiered       = -5
	earliestPending    = -6
)

// sinceVersion is the first version that knows a special timestamp.
var sinceVersion = map[int64]int16{
	latestOffset: 1, earliestOffset: 1, maxTimestampOffset: 7, earliestLocal: 8, latestTiered: 9, earliestPending: 11,
}

func (f *Front) listOffsets(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.ListOffsetsRequest)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		timeout := f.opts.RequestTimeout
		if req.TimeoutMillis > 0 {
			timeout = time.Duration(req.TimeoutMillis) * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return f.listOffsetsResponse(ctx, req), nil
	})
}

func (f *Front) listOffsetsResponse(ctx context.Context, req *kmsg.ListOffsetsRequest) *kmsg.ListOffsetsResponse {
	img := f.node.Image()
	resp := kmsg.NewPtrListOffsetsResponse()
	barriers := barriers{ctx: ctx}
	twice := askedTwice(req)
	for i := range req.Topics {
		asked := &req.Topics[i]
		topic, topicErr := f.topicNamed(img, asked.Topic)
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = asked.Topic
		for j := range asked.Partitions {
			p := &asked.Partitions[j]
			part := kmsg.NewListOffsetsResponseTopicPartition()
			part.Partition, part.Offset, part.Timestamp, part.LeaderEpoch = p.Partition, -1, -1, -1
			err := topicErr
			if err == nil && twice[topicPartition{asked.Topic, p.Partition}] {
				err = faultf(invalidRequest, "partition %d of %q is asked for twice", p.Partition, asked.Topic)
			}
			if err == nil {
				err = f.listOffset(img, topic, req.Version, p, &part, &barriers)
			}
			part.ErrorCode = readCode(err)
			out.Partitions = append(out.Partitions, part)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

type topicPartition struct {
	topic string
	part  int32
}

func askedTwice(req *kmsg.ListOffsetsRequest) map[topicPartition]bool {
	seen, twice := map[topicPartition]bool{}, map[topicPartition]bool{}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			key := topicPartition{req.Topics[i].Topic, req.Topics[i].Partitions[j].Partition}
			if seen[key] {
				twice[key] = true
			}
			seen[key] = true
		}
	}
	return twice
}

// listOffset answers for one partition.
func (f *Front) listOffset(img *image.Image, topic *image.Topic, version int16, asked *kmsg.ListOffsetsRequestTopicPartition,
	out *kmsg.ListOffsetsResponseTopicPartition, b *barriers) error {
	if since, special := sinceVersion[asked.Timestamp]; asked.Timestamp < 0 && (!special || version < since) {
		return faultf(unsupportedVersion, "ListOffsets version %d has no timestamp %d", version, asked.Timestamp)
	}
	p, err := f.partitionOf(img, topic, asked.Partition)
	if err != nil {
		return err
	}
	if err := p.checkEpoch(asked.CurrentLeaderEpoch); err != nil {
		return err
	}
	if asked.Timestamp != earliestOffset && asked.Timestamp != earliestLocal {
		if err := b.pass(&p); err != nil {
			return err
		}
	}
	offset, timestamp, err := p.offsetFor(asked.Timestamp)
	if err != nil || offset < 0 {
		return err
	}
	out.Offset, out.Timestamp = int64(offset), timestamp
	out.LeaderEpoch = p.epoch()
	if asked.Timestamp != latestOffset {
		out.LeaderEpoch = p.epochOf(offset)
	}
	return nil
}

// offsetFor finds the offset that a timestamp, or a special one, stands for; -1 if there is none.
func (p *partition) offsetFor(timestamp int64) (message.Offset, int64, error) {
	var offset message.Offset
	var at int64
	var ok bool
	var err error
	switch timestamp {
	case latestOffset, earliestOffset, earliestLocal:
		b, err := p.store.Bounds(p.queue)
		if timestamp == latestOffset {
			return b.End, -1, err
		}
		return b.Start, -1, err
	case latestTiered, earliestPending:
		return -1, -1, nil
	case maxTimestampOffset:
		offset, at, ok, err = p.store.OffsetOfMaxTime(p.queue)
	default:
		offset, at, ok, err = p.store.OffsetAt(p.queue, timestamp)
	}
	if err != nil || !ok {
		return -1, -1, err
	}
	return offset, at, nil
}

// epochOf is the leader epoch of the record at an offset; ours if there is no record.
func (p *partition) epochOf(offset message.Offset) int32 {
	got, err := p.store.Read(p.queue, offset, rocketcore.ReadOptions{MinOne: true, MaxBatches: 1})
	if err != nil || len(got.Batches) == 0 {
		return p.epoch()
	}
	return p.home.LeaderEpoch(int64(got.Batches[0].Term))
}

// barriers passes each shard's barrier once per request.
type barriers struct {
	ctx    context.Context
	passed map[image.ShardID]error
}

func (b *barriers) pass(p *partition) error {
	err, done := b.passed[p.shard.ID]
	if !done {
		if err = p.store.Barrier(b.ctx); err != nil {
			err = fmt.Errorf("shard %d: %w", p.shard.ID, err)
		}
		if b.passed == nil {
			b.passed = map[image.ShardID]error{}
		}
		b.passed[p.shard.ID] = err
	}
	return err
}
