package kafkacompat

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/wire"
	"github.com/duolog/duolog/rocketcore"
)

// testNode is a node whose metadata quorum is a lock around the pure controller, and whose one shard has no store unless a
// test gives it one.
type testNode struct {
	t     testing.TB
	mu    sync.Mutex // one command at a time
	image atomic.Pointer[image.Image]
	seed  byte
	store atomic.Pointer[rocketcore.Store]
	opens func(*image.Topic) // called with each new topic before CreateTopics returns
}

const testListener = "PLAINTEXT"

// newTestNode makes a cluster of one node that advertises the port.
func newTestNode(t testing.TB, port int) *testNode {
	n := &testNode{t: t}
	n.image.Store(&image.Image{})
	n.decide(&controller.Bootstrap{ClusterID: "a-test-cluster", FeatureLevel: 1, Slots: 8,
		Shards: []controller.NewShard{{UID: n.id(), Name: "broker-a", Replicas: []image.NodeID{1}}}})
	incarnation := n.id()
	n.decide(&controller.RegisterNode{ClusterID: "a-test-cluster", Node: 1, Incarnation: incarnation, Directory: n.id(),
		Listeners: []image.Listener{{Name: testListener, Protocol: "PLAINTEXT", Host: "127.0.0.1", Port: port}}})
	n.decide(&controller.FenceNode{Node: 1, Incarnation: incarnation, Fenced: false})
	n.decide(&controller.ReportLeader{Shard: 0, Node: 1, Term: 1})
	return n
}

// id makes ids that are the same in every run.
func (n *testNode) id() image.UUID {
	n.seed++
	return image.UUID{n.seed, 0xd0, 0x01}
}

// decide does what the metadata log would.
func (n *testNode) decide(cmd controller.Command) any {
	n.mu.Lock()
	defer n.mu.Unlock()
	img := n.image.Load()
	records, result := controller.Decide(img, cmd, 1_700_000_000_000)
	if err, ok := result.(error); ok {
		n.t.Fatalf("%T: %v", cmd, err)
	}
	next, err := img.Apply(records...)
	if err != nil {
		n.t.Fatalf("%T: %v", cmd, err)
	}
	n.image.Store(next.At(img.Version() + 1))
	return result
}

func (n *testNode) ID() image.NodeID    { return 1 }
func (n *testNode) Image() *image.Image { return n.image.Load() }

func (n *testNode) Store(image.ShardID) (*rocketcore.Store, bool) {
	store := n.store.Load()
	return store, store != nil
}

func (n *testNode) CreateTopics(_ context.Context, cmd *controller.CreateTopics) (*controller.CreateTopicsResult, error) {
	for i := range cmd.Topics {
		cmd.Topics[i].ID = n.id()
	}
	result := n.decide(cmd).(*controller.CreateTopicsResult)
	for _, t := range result.Topics {
		if topic, ok := n.Image().Topic(t.Name); ok && n.opens != nil && t.Err == nil && !cmd.ValidateOnly {
			n.opens(topic)
		}
	}
	return result, nil
}

func (n *testNode) DeleteTopics(_ context.Context, topics ...controller.TopicRef) (*controller.DeleteTopicsResult, error) {
	return n.decide(&controller.DeleteTopics{Topics: topics}).(*controller.DeleteTopicsResult), nil
}

func (n *testNode) AllocateProducerIDs(context.Context) (int64, int, error) {
	node, _ := n.Image().Node(1)
	ids := n.decide(&controller.AllocateProducerIDs{Node: 1, Incarnation: node.Incarnation}).(*controller.ProducerIDs)
	return ids.First, ids.Count, nil
}

// create makes a topic outside of any protocol.
func (n *testNode) create(name string, queues int32, configs ...string) *image.Topic {
	n.t.Helper()
	topic := controller.NewTopic{Name: name, Queues: queues, Replicas: -1, Internal: image.GroupTopic(name)}
	for i := 0; i < len(configs); i += 2 {
		topic.Configs = append(topic.Configs, controller.Config{Name: configs[i], Value: &configs[i+1]})
	}
	result, _ := n.CreateTopics(context.Background(), &controller.CreateTopics{Topics: []controller.NewTopic{topic}})
	if err := result.Topics[0].Err; err != nil {
		n.t.Fatal(err)
	}
	t, _ := n.Image().Topic(name)
	return t
}

type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// door is a listener with a front behind it.
type door struct {
	*wire.Listener
	node  *testNode
	front *Front
	log   *logText
}

// openDoor serves a front on 127.0.0.1 until the test ends.
func openDoor(t testing.TB, o Options) *door {
	t.Helper()
	d := &door{log: &logText{}}
	log := slog.New(slog.NewTextHandler(d.log, nil))
	o.Logger = log
	var err error
	if d.Listener, err = wire.Listen("127.0.0.1:0", wire.Options{Name: testListener, Speaks: wire.Kafka, Logger: log}); err != nil {
		t.Fatal(err)
	}
	d.node = newTestNode(t, d.Port())
	if d.front, err = New(d.node, o); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.Serve(d.front.Serve) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := d.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		d.front.Close()
	})
	return d
}

func (d *door) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func send(t testing.TB, c net.Conn, request kmsg.Request, version int16) {
	t.Helper()
	request.SetVersion(version)
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("tester"))
	if _, err := c.Write(formatter.AppendRequest(nil, request, 7)); err != nil {
		t.Fatal(err)
	}
}

// receive reads the answer to a request of this kind and version.
func receive[R kmsg.Response](t testing.TB, c net.Conn, version int16, response R) R {
	t.Helper()
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	response.SetVersion(version)
	if response.IsFlexible() && response.Key() != int16(kmsg.ApiVersions) {
		body = body[1:]
	}
	if err := response.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	return response
}

// eventually polls a condition that another goroutine is about to make true.
func eventually(t testing.TB, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it never came")
		}
	}
}

func ptr[T any](v T) *T { return &v }
