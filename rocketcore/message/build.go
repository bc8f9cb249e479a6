package message

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Producer identifies an idempotent producer's batch.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32 // of the first record
}

// BuildOptions say how a batch is built; the zero value is a plain one: uncompressed, no producer.
type BuildOptions struct {
	Codec         Codec
	Producer      *Producer // nil = none
	Transactional bool
	Control       bool
}

// Build encodes records as one batch with base offset 0 and leader epoch -1. Offset deltas are the records' places in the
// slice, whatever OffsetDelta says. No records, or more than MaxOrdinal, or an unknown codec is a broken invariant and
// panics.
func Build(records []Record, o BuildOptions) Batch {
	if len(records) == 0 || len(records) > MaxOrdinal || !o.Codec.Known() {
		panic(fmt.Sprintf("build a batch of %d records with %v", len(records), o.Codec))
	}
	base, latest := records[0].Timestamp, records[0].Timestamp
	size := 0
	for i := range records {
		latest = max(latest, records[i].Timestamp)
		n := recordBodyBytes(&records[i], i, base)
		size += varintBytes(int64(n)) + n
	}
	var b Batch
	if o.Codec == CodecNone {
		b = appendRecords(make(Batch, BatchHeaderBytes, BatchHeaderBytes+size), records, base)
	} else {
		buf := takeBuffer()
		if cap(*buf) < size {
			*buf = make([]byte, 0, size)
		}
		plain := appendRecords((*buf)[:0], records, base)
		b = compress(make(Batch, BatchHeaderBytes, BatchHeaderBytes+size/2+64), plain, o.Codec)
		giveBuffer(buf)
	}
	b.putHeader(len(records), base, latest, o)
	return b
}

// putHeader fills in every field of the header and seals the batch.
func (b Batch) putHeader(count int, base, latest int64, o BuildOptions) {
	attributes := uint16(o.Codec)
	if o.Transactional {
		attributes |= attrTransactional
	}
	if o.Control {
		attributes |= attrControl
	}
	p := Producer{ID: -1, Epoch: -1, Sequence: -1}
	if o.Producer != nil {
		p = *o.Producer
	}
	be := binary.BigEndian
	be.PutUint64(b[atBaseOffset:], 0)
	be.PutUint32(b[atLength:], uint32(len(b)-batchPrefixBytes))
	be.PutUint32(b[atLeaderEpoch:], 0xffffffff)
	b[atMagic] = magicV2
	be.PutUint16(b[atAttributes:], attributes)
	be.PutUint32(b[atLastOffsetDelta:], uint32(count-1))
	be.PutUint64(b[atBaseTimestamp:], uint64(base))
	be.PutUint64(b[atMaxTimestamp:], uint64(latest))
	be.PutUint64(b[atProducerID:], uint64(p.ID))
	be.PutUint16(b[atProducerEpoch:], uint16(p.Epoch))
	be.PutUint32(b[atBaseSequence:], uint32(p.Sequence))
	be.PutUint32(b[atCount:], uint32(count))
	b.seal()
}

func appendRecords(dst []byte, records []Record, base int64) []byte {
	for i := range records {
		r := &records[i]
		dst = binary.AppendVarint(dst, int64(recordBodyBytes(r, i, base)))
		dst = append(dst, 0) // attributes, unused
		dst = binary.AppendVarint(dst, r.Timestamp-base)
		dst = binary.AppendVarint(dst, int64(i))
		dst = appendNullable(dst, r.Key)
		dst = appendNullable(dst, r.Value)
		dst = binary.AppendVarint(dst, int64(len(r.Headers)))
		for _, h := range r.Headers {
			dst = binary.AppendVarint(dst, int64(len(h.Key)))
			dst = append(dst, h.Key...)
			dst = appendNullable(dst, h.Value)
		}
	}
	return dst
}

func appendNullable(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // -1 in zigzag
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

// recordBodyBytes is the length of a record after its length field.
func recordBodyBytes(r *Record, index int, base int64) int {
	n := 1 + varintBytes(r.Timestamp-base) + varintBytes(int64(index)) + nullableBytes(r.Key) + nullableBytes(r.Value) +
		varintBytes(int64(len(r.Headers)))
	for _, h := range r.Headers {
		n += varintBytes(int64(len(h.Key))) + len(h.Key) + nullableBytes(h.Value)
	}
	return n
}

func nullableBytes(b []byte) int {
	if b == nil {
		return 1
	}
	return varintBytes(int64(len(b))) + len(b)
}

// varintBytes is the length of v in zigzag.
func varintBytes(v int64) int {
	return (bits.Len64(uint64(v<<1)^uint64(v>>63)|1) + 6) / 7
}
