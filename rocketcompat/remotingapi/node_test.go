package remotingapi

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path"
	"strconv"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft"
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/protocol/wire"
	"github.com/duolog/duolog/rocketcompat"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// testNode is one node with metadata, one shard, and the RocketMQ front behind two listeners. It is what package broker
// assembles, as far as this front can see.
type testNode struct {
	t         testing.TB
	meta      *kraft.Node
	store     *rocketcore.Store
	front     *rocketcompat.Front
	server    *remoting.Server
	listeners []*wire.Listener // ROCKETMQ and NAMESRV
	served    chan error
	closed    bool
}

// openNode opens a node on a file system, which may have served one before. It is closed with the test.
func openNode(t testing.TB, fs vfs.FS, change func(o *rocketcompat.Options)) *testNode {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	n := &testNode{t: t, served: make(chan error, 2)}
	ctx := context.Background()
	var err error
	n.meta, err = kraft.Open(ctx, kraft.Config{FS: fs, Dir: "data", NodeID: 1, Logger: log, Options: kraft.Options{ShardName: "broker-a"}})
	n.must(err)
	n.openShard(fs, log)
	o := rocketcompat.DefaultOptions()
	if change != nil {
		change(&o)
	}
	n.front, err = rocketcompat.New(rocketcompat.Config{Cluster: n, Options: o, Logger: log})
	n.must(err)
	serving := remoting.DefaultOptions()
	serving.Logger = log
	n.server, err = remoting.NewServer(New(n.front), serving)
	n.must(err)
	var advertised []image.Listener
	for _, name := range []string{"ROCKETMQ", "NAMESRV"} {
		l, err := wire.Listen("127.0.0.1:0", remoting.ListenerOptions(wire.Options{Name: name, Logger: log}))
		n.must(err)
		n.listeners = append(n.listeners, l)
		advertised = append(advertised, image.Listener{Name: name, Protocol: name, Host: "127.0.0.1", Port: l.Port()})
		go func() { n.served <- l.Serve(n.server.Serve) }()
	}
	n.must(n.meta.Register(ctx, advertised))
	n.must(n.meta.Show(ctx))
	t.Cleanup(n.close)
	return n
}

func (n *testNode) openShard(fs vfs.FS, log *slog.Logger) {
	shard, ok := n.meta.Image().Shard(0)
	if !ok {
		n.t.Fatal("the cluster has no shard")
	}
	cfg := rocketcore.Config{
		FS: fs, Dir: path.Join("data", "shards", strconv.Itoa(int(shard.ID))), UID: [16]byte(shard.UID), Replica: 1, Logger: log,
	}
	cfg.Bootstrap = append(cfg.Bootstrap, 1)
	cfg.Options.Log.SegmentBytes = 64 << 20 // recovery looks through a whole segment
	var err error
	n.store, err = rocketcore.Open(cfg)
	n.must(err)
	n.must(n.store.Barrier(context.Background()))
	for topic := range n.meta.Image().Topics() {
		n.must(n.openQueues(context.Background(), topic))
	}
}

func (n *testNode) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// close stops the node; what is under way is cut.
func (n *testNode) close() {
	if n.closed {
		return
	}
	n.closed = true
	cut, cancel := context.WithCancel(context.Background())
	cancel()
	for _, l := range n.listeners {
		_ = l.Close(cut) // cutting is what was asked for
	}
	for range n.listeners {
		if err := <-n.served; err != nil {
			n.t.Error(err)
		}
	}
	n.front.Close()
	if err := errors.Join(n.store.Close(), n.meta.Close()); err != nil {
		n.t.Error(err)
	}
}

func (n *testNode) broker() string     { return n.listeners[0].Addr().String() }
func (n *testNode) nameServer() string { return n.listeners[1].Addr().String() }

func (n *testNode) NodeID() image.NodeID                             { return 1 }
func (n *testNode) Image() *image.Image                              { return n.meta.Image() }
func (n *testNode) Store(id image.ShardID) (*rocketcore.Store, bool) { return n.store, id == 0 }
func (n *testNode) openQueues(ctx context.Context, t *image.Topic) error {
	queues := make([]message.Queue, len(t.Queues))
	for i := range queues {
		queues[i] = message.Queue{Topic: message.TopicID(t.ID), Number: int32(i)}
	}
	return n.store.OpenQueues(ctx, queues)
}

func (n *testNode) EnsureTopic(ctx context.Context, topic controller.NewTopic, origin image.Origin) (*image.Topic, error) {
	result, err := n.meta.CreateTopics(ctx, &controller.CreateTopics{Topics: []controller.NewTopic{topic}, Origin: origin, Defaults: controller.Defaults{Queues: 4}})
	if err != nil {
		return nil, err
	}
	if err := result.Topics[0].Err; err != nil && !errors.Is(err, controller.ErrTopicExists) {
		return nil, err
	}
	t, _ := n.Image().Topic(topic.Name)
	return t, n.openQueues(ctx, t)
}

func (n *testNode) GrowTopic(ctx context.Context, name string, queues int32) (*image.Topic, error) {
	result, err := n.meta.GrowTopics(ctx, &controller.GrowTopics{Topics: []controller.Growth{{Name: name, Queues: queues}}})
	if err != nil {
		return nil, err
	}
	if err := result.Topics[0].Err; err != nil {
		return nil, err
	}
	t, _ := n.Image().Topic(name)
	return t, n.openQueues(ctx, t)
}

func (n *testNode) AlterTopic(ctx context.Context, change controller.ConfigChange) error {
	result, err := n.meta.AlterTopicConfigs(ctx, &controller.AlterTopicConfigs{Topics: []controller.ConfigChange{change}})
	if err != nil {
		return err
	}
	return result.Outcomes[0].Err
}

