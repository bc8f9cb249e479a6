package kafkacompat

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// openNode is openDoor with a shard behind it, in memory.
func openNode(t testing.TB, o Options) *door {
	t.Helper()
	d := openDoor(t, o)
	cfg := rocketcore.Config{FS: vfs.NewMemory(), Dir: "shard", UID: d.node.id(), Replica: 1}
	cfg.Bootstrap = append(cfg.Bootstrap, 1)
	cfg.Options.Log.SegmentBytes, cfg.Options.Log.CommandBytes = 64<<20, 32<<20
	store, err := rocketcore.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close of the store: %v", err)
		}
	})
	if err := store.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.node.decide(&controller.ReportLeader{Shard: 0, Node: 1, Term: int64(store.Log().Status().Term)})
	d.node.store.Store(store)
	d.node.opens = func(topic *image.Topic) {
		var queues []message.Queue
		for i := range topic.Queues {
			queues = append(queues, message.Queue{Topic: topic.ID, Number: int32(i)})
		}
		if err := store.OpenQueues(context.Background(), queues); err != nil {
			t.Error(err)
		}
	}
	return d
}

// produceOne sends one batch to a partition and returns the answer for it.
func produceOne(t testing.TB, c net.Conn, version int16, topic *image.Topic, partition int32, acks int16, records []byte) kmsg.ProduceResponseTopicPartition {
	t.Helper()
	send(t, c, produceRequest(topic, partition, acks, records), version)
	return receive(t, c, version, kmsg.NewPtrProduceResponse()).Topics[0].Partitions[0]
}

func produceRequest(topic *image.Topic, partition int32, acks int16, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 10_000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = partition, records
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic.Name, TopicID: topic.ID, Partitions: []kmsg.ProduceRequestTopicPartition{part}}}
	return req
}

// mustProduce is produceOne that must succeed; it returns the base offset.
func mustProduce(t testing.TB, c net.Conn, topic *image.Topic, partition int32, records []byte) int64 {
	t.Helper()
	got := produceOne(t, c, 9, topic, partition, -1, records)
	if got.ErrorCode != 0 {
		t.Fatalf("produce: error %d %v", got.ErrorCode, got.ErrorMessage)
	}
	return got.BaseOffset
}

func fetchRequest(topic *image.Topic, partition int32, offset int64, wait time.Duration) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.SessionEpoch = int32(wait.Milliseconds()), 1, -1
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = partition, offset, 1<<20
	req.Topics = []kmsg.FetchRequestTopic{{Topic: topic.Name, TopicID: topic.ID, Partitions: []kmsg.FetchRequestTopicPartition{part}}}
	return req
}

// fetchOne asks for one partition.
func fetchOne(t testing.TB, c net.Conn, version int16, req *kmsg.FetchRequest) kmsg.FetchResponseTopicPartition {
	t.Helper()
	send(t, c, req, version)
	resp := receive(t, c, version, kmsg.NewPtrFetchResponse())
	if resp.ErrorCode != 0 || resp.SessionID != 0 {
		t.Fatalf("fetch: error %d, session %d", resp.ErrorCode, resp.SessionID)
	}
	return resp.Topics[0].Partitions[0]
}

// offsets lists the base offsets of the batches in a records field.
func offsets(t testing.TB, records []byte) (bases []int64) {
	t.Helper()
	batches, err := message.Split(records)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if _, err := message.CheckBatch(b, message.Limits{MaxBatchBytes: 64 << 20}); err != nil {
			t.Fatal(err)
		}
		bases = append(bases, int64(b.BaseOffset()))
	}
	return bases
}
