package image

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func mustApply(t testing.TB, i *Image, records ...Record) *Image {
	t.Helper()
	next, err := i.Apply(records...)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func dump(i *Image) string {
	var b strings.Builder
	_ = Dump(&b, i)
	return b.String()
}

func TestApplyLeavesTheOldImage(t *testing.T) {
	before := mustApply(t, new(Image), samples()...)
	text := dump(before)
	topic, _ := before.Topic("orders.v1")
	grown := *topic
	grown.Queues = append(slices.Clip(topic.Queues), Home{Shard: 1})
	after := mustApply(t, before, &grown, RemoveGroup("billing"), RemoveNode(3), &Slot{Number: 0, Shard: 1}, &ProducerIDs{Next: 4000})
	if dump(before) != text {
		t.Fatalf("the old image was changed:\n%s\nit was\n%s", dump(before), text)
	}
	if after.QueueCount() != 4 || before.QueueCount() != 3 {
		t.Errorf("queues: %d before, %d after", before.QueueCount(), after.QueueCount())
	}
	if _, ok := after.Node(3); ok {
		t.Error("the node is still there")
	}
}

func TestLookups(t *testing.T) {
	img := mustApply(t, new(Image), samples()...)
	topic, ok := img.Topic("orders.v1")
	if !ok {
		t.Fatal("no topic")
	}
	if other, ok := img.TopicByID(id(4)); !ok || other != topic {
		t.Error("not found by id")
	}
	if other, ok := img.Resolve("orders_v1"); !ok || other != topic {
		t.Error("not found by alias")
	}
	if other, ok := img.Collision("orders_v1"); !ok || other != topic {
		t.Error("no collision")
	}
	if got := topic.OnShard(2); !slices.Equal(got, []int32{0, 2}) {
		t.Errorf("on shard 2: %v", got)
	}
	if p, ok := topic.Partition(2, 1); !ok || p != 2 {
		t.Errorf("shard 2 queue 1 is partition %d, %v", p, ok)
	}
	for _, local := range []int32{-1, 2} {
		if p, ok := topic.Partition(2, local); ok {
			t.Errorf("shard 2 queue %d is partition %d", local, p)
		}
	}
	if epoch := topic.Queues[1].LeaderEpoch(3); epoch != 8 {
		t.Errorf("leader epoch %d", epoch)
	}
	if v, ok := img.TopicConfig("orders.v1", RetentionMs); !ok || v != "1000" {
		t.Errorf("retention %q %v", v, ok)
	}
	if v, ok := img.GroupConfig("billing", "consume.enable"); !ok || v != "false" {
		t.Errorf("group config %q %v", v, ok)
	}
	if s, ok := img.ShardByName("broker-2"); !ok || s.ID != 2 {
		t.Error("shard not found by name")
	}
	if n := img.NextProducerID(); n != 3000 {
		t.Errorf("next producer id %d", n)
	}
}

// TestSlotOfGroup holds the hash rule: stored progress depends on it.
func TestSlotOfGroup(t *testing.T) {
	if n := new(Image).SlotNumber("billing"); n != -1 {
		t.Errorf("before bootstrap: slot %d", n)
	}
	img := mustApply(t, new(Image), &Cluster{ID: "c", Slots: 64}, &Slot{Number: 17, Shard: 5})
	for group, want := range map[string]int{"": 37, "a": 12, "billing": 28, "%RETRY%x": 39, "группа": 5} {
		if n := img.SlotNumber(group); n != want {
			t.Errorf("group %q: slot %d, want %d", group, n, want)
		}
	}
	if s := img.SlotShard(17); s != 5 {
		t.Errorf("slot 17 is on shard %d", s)
	}
	if s := img.SlotShard(64); s != NoShard {
		t.Errorf("slot 64 is on shard %d", s)
	}
}

func TestApplyRefuses(t *testing.T) {
	img := mustApply(t, new(Image), samples()...)
	for _, r := range []Record{&Slot{Number: 4}, &Slot{Number: 1, Shard: NoShard}, &Cluster{ID: "c", Slots: 5}, Removal{KindShard, "\x00\x00\x00\x02"}} {
		if _, err := img.Apply(r); err == nil {
			t.Errorf("%s is applied", Describe(r))
		}
	}
}

// TestHashDependsOnRecordsAlone reaches the same records by different ways.
func TestHashDependsOnRecordsAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	img := mustApply(t, new(Image), &Cluster{ID: "c", Slots: 8})
	for range 5000 {
		img = mustApply(t, img, randomRecord(rng))
	}
	records := slices.Collect(img.Records())
	if len(records) != img.Len() {
		t.Fatalf("%d records, Len says %d", len(records), img.Len())
	}
	rng.Shuffle(len(records)-1, func(a, b int) { records[a+1], records[b+1] = records[b+1], records[a+1] })
	again := mustApply(t, new(Image), records...)
	if again.Hash() != img.Hash() || dump(again) != dump(img) {
		t.Fatalf("hash %x and %x", again.Hash(), img.Hash())
	}
	if !reflect.DeepEqual(slices.Collect(img.Topics()), slices.Collect(again.Topics())) {
		t.Fatal("topics differ")
	}
	for _, r := range records {
		if found := again.Find(RecordKey(r)); !reflect.DeepEqual(found, img.Find(RecordKey(r))) {
			t.Fatalf("%s is found as %v", Describe(r), found)
		}
	}
	changed := mustApply(t, img, &ProducerIDs{Next: 123456})
	if changed.Hash() == img.Hash() {
		t.Error("the hash does not see a change")
	}
}

