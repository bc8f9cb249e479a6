package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/duolog/duolog/test/node"
)

// measureKafka is one franz-go producer with its defaults: idempotent, acks=all, no linger, snappy off.
func measureKafka(ctx context.Context, s settings) error {
	for _, size := range []int{1000, 100} {
		err := withNode(ctx, s, func(n *node.Node) error {
			stop := until(s.duration)
			l, err := s.measured(ctx, n, fmt.Sprintf("kafka-produce-%d", size), func() (load, error) {
				return produce(ctx, n, "bench", 4, size, func(int64) bool { return stop() })
			})
			if err != nil {
				return err
			}
			l.print(fmt.Sprintf("franz-go produces %d B, acks=all, 4 queues", size))
			l, err = s.measured(ctx, n, fmt.Sprintf("kafka-consume-%d", size), func() (load, error) { return consume(ctx, n, "bench", l.records) })
			if err != nil {
				return err
			}
			l.print(fmt.Sprintf("franz-go consumes %d B", size))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// measureQueues writes the same over ten queues and over ten thousand.
func measureQueues(ctx context.Context, s settings) error {
	var rates [2]float64
	for i, queues := range []int{10, 10_000} {
		err := withNode(ctx, s, func(n *node.Node) error {
			stop := until(s.duration)
			l, err := s.measured(ctx, n, fmt.Sprintf("queues-%d", queues), func() (load, error) {
				return produce(ctx, n, "bench", queues, 1000, func(int64) bool { return stop() })
			})
			if err != nil {
				return err
			}
			rates[i] = l.perSecond()
			l.print(fmt.Sprintf("1 KB records over %d queues", queues))
			return nil
		})
		if err != nil {
			return err
		}
	}
	row("10,000 queues against 10", fmt.Sprintf("%.1f %%", 100*rates[1]/rates[0]), "target 90 % or more")
	return nil
}

// until returns a function that is true once d has passed since its first call.
func until(d time.Duration) func() bool {
	var end atomic.Pointer[time.Time]
	return func() bool {
		now := time.Now()
		if e := end.Load(); e != nil {
			return now.After(*e)
		}
		then := now.Add(d)
		end.Store(&then)
		return false
	}
}

// stripe is how many records in a row go to one queue, as a keyless producer's partitioner does it.
const stripe = 64

// produce writes records of a size to a new topic until enough says so of the bytes sent, and waits for all answers.
func produce(ctx context.Context, n *node.Node, topic string, queues, size int, enough func(sent int64) bool) (load, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(n.Kafka), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(20_000), kgo.ProducerBatchMaxBytes(1_000_000))
	if err != nil {
		return load{}, err
	}
	defer client.Close()
	if err := createTopic(ctx, client, topic, queues); err != nil {
		return load{}, err
	}
	value := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range value {
		value[i] = byte(r.Uint32())
	}
	var acked atomic.Int64
	var failure sync.Once
	var failed error
	for i := 0; !enough(int64(i) * int64(size)); i++ {
		record := &kgo.Record{Value: value, Partition: int32(i / stripe % queues)}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				failure.Do(func() { failed = err })
				return
			}
			acked.Add(1)
		})
	}
	if err := client.Flush(ctx); err != nil {
		return load{}, err
	}
	return load{records: acked.Load(), bytes: acked.Load() * int64(size)}, failed
}

func createTopic(ctx context.Context, client *kgo.Client, topic string, queues int) error {
	created, err := kadm.NewClient(client).CreateTopics(ctx, int32(queues), 1, nil, topic)
	if err != nil {
		return err
	}
	return created.Error()
}

// consume reads the topic from its start.
func consume(ctx context.Context, n *node.Node, topic string, records int64) (load, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(n.Kafka), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return load{}, err
	}
	defer client.Close()
	var l load
	for l.records < records {
		fetches := client.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			return l, fmt.Errorf("partition %d: %w", e.Partition, e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			l.records++
			l.bytes += int64(len(r.Value))
		})
	}
	return l, nil
}
