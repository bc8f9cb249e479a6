//go:build !race

// The client has data races of its own (its response futures, for one), which the race detector would report as ours.

package remotingapi

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat"
)

func TestMain(m *testing.M) {
	rlog.SetLogLevel("fatal") // the client writes what it does to standard error
	os.Exit(m.Run())
}

type goProducer interface {
	Start() error
	Shutdown() error
	SendSync(ctx context.Context, msgs ...*primitive.Message) (*primitive.SendResult, error)
	SendAsync(ctx context.Context, f func(context.Context, *primitive.SendResult, error), msgs ...*primitive.Message) error
	SendOneWay(ctx context.Context, msgs ...*primitive.Message) error
}

// startProducer starts an unmodified rocketmq-client-go producer that knows nothing but the name server's address.
func startProducer(t *testing.T, n *testNode) goProducer {
	t.Helper()
	p, err := producer.NewDefaultProducer(producer.WithNameServer([]string{n.nameServer()}), producer.WithGroupName("pg"),
		producer.WithInstanceName("producer of "+t.Name()), producer.WithQueueSelector(producer.NewRoundRobinQueueSelector()))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Shutdown() })
	return p
}

// inbox collects what consumers get.
type inbox struct {
	mu   sync.Mutex
	got  map[string]int // by body
	all  []*primitive.MessageExt
	more chan struct{}
}

func newInbox() *inbox { return &inbox{got: map[string]int{}, more: make(chan struct{}, 1)} }

func (b *inbox) take(_ context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range msgs {
		b.got[string(m.Body)]++
		b.all = append(b.all, m)
	}
	select {
	case b.more <- struct{}{}:
	default:
	}
	return consumer.ConsumeSuccess, nil
}

// await waits until so many messages came.
func (b *inbox) await(want int) []*primitive.MessageExt {
	for {
		b.mu.Lock()
		if len(b.all) >= want {
			defer b.mu.Unlock()
			return b.all
		}
		b.mu.Unlock()
		<-b.more
	}
}

// once checks that each of the bodies came once and nothing else did.
func (b *inbox) once(t *testing.T, bodies ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, body := range bodies {
		if b.got[body] != 1 {
			t.Errorf("%q came %d times", body, b.got[body])
		}
	}
	if len(b.got) != len(bodies) {
		t.Errorf("%d different messages came, want %d", len(b.got), len(bodies))
	}
}

// startConsumer starts an unmodified push consumer.
func startConsumer(t *testing.T, n *testNode, group, name, topic, tags string, b *inbox, options ...consumer.Option) *goConsumer {
	t.Helper()
	options = append([]consumer.Option{
		consumer.WithNameServer([]string{n.nameServer()}), consumer.WithGroupName(group), consumer.WithInstance(name + " of " + t.Name()),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, options...)
	c, err := consumer.NewPushConsumer(options...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags}, b.take); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	g := &goConsumer{t: t, lag: c.GetOffsetDiffMap, shutdown: c.Shutdown}
	t.Cleanup(g.stop)
	return g
}

// goConsumer is a consumer that runs.
type goConsumer struct {
	t        *testing.T
	lag      func() map[string]int64
	shutdown func() error
	once     sync.Once
}

// settle waits until the client has noted down that it is through with all it got: what it has not noted it commits as
// not read when it stops.
func (c *goConsumer) settle(topic string) {
	for c.lag()[topic] != 0 {
		runtime.Gosched()
	}
}

func (c *goConsumer) stop() {
	c.once.Do(func() {
		if err := c.shutdown(); err != nil {
			c.t.Error(err)
		}
	})
}

func bodies(from, to int) []string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("message %d", i))
	}
	return list
}

