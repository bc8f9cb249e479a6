package kafkacompat

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/wire"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// groupNode is a node with one shard in memory that can be stopped and started again on the same port.
type groupNode struct {
	t      *testing.T
	fs     *vfs.Memory
	opts   Options
	node   *testNode
	port   int
	front  *Front
	store  *rocketcore.Store
	door   *wire.Listener
	served chan error
	log    *logText
}

// quickGroups lets tests rebalance and expire in moments.
func quickGroups() group.Options {
	return group.Options{InitialRebalanceDelay: -1, MinSessionTimeout: 100 * time.Millisecond}
}

func openGroupNode(t *testing.T, o Options) *groupNode {
	t.Helper()
	n := &groupNode{t: t, fs: vfs.NewMemory(), opts: o, log: &logText{}}
	n.opts.Logger = slog.New(slog.NewTextHandler(n.log, nil))
	n.listen("127.0.0.1:0")
	n.port = n.door.Port()
	n.node = newTestNode(t, n.port)
	n.node.opens = func(topic *image.Topic) {
		var queues []message.Queue
		for i := range topic.Queues {
			queues = append(queues, message.Queue{Topic: topic.ID, Number: int32(i)})
		}
		if err := n.store.OpenQueues(context.Background(), queues); err != nil {
			t.Error(err)
		}
	}
	n.serve()
	t.Cleanup(n.stop)
	return n
}

func (n *groupNode) listen(address string) {
	n.t.Helper()
	var err error
	n.door, err = wire.Listen(address, wire.Options{Name: testListener, Speaks: wire.Kafka, Logger: n.opts.Logger})
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *groupNode) serve() {
	n.t.Helper()
	cfg := rocketcore.Config{FS: n.fs, Dir: "shard", UID: image.UUID{0xab}, Replica: 1}
	cfg.Bootstrap = append(cfg.Bootstrap, 1)
	cfg.Options.Log.SegmentBytes, cfg.Options.Log.CommandBytes = 64<<20, 32<<20
	var err error
	if n.store, err = rocketcore.Open(cfg); err != nil {
		n.t.Fatal(err)
	}
	term, _ := n.store.Leadership()
	n.node.decide(&controller.ReportLeader{Shard: 0, Node: 1, Term: int64(term)})
	n.node.store.Store(n.store)
	if n.front, err = New(n.node, n.opts); err != nil {
		n.t.Fatal(err)
	}
	n.served = make(chan error, 1)
	go func() { n.served <- n.door.Serve(n.front.Serve) }()
}

// closeDoor closes the listener, once.
func (n *groupNode) closeDoor() {
	if n.door == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := n.door.Close(ctx); err != nil {
		n.t.Errorf("close: %v", err)
	}
	if err := <-n.served; err != nil {
		n.t.Errorf("serve: %v", err)
	}
	n.door = nil
}

// stop closes everything, in a broker's order.
func (n *groupNode) stop() {
	n.closeDoor()
	n.front.Close()
	n.node.store.Store(nil)
	if err := n.store.Close(); err != nil {
		n.t.Errorf("close of the store: %v", err)
	}
}

// restart is a restart of the node's process.
func (n *groupNode) restart() {
	n.t.Helper()
	n.stop()
	n.listen(n.address())
	n.serve()
}

func (n *groupNode) address() string { return fmt.Sprintf("127.0.0.1:%d", n.port) }

func (n *groupNode) dial() net.Conn {
	n.t.Helper()
	c, err := net.Dial("tcp", n.address())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = c.Close() })
	return c
}

// loaded waits until the node coordinates groups.
func (n *groupNode) loaded() {
	n.t.Helper()
	eventually(n.t, func() bool {
		host, err := n.front.coordinator("any")
		if err != nil {
			return false
		}
		_, err = host.List(nil)
		return err == nil
	})
}