func (n *testNode) DeleteTopic(ctx context.Context, name string) error {
	result, err := n.meta.DeleteTopics(ctx, controller.TopicRef{Name: name})
	if err != nil {
		return err
	}
	return result.Topics[0].Err
}

// topic makes a topic with so many queues.
func (n *testNode) topic(name string, queues int32) *image.Topic {
	n.t.Helper()
	t, err := n.EnsureTopic(context.Background(), controller.NewTopic{Name: name, Queues: queues, Replicas: -1}, image.ByRocketMQ)
	n.must(err)
	return t
}

// client speaks remoting by hand, one request at a time. What the server asks by itself waits in pushed.
type client struct {
	t        testing.TB
	conn     net.Conn
	in       *bufio.Reader
	encoding remoting.Encoding
	opaque   int32
	pushed   []*remoting.Command
}

func dial(t testing.TB, address string, encoding remoting.Encoding) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t: t, conn: conn, in: bufio.NewReader(conn), encoding: encoding}
}

// start sends a request and returns its number.
func (c *client) start(r *remoting.Command) int32 {
	c.t.Helper()
	c.opaque++
	r.Opaque, r.Encoding = c.opaque, c.encoding
	b, err := remoting.AppendFrame(nil, r)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.conn.Write(append(b, r.Body...)); err != nil {
		c.t.Fatal(err)
	}
	return r.Opaque
}

// next reads one command.
func (c *client) next() *remoting.Command {
	c.t.Helper()
	var length [4]byte
	if _, err := io.ReadFull(c.in, length[:]); err != nil {
		c.t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(c.in, frame); err != nil {
		c.t.Fatal(err)
	}
	command, err := remoting.Decode(frame)
	if err != nil {
		c.t.Fatal(err)
	}
	return command
}

// answer reads until the answer to a request comes.
func (c *client) answer(opaque int32) *remoting.Command {
	c.t.Helper()
	for {
		command := c.next()
		switch {
		case !command.IsResponse():
			c.pushed = append(c.pushed, command)
		case command.Opaque == opaque:
			if command.Encoding != c.encoding {
				c.t.Errorf("answer in encoding %d to a request in %d", command.Encoding, c.encoding)
			}
			return command
		default:
			c.t.Errorf("answer to request %d while %d was asked", command.Opaque, opaque)
		}
	}
}

func (c *client) call(r *remoting.Command) *remoting.Command {
	c.t.Helper()
	return c.answer(c.start(r))
}

// awaitPush waits for the server's next request.
func (c *client) awaitPush() *remoting.Command {
	c.t.Helper()
	if len(c.pushed) == 0 {
		command := c.next()
		if command.IsResponse() {
			c.t.Fatalf("an answer came where a request was expected: %+v", command)
		}
		c.pushed = append(c.pushed, command)
	}
	first := c.pushed[0]
	c.pushed = c.pushed[1:]
	return first
}

func wantCode(t testing.TB, answer *remoting.Command, want remoting.ResponseCode) {
	t.Helper()
	if got := remoting.ResponseCode(answer.Code); got != want {
		t.Fatalf("answer is %v %q, want %v", got, answer.Remark, want)
	}
}

func field(t testing.TB, c *remoting.Command, name string) string {
	t.Helper()
	value, ok := c.Fields.Get(name)
	if !ok {
		t.Fatalf("answer has no field %q: %+v", name, c.Fields)
	}
	return value
}

func number(t testing.TB, c *remoting.Command, name string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(field(t, c, name), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sendV2 is a send request with short names.
func sendV2(topic string, queue int32, body, properties string) *remoting.Command {
	r := remoting.NewRequest(remoting.SendMessageV2).Field("a", "pg").Field("b", topic).Field("c", "TBW102").Field("d", "4").
		IntField("e", int64(queue)).Field("f", "0").Field("g", "1700000000000").Field("h", "7").Field("i", properties).
		Field("j", "0").Field("k", "false").Field("l", "0").Field("m", "false").Field("n", "broker-a")
	r.Body = []byte(body)
	return r
}

// pullRequest is a pull that brings its subscription and does not wait; changes are applied to its fields.
func pullRequest(topic string, queue int32, offset int64, changes ...remoting.Field) *remoting.Command {
	fields := remoting.Fields{
		{Name: "consumerGroup", Value: "cg"}, {Name: "topic", Value: topic}, {Name: "queueId", Value: strconv.Itoa(int(queue))},
		{Name: "queueOffset", Value: strconv.FormatInt(offset, 10)}, {Name: "maxMsgNums", Value: "32"}, {Name: "sysFlag", Value: "4"},
		{Name: "commitOffset", Value: "0"}, {Name: "suspendTimeoutMillis", Value: "15000"}, {Name: "subVersion", Value: "0"},
		{Name: "subscription", Value: "*"}, {Name: "bname", Value: "broker-a"},
	}
	r := remoting.NewRequest(remoting.PullMessage)
	r.Fields = append(fields, changes...) // the last of a name counts
	return r
}

// messages takes a pull's body apart.
func messages(t testing.TB, answer *remoting.Command) []remoting.Message {
	t.Helper()
	var list []remoting.Message
	for body := answer.Body; len(body) > 0; {
		m, rest, err := remoting.DecodeMessage(body)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
		body = rest
	}
	return list
}

// property finds a property of an encoded list.
func property(encoded, name string) string {
	for n, v := range remoting.Properties(encoded) {
		if n == name {
			return v
		}
	}
	return ""
}

func hostOf(t testing.TB, conn net.Conn) netip.AddrPort {
	t.Helper()
	host, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host
}
