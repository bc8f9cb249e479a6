package kafkacompat

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore/message"
)

// ledElsewhere gives the door's cluster two more nodes, and a topic on a shard of all three that node 2 leads.
func ledElsewhere(t *testing.T, d *door) *image.Topic {
	t.Helper()
	for id := image.NodeID(2); id <= 3; id++ {
		incarnation := d.node.id()
		listeners := []image.Listener{{Name: testListener, Protocol: "PLAINTEXT", Host: "n2.example", Port: 9092}}
		if id == 3 { // not reachable by clients who come in here
			listeners = []image.Listener{{Name: "OTHER", Protocol: "PLAINTEXT", Host: "n3.example", Port: 9092}}
		}
		d.node.decide(&controller.RegisterNode{ClusterID: "a-test-cluster", Node: id, Incarnation: incarnation, Directory: d.node.id(),
			Listeners: listeners})
		d.node.decide(&controller.FenceNode{Node: id, Incarnation: incarnation})
	}
	shard := d.node.decide(&controller.CreateShard{Shard: controller.NewShard{UID: d.node.id(), Name: "broker-b",
		Replicas: []image.NodeID{1, 2, 3}}}).(*controller.CreateShardResult).ID
	d.node.decide(&controller.ReportLeader{Shard: shard, Node: 2, Term: 5})
	topic := d.node.create("spread", 2) // one partition on each shard
	if topic.Queues[0].Shard == topic.Queues[1].Shard {
		t.Fatal("both partitions are on one shard")
	}
	return topic
}

// A client that comes to the wrong node is told where to go, from the versions on that can say it (KIP-951).
func TestWrongNode(t *testing.T) {
	d := openDoor(t, Options{})
	topic := ledElsewhere(t, d)
	part := int32(slices.IndexFunc(topic.Queues, func(h image.Home) bool { return h.Shard == 1 }))
	c := d.dial(t)
	for version := int16(3); version <= 13; version++ {
		send(t, c, produceRequest(topic, part, -1, aBatchNow(message.BuildOptions{}, "x")), version)
		resp := receive(t, c, version, kmsg.NewPtrProduceResponse())
		got := resp.Topics[0].Partitions[0]
		if got.ErrorCode != notLeaderOrFollower {
			t.Fatalf("Produce v%d: %+v", version, got)
		}
		if version >= 10 && (got.CurrentLeader.LeaderID != 2 || got.CurrentLeader.LeaderEpoch != 5 ||
			len(resp.Brokers) != 1 || resp.Brokers[0].Host != "n2.example") {
			t.Errorf("Produce v%d names %+v at %+v", version, got.CurrentLeader, resp.Brokers)
		}
	}
	for version := int16(4); version <= 18; version++ {
		send(t, c, fetchRequest(topic, part, 0, time.Minute), version)
		resp := receive(t, c, version, kmsg.NewPtrFetchResponse())
		got := resp.Topics[0].Partitions[0]
		if got.ErrorCode != notLeaderOrFollower {
			t.Fatalf("Fetch v%d: %+v", version, got)
		}
		if version >= 12 && (got.CurrentLeader.LeaderID != 2 || got.CurrentLeader.LeaderEpoch != 5) {
			t.Errorf("Fetch v%d names %+v", version, got.CurrentLeader)
		}
		if version >= 16 && (len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 2) {
			t.Errorf("Fetch v%d names brokers %+v", version, resp.Brokers)
		}
	}
}

func TestMetadataOfManyNodes(t *testing.T) {
	d := openDoor(t, Options{})
	topic := ledElsewhere(t, d)
	part := slices.IndexFunc(topic.Queues, func(h image.Home) bool { return h.Shard == 1 })
	look := func(version int16) (*kmsg.MetadataResponse, kmsg.MetadataResponseTopicPartition) {
		t.Helper()
		resp := metadata(t, d, version, false, "spread")
		return resp, resp.Topics[0].Partitions[part]
	}
	resp, got := look(9)
	if len(resp.Brokers) != 2 || resp.Brokers[1].Host != "n2.example" || resp.ControllerID != 1 {
		t.Errorf("brokers %+v, controller %d", resp.Brokers, resp.ControllerID)
	}
	if got.Leader != 2 || got.LeaderEpoch != 5 || !slices.Equal(got.Replicas, []int32{1, 2, 3}) || !slices.Equal(got.ISR, []int32{1, 2, 3}) {
		t.Errorf("%+v", got)
	}

	// The leader has no listener of this name.
	d.node.decide(&controller.ReportLeader{Shard: 1, Node: 3, Term: 6})
	if _, got := look(9); got.Leader != -1 || got.ErrorCode != listenerNotFound {
		t.Errorf("%+v", got)
	}
	if _, got := look(5); got.Leader != -1 || got.ErrorCode != leaderNotAvailable {
		t.Errorf("%+v", got)
	}

	// The leader is not heard of.
	n3, _ := d.node.Image().Node(3)
	d.node.decide(&controller.FenceNode{Node: 3, Incarnation: n3.Incarnation, Fenced: true})
	if _, got := look(9); got.Leader != -1 || got.ErrorCode != leaderNotAvailable || !slices.Equal(got.OfflineReplicas, []int32{3}) ||
		!slices.Equal(got.ISR, []int32{1, 2}) {
		t.Errorf("%+v", got)
	}
}
