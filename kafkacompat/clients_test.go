package kafkacompat

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func franz(t *testing.T, d *door, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(d.Addr().String())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func saramaConfig() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Producer.Return.Successes = true
	cfg.Consumer.Return.Errors = true
	return cfg
}

func values(records []*kgo.Record) []string {
	got := make([]string, len(records))
	for i, r := range records {
		got[i] = string(r.Value)
	}
	sort.Strings(got)
	return got
}

// consume reads n records of a topic from the start, all partitions.
func consume(t *testing.T, d *door, topic string, n int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client := franz(t, d, kgo.ConsumeTopics(topic), kgo.FetchMaxWait(time.Second))
	var got []*kgo.Record
	for len(got) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got = append(got, fetches.Records()...)
	}
	return got
}

// TestFranz: an unmodified franz-go client, idempotent as it is by default, in every codec and with every acks.
func TestFranz(t *testing.T) {
	d := openNode(t, Options{Partitions: 4})
	for name, opts := range map[string][]kgo.Opt{
		"none":       {kgo.ProducerBatchCompression(kgo.NoCompression())},
		"gzip":       {kgo.ProducerBatchCompression(kgo.GzipCompression())},
		"snappy":     {kgo.ProducerBatchCompression(kgo.SnappyCompression())},
		"lz4":        {kgo.ProducerBatchCompression(kgo.Lz4Compression())},
		"zstd":       {kgo.ProducerBatchCompression(kgo.ZstdCompression())},
		"leader_ack": {kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()},
		"no_ack":     {kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()},
	} {
		t.Run(name, func(t *testing.T) {
			topic := "franz-" + name
			client := franz(t, d, append(opts, kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic(topic))...)
			var want []string
			var records []*kgo.Record
			for i := range 500 {
				value := fmt.Sprintf("value %04d %s", i, strings.Repeat("z", i%50))
				want = append(want, value)
				records = append(records, &kgo.Record{Key: fmt.Appendf(nil, "key-%d", i), Value: []byte(value),
					Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{0, 1, 255}}, {Key: "h", Value: nil}}})
			}
			if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			got := consume(t, d, topic, len(want))
			if fmt.Sprint(values(got)) != fmt.Sprint(want) {
				t.Errorf("%d records of %d came back as they were", len(got), len(want))
			}
			partitions := map[int32]int64{}
			for _, r := range got {
				if len(r.Headers) != 2 || string(r.Headers[0].Value) != "\x00\x01\xff" || r.Headers[1].Value != nil {
					t.Fatalf("headers %v", r.Headers)
				}
				if r.Offset != partitions[r.Partition] {
					t.Fatalf("partition %d: offset %d where %d should be", r.Partition, r.Offset, partitions[r.Partition])
				}
				partitions[r.Partition]++
			}
		})
	}
}

