package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// batchOf puts hand-made record bytes behind a header that says count records.
func batchOf(codec Codec, count int, body []byte) Batch {
	b := Batch(compress(make([]byte, BatchHeaderBytes), body, codec))
	b.putHeader(count, goldenTime, goldenTime, BuildOptions{Codec: codec})
	return b
}

// v writes zigzag numbers.
func v(numbers ...int64) []byte {
	var b []byte
	for _, n := range numbers {
		b = binary.AppendVarint(b, n)
	}
	return b
}

// framed puts a record's length before it.
func framed(body []byte) []byte { return append(v(int64(len(body))), body...) }

func TestMalformedRecords(t *testing.T) {
	attributes := []byte{0}
	record := func(fields ...[]byte) []byte { return framed(append(attributes, bytes.Join(fields, nil)...)) }
	good := record(v(0, 0, -1, -1, 0))
	for name, c := range map[string]struct {
		count int
		body  []byte
		want  error
	}{
		"good":                   {1, good, nil},
		"padded number":          {1, record([]byte{0x80, 0, 0x80, 0}, v(-1, -1, 0)), nil},
		"bytes behind":           {1, append(bytes.Clone(good), 0), ErrInvalidRecord},
		"one record missing":     {2, append(bytes.Clone(good), make([]byte, 7)...), ErrInvalidRecord},
		"length negative":        {1, append(v(-1), make([]byte, 7)...), ErrInvalidRecord},
		"length too long":        {1, append(v(7), make([]byte, 6)...), ErrInvalidRecord},
		"length of six bytes":    {1, append([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, make([]byte, 6)...), ErrInvalidRecord},
		"length beyond 32 bits":  {1, append([]byte{0xff, 0xff, 0xff, 0xff, 0x1f}, make([]byte, 6)...), ErrInvalidRecord},
		"empty record":           {1, append(v(0), make([]byte, 7)...), ErrInvalidRecord},
		"record too long":        {1, framed(append(good[1:len(good):len(good)], 0)), ErrInvalidRecord},
		"key runs out":           {1, record(v(0, 0, 5, -1, 0)), ErrInvalidRecord},
		"key length -2":          {1, record(v(0, 0, -2, -1, 0)), ErrInvalidRecord},
		"key length huge":        {1, record(v(0, 0, 1<<31-1, -1, 0)), ErrInvalidRecord},
		"value runs out":         {1, record(v(0, 0, -1, 9, 0)), ErrInvalidRecord},
		"no header count":        {1, record(v(0, 0, -1, -1), []byte{0x80}), ErrInvalidRecord},
		"headers negative":       {1, record(v(0, 0, -1, -1, -1)), ErrInvalidRecord},
		"headers huge":           {1, record(v(0, 0, -1, -1, 1<<31-1)), ErrInvalidRecord},
		"fewer headers":          {1, record(v(0, 0, -1, -1, 2, 0, -1)), ErrInvalidRecord},
		"null header name":       {1, record(v(0, 0, -1, -1, 1, -1, -1)), ErrInvalidRecord},
		"header value length -2": {1, record(v(0, 0, -1, -1, 1, 0, -2)), ErrInvalidRecord},
		"header bytes behind":    {1, record(v(0, 0, -1, -1, 1, 0, -1, 0)), ErrInvalidRecord},
		"offset delta 1":         {1, record(v(0, 1, -1, -1, 0)), ErrInvalidRecord},
		"offset delta negative":  {1, record(v(0, -1, -1, -1, 0)), ErrInvalidRecord},
		"same offset twice":      {2, append(bytes.Clone(good), good...), ErrInvalidRecord},
		"backwards":              {2, append(record(v(0, 1, -1, -1, 0)), good...), ErrInvalidRecord},
	} {
		for _, codec := range []Codec{CodecNone, CodecLZ4} {
			t.Run(name+"/"+codec.String(), func(t *testing.T) {
				b := checkedBatch(t, batchOf(codec, c.count, c.body))
				if _, err := b.Records(Limits{}); !errors.Is(err, c.want) {
					t.Errorf("Records: got %v, want %v", err, c.want)
				}
				if _, err := b.CheckRecords(RecordRules{}); !errors.Is(err, c.want) {
					t.Errorf("CheckRecords: got %v, want %v", err, c.want)
				}
			})
		}
	}
}

func TestReadersWithoutCheck(t *testing.T) {
	for _, b := range []Batch{nil, {0}, make(Batch, BatchHeaderBytes-1)} {
		if _, err := b.Records(Limits{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("Records of %d bytes: %v", len(b), err)
		}
		if _, err := b.CheckRecords(RecordRules{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("CheckRecords of %d bytes: %v", len(b), err)
		}
	}
	b := batchOf(CodecNone, 1, nil)
	put32(atCount, -5)(b)
	if _, err := b.Records(Limits{}); !errors.Is(err, ErrInvalidRecord) {
		t.Errorf("a negative count: %v", err)
	}
}

func TestRecordLimits(t *testing.T) {
	records := make([]Record, 10)
	for i := range records {
		records[i] = Record{OffsetDelta: int32(i), Value: make([]byte, 100), Headers: make([]Header, 3)}
	}
	for _, codec := range codecs {
		b := Build(records, BuildOptions{Codec: codec})
		if _, err := b.Records(Limits{MaxHeaders: 29}); !errors.Is(err, ErrExpansion) {
			t.Errorf("%v: 30 headers, limit 29: %v", codec, err)
		}
		if _, err := b.Records(Limits{MaxHeaders: 30}); err != nil {
			t.Errorf("%v: 30 headers, limit 30: %v", codec, err)
		}
		if codec == CodecNone {
			continue
		}
		plain := len(Build(records, BuildOptions{})) - BatchHeaderBytes
		if _, err := b.Records(Limits{MaxExpandedBytes: plain}); err != nil {
			t.Errorf("%v: exactly at the limit: %v", codec, err)
		}
		if _, err := b.Records(Limits{MaxExpandedBytes: plain - 1}); !errors.Is(err, ErrExpansion) {
			t.Errorf("%v: one byte over the limit: %v", codec, err)
		}
	}
}

func TestRandomRecords(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for round := range 300 {
		records := randomRecords(rng, 1+rng.IntN(30))
		b := Build(records, BuildOptions{Codec: codecs[round%len(codecs)]})
		sameRecords(t, checkedBatch(t, b), records)
		if _, err := b.CheckRecords(RecordRules{}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

func TestCheckRecords(t *testing.T) {
	at := func(times ...int64) []Record {
		records := make([]Record, len(times))
		for i, ms := range times {
			records[i] = Record{Timestamp: ms, Key: []byte("k")}
		}
		return records
	}
	bounds := RecordRules{Now: goldenTime, BeforeMax: time.Hour, AfterMax: time.Minute}
	for name, c := range map[string]struct {
		records []Record
		rules   RecordRules
		want    error
		bad     []int
	}{
		"in time":            {at(goldenTime, goldenTime-3600000, goldenTime+60000, -1), bounds, nil, nil},
		"too old, too new":   {at(goldenTime-3600001, goldenTime, goldenTime+60001), bounds, ErrTimestamp, []int{0, 2}},
		"no bounds":          {at(0, 1<<62), RecordRules{Now: goldenTime}, nil, nil},
		"far beyond":         {at(-1<<63, 1<<63-1), bounds, ErrTimestamp, []int{0, 1}},
		"broker's own time":  {at(0), RecordRules{Now: goldenTime, BeforeMax: 1, AfterMax: 1, LogAppendTime: true}, nil, nil},
		"null key":           {[]Record{{}, {Key: []byte{}}}, RecordRules{}, nil, nil},
		"null key, compact":  {[]Record{{}, {Key: []byte{}}, {}}, RecordRules{RequireKeys: true}, ErrInvalidRecord, []int{0, 2}},
		"key before the age": {[]Record{{Timestamp: 1}}, RecordRules{RequireKeys: true, Now: goldenTime, BeforeMax: 1}, ErrInvalidRecord, []int{0}},
	} {
		for _, codec := range codecs {
			t.Run(name+"/"+codec.String(), func(t *testing.T) {
				_, err := Build(c.records, BuildOptions{Codec: codec}).CheckRecords(c.rules)
				if !errors.Is(err, c.want) {
					t.Fatalf("got %v, want %v", err, c.want)
				}
				var list *RecordsError
				if errors.As(err, &list) != (len(c.bad) > 0) {
					t.Fatalf("no list in %v", err)
				}
				for i, index := range c.bad {
					if len(list.Records) != len(c.bad) || list.Records[i].Index != index || list.Records[i].Reason == "" {
						t.Fatalf("records %+v, want %v", list.Records, c.bad)
					}
				}
			})
		}
	}
}

func TestRecordErrorsAreBounded(t *testing.T) {
	_, err := Build(make([]Record, 1000), BuildOptions{}).CheckRecords(RecordRules{RequireKeys: true})
	var list *RecordsError
	if !errors.As(err, &list) || len(list.Records) != MaxRecordErrors {
		t.Errorf("%v", err)
	}
}

func TestIteratorDoesNotAllocatePerRecord(t *testing.T) {
	records := make([]Record, 1000)
	for i := range records {
		records[i] = Record{Timestamp: int64(i), Key: []byte("key"), Value: make([]byte, 100), Headers: []Header{
			{"TAGS", []byte("a")}, {"trace-id", []byte{byte(i)}}}}
	}
	for _, codec := range []Codec{CodecNone, CodecSnappy, CodecLZ4, CodecZstd} {
		b := Build(records, BuildOptions{Codec: codec})
		allocs := testing.AllocsPerRun(5, func() {
			it, err := b.Iterate(Limits{})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for it.Next() {
				n++
			}
			it.Close()
			if n != len(records) || it.Err() != nil {
				t.Fatalf("%d records, %v", n, it.Err())
			}
		})
		if allocs > 40 {
			t.Errorf("Iterate, %v: %v allocations for 1000 records", codec, allocs)
		}
		allocs = testing.AllocsPerRun(5, func() {
			if _, err := b.Records(Limits{}); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > 50 {
			t.Errorf("Records, %v: %v allocations for 1000 records", codec, allocs)
		}
	}
}
