package message

import (
	"bytes"
	"strconv"
	"testing"
)

// benchRecords are like a user's: a key, a tag, a trace id, and a value that compresses about threefold.
func benchRecords(count, valueBytes int) []Record {
	records := make([]Record, count)
	for i := range records {
		value := make([]byte, 0, valueBytes+64)
		for n := i; len(value) < valueBytes; n += 7919 {
			value = append(strconv.AppendInt(append(value, `{"order":`...), int64(n*n), 16), `,"state":"paid"},`...)
		}
		records[i] = Record{
			OffsetDelta: int32(i), Timestamp: goldenTime + int64(i), Key: []byte("order-" + strconv.Itoa(i)), Value: value[:valueBytes],
			Headers: []Header{{"TAGS", []byte("paid")}, {"trace-id", []byte("4bf92f3577b34da6a3ce929d0e0e4736")}},
		}
	}
	return records
}

func BenchmarkCheckBatch1MiB(b *testing.B) {
	batch := Build([]Record{{Value: bytes.Repeat([]byte("x"), 1<<20-100)}}, BuildOptions{})
	limits := Limits{MaxBatchBytes: 2 << 20}
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CheckBatch(batch, limits); err != nil {
			b.Fatal(err)
		}
	}
}

func benchCodecs(b *testing.B, run func(b *testing.B, batch Batch)) {
	records := benchRecords(1000, 1000)
	for _, codec := range codecs {
		b.Run(codec.String(), func(b *testing.B) {
			batch := Build(records, BuildOptions{Codec: codec})
			b.SetBytes(1000 * 1000)
			b.ReportAllocs()
			run(b, batch)
		})
	}
}

func BenchmarkIterate1000x1KB(b *testing.B) {
	benchCodecs(b, func(b *testing.B, batch Batch) {
		for b.Loop() {
			it, err := batch.Iterate(Limits{})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for it.Next() {
				n += len(it.Record().Value)
			}
			it.Close()
			if n != 1000*1000 {
				b.Fatal(n, it.Err())
			}
		}
	})
}

func BenchmarkRecords1000x1KB(b *testing.B) {
	benchCodecs(b, func(b *testing.B, batch Batch) {
		for b.Loop() {
			if _, err := batch.Records(Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCheckRecords1000x1KB(b *testing.B) {
	benchCodecs(b, func(b *testing.B, batch Batch) {
		for b.Loop() {
			if _, err := batch.CheckRecords(RecordRules{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkBuild1000x1KB(b *testing.B) {
	records := benchRecords(1000, 1000)
	for _, codec := range codecs {
		b.Run(codec.String(), func(b *testing.B) {
			b.SetBytes(1000 * 1000)
			b.ReportAllocs()
			for b.Loop() {
				Build(records, BuildOptions{Codec: codec})
			}
		})
	}
}

func benchMessage() Message {
	return Message{Facts: sampleFacts()[0], Body: make([]byte, 1000), Properties: []Property{
		{"TAGS", "paid"}, {"KEYS", "order-42"}, {"UNIQ_KEY", "7F0000010C3418B4AAC2137D1C1D0001"}, {"WAIT", "true"},
		{"TRACE_ON", "true"}, {"MSG_REGION", "DefaultRegion"}}}
}

// BenchmarkSendMessage is what one RocketMQ message costs on its way in: record, batch of one, facts.
func BenchmarkSendMessage(b *testing.B) {
	m := benchMessage()
	b.ReportAllocs()
	for b.Loop() {
		r, f, err := ToRecord(m)
		if err != nil {
			b.Fatal(err)
		}
		Build([]Record{r}, BuildOptions{})
		EncodeFacts([]Facts{f})
	}
}

// BenchmarkPullMessage is what it costs on its way out.
func BenchmarkPullMessage(b *testing.B) {
	r, f, err := ToRecord(benchMessage())
	if err != nil {
		b.Fatal(err)
	}
	batch, beside := Build([]Record{r}, BuildOptions{}), EncodeFacts([]Facts{f})
	b.ReportAllocs()
	for b.Loop() {
		records, err := batch.Records(Limits{})
		if err != nil {
			b.Fatal(err)
		}
		facts, err := DecodeFacts(beside)
		if err != nil {
			b.Fatal(err)
		}
		FromRecord(records[0], &facts[0])
	}
}

// BenchmarkPullKafkaRecord is what a Kafka record costs a RocketMQ reader once its batch is decoded.
func BenchmarkPullKafkaRecord(b *testing.B) {
	r := benchRecords(1, 1000)[0]
	b.ReportAllocs()
	for b.Loop() {
		FromRecord(r, nil)
	}
}