func sendAll(t *testing.T, p goProducer, topic string, list []string, tag func(i int) string) {
	t.Helper()
	for i, body := range list {
		m := primitive.NewMessage(topic, []byte(body)).WithKeys([]string{"key", fmt.Sprint(i)})
		if tag != nil {
			m.WithTag(tag(i))
		}
		if _, err := p.SendSync(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// The first message of a producer makes the topic; sync, async, one-way and batch sends all arrive.
func TestGoProducer(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	p := startProducer(t, n)
	ctx := context.Background()
	m := primitive.NewMessage("fresh", []byte("sync"))
	result, err := p.SendSync(ctx, m)
	if err != nil || result.Status != primitive.SendOK {
		t.Fatalf("%v, %v", result, err)
	}
	if host, _, err := remoting.ParseOffsetMessageID(result.OffsetMsgID); err != nil || host.String() != n.broker() ||
		result.TransactionID != result.MsgID || result.RegionID != "DefaultRegion" || !result.TraceOn {
		t.Errorf("result is %+v, host %v, %v", result, host, err)
	}
	done := make(chan error, 1)
	err = p.SendAsync(ctx, func(_ context.Context, r *primitive.SendResult, err error) { done <- err }, primitive.NewMessage("fresh", []byte("async")))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := p.SendOneWay(ctx, primitive.NewMessage("fresh", []byte("one-way"))); err != nil {
		t.Fatal(err)
	}
	result, err = p.SendSync(ctx, primitive.NewMessage("fresh", []byte("batch 1")), primitive.NewMessage("fresh", []byte("batch 2")))
	if err != nil || strings.Count(result.OffsetMsgID, ",") != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	long := strings.Repeat("compressed by the client ", 1000)
	if _, err := p.SendSync(ctx, primitive.NewMessage("fresh", []byte(long))); err != nil {
		t.Fatal(err)
	}
	b := newInbox()
	startConsumer(t, n, "cg", "c", "fresh", "*", b)
	b.await(6)
	b.once(t, "sync", "async", "one-way", "batch 1", "batch 2", long)
}

func TestGoProducerWithoutAutoCreate(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), func(o *rocketcompat.Options) { o.AutoCreate = false })
	p := startProducer(t, n)
	if _, err := p.SendSync(context.Background(), primitive.NewMessage("nothing", []byte("x"))); err == nil {
		t.Error("a message to a topic that does not exist was taken")
	}
}

// A push consumer gets each message with one of its tags once, and sees what the producer gave.
func TestGoPushConsumerByTag(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 8)
	p := startProducer(t, n)
	b := newInbox()
	startConsumer(t, n, "cg", "c", "T", "a || ü", b)
	list := bodies(0, 300)
	tags := []string{"a", "b", "ü"}
	sendAll(t, p, "T", list, func(i int) string { return tags[i%3] })
	var want []string
	for i, body := range list {
		if i%3 != 1 {
			want = append(want, body)
		}
	}
	for _, m := range b.await(len(want)) {
		var i int
		_, _ = fmt.Sscanf(string(m.Body), "message %d", &i)
		if m.GetTags() != tags[i%3] || m.GetKeys() != fmt.Sprintf("key %d", i) || m.Topic != "T" || m.StoreHost != n.broker() ||
			m.MsgId != m.GetProperty("UNIQ_KEY") || m.GetProperty("CLUSTER") != "duolog" {
			t.Errorf("message is %v", m)
		}
	}
	b.once(t, want...)
}

// recorded is the usual strategy; it remembers how many queues of a topic each client got last.
type recorded struct {
	mu      sync.Mutex
	queues  map[string]int
	changed chan struct{}
}

func (r *recorded) allocate(group, client string, queues []*primitive.MessageQueue, clients []string) []*primitive.MessageQueue {
	mine := consumer.AllocateByAveragely(group, client, queues, clients)
	if len(queues) == 0 || queues[0].Topic != "T" {
		return mine
	}
	r.mu.Lock()
	r.queues[client] = len(mine)
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return mine
}

// await waits until so many clients have all eight queues among them, none more than one above another.
func (r *recorded) await(clients, queues int) {
	for {
		r.mu.Lock()
		sum, low, high := 0, queues, 0
		for _, n := range r.queues {
			sum, low, high = sum+n, min(low, n), max(high, n)
		}
		fair := len(r.queues) == clients && sum == queues && high-low <= 1
		r.mu.Unlock()
		if fair {
			return
		}
		<-r.changed
	}
}

func (r *recorded) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queues = map[string]int{}
}

