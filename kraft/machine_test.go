package kraft

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
)

// saved is a checkpoint as a map, merged from runs as raftlog merges them.
type saved struct {
	index   raftlog.Index
	records map[string]string
}

func (s *saved) Index() raftlog.Index { return s.index }

func (s *saved) Records(yield func(key, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(s.records)) {
		if err := yield([]byte(key), []byte(s.records[key])); err != nil {
			return err
		}
	}
	return nil
}

func (s *saved) merge(t *testing.T, f raftlog.Frozen, at raftlog.Index) {
	t.Helper()
	seen := map[string]bool{}
	err := f.Records(func(key, value []byte) error {
		if seen[string(key)] {
			t.Fatalf("key %x is emitted twice", key)
		}
		seen[string(key)] = true
		if value == nil {
			delete(s.records, string(key))
		} else {
			s.records[string(key)] = string(value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.index = at
}

func entry(index raftlog.Index, commands ...controller.Command) *raftlog.Entry {
	e := &raftlog.Entry{Index: index, Term: 1, Time: int64(index) * 10}
	for i, cmd := range commands {
		kind, version, data := controller.EncodeCommand(cmd)
		cut := 0
		if i%2 == 1 {
			cut = len(data) / 2 // where head and body meet is of no importance
		}
		e.Commands = append(e.Commands, raftlog.Applied{Kind: kind, Version: version, Head: data[:cut], Body: data[cut:]})
	}
	return e
}

func apply(m *machine, e *raftlog.Entry) []any {
	results := make([]any, len(e.Commands))
	m.Apply(e, results)
	return results
}

func dump(img *image.Image) string {
	var b strings.Builder
	_ = image.Dump(&b, img)
	return b.String()
}

// TestRestoredIsReplayed runs random histories with checkpoints at random moments, some of them given up, and holds that a
// machine from checkpoint and rest, and one from the whole log, are the machine that lived through it.
func TestRestoredIsReplayed(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 77))
			lived, store := newMachine(), &saved{records: map[string]string{}}
			var log []*raftlog.Entry
			for index := raftlog.Index(2); index < 400; index++ {
				var commands []controller.Command
				for range rng.IntN(4) {
					commands = append(commands, randomCommand(rng, index))
				}
				e := entry(index, commands...)
				log = append(log, e)
				apply(lived, e)
				switch rng.IntN(20) {
				case 0:
					f := lived.Freeze()
					store.merge(t, f, index)
					f.Release(true)
				case 1:
					lived.Freeze().Release(false)
				}
			}
			restored, replayed := newMachine(), newMachine()
			if err := restored.Restore(store); err != nil {
				t.Fatal(err)
			}
			for _, e := range log {
				apply(replayed, e)
				if e.Index > store.index {
					apply(restored, e)
				}
			}
			for name, m := range map[string]*machine{"restored": restored, "replayed": replayed} {
				if m.Hash() != lived.Hash() {
					t.Errorf("%s: hash %016x, want %016x", name, m.Hash(), lived.Hash())
				}
				if got, want := dump(m.published.Load()), dump(lived.published.Load()); got != want {
					t.Fatalf("%s:\n%s\nwant:\n%s", name, got, want)
				}
			}
			checkImage(t, lived.img)
		})
	}
}

