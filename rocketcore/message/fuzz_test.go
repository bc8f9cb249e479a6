package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// fuzzLimits keep a round of fuzzing cheap.
var fuzzLimits = Limits{MaxBatchBytes: 1 << 20, MaxExpandedBytes: 1 << 20, MaxRecords: 1 << 16, MaxHeaders: 1 << 16}

func goldenBatches(f *testing.F) [][]byte {
	files, err := filepath.Glob("testdata/golden/*.batch")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden batches: %v", err)
	}
	var batches [][]byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		batches = append(batches, b)
	}
	return batches
}

// FuzzBatch takes bytes as a whole batch, as they are and with a length and a CRC that fit.
func FuzzBatch(f *testing.F) {
	for _, b := range goldenBatches(f) {
		f.Add(b)
	}
	f.Add([]byte(edited(true, put16(atAttributes, attrControl|attrTransactional|attrLogAppendTime))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if batches, err := Split(raw); err == nil {
			n := 0
			for _, b := range batches {
				n += len(b)
			}
			if n != len(raw) {
				t.Errorf("Split kept %d of %d bytes", n, len(raw))
			}
		}
		readAll(t, raw)
		if len(raw) >= BatchHeaderBytes {
			fitting := Batch(bytes.Clone(raw))
			fitting[atMagic] = magicV2
			binary.BigEndian.PutUint32(fitting[atLength:], uint32(len(raw)-batchPrefixBytes))
			fitting.seal()
			readAll(t, fitting)
		}
	})
}

// FuzzRecords takes bytes as what follows a header: the records, plain or compressed.
func FuzzRecords(f *testing.F) {
	for _, b := range goldenBatches(f) {
		b := Batch(b)
		f.Add(byte(b.Codec()), uint16(b.Count()), []byte(b[BatchHeaderBytes:]))
	}
	f.Fuzz(func(t *testing.T, codec byte, count uint16, body []byte) {
		b := append(make(Batch, BatchHeaderBytes), body...)
		b.putHeader(int(count), goldenTime, goldenTime, BuildOptions{Codec: Codec(codec % 5)})
		readAll(t, b)
	})
}

// readAll checks that all ways to read a batch agree, and that what they read can be built again.
func readAll(t *testing.T, raw []byte) {
	b, err := CheckBatch(raw, fuzzLimits)
	if err != nil {
		return
	}
	_ = b.CheckProduced()
	records, err := b.Records(fuzzLimits)
	if err != nil && !errors.Is(err, ErrInvalidRecord) && !errors.Is(err, ErrExpansion) {
		t.Fatalf("Records: %v", err)
	}
	checked, checkErr := b.CheckRecords(RecordRules{Limits: fuzzLimits})
	if (err == nil) != (checkErr == nil) {
		t.Fatalf("Records: %v; CheckRecords: %v", err, checkErr)
	}
	it, iterateErr := b.Iterate(fuzzLimits)
	if iterateErr == nil {
		n := 0
		for ; it.Next(); n++ {
			if err == nil && !reflect.DeepEqual(*it.Record(), records[n]) {
				t.Fatalf("record %d: Iterate and Records differ", n)
			}
		}
		iterateErr = it.Err()
		it.Close()
	}
	if (err == nil) != (iterateErr == nil) {
		t.Fatalf("Records: %v; Iterate: %v", err, iterateErr)
	}
	if err != nil {
		return
	}
	if len(records) != b.Count() || checked.MaxTimestamp < records[0].Timestamp && !b.IsLogAppendTime() {
		t.Fatalf("%d records of %d, %+v", len(records), b.Count(), checked)
	}
	again := Build(records, BuildOptions{})
	if got, err := again.Records(Limits{MaxExpandedBytes: 1 << 30}); err != nil || !reflect.DeepEqual(got, records) {
		t.Fatalf("built again: %v", err)
	}
}

// FuzzFacts takes bytes as facts, as they are and with a CRC that fits.
func FuzzFacts(f *testing.F) {
	whole := EncodeFacts(sampleFacts())
	f.Add(whole)
	f.Add(whole[:len(whole)-factsCRCBytes])
	f.Add([]byte{factsVersion, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = DecodeFacts(b)
		facts, err := DecodeFacts(binary.LittleEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, castagnoli)))
		if err != nil {
			if !errors.Is(err, ErrFacts) {
				t.Fatal(err)
			}
			return
		}
		if again, err := DecodeFacts(EncodeFacts(facts)); err != nil || !reflect.DeepEqual(again, facts) {
			t.Fatalf("encoded again: %v", err)
		}
	})
}

// FuzzBody takes bytes as a compressed body.
func FuzzBody(f *testing.F) {
	f.Add(int32(0x1), []byte("x\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x15")) // zlib "hello"
	f.Add(int32(0x101), compress(nil, []byte("hello hello hello hello"), CodecLZ4))
	f.Add(int32(0x201), compress(nil, []byte("hello"), CodecZstd))
	f.Fuzz(func(t *testing.T, sysFlag int32, body []byte) {
		out, err := DecompressBody(body, sysFlag, 1<<16)
		if err == nil && len(out) > 1<<16 && sysFlag&sysFlagCompressed != 0 {
			t.Errorf("%d bytes", len(out))
		}
		if err != nil && !errors.Is(err, ErrBody) && !errors.Is(err, ErrBodyTooLarge) {
			t.Error(err)
		}
	})
}

// FuzzMapping cuts bytes into a record and into a message and maps both there and back.
func FuzzMapping(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x02k\x03v\x05TAGS\x02t\x00\x05KEYS\x04a b\x02a\x00\x02a\x01\x02a\x02\xff"))
	for _, name := range trickyNames {
		for _, value := range trickyValues {
			f.Add(appendField(appendField([]byte("\x02k\x02v"), name), value))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := recordOf(b)
		m := FromRecord(r, nil)
		cleanTable(t, m.Properties)
		if r.Tag() != m.Tag() {
			t.Fatalf("tag %q, message's %q", r.Tag(), m.Tag())
		}
		backAgain(t, r, m)

		m = messageOf(r)
		got, facts, err := ToRecord(m)
		if err != nil {
			t.Fatal(err)
		}
		back := FromRecord(got, &facts)
		if !sameMultiset(back.Properties, m.Properties) || !bytes.Equal(back.Body, m.Body) || got.Tag() != m.Tag() {
			t.Fatalf("came back as %q\nwant         %q", back.Properties, m.Properties)
		}
	})
}

func appendField(b []byte, s string) []byte { return append(append(b, byte(len(s)+1)), s...) }

// recordOf reads key, value, and headers, each a length byte, 0 = null, and one less bytes.
func recordOf(b []byte) Record {
	field := func() []byte {
		if len(b) == 0 || b[0] == 0 {
			b = b[min(1, len(b)):]
			return nil
		}
		n := min(int(b[0]), len(b))
		f := b[1:n:n]
		b = b[n:]
		return f
	}
	r := Record{Timestamp: goldenTime, Key: field(), Value: field()}
	for len(b) > 0 {
		r.Headers = append(r.Headers, Header{string(field()), field()})
	}
	return r
}

// messageOf makes a message of the same parts, as far as RocketMQ's wire allows them.
func messageOf(r Record) Message {
	clean := strings.NewReplacer("\x01", "", "\x02", "")
	m := Message{Facts: sampleFacts()[0], Body: notNil(r.Value)}
	for _, h := range r.Headers {
		m.Properties = append(m.Properties, Property{clean.Replace(h.Key), clean.Replace(string(h.Value))})
	}
	return m
}
