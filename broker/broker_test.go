package broker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testOptions are a node on any free ports with its files in fs.
func testOptions(fs vfs.FS) Options {
	o := Options{
		FS: fs, DataDir: "data", SegmentBytes: 12 << 20, Logger: slog.New(slog.DiscardHandler),
		Listeners: DefaultListeners(), MemoryBytes: 64 << 20,
	}
	for i := range o.Listeners {
		o.Listeners[i].Port = 0
	}
	return o
}

func open(t *testing.T, o Options) *Broker {
	t.Helper()
	b, err := Open(patience(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // tests that care close it themselves
	return b
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// put appends one record to a topic's queue.
func put(t *testing.T, b *Broker, topic *image.Topic, number int) error {
	t.Helper()
	store, ok := node{b}.Store(topic.Queues[number].Shard)
	if !ok {
		t.Fatal("the topic's shard is not open")
	}
	batch := message.Build([]message.Record{{Value: []byte("v"), Timestamp: 1}}, message.BuildOptions{})
	_, err := store.Append(rocketcore.Append{Queue: queue(topic, number), Batch: batch}).Wait(patience(t))
	return err
}

func ensure(t *testing.T, b *Broker, name string, queues int32) *image.Topic {
	t.Helper()
	topic, err := node{b}.EnsureTopic(patience(t), controller.NewTopic{Name: name, Queues: queues, Replicas: -1, ID: b.meta.NewID()}, image.ByRocketMQ)
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// TestQueuesFollowTheMetadata: a topic's queues take appends as soon as the change of the topic has been answered, also
// when it grows, and after a restart; those of a deleted topic are gone.
func TestQueuesFollowTheMetadata(t *testing.T) {
	fs := vfs.NewMemory()
	b := open(t, testOptions(fs))
	n := node{b}
	topic := ensure(t, b, "orders", 2)
	if again := ensure(t, b, "orders", 5); again != topic {
		t.Errorf("ensured twice: %+v and %+v", topic, again)
	}
	if err := put(t, b, topic, 1); err != nil {
		t.Error(err)
	}
	grown, err := n.GrowTopic(patience(t), "orders", 3)
	if err != nil || len(grown.Queues) != 3 {
		t.Fatalf("grown to %+v, %v", grown, err)
	}
	if err := put(t, b, grown, 2); err != nil {
		t.Error(err)
	}
	other := ensure(t, b, "payments", -1)
	if len(other.Queues) != int(b.opts.Partitions) {
		t.Errorf("a topic without a number has %d queues", len(other.Queues))
	}
	if err := n.DeleteTopic(patience(t), "payments"); err != nil {
		t.Fatal(err)
	}
	if err := n.settled(patience(t)); err != nil {
		t.Fatal(err)
	}
	if err := put(t, b, other, 0); !errors.Is(err, rocketcore.ErrUnknownQueue) {
		t.Errorf("an append to a deleted topic gives %v", err)
	}
	if err := n.DeleteTopic(patience(t), "payments"); !errors.Is(err, controller.ErrUnknownTopic) {
		t.Errorf("deleted twice: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	b = open(t, testOptions(fs))
	kept, ok := node{b}.Image().Topic("orders")
	if !ok || len(kept.Queues) != 3 {
		t.Fatalf("after a restart: %+v", kept)
	}
	if err := put(t, b, kept, 2); err != nil {
		t.Error(err)
	}
	if store, _ := (node{b}).Store(0); len(store.Queues()) != 3 {
		t.Errorf("the shard holds %v", store.Queues())
	}
}

// TestAShardThatFellBehind: what a crash left undone between the metadata and a shard is done at the next start.
func TestAShardThatFellBehind(t *testing.T) {
	fs := vfs.NewMemory()
	b := open(t, testOptions(fs))
	gone, kept := ensure(t, b, "gone", 2), ensure(t, b, "kept", 2)
	store, _ := node{b}.Store(0)
	// As if the node had died after the metadata changed and before the shard followed.
	if err := store.DeleteQueues(patience(t), []message.Queue{queue(kept, 0)}); err != nil {
		t.Fatal(err)
	}
	stray := message.Queue{Topic: message.TopicID{9}, Number: 7}
	if err := store.OpenQueues(patience(t), []message.Queue{stray}); err != nil {
		t.Fatal(err)
	}
	if err := (node{b}).DeleteTopic(patience(t), gone.Name); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, testOptions(fs))
	store, _ = node{b}.Store(0)
	held := store.Queues()
	if len(held) != 2 || held[0] != queue(kept, 0) || held[1] != queue(kept, 1) {
		t.Errorf("the shard holds %v, topic kept is %x", held, kept.ID)
	}
	if err := put(t, b, kept, 0); err != nil {
		t.Error(err)
	}
}

// TestAFailedDiskEndsTheNode: after a failed write nothing is retried; the node says why and can be closed, and a new
// start finds what was acknowledged.
func TestAFailedDiskEndsTheNode(t *testing.T) {
	fs := vfs.NewFault(1)
	b := open(t, testOptions(fs))
	topic := ensure(t, b, "orders", 1)
	if err := put(t, b, topic, 0); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is broken")
	fs.Inject(vfs.Rule{Kind: vfs.OpSync, Err: broken})
	if err := put(t, b, topic, 0); err == nil {
		t.Error("an append on a broken disk was acknowledged")
	}
	select {
	case <-b.Failed():
	case <-patience(t).Done():
		t.Fatal("the node does not say that it failed")
	}
	if err := b.Err(); !errors.Is(err, broken) || !strings.Contains(err.Error(), "has stopped") {
		t.Errorf("it failed with %v", err)
	}
	_ = b.Close() // what it reports is the broken disk again
	fs.ClearRules()
	b = open(t, testOptions(fs))
	store, _ := node{b}.Store(0)
	if bounds, err := store.Bounds(queue(topic, 0)); err != nil || bounds.End < 1 {
		t.Errorf("after a restart: %+v, %v", bounds, err)
	}
}

// TestWritesAreRefusedOnAFullDisk, in the words of PRODUCT: with figures and the setting's name.
func TestWritesAreRefusedOnAFullDisk(t *testing.T) {
	fs := &spaceFS{FS: vfs.NewMemory(), free: 50}
	b := open(t, testOptions(fs))
	topic := ensure(t, b, "orders", 1)
	fs.set(3, nil)
	b.disk.look()
	if err := put(t, b, topic, 0); !errors.Is(err, rocketcore.ErrDiskFull) || !strings.Contains(err.Error(), "97 % full") {
		t.Errorf("an append on a full disk gives %v", err)
	}
	fs.set(50, nil)
	b.disk.look()
	if err := put(t, b, topic, 0); err != nil {
		t.Error(err)
	}
}

// TestRetentionFollowsTheImage: a topic's own settings over the node's.
func TestRetentionFollowsTheImage(t *testing.T) {
	o := testOptions(vfs.NewMemory())
	o.RetentionTime, o.RetentionBytes = time.Hour, 1000
	b := open(t, o)
	topic := ensure(t, b, "orders", 1)
	policy := func() rocketcore.RetentionPolicy { return b.shards.retention(queue(topic, 0)) }
	if p := policy(); p.MaxAge != time.Hour || p.MaxBytes != 1000 {
		t.Errorf("the node's: %+v", p)
	}
	for _, step := range []struct {
		name, value string
		want        rocketcore.RetentionPolicy
	}{
		{image.RetentionMs, "5000", rocketcore.RetentionPolicy{MaxAge: 5 * time.Second, MaxBytes: 1000}},
		{image.RetentionMs, "-1", rocketcore.RetentionPolicy{MaxBytes: 1000}},
		{image.RetentionMs, "0", rocketcore.RetentionPolicy{MaxAge: time.Millisecond, MaxBytes: 1000}},
		{image.RetentionBytes, "-1", rocketcore.RetentionPolicy{MaxAge: time.Millisecond}},
	} {
		change := controller.ConfigChange{Name: "orders", Ops: []controller.ConfigOp{{Name: step.name, Op: controller.OpSet, Value: &step.value}}}
		if err := (node{b}).AlterTopic(patience(t), change); err != nil {
			t.Fatal(err)
		}
		if p := policy(); p != step.want {
			t.Errorf("%s=%s: %+v, want %+v", step.name, step.value, p, step.want)
		}
	}
	if p := b.shards.retention(message.Queue{Topic: message.TopicID{9}}); p != (rocketcore.RetentionPolicy{}) {
		t.Errorf("of a queue that nobody knows: %+v", p)
	}
}