// checkImage holds what is true of every image.
func checkImage(t *testing.T, img *image.Image) {
	t.Helper()
	for topic := range img.Topics() {
		next := map[image.ShardID]int32{}
		for p, home := range topic.Queues {
			if home.LocalID != next[home.Shard] {
				t.Errorf("topic %s partition %d is queue %d of shard %d, want %d", topic.Name, p, home.LocalID, home.Shard, next[home.Shard])
			}
			next[home.Shard]++
			if got, ok := topic.Partition(home.Shard, home.LocalID); !ok || int(got) != p {
				t.Errorf("topic %s: shard %d queue %d is partition %d", topic.Name, home.Shard, home.LocalID, got)
			}
		}
		if other, ok := img.Resolve(topic.Alias); topic.Alias != "" && (!ok || other != topic) {
			t.Errorf("topic %s is not found by its alias %s", topic.Name, topic.Alias)
		}
		if other, ok := img.Topic(topic.Alias); ok {
			t.Errorf("topic %s has an alias that topic %s has as its name", topic.Name, other.Name)
		}
	}
	for slot := range img.SlotCount() {
		if _, ok := img.Shard(img.SlotShard(slot)); !ok {
			t.Errorf("slot %d is on shard %d, which does not exist", slot, img.SlotShard(slot))
		}
	}
}

func randomID(rng *rand.Rand, n int) image.UUID { return image.UUID{0: byte(rng.IntN(n)), 1: 1} }

// randomCommand makes commands of a small world, so that many clash; some make no sense at all.
func randomCommand(rng *rand.Rand, index raftlog.Index) controller.Command {
	name := func() string {
		return []string{"orders", "orders.v1", "orders_v1", "a.b", "a_b", "%RETRY%g", "%DLQ%g", "retry.g", "ns%x", "ns.x", ""}[rng.IntN(11)]
	}
	node, shard := image.NodeID(rng.IntN(4)), image.ShardID(rng.IntN(4))
	value := []string{"1", "-1", "delete", "FIFO", "nonsense"}[rng.IntN(5)]
	ops := []controller.ConfigOp{
		{Name: []string{image.RetentionMs, image.MessageType, image.Alias, "cleanup.policy", "x"}[rng.IntN(5)], Op: controller.Op(rng.IntN(5)), Value: &value},
	}
	switch rng.IntN(14) {
	case 0:
		return &controller.Bootstrap{ClusterID: "c1", FeatureLevel: 1, Slots: 4, Shards: []controller.NewShard{
			{UID: randomID(rng, 200), Replicas: []image.NodeID{1}}, {UID: image.UUID{9}, Replicas: []image.NodeID{1, 2, 3}},
		}}
	case 1, 2, 3:
		return &controller.CreateTopics{
			Topics: []controller.NewTopic{
				{Name: name(), ID: image.UUID{2: byte(index), 3: byte(index >> 8)}, Queues: int32(rng.IntN(9)) - 1, Replicas: int16(rng.IntN(3)) - 1, Internal: rng.IntN(2) == 0},
				{Name: name(), ID: image.UUID{2: byte(index), 3: byte(index >> 8), 4: 1}, Queues: -1, Replicas: -1, Configs: []controller.Config{{Name: image.RetentionMs, Value: &value}}},
			},
			Defaults: controller.Defaults{Queues: 3}, Origin: image.Origin(rng.IntN(3)), ValidateOnly: rng.IntN(8) == 0,
		}
	case 4:
		return &controller.DeleteTopics{Topics: []controller.TopicRef{{Name: name()}, {ID: randomID(rng, 10)}}}
	case 5:
		return &controller.GrowTopics{Topics: []controller.Growth{{Name: name(), Queues: int32(rng.IntN(20))}}}
	case 6:
		return &controller.AlterTopicConfigs{Topics: []controller.ConfigChange{{Name: name(), Replace: rng.IntN(3) == 0, Ops: ops}}}
	case 7:
		on := "true"
		return &controller.AlterGroupConfigs{Groups: []controller.ConfigChange{
			{Name: name(), Ops: []controller.ConfigOp{{Name: controller.ConsumeEnable, Op: controller.Op(rng.IntN(2)), Value: &on}}},
		}}
	case 8, 9:
		return &controller.RegisterNode{
			ClusterID: "c1", Node: node, Incarnation: randomID(rng, 3), Previous: randomID(rng, 3), Directory: image.UUID{byte(node)},
			Listeners: []image.Listener{{Name: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "h", Port: 1 + rng.IntN(9)}},
		}
	case 10:
		return &controller.FenceNode{Node: node, Incarnation: randomID(rng, 3), Fenced: rng.IntN(2) == 0}
	case 11:
		return &controller.ReportLeader{Shard: shard, Node: node, Term: int64(rng.IntN(50))}
	case 12:
		return &controller.AssignSlots{Slots: []image.Slot{{Number: int32(rng.IntN(5)), Shard: shard}}}
	default:
		if rng.IntN(4) == 0 {
			return &controller.CreateShard{Shard: controller.NewShard{UID: randomID(rng, 9), Replicas: []image.NodeID{node}}}
		}
		return &controller.AllocateProducerIDs{Node: node, Incarnation: randomID(rng, 3)}
	}
}

