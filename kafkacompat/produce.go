package kafkacompat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// Produce, v3-v13: one record batch, format 2, per partition.
//
// v5 log start offset; v7 zstd allowed; v8 record errors and error message (KIP-467); v9 flexible; v10 the current leader
// beside NOT_LEADER_OR_FOLLOWER (KIP-951); v11, v12 transactions only; v13 topic ids. v0-v2 carry message sets of
// format 0 and 1 and are refused partition by partition.
//
// Phase one checks every batch and proposes it, in request order, which fixes its place in the log. Phase two waits for
// the results. acks=1 is answered like acks=-1, when a majority has the batch: a shard has no weaker promise to give.
// acks=0 has no answer; if a partition fails the connection closes, which is all that such a client can notice.

// appending is one partition of a request on its way.
type appending struct {
	place   partition
	pending *rocketcore.Pending // nil if err is set
	err     error               // refused before it was proposed
	logTime bool                // the topic's records take the log's time
}

func (f *Front) produce(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.ProduceRequest)
	img := f.node.Image()
	refusal := refuseProduce(req)
	appends := make([]appending, 0, countPartitions(req))
	for i := range req.Topics {
		topic, err := (*image.Topic)(nil), refusal
		if err == nil {
			topic, err = f.topicOf(img, req.Topics[i].Topic, req.Topics[i].TopicID, req.Version >= 13)
		}
		for j := range req.Topics[i].Partitions {
			if err != nil {
				appends = append(appends, appending{err: err})
				continue
			}
			appends = append(appends, f.startAppend(img, topic, req.Version, &req.Topics[i].Partitions[j]))
		}
	}
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		ctx, cancel := context.WithTimeout(ctx, f.timeout(req.TimeoutMillis))
		defer cancel()
		if req.Acks == 0 {
			return nil, firstFailure(ctx, appends)
		}
		return f.produceResponse(ctx, r, req, appends), nil
	})
}

// refuseProduce finds what is wrong with the request as a whole.
func refuseProduce(req *kmsg.ProduceRequest) error {
	switch {
	case req.Version < 3:
		return faultf(unsupportedVersion, "Produce version %d carries message sets of format 0 and 1, which are not taken", req.Version)
	case req.Acks < -1 || req.Acks > 1:
		return faultf(invalidRequiredAcks, "acks is %d, it may be -1, 0 or 1", req.Acks)
	case req.TransactionID != nil:
		return faultf(invalidTxnState, "transactions are not served: transactional id %.100q", *req.TransactionID)
	}
	return nil
}

func countPartitions(req *kmsg.ProduceRequest) (n int) {
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	return n
}

// timeout is a request's own time-out, or the front's where it names none.
func (f *Front) timeout(millis int32) time.Duration {
	if millis <= 0 {
		return f.opts.RequestTimeout
	}
	return time.Duration(millis) * time.Millisecond
}

// startAppend checks one partition's batch and proposes it.
func (f *Front) startAppend(img *image.Image, topic *image.Topic, version int16, part *kmsg.ProduceRequestTopicPartition) appending {
	place, err := f.partitionOf(img, topic, part.Partition)
	if err != nil {
		return appending{place: place, err: err}
	}
	settings := topic.Settings(f.opts.Topics)
	batch, err := f.checkBatch(place.name, part.Records, settings, version)
	if err != nil {
		return appending{place: place, err: err}
	}
	return appending{
		place:   place,
		logTime: settings.LogAppendTime,
		pending: place.store.Append(rocketcore.Append{Queue: place.queue, Batch: batch, LogAppendTime: settings.LogAppendTime}),
	}
}

// checkBatch validates a partition's records in Kafka's order (ProduceRequest.validateRecords, LogValidator). It reads the
// header and computes the CRC; the records are not expanded unless a rule needs it.
func (f *Front) checkBatch(topic string, records []byte, s image.Settings, version int16) (message.Batch, error) {
	if len(records) == 0 {
		return nil, faultf(invalidRecord, "topic %q: no record batch", topic)
	}
	if len(records) > int(s.MaxMessageBytes) {
		return nil, faultf(messageTooLarge, "message is %s bytes, limit for %q is %s (max.message.bytes)",
			grouped(len(records)), topic, grouped(int(s.MaxMessageBytes)))
	}
	if len(records) >= message.BatchHeaderBytes {
		if first := message.Batch(records); first.Magic() == 2 && first.Length() >= 0 && int(first.Length())+12 < len(records) {
			return nil, faultf(invalidRecord, "topic %q: a partition's records must be exactly one batch", topic)
		}
	}
	batch, err := message.CheckBatch(records, message.Limits{MaxBatchBytes: int(s.MaxMessageBytes)})
	if err != nil {
		return nil, fmt.Errorf("topic %q: %w", topic, err)
	}
	if batch.Codec() == message.CodecZstd && version < 7 {
		return nil, faultf(unsupportedCompression, "topic %q: zstd needs Produce version 7, this is %d", topic, version)
	}
	if err := batch.CheckProduced(); err != nil {
		return nil, fmt.Errorf("topic %q: %w", topic, err)
	}
	if batch.IsTransactional() {
		return nil, faultf(invalidTxnState, "topic %q: transactions are not served", topic)
	}
	if err := f.checkRecords(batch, s); err != nil {
		return nil, fmt.Errorf("topic %q: %w", topic, err)
	}
	return batch, nil
}

