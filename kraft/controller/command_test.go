package controller

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/duolog/duolog/kraft/image"
)

func text(s string) *string { return &s }

// samples has one command of every kind, with every field set.
func samples() []Command {
	changes := []ConfigChange{{
		Name: "orders", Replace: true,
		Ops: []ConfigOp{{Name: "a", Op: OpDelete}, {Name: "b", Op: OpAppend, Value: text("v")}, {Name: "c", Op: 250, Value: text("")}},
	}}
	return []Command{
		&Bootstrap{ClusterID: "c1", FeatureLevel: 1, Slots: 64, Shards: []NewShard{{UID: number(1), Name: "a", Replicas: []image.NodeID{1, 2, 3}}, {UID: number(2)}}},
		&CreateTopics{
			Topics: []NewTopic{{
				Name: "orders", ID: number(3), Queues: -1, Replicas: -1, Assigned: true, Internal: true,
				Configs: []Config{{Name: "a", Value: text("b")}, {Name: "none"}},
			}},
			Defaults: Defaults{Queues: 4, MaxMessageBytes: 5}, Origin: image.ByRocketMQ, ValidateOnly: true,
		},
		&DeleteTopics{Topics: []TopicRef{{Name: "orders"}, {ID: number(3)}}},
		&GrowTopics{Topics: []Growth{{Name: "orders", Queues: 9, Assigned: true}}, ValidateOnly: true},
		&AlterTopicConfigs{Topics: changes, Defaults: Defaults{Queues: -1, MaxMessageBytes: 7}, ValidateOnly: true},
		&AlterGroupConfigs{Groups: changes, ValidateOnly: true},
		&RegisterNode{
			ClusterID: "c1", Node: 1, Incarnation: number(4), Previous: number(5), Directory: number(6),
			Listeners: []image.Listener{{Name: "A", Protocol: "B", Host: "h", Port: 65535}},
		},
		&FenceNode{Node: 1, Incarnation: number(4), Fenced: true},
		&CreateShard{Shard: NewShard{UID: number(7), Name: "west", Replicas: []image.NodeID{5}}},
		&ReportLeader{Shard: 1, Node: 2, Term: 1 << 40},
		&AssignSlots{Slots: []image.Slot{{Number: 1, Shard: 2}, {Number: 3, Shard: 4}}},
		&AllocateProducerIDs{Node: 1, Incarnation: number(4)},
	}
}

func TestCommandRoundTrip(t *testing.T) {
	seen := map[Kind]bool{}
	for _, cmd := range samples() {
		seen[cmd.Kind()] = true
		kind, version, data := EncodeCommand(cmd)
		got, err := DecodeCommand(kind, version, data)
		if err != nil || !reflect.DeepEqual(got, cmd) {
			t.Errorf("%+v\nis read back as\n%+v, %v", cmd, got, err)
		}
		for cut := range data {
			if got, err := DecodeCommand(kind, version, data[:cut]); !errors.Is(err, ErrBadCommand) {
				t.Fatalf("kind %d cut to %d bytes is read as %+v, %v", kind, cut, got, err)
			}
		}
		if _, err := DecodeCommand(kind, version, append(data, 0)); !errors.Is(err, ErrBadCommand) {
			t.Errorf("kind %d with a byte too many: %v", kind, err)
		}
		if _, err := DecodeCommand(kind, version+1, data); !errors.Is(err, ErrUnknownCommand) {
			t.Errorf("kind %d of a newer version: %v", kind, err)
		}
	}
	for kind := range 256 {
		if known := newCommand(Kind(kind)) != nil; known != seen[Kind(kind)] {
			t.Errorf("kind %d: known %v, in the samples %v", kind, known, seen[Kind(kind)])
		}
	}
	if _, err := DecodeCommand(0, 1, nil); !errors.Is(err, ErrUnknownCommand) {
		t.Errorf("kind 0: %v", err)
	}
}

