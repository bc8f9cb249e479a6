package rocketcompat

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcore"
)

// fakeCluster is metadata without logs behind it.
type fakeCluster struct{ img *image.Image }

func (c *fakeCluster) NodeID() image.NodeID                                      { return 1 }
func (c *fakeCluster) Image() *image.Image                                       { return c.img }
func (c *fakeCluster) Store(image.ShardID) (*rocketcore.Store, bool)             { return nil, false }
func (c *fakeCluster) AlterTopic(context.Context, controller.ConfigChange) error { return nil }
func (c *fakeCluster) DeleteTopic(context.Context, string) error                 { return nil }
func (c *fakeCluster) GrowTopic(context.Context, string, int32) (*image.Topic, error) {
	return nil, nil
}
func (c *fakeCluster) EnsureTopic(context.Context, controller.NewTopic, image.Origin) (*image.Topic, error) {
	return nil, nil
}

// twoNodes is a cluster of two nodes with a shard each; topic T has three queues on the first and one on the second.
func twoNodes(t *testing.T) *image.Image {
	t.Helper()
	listeners := func(host string) []image.Listener {
		return []image.Listener{
			{Name: "PLAINTEXT", Protocol: "PLAINTEXT", Host: host, Port: 9092},
			{Name: "ROCKETMQ", Protocol: "ROCKETMQ", Host: host, Port: 10911},
			{Name: "NAMESRV", Protocol: "NAMESRV", Host: host, Port: 9876},
			{Name: "OUT_ROCKETMQ", Protocol: "ROCKETMQ", Host: host + ".example", Port: 20911},
			{Name: "OUT_NAMESRV", Protocol: "NAMESRV", Host: host + ".example", Port: 29876},
			{Name: "THIRD", Protocol: "NAMESRV", Host: host + ".example", Port: 39876},
		}
	}
	img, err := new(image.Image).Apply(
		&image.Cluster{ID: "c", FeatureLevel: 1, Slots: 1},
		&image.Node{ID: 1, Directory: image.UUID{1}, Incarnation: image.UUID{1}, Listeners: listeners("10.0.0.1")},
		&image.Node{ID: 2, Directory: image.UUID{2}, Incarnation: image.UUID{2}, Listeners: listeners("10.0.0.2")},
		&image.Shard{ID: 0, UID: image.UUID{3}, Name: "b-0", Replicas: []image.Replica{{Node: 1, ID: 1}}, Founders: 1, NextReplica: 2, Leader: image.NoNode},
		&image.Shard{ID: 1, UID: image.UUID{4}, Name: "b-1", Replicas: []image.Replica{{Node: 2, ID: 1}}, Founders: 1, NextReplica: 2, Leader: 2, Term: 1},
		&image.Topic{ID: image.UUID{5}, Name: "T", Queues: []image.Home{{Shard: 0}, {Shard: 1}, {Shard: 0, LocalID: 1}, {Shard: 0, LocalID: 2}}},
		&image.Topic{ID: image.UUID{6}, Name: "dotted.name", Alias: "dotted_name", Queues: []image.Home{{Shard: 1}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func testFront(t *testing.T, img *image.Image, change func(o *Options)) *Front {
	t.Helper()
	o := DefaultOptions()
	if change != nil {
		change(&o)
	}
	f, err := New(Config{Cluster: &fakeCluster{img}, Options: o, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func via(listener string) Via {
	return Via{Listener: listener, Local: netip.MustParseAddrPort("192.0.2.1:1"), Shard: image.NoShard}
}

// Whoever comes in by a listener is sent to addresses of the listener that belongs to it.
func TestRouteAddressesFollowTheListener(t *testing.T) {
	f := testFront(t, twoNodes(t), nil)
	for listener, want := range map[string]string{
		"ROCKETMQ":     "10.0.0.1:10911 10.0.0.2:10911",
		"NAMESRV":      "10.0.0.1:10911 10.0.0.2:10911",
		"OUT_ROCKETMQ": "10.0.0.1.example:20911 10.0.0.2.example:20911",
		"OUT_NAMESRV":  "10.0.0.1.example:20911 10.0.0.2.example:20911",
		"THIRD":        "10.0.0.1.example:20911 10.0.0.2.example:20911", // the same host
		"unknown":      "10.0.0.1:10911 10.0.0.2:10911",                 // any
	} {
		route, err := f.Route(via(listener), "T")
		if err != nil {
			t.Fatal(err)
		}
		if got := route.Brokers[0].Addresses[0] + " " + route.Brokers[1].Addresses[0]; got != want {
			t.Errorf("%s: %s, want %s", listener, got, want)
		}
	}
}

func TestRouteQueues(t *testing.T) {
	f := testFront(t, twoNodes(t), nil)
	route, err := f.Route(via("NAMESRV"), "T")
	if err != nil {
		t.Fatal(err)
	}
	want := []remoting.QueueData{{Broker: "b-0", ReadQueues: 3, WriteQueues: 3, Perm: 6}, {Broker: "b-1", ReadQueues: 1, WriteQueues: 1, Perm: 6}}
	if len(route.Queues) != 2 || route.Queues[0] != want[0] || route.Queues[1] != want[1] {
		t.Errorf("queues are %+v", route.Queues)
	}
	route, err = f.Route(via("NAMESRV"), "dotted_name")
	if err != nil || len(route.Queues) != 1 || route.Queues[0].Broker != "b-1" {
		t.Errorf("by alias: %+v, %v", route, err)
	}
	route, err = f.Route(via("NAMESRV"), TemplateTopic)
	if err != nil || len(route.Queues) != 2 || route.Queues[0].Perm != 7 || route.Queues[0].WriteQueues != 8 {
		t.Errorf("template: %+v, %v", route, err)
	}
	if got := f.Topics(); strings.Join(got, " ") != "T dotted_name" {
		t.Errorf("topics are %q", got)
	}
	if got := f.Brokers(via("NAMESRV")); len(got.Brokers) != 2 || got.Brokers[0].Cluster != "duolog" {
		t.Errorf("brokers are %+v", got)
	}
}

func TestNoRoute(t *testing.T) {
	img := twoNodes(t)
	f := testFront(t, img, func(o *Options) { o.AutoCreate = false })
	for topic, want := range map[string]string{
		"dotted_nam":  `topic "dotted_nam" does not exist; did you mean "dotted.name"? auto-create is off (auto.create.topics.enable)`,
		"nothing":     `topic "nothing" does not exist; auto-create is off (auto.create.topics.enable)`,
		TemplateTopic: `topic "TBW102" has no route: topics are not created automatically (auto.create.topics.enable)`,
	} {
		_, err := f.Route(via("NAMESRV"), topic)
		if code, remark := Explain(err); code != remoting.TopicNotExist || remark != want {
			t.Errorf("%s: %v %q, want %q", topic, code, remark, want)
		}
	}
	fenced, err := img.Apply(&image.Node{ID: 2, Directory: image.UUID{2}, Incarnation: image.UUID{2}, Fenced: true})
	if err != nil {
		t.Fatal(err)
	}
	f = testFront(t, fenced, nil)
	route, err := f.Route(via("NAMESRV"), "T")
	if err != nil || len(route.Brokers) != 1 || route.Brokers[0].Name != "b-0" {
		t.Errorf("with one node fenced: %+v, %v", route, err)
	}
	if _, err := f.Route(via("NAMESRV"), "dotted_name"); err == nil {
		t.Error("a topic without a reachable broker has a route")
	}
}

// A node that is told to advertise every address sends clients to the one by which they came.
func TestUnspecifiedHostBecomesTheOneReached(t *testing.T) {
	img, err := twoNodes(t).Apply(&image.Node{ID: 1, Directory: image.UUID{1}, Incarnation: image.UUID{1},
		Listeners: []image.Listener{{Name: "ROCKETMQ", Protocol: "ROCKETMQ", Host: "0.0.0.0", Port: 10911}}})
	if err != nil {
		t.Fatal(err)
	}
	f := testFront(t, img, nil)
	route, err := f.Route(via("ROCKETMQ"), "T")
	if err != nil || route.Brokers[0].Addresses[0] != "192.0.2.1:10911" {
		t.Errorf("route is %+v, %v", route, err)
	}
	if got := f.StoreHost(via("ROCKETMQ")).String(); got != "192.0.2.1:10911" {
		t.Errorf("store host is %s", got)
	}
}

// A store host is an address, also where the listener advertises a name.
func TestStoreHostOfANamedListener(t *testing.T) {
	f := testFront(t, twoNodes(t), nil)
	for listener, want := range map[string]string{"ROCKETMQ": "10.0.0.1:10911", "OUT_NAMESRV": "192.0.2.1:20911"} {
		if got := f.StoreHost(via(listener)).String(); got != want {
			t.Errorf("%s: %s, want %s", listener, got, want)
		}
	}
}
