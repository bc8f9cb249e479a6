package kafkacompat

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore/message"
)

// aBatchNow is a batch of the present time.
func aBatchNow(o message.BuildOptions, values ...string) message.Batch {
	records := make([]message.Record, len(values))
	for i, v := range values {
		records[i] = message.Record{Timestamp: time.Now().UnixMilli(), Key: []byte("k"), Value: []byte(v)}
	}
	return message.Build(records, o)
}

func TestProduceInEveryVersion(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 2)
	c := d.dial(t)
	next := int64(0)
	for version := int16(3); version <= 13; version++ {
		for _, acks := range []int16{-1, 1} {
			got := produceOne(t, c, version, orders, 1, acks, aBatchNow(message.BuildOptions{}, "a", "b"))
			if got.ErrorCode != 0 || got.Partition != 1 || got.BaseOffset != next || got.LogAppendTime != -1 {
				t.Fatalf("v%d acks %d: %+v", version, acks, got)
			}
			next += 2
		}
	}
	for version := int16(0); version < 3; version++ {
		if got := produceOne(t, c, version, orders, 1, 1, []byte("a message set")); got.ErrorCode != unsupportedVersion {
			t.Errorf("v%d: %+v", version, got)
		}
	}
}

func TestProduceEveryCodec(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1)
	c := d.dial(t)
	for codec := message.CodecNone; codec <= message.CodecZstd; codec++ {
		sent := aBatchNow(message.BuildOptions{Codec: codec}, strings.Repeat("compress me ", 100), "b")
		base := mustProduce(t, c, orders, 0, sent)
		got := fetchOne(t, c, 11, fetchRequest(orders, 0, base, 0))
		stored := message.Batch(got.RecordBatches)
		if stored.CRC() != sent.CRC() || string(stored[21:]) != string(sent[21:]) || int64(stored.BaseOffset()) != base {
			t.Errorf("%v: the batch was changed", codec)
		}
		if epoch := d.node.Image(); stored.LeaderEpoch() < 1 || epoch == nil {
			t.Errorf("%v: leader epoch %d", codec, stored.LeaderEpoch())
		}
	}
}

// A batch sent again has the offset it had the first time, for each of the last five, and is stored once.
func TestIdempotentRetry(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1)
	c := d.dial(t)
	batch := func(id int64, epoch int16, sequence int32) []byte {
		return aBatchNow(message.BuildOptions{Producer: &message.Producer{ID: id, Epoch: epoch, Sequence: sequence}}, "a", "b")
	}
	var sent [][]byte
	for i := range 5 {
		sent = append(sent, batch(7, 0, int32(2*i)))
		if base := mustProduce(t, c, orders, 0, sent[i]); base != int64(2*i) {
			t.Fatalf("batch %d is at %d", i, base)
		}
	}
	for i, b := range sent {
		if base := mustProduce(t, c, orders, 0, b); base != int64(2*i) {
			t.Errorf("batch %d again is at %d", i, base)
		}
	}
	if got := produceOne(t, c, 9, orders, 0, -1, batch(7, 0, 20)); got.ErrorCode != outOfOrderSequence {
		t.Errorf("a gap: %+v", got)
	}
	mustProduce(t, c, orders, 0, batch(7, 1, 0))
	if got := produceOne(t, c, 9, orders, 0, -1, batch(7, 0, 10)); got.ErrorCode != invalidProducerEpoch {
		t.Errorf("an old epoch: %+v", got)
	}
	if base := mustProduce(t, c, orders, 0, batch(8, 3, 1000)); base != 12 {
		t.Errorf("an unknown producer's batch is at %d", base)
	}
}

func TestProduceRefusals(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1, "max.message.bytes", "4194304")
	fine := aBatchNow(message.BuildOptions{}, "x")
	big := aBatchNow(message.BuildOptions{}, strings.Repeat("x", 5_120_158))
	unknown := &image.Topic{Name: "ordrs", ID: image.UUID{77}}
	for name, tc := range map[string]struct {
		version   int16
		topic     *image.Topic
		partition int32
		acks      int16
		records   []byte
		code      int16
		says      string
	}{
		"unknown topic":     {9, unknown, 0, -1, fine, unknownTopicOrPartition, `topic "ordrs" does not exist; did you mean "orders"?`},
		"unknown id":        {13, unknown, 0, -1, fine, unknownTopicID, "no topic has the id"},
		"unknown partition": {9, orders, 1, -1, fine, unknownTopicOrPartition, "there is no number 1"},
		"negative":          {9, orders, -1, -1, fine, unknownTopicOrPartition, "there is no number -1"},
		"acks":              {9, orders, 0, 2, fine, invalidRequiredAcks, "acks is 2"},
		"too large":         {9, orders, 0, -1, big, messageTooLarge, `message is 5,120,233 bytes, limit for "orders" is 4,194,304 (max.message.bytes)`},
		"garbage":           {9, orders, 0, -1, []byte("not a batch at all, but long enough to look at, or so one thinks"), invalidRecord, ""},
		"nothing":           {9, orders, 0, -1, []byte{}, invalidRecord, "no record batch"},
		"null":              {9, orders, 0, -1, nil, invalidRecord, "no record batch"},
	} {
		t.Run(name, func(t *testing.T) {
			c := d.dial(t)
			got := produceOne(t, c, tc.version, tc.topic, tc.partition, tc.acks, tc.records)
			if got.ErrorMessage == nil {
				t.Fatalf("no sentence: %+v", got)
			}
			if got.ErrorCode != tc.code || !strings.Contains(*got.ErrorMessage, tc.says) {
				t.Errorf("error %d %q", got.ErrorCode, *got.ErrorMessage)
			}
			if got.BaseOffset != -1 || got.LogStartOffset != -1 {
				t.Errorf("%+v", got)
			}
		})
	}
	c := d.dial(t)
	if base := mustProduce(t, c, orders, 0, fine); base != 0 {
		t.Errorf("something was stored: the next offset is %d", base)
	}
}