// FuzzDecodeCommand holds that nothing panics, neither reading nor deciding, that what is read is written back so that it
// reads the same, and that what is decided applies.
func FuzzDecodeCommand(f *testing.F) {
	for _, cmd := range samples() {
		kind, version, data := EncodeCommand(cmd)
		f.Add(kind, version, data)
	}
	img := new(image.Image)
	for _, cmd := range append(samples()[:1:1], &RegisterNode{ClusterID: "c1", Node: 1, Incarnation: number(4), Directory: number(6)},
		&CreateTopics{Topics: []NewTopic{{Name: "orders", ID: number(3), Queues: 3, Replicas: 3}}}) {
		records, _ := Decide(img, cmd, 1)
		img = mustApply(img, records...)
	}
	f.Fuzz(func(t *testing.T, kind, version uint8, data []byte) {
		cmd, err := DecodeCommand(kind, version, data)
		if err != nil {
			return
		}
		again, err := DecodeCommand(EncodeCommand(cmd))
		if err != nil || !reflect.DeepEqual(again, cmd) {
			t.Fatalf("%+v is read back as %+v, %v", cmd, again, err)
		}
		for _, img := range []*image.Image{img, new(image.Image)} {
			next, records, _ := Run(img, cmd, 7)
			if next.Hash() != mustApply(img, records...).Hash() {
				t.Fatalf("%+v: the records are not what was decided", cmd)
			}
			for _, r := range records {
				if key, value := image.EncodeRecord(r); value != nil {
					if _, err := image.DecodeRecord(key, value); err != nil {
						t.Fatalf("%s can't be read back: %v", image.Describe(r), err)
					}
				}
			}
		}
	})
}

// TestRefusalsAreSentences holds that a refusal shows its sentence and unwraps to its sentinel.
func TestRefusalsAreSentences(t *testing.T) {
	err := refuse(ErrTopicExists, "topic %q exists already", "orders")
	if err.Error() != `topic "orders" exists already` || !errors.Is(err, ErrTopicExists) {
		t.Errorf("%v", err)
	}
}

func TestConfigTable(t *testing.T) {
	kafka := strings.Fields(`cleanup.policy compression.type compression.gzip.level compression.lz4.level compression.zstd.level
		delete.retention.ms file.delete.delay.ms flush.messages flush.ms follower.replication.throttled.replicas
		leader.replication.throttled.replicas index.interval.bytes max.compaction.lag.ms max.message.bytes
		message.timestamp.after.max.ms message.timestamp.before.max.ms message.timestamp.type min.cleanable.dirty.ratio
		min.compaction.lag.ms min.insync.replicas preallocate retention.bytes retention.ms segment.bytes segment.index.bytes
		segment.jitter.ms segment.ms unclean.leader.election.enable remote.storage.enable local.retention.ms
		local.retention.bytes remote.log.copy.disable remote.log.delete.on.disable remote.copy.lag.ms remote.copy.lag.bytes
		errors.deadletterqueue.group.enable`)
	for _, name := range kafka {
		_, accepted := topicConfigs.accepted[name]
		_, refused := topicConfigs.refused[name]
		if accepted == refused {
			t.Errorf("%s: accepted %v, refused %v", name, accepted, refused)
		}
	}
	check := &configCheck{img: new(image.Image), topic: "orders"}
	for _, def := range TopicConfigs() {
		if def.Doc == "" || def.Type == 0 || def.check == nil {
			t.Errorf("%s is not described", def.Name)
		}
		if def.Default == "" {
			continue
		}
		if wrong := def.check(def.Default, check); wrong != "" {
			t.Errorf("%s: its default %s is refused: %s", def.Name, def.Default, wrong)
		}
	}
	if defs := GroupConfigs(); len(defs) != 1 || defs[0].Name != ConsumeEnable {
		t.Errorf("group configs are %v", defs)
	}
	if _, ok := TopicConfig("segment.bytes"); ok {
		t.Error("segment.bytes is accepted")
	}
}

// TestDefaultsAgree holds that the table's defaults are those that a topic's settings start from.
func TestDefaultsAgree(t *testing.T) {
	configs := map[string]string{}
	for _, def := range TopicConfigs() {
		if def.Default != "" {
			configs[def.Name] = def.Default
		}
	}
	img := mustApply(new(image.Image), &image.Topic{Name: "t", Configs: configs})
	topic, _ := img.Topic("t")
	if got, want := topic.Settings(image.Settings{}), image.DefaultSettings(); got != want {
		t.Errorf("the table says %+v, image %+v", got, want)
	}
}

func mustApply(img *image.Image, records ...image.Record) *image.Image {
	next, err := img.Apply(records...)
	if err != nil {
		panic(err)
	}
	return next
}

func BenchmarkDecideCreate(b *testing.B) {
	img := new(image.Image)
	records, _ := Decide(img, samples()[0], 1)
	img = mustApply(img, records...)
	cmd := &CreateTopics{Topics: []NewTopic{{Name: "orders", ID: number(3), Queues: 16, Replicas: -1}}}
	b.ReportAllocs()
	for b.Loop() {
		Decide(img, cmd, 1)
	}
}