func TestFranzAdmin(t *testing.T) {
	d := openNode(t, Options{})
	client := franz(t, d)
	adm := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := adm.CreateTopics(ctx, 3, 1, map[string]*string{"retention.ms": kadm.StringPtr("60000")}, "orders", "audit"); err != nil {
		t.Fatal(err)
	}
	again, err := adm.CreateTopic(ctx, 3, 1, nil, "orders")
	if !errors.Is(again.Err, kerr.TopicAlreadyExists) {
		t.Errorf("created again: %v %v", again.Err, err)
	}
	topics, err := adm.ListTopics(ctx)
	if err != nil || fmt.Sprint(topics.Names()) != "[audit orders]" || len(topics["orders"].Partitions) != 3 {
		t.Fatalf("%v, %v", topics, err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ends, err := adm.ListEndOffsets(ctx, "orders")
	if err != nil || ends.Error() != nil {
		t.Fatal(err, ends.Error())
	}
	total := int64(0)
	ends.Each(func(o kadm.ListedOffset) { total += o.Offset })
	if total != 1 {
		t.Errorf("end offsets sum up to %d", total)
	}
	deleted, err := adm.DeleteTopics(ctx, "orders", "nowhere")
	if err != nil || deleted["orders"].Err != nil || !errors.Is(deleted["nowhere"].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("%+v, %v", deleted, err)
	}
	if left := metadata(t, d, 9, false); fmt.Sprint(names(left)) != "[audit]" { // kadm answers from its cache
		t.Errorf("left: %v", names(left))
	}
}

// TestTransactionsAreRefused: a transactional producer fails at once and with the reason, not after a time-out.
func TestTransactionsAreRefused(t *testing.T) {
	d := openNode(t, Options{})
	client := franz(t, d, kgo.TransactionalID("tx"))
	begun := time.Now()
	if err := client.BeginTransaction(); !errors.Is(err, kerr.UnsupportedVersion) || time.Since(begun) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestSarama(t *testing.T) {
	d := openNode(t, Options{Partitions: 2})
	for name, set := range map[string]func(*sarama.Config){
		"defaults":  func(*sarama.Config) {},
		"gzip":      func(c *sarama.Config) { c.Producer.Compression = sarama.CompressionGZIP },
		"snappy":    func(c *sarama.Config) { c.Producer.Compression = sarama.CompressionSnappy },
		"lz4":       func(c *sarama.Config) { c.Producer.Compression = sarama.CompressionLZ4 },
		"zstd":      func(c *sarama.Config) { c.Producer.Compression = sarama.CompressionZSTD },
		"acks_all":  func(c *sarama.Config) { c.Producer.RequiredAcks = sarama.WaitForAll },
		"acks_none": func(c *sarama.Config) { c.Producer.RequiredAcks = sarama.NoResponse },
		"version_1": func(c *sarama.Config) { c.Version = sarama.V1_0_0_0 },
		"version_4": func(c *sarama.Config) { c.Version = sarama.V4_0_0_0 },
		"idempotent": func(c *sarama.Config) {
			c.Producer.Idempotent, c.Net.MaxOpenRequests, c.Producer.RequiredAcks = true, 1, sarama.WaitForAll
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := saramaConfig()
			set(cfg)
			client, err := sarama.NewClient([]string{d.Addr().String()}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			producer, err := sarama.NewSyncProducerFromClient(client)
			if err != nil {
				t.Fatal(err)
			}
			topic := "sarama-" + name
			var want []string
			for i := range 100 {
				value := fmt.Sprintf("value %03d", i)
				want = append(want, value)
				_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprint(i)),
					Value: sarama.StringEncoder(value), Headers: []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("v")}}})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := producer.Close(); err != nil {
				t.Fatal(err)
			}
			got := readSarama(t, client, topic, len(want))
			sort.Strings(got)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d records of %d came back as they were", len(got), len(want))
			}
		})
	}
}

// readSarama reads n records of a topic by sarama's partition consumers.
func readSarama(t *testing.T, client sarama.Client, topic string, n int) (got []string) {
	t.Helper()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partitions, err := consumer.Partitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	messages := make(chan *sarama.ConsumerMessage)
	stop := make(chan struct{})
	defer close(stop)
	for _, p := range partitions {
		pc, err := consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		defer pc.AsyncClose()
		go func() {
			for {
				select {
				case m := <-pc.Messages():
					select {
					case messages <- m:
					case <-stop:
						return
					}
				case <-stop:
					return
				}
			}
		}()
	}
	late := time.After(2 * time.Minute)
	for len(got) < n {
		select {
		case m := <-messages:
			got = append(got, string(m.Value))
		case <-late:
			t.Fatalf("%d of %d records came", len(got), n)
		}
	}
	return got
}

func TestSaramaAdmin(t *testing.T) {
	d := openNode(t, Options{})
	admin, err := sarama.NewClusterAdmin([]string{d.Addr().String()}, saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateTopic("orders", &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false); err != nil {
		t.Fatal(err)
	}
	var exists *sarama.TopicError
	if err := admin.CreateTopic("orders", &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false); !errors.As(err, &exists) ||
		exists.Err != sarama.ErrTopicAlreadyExists || !strings.Contains(*exists.ErrMsg, "orders") {
		t.Errorf("created again: %v", err)
	}
	described, err := admin.DescribeTopics([]string{"orders"})
	if err != nil || len(described) != 1 || len(described[0].Partitions) != 3 {
		t.Errorf("%v, %v", described, err)
	}
	if err := admin.DeleteTopic("orders"); err != nil {
		t.Error(err)
	}
	if err := admin.DeleteTopic("orders"); !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		t.Errorf("deleted again: %v", err)
	}
}

// TestTooLargeIsSaidToClients: the sentence reaches the user of a client that shows it.
func TestTooLargeIsSaidToClients(t *testing.T) {
	d := openNode(t, Options{})
	d.node.create("orders", 1, "max.message.bytes", "1000")
	client := franz(t, d, kgo.ProducerBatchCompression(kgo.NoCompression()))
	err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: make([]byte, 5000)}).FirstErr()
	if !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("got %v", err)
	}
}