func randomRecord(rng *rand.Rand) Record {
	n := rng.IntN(40)
	name := fmt.Sprintf("name-%d", n)
	switch rng.IntN(9) {
	case 0:
		return &Node{ID: NodeID(n), Incarnation: id(byte(rng.IntN(256)))}
	case 1:
		return &Shard{ID: ShardID(n), Name: name, Term: int64(rng.IntN(9))}
	case 2:
		return &Slot{Number: int32(rng.IntN(8)), Shard: ShardID(n)}
	case 3:
		return &Group{Name: name, Configs: map[string]string{"a": name}}
	case 4:
		return &ProducerIDs{Next: int64(n)}
	case 5:
		return RemoveTopic(name)
	case 6:
		return RemoveNode(NodeID(n))
	case 7:
		return RemoveGroup(name)
	default:
		return &Topic{ID: id(byte(n)), Name: name, Queues: make([]Home, 1+rng.IntN(4)), Created: int64(rng.IntN(99))}
	}
}

// BenchmarkApplyTopic puts one topic with one queue into an image of ten thousand.
func BenchmarkApplyTopic(b *testing.B) {
	img := new(Image)
	topic := func(n int) *Topic {
		return &Topic{ID: UUID{byte(n), byte(n >> 8), byte(n >> 16)}, Name: fmt.Sprintf("topic-%d", n), Queues: make([]Home, 1)}
	}
	for n := range 10_000 {
		img = mustApply(b, img, topic(n))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		_, _ = img.Apply(topic(10_000 + n))
	}
}

// BenchmarkTopics walks over ten thousand topics, as Metadata does.
func BenchmarkTopics(b *testing.B) {
	img := new(Image)
	for n := range 10_000 {
		img = mustApply(b, img, &Topic{ID: UUID{byte(n), byte(n >> 8)}, Name: fmt.Sprintf("topic-%d", n), Queues: make([]Home, 1)})
	}
	for b.Loop() {
		queues := 0
		for t := range img.Topics() {
			queues += len(t.Queues)
		}
	}
}

// BenchmarkNearest looks for a name in ten thousand.
func BenchmarkNearest(b *testing.B) {
	img := new(Image)
	for n := range 10_000 {
		img = mustApply(b, img, &Topic{ID: UUID{byte(n), byte(n >> 8)}, Name: fmt.Sprintf("service.orders.%d", n)})
	}
	for b.Loop() {
		img.Nearest("service.odrers.x123")
	}
}
