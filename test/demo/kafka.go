package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// produceSarama makes the topic and writes to it by sarama's asynchronous, idempotent producer.
func produceSarama(ctx context.Context, address string) error {
	config := sarama.NewConfig()
	config.ClientID = "demo-sarama"
	config.Version = sarama.V2_8_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Compression = sarama.CompressionLZ4
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1 // what sarama demands of an idempotent producer
	config.Producer.Return.Successes = true
	client, err := sarama.NewClient([]string{address}, config)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // all was acknowledged by then
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return err
	}
	if err := admin.CreateTopic(orders, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false); err != nil {
		return err
	}
	producer, err := sarama.NewAsyncProducerFromClient(client)
	if err != nil {
		return err
	}
	go func() {
		for i := range saramaRecords {
			producer.Input() <- saramaMessage(order{"sarama", i})
		}
	}()
	var failed error
	for range saramaRecords {
		select {
		case <-producer.Successes():
		case err := <-producer.Errors():
			failed = errors.Join(failed, err)
		case <-ctx.Done():
			return ctx.Err()
		}
		if failed != nil {
			return failed
		}
	}
	return producer.Close()
}

func saramaMessage(o order) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: orders, Key: sarama.StringEncoder(o.key()), Value: sarama.ByteEncoder(o.body())}
	m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte("TAGS"), Value: []byte(o.tag())})
	for _, h := range o.headers() {
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h[0]), Value: []byte(h[1])})
	}
	return m
}

// produceFranz writes to the same topic by franz-go, whose producer is idempotent by default.
func produceFranz(ctx context.Context, address string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ClientID("demo-franz-go"),
		kgo.DefaultProduceTopic(orders), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	records := make([]*kgo.Record, franzRecords)
	for i := range records {
		o := order{"franz", i}
		records[i] = &kgo.Record{Key: []byte(o.key()), Value: o.body(), Headers: []kgo.RecordHeader{{Key: "TAGS", Value: []byte(o.tag())}}}
		for _, h := range o.headers() {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

// consumeFranz reads the topic that the RocketMQ producer wrote.
func consumeFranz(ctx context.Context, address string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ClientID("demo-franz-go"),
		kgo.ConsumeTopics(payments), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	t := newTally("franz-go", map[string]int{"rocketmq": rocketmqMessages}, func(order) bool { return true })
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return errors.Join(err, t.result())
		}
		for _, e := range fetches.Errors() {
			return fmt.Errorf("partition %d: %w", e.Partition, e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			o, err := parseKey(string(r.Key))
			if err == nil {
				header := func(name string) string { return headerOf(r, name) }
				err = o.check(r.Value, header("TAGS"), header)
			}
			t.arrived(o, err)
		})
		select {
		case <-t.done:
			return t.result()
		default:
		}
	}
}

func headerOf(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// checkEnds asks the broker how many records it holds: nothing was stored twice.
func checkEnds(ctx context.Context, address string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, orders, payments)
	if err != nil {
		return err
	}
	if err := ends.Error(); err != nil {
		return err
	}
	held := map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) { held[o.Topic] += o.Offset })
	if held[orders] != saramaRecords+franzRecords || held[payments] != rocketmqMessages {
		return fmt.Errorf("the broker holds %d records of %s and %d of %s, written were %d and %d",
			held[orders], orders, held[payments], payments, saramaRecords+franzRecords, rocketmqMessages)
	}
	return nil
}
