//go:build !race

// The RocketMQ client has data races of its own, which the race detector would report as ours.

package groups

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/duolog/duolog/broker"
)

func TestMain(m *testing.M) {
	rlog.SetLogLevel("fatal")
	os.Exit(m.Run())
}

const (
	groupName  = "billing"
	topicName  = "orders"
	partitions = 4
)

// world is a node with a topic, and what was read by whom.
type world struct {
	t          *testing.T
	kafka, ns  string
	producer   *kgo.Client
	admin      *kadm.Client
	produced   int
	mu         sync.Mutex
	read       map[string]int // how often a value was read
	more       chan struct{}
	rocketRead int
}

func openWorld(t *testing.T) *world {
	t.Helper()
	node, err := broker.Open(t.Context(), broker.Options{
		DataDir: t.TempDir(), SegmentBytes: 64 << 20, Logger: slog.New(slog.DiscardHandler),
		Listeners: []broker.Listener{
			{Name: "PLAINTEXT", Protocol: broker.Kafka, Host: "127.0.0.1"},
			{Name: "ROCKETMQ", Protocol: broker.RocketMQ, Host: "127.0.0.1"},
			{Name: "NAMESRV", Protocol: broker.NameServer, Host: "127.0.0.1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, read: map[string]int{}, more: make(chan struct{}, 1)}
	for _, a := range node.Addresses() {
		switch a.Protocol {
		case broker.Kafka:
			w.kafka = a.Bound
		case broker.NameServer:
			w.ns = a.Bound
		}
	}
	w.producer, err = kgo.NewClient(kgo.SeedBrokers(w.kafka), kgo.DefaultProduceTopic(topicName), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.producer.Close)
	w.admin = kadm.NewClient(w.producer)
	if _, err := w.admin.CreateTopic(t.Context(), partitions, 1, nil, topicName); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) produce(n int) {
	w.t.Helper()
	var records []*kgo.Record
	for range n {
		records = append(records, kgo.StringRecord(fmt.Sprint("order ", w.produced)))
		w.produced++
	}
	if err := w.producer.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sees(value string, byRocket bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read[value]++
	if byRocket {
		w.rocketRead++
	}
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// all waits until everything was read, and checks that nothing was read twice.
func (w *world) all() {
	w.t.Helper()
	limit := time.After(30 * time.Second)
	for done := false; !done; {
		w.mu.Lock()
		done = len(w.read) == w.produced
		w.mu.Unlock()
		if done {
			break
		}
		select {
		case <-w.more:
		case <-limit:
			w.t.Fatalf("%d of %d were read", len(w.read), w.produced)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for value, times := range w.read {
		if times > 1 {
			w.t.Errorf("%s was read %d times", value, times)
		}
	}
}

// byRocketMQ lets a push consumer of the group read what is there, and stops it: it then tells how far it has come.
func (w *world) byRocketMQ() {
	w.t.Helper()
	c, err := rocketmq.NewPushConsumer(consumer.WithGroupName(groupName), consumer.WithNameServer(primitive.NamesrvAddr{w.ns}),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		w.t.Fatal(err)
	}
	err = c.Subscribe(topicName, consumer.MessageSelector{}, func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range messages {
			w.sees(string(m.Body), true)
		}
		return consumer.ConsumeSuccess, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.all()
	// The client counts a message as consumed a moment after it has shown it, and tells no one when.
	<-time.After(settle)
	if err := c.Shutdown(); err != nil {
		w.t.Fatal(err)
	}
	w.arrived()
}

// settle is that moment, with room to spare.
const settle = 500 * time.Millisecond

// arrived waits for what a RocketMQ consumer told last: commits are one-way, so its Shutdown does not wait for it.
func (w *world) arrived() {
	w.t.Helper()
	limit := time.After(10 * time.Second)
	for w.lag() != 0 {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			w.t.Fatalf("what the RocketMQ consumer told is not what Kafka sees: lag %d", w.lag())
		}
	}
}

// byKafka does the same with a consumer of the same group.
func (w *world) byKafka() {
	w.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.kafka), kgo.ConsumerGroup(groupName), kgo.ConsumeTopics(topicName), kgo.DisableAutoCommit())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	for left := w.produced - len(w.read); left > 0; {
		fetches := c.PollFetches(w.t.Context())
		if err := fetches.Err(); err != nil {
			w.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			w.sees(string(r.Value), false)
			left--
		})
	}
	w.all()
	if err := c.CommitUncommittedOffsets(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// lag is how far the group is behind, as Kafka's administrator is told.
func (w *world) lag() int64 {
	w.t.Helper()
	lags, err := w.admin.Lag(w.t.Context(), groupName)
	if errors.Is(lags.Error(), kerr.GroupIDNotFound) {
		return -1 // nothing was committed yet
	}
	if err != nil || lags.Error() != nil {
		w.t.Fatal(err, lags.Error())
	}
	return lags[groupName].Lag.Total()
}

// TestBothWorldsShareAGroup takes turns.
func TestBothWorldsShareAGroup(t *testing.T) {
	w := openWorld(t)
	w.produce(100)
	w.byRocketMQ()
	w.produce(40)
	if lag := w.lag(); lag != 40 {
		t.Errorf("lag %d", lag)
	}
	w.byKafka()
	w.produce(30)
	w.byRocketMQ()
	if w.rocketRead != 130 {
		t.Errorf("%d were read by the RocketMQ consumer", w.rocketRead)
	}
	groups, err := w.admin.ListGroups(t.Context())
	if err != nil || groups[groupName].ProtocolType != "consumer" || groups[groupName].State != "Empty" {
		t.Errorf("%+v, %v", groups, err)
	}
}
