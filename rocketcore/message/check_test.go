package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// edited is a valid batch after a change; resealed if the change should come through intact.
func edited(sealed bool, change func(b Batch)) Batch {
	b := Build(goldenRecords()[:3], BuildOptions{})
	change(b)
	if sealed {
		b.seal()
	}
	return b
}

func put16(at int, v uint16) func(Batch) {
	return func(b Batch) { binary.BigEndian.PutUint16(b[at:], v) }
}

func put32(at int, v int32) func(Batch) {
	return func(b Batch) { binary.BigEndian.PutUint32(b[at:], uint32(v)) }
}

func put64(at int, v int64) func(Batch) {
	return func(b Batch) { binary.BigEndian.PutUint64(b[at:], uint64(v)) }
}

func TestCheckBatch(t *testing.T) {
	good := edited(false, func(Batch) {})
	oldMessage := append([]byte(nil), good[:30]...)
	oldMessage[atMagic] = 1
	for name, c := range map[string]struct {
		raw    []byte
		limits Limits
		want   error
	}{
		"good":                  {raw: good},
		"stamped":               {raw: edited(false, func(b Batch) { b.SetBaseOffset(1 << 40); b.SetLeaderEpoch(9) })},
		"nothing":               {raw: nil, want: ErrCorrupt},
		"cut before magic":      {raw: good[:16], want: ErrCorrupt},
		"cut in header":         {raw: good[:60], want: ErrCorrupt},
		"cut in records":        {raw: good[:len(good)-1], want: ErrCorrupt},
		"bytes behind":          {raw: append(bytes.Clone(good), 0), want: ErrCorrupt},
		"length too small":      {raw: edited(true, put32(atLength, 48)), want: ErrCorrupt},
		"length negative":       {raw: edited(true, put32(atLength, -1)), want: ErrCorrupt},
		"length huge":           {raw: edited(true, put32(atLength, 0x7fffffff)), want: ErrCorrupt},
		"old magic":             {raw: oldMessage, want: ErrMagic},
		"future magic":          {raw: edited(true, func(b Batch) { b[atMagic] = 3 }), want: ErrMagic},
		"too large":             {raw: good, limits: Limits{MaxBatchBytes: len(good) - 1}, want: ErrTooLarge},
		"just large enough":     {raw: good, limits: Limits{MaxBatchBytes: len(good)}},
		"CRC":                   {raw: edited(false, func(b Batch) { b[atCRC] ^= 1 }), want: ErrCorrupt},
		"flipped in attributes": {raw: edited(false, func(b Batch) { b[atAttributes+1] ^= 0x10 }), want: ErrCorrupt},
		"flipped in a record":   {raw: edited(false, func(b Batch) { b[len(b)-1] ^= 0x80 }), want: ErrCorrupt},
		"codec 5":               {raw: edited(true, put16(atAttributes, 5)), want: ErrCodec},
		"codec 7":               {raw: edited(true, put16(atAttributes, 7)), want: ErrCodec},
		"no records":            {raw: edited(true, func(b Batch) { put32(atCount, 0)(b); put32(atLastOffsetDelta, -1)(b) }), want: ErrInvalidRecord},
		"count negative":        {raw: edited(true, put32(atCount, -1)), want: ErrInvalidRecord},
		"count and last delta":  {raw: edited(true, put32(atLastOffsetDelta, 3)), want: ErrInvalidRecord},
		"last delta negative":   {raw: edited(true, put32(atLastOffsetDelta, -3)), want: ErrInvalidRecord},
		"more than the bytes":   {raw: edited(true, func(b Batch) { put32(atCount, 100)(b); put32(atLastOffsetDelta, 99)(b) }), want: ErrInvalidRecord},
		"too many records":      {raw: good, limits: Limits{MaxRecords: 2}, want: ErrExpansion},
		"control is no matter":  {raw: edited(true, put16(atAttributes, attrControl|attrTransactional))},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := CheckBatch(c.raw, c.limits)
			if !errors.Is(err, c.want) || (err == nil) != (b != nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestCheckProduced(t *testing.T) {
	for name, c := range map[string]struct {
		change func(Batch)
		want   error
	}{
		"plain":                {func(Batch) {}, nil},
		"idempotent":           {func(b Batch) { put64(atProducerID, 1)(b); put16(atProducerEpoch, 0)(b); put32(atBaseSequence, 0)(b) }, nil},
		"sarama":               {put32(atBaseSequence, 0), nil},
		"base offset":          {put64(atBaseOffset, 1), ErrInvalidRecord},
		"control":              {put16(atAttributes, attrControl), ErrInvalidRecord},
		"delete horizon":       {put16(atAttributes, attrDeleteHorizon), ErrInvalidRecord},
		"unused bit":           {put16(atAttributes, 0x80), ErrInvalidRecord},
		"sign bit":             {put16(atAttributes, 0x8000), ErrInvalidRecord},
		"log-append flag":      {put16(atAttributes, attrLogAppendTime), ErrTimestamp},
		"producer id -2":       {put64(atProducerID, -2), ErrInvalidRecord},
		"no sequence":          {func(b Batch) { put64(atProducerID, 1)(b); put16(atProducerEpoch, 0)(b) }, ErrInvalidRecord},
		"no epoch":             {func(b Batch) { put64(atProducerID, 1)(b); put32(atBaseSequence, 0)(b) }, ErrInvalidRecord},
		"transaction, no id":   {put16(atAttributes, attrTransactional), ErrInvalidRecord},
		"base offset negative": {put64(atBaseOffset, -1), ErrInvalidRecord},
	} {
		t.Run(name, func(t *testing.T) {
			if err := checkedBatch(t, edited(true, c.change)).CheckProduced(); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestStamps(t *testing.T) {
	b := Build(goldenRecords(), BuildOptions{Codec: CodecZstd})
	before := bytes.Clone(b)
	stamped := b.WithLogAppendTime(goldenTime + 99)
	if !bytes.Equal(b, before) {
		t.Error("WithLogAppendTime changed the original")
	}
	checkedBatch(t, stamped)
	if !stamped.IsLogAppendTime() || stamped.MaxTimestamp() != goldenTime+99 || stamped.Codec() != CodecZstd {
		t.Errorf("attributes %#x, max timestamp %d", stamped.Attributes(), stamped.MaxTimestamp())
	}
	want := goldenRecords()
	for i := range want {
		want[i].Timestamp = goldenTime + 99
	}
	sameRecords(t, stamped, want)
	if err := franzReads(stamped, want); err != nil {
		t.Error(err)
	}
	b.SetMaxTimestamp(goldenTime + 7)
	if checkedBatch(t, b).MaxTimestamp() != goldenTime+7 {
		t.Error("SetMaxTimestamp did not")
	}
}

func TestLastSequenceWraps(t *testing.T) {
	b := Build(goldenRecords(), BuildOptions{Producer: &Producer{ID: 1, Sequence: 0x7ffffffe}})
	if got := b.LastSequence(); got != 1 {
		t.Errorf("LastSequence() = %d, want 1", got)
	}
	if got := Build(goldenRecords(), BuildOptions{}).LastSequence(); got != -1 {
		t.Errorf("without a producer: %d", got)
	}
}

func TestBuildOptions(t *testing.T) {
	b := Build(goldenRecords()[:1], BuildOptions{Transactional: true, Control: true, Producer: &Producer{ID: 5, Epoch: 6, Sequence: -1}})
	if !b.IsControl() || !b.IsTransactional() || b.ProducerID() != 5 || b.ProducerEpoch() != 6 || b.LeaderEpoch() != -1 ||
		b.Magic() != 2 || b.CRC() == 0 || b.Length() != int32(len(b)-12) {
		t.Errorf("header %x", []byte(b[:BatchHeaderBytes]))
	}
	for _, bad := range []func(){
		func() { Build(nil, BuildOptions{}) },
		func() { Build(goldenRecords(), BuildOptions{Codec: 5}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			bad()
		}()
	}
}

func TestSplit(t *testing.T) {
	one := Build(goldenRecords(), BuildOptions{Codec: CodecLZ4})
	two := Build(goldenRecords()[:2], BuildOptions{})
	both := append(bytes.Clone(one), two...)
	for name, c := range map[string]struct {
		raw  []byte
		want []Batch
		err  error
	}{
		"none":          {nil, nil, nil},
		"one":           {one, []Batch{one}, nil},
		"two":           {both, []Batch{one, two}, nil},
		"half a second": {both[:len(both)-1], []Batch{one}, ErrCorrupt},
		"a few bytes":   {both[:len(one)+11], []Batch{one}, ErrCorrupt},
		"length 0":      {make([]byte, 100), nil, ErrCorrupt},
		"length -1":     {bytes.Repeat([]byte{0xff}, 100), nil, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Split(c.raw)
			if !errors.Is(err, c.err) || len(got) != len(c.want) {
				t.Fatalf("%d batches, %v", len(got), err)
			}
			for i := range got {
				if !bytes.Equal(got[i], c.want[i]) {
					t.Errorf("batch %d differs", i)
				}
			}
		})
	}
}
