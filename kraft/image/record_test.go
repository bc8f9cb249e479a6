package image

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/duolog/duolog/kraft/internal/enc"
)

func id(n byte) UUID { return UUID{0: n, 15: n} }

// samples has one record of every kind, with every field set.
func samples() []Record {
	return []Record{
		&Cluster{ID: "c1", FeatureLevel: 1, Slots: 4, Created: 1_700_000_000_000},
		&Node{
			ID: 3, Incarnation: id(1), Directory: id(2), Fenced: true, Registered: -5,
			Listeners: []Listener{{"INTERNAL", "PLAINTEXT", "broker-3", 9092}, {"OUT", "ROCKETMQ", "::1", 65535}},
		},
		&Shard{
			ID: 2, UID: id(3), Name: "broker-2", Replicas: []Replica{{1, 1}, {3, 9}}, Version: 7, Founders: 3, NextReplica: 10,
			Leader: NoNode, Term: 12,
		},
		&Slot{Number: 3, Shard: 2},
		&Topic{
			ID: id(4), Name: "orders.v1", Alias: "orders_v1", Created: 9, Origin: ByRocketMQ, Internal: true,
			Queues:  []Home{{2, 0, 0}, {0, 0, 5}, {2, 1, 0}},
			Configs: map[string]string{RetentionMs: "1000", MessageType: FIFOMessages},
		},
		&Group{Name: "billing", Configs: map[string]string{"consume.enable": "false"}},
		&ProducerIDs{Next: 3000},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range samples() {
		key, value := EncodeRecord(r)
		got, err := DecodeRecord(key, value)
		if err != nil {
			t.Fatalf("%v: %v", r.Kind(), err)
		}
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%v:\n%s\nis read back as\n%s", r.Kind(), Describe(r), Describe(got))
		}
	}
	for _, r := range []Removal{RemoveTopic("orders"), RemoveGroup("billing"), RemoveNode(3)} {
		key, value := EncodeRecord(r)
		if got, err := DecodeRecord(key, value); err != nil || got != Record(r) {
			t.Errorf("%s is read back as %v, %v", Describe(r), got, err)
		}
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	topicKey, topicValue := EncodeRecord(samples()[4])
	newer := bytes.Clone(topicValue)
	newer[0] = 2
	manyQueues := func() []byte {
		var w enc.Writer
		w.Uint(1)
		w.UUID(id(1))
		w.String("")
		w.Int(0)
		w.Uint(0)
		w.Bool(false)
		w.Uint(0)
		w.Uint(MaxQueues + 1)
		return w.Bytes()
	}()
	tests := []struct {
		name       string
		key, value []byte
		want       error
	}{
		{"no key", nil, []byte{1}, ErrBadRecord},
		{"unknown kind", []byte{99}, []byte{1}, ErrUnknownKind},
		{"removal of an unknown kind", []byte{99}, nil, ErrUnknownKind},
		{"newer version", topicKey, newer, ErrUnknownVersion},
		{"empty value", topicKey, []byte{}, ErrBadRecord},
		{"cut short", topicKey, topicValue[:len(topicValue)-1], ErrBadRecord},
		{"a byte too many", topicKey, append(bytes.Clone(topicValue), 0), ErrBadRecord},
		{"topic without a name", topicKey[:1], topicValue, ErrBadRecord},
		{"topic with a long name", append([]byte{byte(KindTopic)}, make([]byte, 256)...), topicValue, ErrBadRecord},
		{"node with half a number", []byte{byte(KindNode), 0, 0}, []byte{1}, ErrBadRecord},
		{"negative node", []byte{byte(KindNode), 0xff, 0, 0, 1}, []byte{1}, ErrBadRecord},
		{"cluster with a name", []byte{byte(KindCluster), 'x'}, []byte{1}, ErrBadRecord},
		{"more queues than a topic has", topicKey, manyQueues, ErrBadRecord},
	}
	for _, test := range tests {
		if r, err := DecodeRecord(test.key, test.value); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v; want %v", test.name, r, err, test.want)
		}
	}
}

// FuzzDecodeRecord holds that nothing panics, and that what is read is written back so that it reads the same.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range samples() {
		key, value := EncodeRecord(r)
		f.Add(key, value)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if value == nil {
			value = []byte{}
		}
		r, err := DecodeRecord(key, value)
		if err != nil {
			if r != nil {
				t.Fatalf("%v comes with error %v", r, err)
			}
			return
		}
		again, err := DecodeRecord(EncodeRecord(r))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%s is read back as %v, %v", Describe(r), again, err)
		}
		cluster := &Cluster{ID: "c", Slots: 4}
		if next, err := new(Image).Apply(cluster, r); err == nil {
			if _, ok := r.(*Cluster); !ok && next.Find(key) == nil {
				t.Fatalf("%s is applied and not found", Describe(r))
			}
		}
	})
}

// TestRecordBytes holds the example of docs/format/metadata.md.
func TestRecordBytes(t *testing.T) {
	topic := &Topic{
		Name: "a.b", ID: UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Alias: "a_b", Created: 1000, Origin: ByKafka,
		Configs: map[string]string{RetentionMs: "5"}, Queues: []Home{{Shard: 0}, {Shard: 1}},
	}
	key, value := EncodeRecord(topic)
	text, err := os.ReadFile("../../docs/format/metadata.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```\nkey    ")
	keyText, block, _ := strings.Cut(block, "\nvalue  ")
	valueText, _, _ := strings.Cut(block, "```")
	for want, got := range map[string][]byte{keyText: key, valueText: value} {
		if hex := strings.Join(strings.Fields(want), " "); fmt.Sprintf("% x", got) != hex {
			t.Errorf("the page says\n%s\nit is\n% x", hex, got)
		}
	}
}
