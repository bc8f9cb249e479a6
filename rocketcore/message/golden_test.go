package message

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var codecs = []Codec{CodecNone, CodecGzip, CodecSnappy, CodecLZ4, CodecZstd}

const goldenTime = 1700000000000

// goldenRecords are what the producers of testdata/golden were given, one millisecond apart.
func goldenRecords() []Record {
	return []Record{
		{Timestamp: goldenTime, Key: []byte("order-42"), Value: []byte("hello"), Headers: []Header{
			{"TAGS", []byte("urgent")}, {"trace", []byte{0, 1, 0xff}}}},
		{OffsetDelta: 1, Timestamp: goldenTime + 1},
		{OffsetDelta: 2, Timestamp: goldenTime + 2, Key: []byte{}, Value: []byte{}, Headers: []Header{
			{"a", nil}, {"a", []byte{}}, {"", []byte("unnamed")}}},
		{OffsetDelta: 3, Timestamp: goldenTime + 3, Key: []byte("long"), Value: bytes.Repeat([]byte("duolog "), 5715)[:40000]},
	}
}

// Batches captured from franz-go 1.22 (idempotent) and sarama 1.61 (not idempotent) with each codec.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.batch")
	if err != nil || len(files) != 10 {
		t.Fatalf("%d golden batches, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b := checkedBatch(t, raw)
			if name := strings.TrimSuffix(file[strings.LastIndex(file, "-")+1:], ".batch"); b.Codec().String() != name {
				t.Errorf("codec %v", b.Codec())
			}
			if err := b.CheckProduced(); err != nil {
				t.Error(err)
			}
			checked, err := b.CheckRecords(RecordRules{Now: goldenTime})
			if err != nil || checked.MaxTimestamp != b.MaxTimestamp() || checked.NullKeys != 1 || !checked.SystemNames {
				t.Errorf("CheckRecords: %+v, %v", checked, err)
			}
			wantProducer := Producer{ID: 4711, Epoch: 3}
			if strings.Contains(file, "sarama") {
				wantProducer = Producer{ID: -1, Epoch: -1}
			}
			if got := (Producer{b.ProducerID(), b.ProducerEpoch(), b.BaseSequence()}); got != wantProducer {
				t.Errorf("producer %+v", got)
			}
			if b.Count() != 4 || b.LastOffset() != 3 || b.BaseTimestamp() != goldenTime || b.IsControl() || b.IsTransactional() {
				t.Errorf("header: %d records, last offset %d, base time %d", b.Count(), b.LastOffset(), b.BaseTimestamp())
			}
			sameRecords(t, b, goldenRecords())
		})
	}
}

// Our encoder writes what clients write: the same bytes where no compressor has a say.
func TestBuildMatchesClients(t *testing.T) {
	for file, producer := range map[string]*Producer{"franz-go-none": {ID: 4711, Epoch: 3}, "sarama-none": {ID: -1, Epoch: -1}} {
		want, err := os.ReadFile("testdata/golden/" + file + ".batch")
		if err != nil {
			t.Fatal(err)
		}
		got := Build(goldenRecords(), BuildOptions{Producer: producer})
		got.SetLeaderEpoch(Batch(want).LeaderEpoch())
		if !bytes.Equal(got, want) {
			t.Errorf("%s: Build differs from what the client wrote", file)
		}
	}
}

// franz-go's consumer is the judge of what Build writes.
func TestBuildReadByFranz(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, codec := range codecs {
		for round := range 20 {
			records := goldenRecords()
			if round > 0 {
				records = randomRecords(rng, 1+rng.IntN(50))
			}
			b := Build(records, BuildOptions{Codec: codec, Producer: &Producer{ID: 7, Epoch: 2, Sequence: 9}})
			b.SetBaseOffset(1000)
			b.SetLeaderEpoch(5)
			if err := franzReads(b, records); err != nil {
				t.Fatalf("%v, round %d: %v", codec, round, err)
			}
			sameRecords(t, checkedBatch(t, b), records)
		}
	}
}

func franzReads(b Batch, want []Record) error {
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark = int64(b.LastOffset()) + 1
	p.RecordBatches = b
	got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: "t"}, &p, kgo.DefaultDecompressor(), nil)
	if got.Err != nil || len(got.Records) != len(want) {
		return fmt.Errorf("%d records of %d, %v", len(got.Records), len(want), got.Err)
	}
	for i, r := range got.Records {
		back := Record{OffsetDelta: int32(r.Offset - int64(b.BaseOffset())), Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			back.Headers = append(back.Headers, Header{h.Key, h.Value})
		}
		if !reflect.DeepEqual(back, want[i]) {
			return fmt.Errorf("record %d: got %v, want %v", i, back, want[i])
		}
	}
	return nil
}

// librdkafka and old sarama send snappy as one raw block.
func TestRawSnappy(t *testing.T) {
	plain := Build(goldenRecords(), BuildOptions{})
	raw := append(Batch(nil), plain[:BatchHeaderBytes]...)
	raw = append(raw, snappy.Encode(nil, plain[BatchHeaderBytes:])...)
	reseal(raw, CodecSnappy)
	sameRecords(t, checkedBatch(t, raw), goldenRecords())
	if err := franzReads(raw, goldenRecords()); err != nil {
		t.Error(err)
	}
}

// Java's reader accepts streams set end to end.
func TestXerialConcatenated(t *testing.T) {
	plain := Build(goldenRecords(), BuildOptions{})
	b := append(Batch(nil), plain[:BatchHeaderBytes]...)
	b = compressXerial(b, plain[BatchHeaderBytes:1000])
	b = compressXerial(b, plain[1000:])
	reseal(b, CodecSnappy)
	sameRecords(t, checkedBatch(t, b), goldenRecords())
}

func checkedBatch(t testing.TB, raw []byte) Batch {
	t.Helper()
	b, err := CheckBatch(raw, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sameRecords compares both ways of decoding with want.
func sameRecords(t testing.TB, b Batch, want []Record) {
	t.Helper()
	got, err := b.Records(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("records differ:\n got %v\nwant %v", got, want)
	}
	it, err := b.Iterate(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for i := 0; it.Next(); i++ {
		if !reflect.DeepEqual(*it.Record(), want[i]) {
			t.Fatalf("record %d:\n got %v\nwant %v", i, *it.Record(), want[i])
		}
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
}

// reseal makes length, codec and CRC fit bytes that a test has put together.
func reseal(b Batch, codec Codec) {
	b.putHeader(b.Count(), b.BaseTimestamp(), b.MaxTimestamp(), BuildOptions{Codec: codec})
}