// One partition's failure is not another's.
func TestProduceIsPartitionByPartition(t *testing.T) {
	d := openNode(t, Options{})
	orders, audit := d.node.create("orders", 2), d.node.create("audit", 1)
	c := d.dial(t)
	req := produceRequest(orders, 0, -1, aBatchNow(message.BuildOptions{}, "a"))
	req.Topics[0].Partitions = append(req.Topics[0].Partitions,
		kmsg.ProduceRequestTopicPartition{Partition: 9, Records: aBatchNow(message.BuildOptions{}, "b")},
		kmsg.ProduceRequestTopicPartition{Partition: 1, Records: aBatchNow(message.BuildOptions{}, "c")})
	req.Topics = append(req.Topics, produceRequest(audit, 0, -1, aBatchNow(message.BuildOptions{}, "d")).Topics...)
	send(t, c, req, 9)
	resp := receive(t, c, 9, kmsg.NewPtrProduceResponse())
	var codes []int16
	for _, topic := range resp.Topics {
		for _, part := range topic.Partitions {
			codes = append(codes, part.ErrorCode)
		}
	}
	if fmt.Sprint(codes) != "[0 3 0 0]" || resp.Topics[0].Partitions[1].Partition != 9 || resp.Topics[1].Topic != "audit" {
		t.Errorf("codes %v, %+v", codes, resp)
	}
}

func TestAcksZero(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1)
	c := d.dial(t)
	for range 3 {
		send(t, c, produceRequest(orders, 0, 0, aBatchNow(message.BuildOptions{}, "x")), 9)
	}
	if base := mustProduce(t, c, orders, 0, aBatchNow(message.BuildOptions{}, "y")); base != 3 {
		t.Errorf("after three records without acks the next is at %d", base)
	}
	// A failure can only be told by closing.
	send(t, c, produceRequest(orders, 5, 0, aBatchNow(message.BuildOptions{}, "x")), 9)
	if rest, _ := io.ReadAll(c); len(rest) > 0 {
		t.Errorf("acks=0 was answered with % x", rest)
	}
}

func TestLogAppendTime(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1, "message.timestamp.type", "LogAppendTime")
	c := d.dial(t)
	before := time.Now().UnixMilli()
	got := produceOne(t, c, 9, orders, 0, -1, at(12345, "x"))
	if got.ErrorCode != 0 || got.LogAppendTime < before-1000 || got.LogAppendTime > time.Now().UnixMilli()+1000 {
		t.Fatalf("%+v", got)
	}
	stored := message.Batch(fetchOne(t, c, 11, fetchRequest(orders, 0, 0, 0)).RecordBatches)
	if _, err := message.CheckBatch(stored, message.Limits{}); err != nil {
		t.Fatal(err)
	}
	if !stored.IsLogAppendTime() || stored.MaxTimestamp() != got.LogAppendTime {
		t.Errorf("read back: log append time %v, %d instead of %d", stored.IsLogAppendTime(), stored.MaxTimestamp(), got.LogAppendTime)
	}
}

// Requests sent one after the other without waiting keep their order in the log and in the answers.
func TestPipelinedProduce(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1)
	c := d.dial(t)
	const n = 200
	go func() {
		formatter := kmsg.NewRequestFormatter()
		for i := range n {
			req := produceRequest(orders, 0, -1, aBatchNow(message.BuildOptions{
				Producer: &message.Producer{ID: 1, Sequence: int32(i)}}, fmt.Sprint(i)))
			req.SetVersion(9)
			if _, err := c.Write(formatter.AppendRequest(nil, req, int32(i))); err != nil {
				return
			}
		}
	}()
	for i := range n {
		got := receive(t, c, 9, kmsg.NewPtrProduceResponse()).Topics[0].Partitions[0]
		if got.ErrorCode != 0 || got.BaseOffset != int64(i) {
			t.Fatalf("answer %d: %+v", i, got)
		}
	}
}