func TestUndecodableCommand(t *testing.T) {
	m := newMachine()
	before := m.Hash()
	e := &raftlog.Entry{Index: 2, Commands: []raftlog.Applied{{Kind: 99, Version: 1}, {Kind: uint8(controller.KindFenceNode), Version: 1, Body: []byte{1}}}}
	for i, result := range apply(m, e) {
		if err, ok := result.(error); !ok || !errors.Is(err, raftlog.ErrUndecodable) {
			t.Errorf("command %d gives %v", i, result)
		}
	}
	if m.Hash() != before || m.published.Load().Version() != 0 {
		t.Error("the state has changed")
	}
}

func TestChangedWaitsForANewerImage(t *testing.T) {
	m := newMachine()
	waiting := m.changed(0)
	select {
	case <-waiting:
		t.Fatal("nothing has changed yet")
	default:
	}
	apply(m, entry(2)) // an empty entry changes nothing
	select {
	case <-waiting:
		t.Fatal("an empty entry is no change")
	default:
	}
	apply(m, entry(3, &controller.Bootstrap{ClusterID: "c1", Slots: 1, Shards: []controller.NewShard{{Replicas: []image.NodeID{1}}}}))
	<-waiting
	<-m.changed(2)
	if v := m.published.Load().Version(); v != 3 {
		t.Errorf("version %d", v)
	}
	select {
	case <-m.changed(3):
		t.Error("nothing is newer than 3")
	default:
	}
}

func TestRestoreRefusesBadRecords(t *testing.T) {
	for name, records := range map[string]map[string]string{
		"unknown kind":  {"\x63x": "\x01"},
		"cut record":    {"\x05orders": "\x01"},
		"unknown state": {"\x00": "\x02\x05"},
		"cut state":     {"\x00": "\x01"},
	} {
		if err := newMachine().Restore(&saved{records: records}); err == nil {
			t.Errorf("%s: restored", name)
		}
	}
}

// BenchmarkCreateTenThousandQueues applies what a client does that creates 10,000 topics of one queue in batches of 100.
func BenchmarkCreateTenThousandQueues(b *testing.B) {
	value := "86400000"
	var log []*raftlog.Entry
	log = append(log, entry(2, &controller.Bootstrap{ClusterID: "c1", Slots: 64, Shards: []controller.NewShard{{Replicas: []image.NodeID{1}}}}))
	for batch := range 100 {
		cmd := &controller.CreateTopics{Origin: image.ByKafka}
		for n := range 100 {
			cmd.Topics = append(cmd.Topics, controller.NewTopic{
				Name: fmt.Sprintf("service.events.%d-%d", batch, n), ID: image.UUID{1, byte(batch), byte(n)}, Queues: 1, Replicas: -1,
				Configs: []controller.Config{{Name: image.RetentionMs, Value: &value}},
			})
		}
		log = append(log, entry(raftlog.Index(3+batch), cmd))
	}
	b.ReportAllocs()
	for b.Loop() {
		m := newMachine()
		for _, e := range log {
			apply(m, e)
		}
		if n := m.img.QueueCount(); n != 10_000 {
			b.Fatalf("%d queues", n)
		}
	}
}