// Three members share eight queues 3/3/2, two share them 4/4; each message is read once.
func TestGoConsumersShare(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 8)
	p := startProducer(t, n)
	b := newInbox()
	r := &recorded{queues: map[string]int{}, changed: make(chan struct{}, 1)}
	var members []*goConsumer
	for i := range 3 {
		members = append(members, startConsumer(t, n, "cg", fmt.Sprint("member ", i), "T", "*", b, consumer.WithStrategy(r.allocate)))
	}
	r.await(3, 8)
	sendAll(t, p, "T", bodies(0, 80), nil)
	b.await(80)
	for _, m := range members {
		m.settle("T")
	}
	r.forget()
	members[1].stop()
	r.await(2, 8)
	sendAll(t, p, "T", bodies(80, 160), nil)
	b.await(160)
	b.once(t, bodies(0, 160)...)
}

// Every member of a broadcasting group gets everything.
func TestGoBroadcast(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 4)
	group := fmt.Sprint("broadcast-", os.Getpid())
	t.Cleanup(func() { // the client keeps its offsets in the home directory
		_ = os.RemoveAll(filepath.Join(os.Getenv("HOME"), ".rocketmq_client_go", group))
	})
	p := startProducer(t, n)
	boxes := []*inbox{newInbox(), newInbox()}
	for i, b := range boxes {
		startConsumer(t, n, group, fmt.Sprint("member ", i), "T", "*", b, consumer.WithConsumerModel(consumer.BroadCasting))
	}
	sendAll(t, p, "T", bodies(0, 40), nil)
	for _, b := range boxes {
		b.await(40)
		b.once(t, bodies(0, 40)...)
	}
}

// A consumer that comes back after a restart of the node goes on where the last one stopped.
func TestGoConsumerAfterRestart(t *testing.T) {
	disk := vfs.NewMemory()
	n := openNode(t, disk, nil)
	n.topic("T", 4)
	p := startProducer(t, n)
	before := newInbox()
	c := startConsumer(t, n, "cg", "first", "T", "*", before)
	sendAll(t, p, "T", bodies(0, 20), nil)
	before.await(20)
	c.settle("T")
	c.stop()
	awaitProgress(n, "cg", "T", 20)
	_ = p.Shutdown()
	n.close()

	n = openNode(t, disk, nil)
	p, err := producer.NewDefaultProducer(producer.WithNameServer([]string{n.nameServer()}), producer.WithGroupName("pg"),
		producer.WithInstanceName("second producer of "+t.Name()))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Shutdown() })
	after := newInbox()
	startConsumer(t, n, "cg", "second", "T", "*", after)
	sendAll(t, p, "T", bodies(20, 30), nil)
	after.await(10)
	after.once(t, bodies(20, 30)...)
}

// awaitProgress waits until a group's committed offsets in a topic add up to want.
func awaitProgress(n *testNode, group, topic string, want int) {
	for {
		n.must(n.store.FlushProgress(context.Background()))
		sum := 0
		for _, p := range n.store.GroupProgress(group) {
			if p.Queue.Topic == queueOf(n, topic, 0).Topic {
				sum += int(p.Offset)
			}
		}
		if sum == want {
			return
		}
		runtime.Gosched()
	}
}

func TestGoPullConsumer(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 4)
	p := startProducer(t, n)
	sendAll(t, p, "T", bodies(0, 40), func(i int) string { return []string{"a", "b"}[i%2] })
	c, err := consumer.NewPullConsumer(consumer.WithNameServer([]string{n.nameServer()}), consumer.WithGroupName("cg"),
		consumer.WithInstance("puller of "+t.Name()), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe("T", consumer.MessageSelector{Type: consumer.TAG, Expression: "b"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Shutdown() })
	b := newInbox()
	for len(b.got) < 20 {
		request, err := c.Poll(context.Background(), 5e9)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = b.take(context.Background(), request.GetMsgList()...)
		c.ACK(context.Background(), request, consumer.ConsumeSuccess)
	}
	var want []string
	for i, body := range bodies(0, 40) {
		if i%2 == 1 {
			want = append(want, body)
		}
	}
	b.once(t, want...)
}