// checkRecords looks into the batch where its header gives a reason: a time out of bounds, or a lower bound that the header
// can't speak for.
func (f *Front) checkRecords(batch message.Batch, s image.Settings) error {
	now := f.opts.Now().UnixMilli()
	suspect := !s.LogAppendTime &&
		(s.TimestampBeforeMaxMs < image.DefaultSettings().TimestampBeforeMaxMs || batch.MaxTimestamp()-now > s.TimestampAfterMaxMs)
	if !suspect && !f.opts.VerifyRecords {
		return nil
	}
	_, err := batch.CheckRecords(message.RecordRules{
		Limits: message.Limits{MaxBatchBytes: int(s.MaxMessageBytes)}, Now: now, LogAppendTime: s.LogAppendTime,
		BeforeMax: millis(s.TimestampBeforeMaxMs), AfterMax: millis(s.TimestampAfterMaxMs),
	})
	return err
}

// millis converts a config in ms, taking what a Duration can't hold as no bound.
func millis(ms int64) time.Duration {
	if ms > int64(1<<63-1)/int64(time.Millisecond) {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// firstFailure waits for all partitions of an acks=0 request.
func firstFailure(ctx context.Context, appends []appending) error {
	for i := range appends {
		err := appends[i].err
		if err == nil {
			_, err = appends[i].pending.Wait(ctx)
		}
		if err != nil {
			return fmt.Errorf("acks=0, so closing is the only answer: %w", err)
		}
	}
	return nil
}

func (f *Front) produceResponse(ctx context.Context, r *kafka.Request, req *kmsg.ProduceRequest, appends []appending) *kmsg.ProduceResponse {
	resp := kmsg.NewPtrProduceResponse()
	resp.Topics = make([]kmsg.ProduceResponseTopic, len(req.Topics))
	leaders := leaderHints{img: f.node.Image(), listener: r.Conn.Listener()}
	next := 0
	for i := range req.Topics {
		topic := &resp.Topics[i]
		topic.Topic, topic.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		topic.Partitions = make([]kmsg.ProduceResponseTopicPartition, len(req.Topics[i].Partitions))
		for j := range topic.Partitions {
			part := &topic.Partitions[j]
			part.Default()
			part.Partition = req.Topics[i].Partitions[j].Partition
			f.finishAppend(ctx, &appends[next], part)
			if part.ErrorCode == notLeaderOrFollower && req.Version >= 10 {
				part.CurrentLeader.LeaderID, part.CurrentLeader.LeaderEpoch = leaders.of(&appends[next].place)
			}
			next++
		}
	}
	for _, node := range leaders.nodes {
		b := kmsg.NewProduceResponseBroker()
		b.NodeID, b.Host, b.Port = node.id, node.address.Host, int32(node.address.Port)
		resp.Brokers = append(resp.Brokers, b)
	}
	return resp
}

// finishAppend waits for one partition and fills its answer.
func (f *Front) finishAppend(ctx context.Context, a *appending, part *kmsg.ProduceResponseTopicPartition) {
	err := a.err
	if err == nil {
		var at rocketcore.Appended
		if at, err = a.pending.Wait(ctx); err == nil {
			part.BaseOffset, part.LogStartOffset = int64(at.BaseOffset), int64(at.StartOffset)
			if a.logTime {
				part.LogAppendTime = at.Time
			}
			return
		}
		f.log.Debug("append failed", "queue", a.place.queue, "topic", a.place.name, "err", err)
	}
	part.ErrorCode, part.ErrorMessage = codeOf(err), sentence(err)
	part.BaseOffset, part.LogAppendTime, part.LogStartOffset = -1, -1, -1
	if records := (*message.RecordsError)(nil); errors.As(err, &records) {
		for _, bad := range records.Records {
			e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			e.RelativeOffset, e.ErrorMessage = int32(bad.Index), &bad.Reason
			part.ErrorRecords = append(part.ErrorRecords, e)
		}
	}
}

// grouped writes a number as people read it: 5,120,233.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
