package message

import (
	"encoding/binary"
	"hash/crc32"
)

// Layout of record batch v2, big-endian (KIP-98). The CRC covers everything from attributes to the end; base offset and
// leader epoch lie before it, so that a broker stamps both without touching it.
const (
	atBaseOffset      = 0
	atLength          = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atCount           = 57

	// BatchHeaderBytes is the size of a batch without its records.
	BatchHeaderBytes = 61
	// batchPrefixBytes is what the length field does not count: base offset and the length itself.
	batchPrefixBytes = 12
	// magicV2 is the only format stored.
	magicV2 = 2
)

const (
	attrCodec         = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
	attrKnown         = attrCodec | attrLogAppendTime | attrTransactional | attrControl | attrDeleteHorizon
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch is one record batch, format version 2, as it stands in the log and on the wire. The accessors read the header and
// need a batch that CheckBatch or Build returned; on fewer than BatchHeaderBytes they panic.
type Batch []byte

// BaseOffset is the offset of the first record; producers send 0, the reader stamps the true one.
func (b Batch) BaseOffset() Offset { return Offset(binary.BigEndian.Uint64(b[atBaseOffset:])) }

// Length is the length field: bytes after it, 12 less than the whole batch.
func (b Batch) Length() int32 { return int32(binary.BigEndian.Uint32(b[atLength:])) }

// LeaderEpoch is the partition's leader epoch; producers send -1.
func (b Batch) LeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b[atLeaderEpoch:])) }

// Magic is the format version.
func (b Batch) Magic() int8 { return int8(b[atMagic]) }

// CRC is the stored CRC-32C.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[atCRC:]) }

// Attributes are the flag bits: codec (0-2), log-append time, transactional, control, delete horizon.
func (b Batch) Attributes() int16 { return int16(binary.BigEndian.Uint16(b[atAttributes:])) }

// Codec is the compression of the records.
func (b Batch) Codec() Codec { return Codec(b.Attributes() & attrCodec) }

// LastOffsetDelta is the last record's offset less the base offset.
func (b Batch) LastOffsetDelta() int32 { return int32(binary.BigEndian.Uint32(b[atLastOffsetDelta:])) }

// LastOffset is the offset of the last record.
func (b Batch) LastOffset() Offset { return b.BaseOffset() + Offset(b.LastOffsetDelta()) }

// Count is the number of records.
func (b Batch) Count() int { return int(int32(binary.BigEndian.Uint32(b[atCount:]))) }

// BaseTimestamp is the time to which the records' deltas are added, in ms.
func (b Batch) BaseTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[atBaseTimestamp:])) }

// MaxTimestamp is the greatest time of a record, in ms, -1 if there is none; with LogAppendTime, the time of all of them.
func (b Batch) MaxTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[atMaxTimestamp:])) }

// ProducerID is the idempotent producer's id, -1 if there is none.
func (b Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b[atProducerID:])) }

// ProducerEpoch is the producer's epoch, -1 if there is none.
func (b Batch) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[atProducerEpoch:])) }

// BaseSequence is the sequence number of the first record, -1 if there is none.
func (b Batch) BaseSequence() int32 { return int32(binary.BigEndian.Uint32(b[atBaseSequence:])) }

// LastSequence is the sequence number of the last record, -1 if there is none. Sequences wrap from 2147483647 to 0.
func (b Batch) LastSequence() int32 {
	first := b.BaseSequence()
	if first < 0 {
		return -1
	}
	return int32((int64(first) + int64(b.LastOffsetDelta())) & 0x7fffffff)
}

// IsControl marks transaction markers; consumers skip them.
func (b Batch) IsControl() bool { return b.Attributes()&attrControl != 0 }

// IsTransactional marks batches that belong to a transaction.
func (b Batch) IsTransactional() bool { return b.Attributes()&attrTransactional != 0 }

// IsLogAppendTime says that MaxTimestamp, set by the broker, is the time of every record.
func (b Batch) IsLogAppendTime() bool { return b.Attributes()&attrLogAppendTime != 0 }

// SetBaseOffset stamps the offset in place; the CRC does not cover it.
func (b Batch) SetBaseOffset(o Offset) { binary.BigEndian.PutUint64(b[atBaseOffset:], uint64(o)) }

// SetLeaderEpoch stamps the leader epoch in place; the CRC does not cover it.
func (b Batch) SetLeaderEpoch(epoch int32) {
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(epoch))
}

// SetLogAppendTime gives every record the broker's time, in place: flag and max timestamp are set and the CRC is computed
// anew. The records are not touched.
func (b Batch) SetLogAppendTime(ms int64) {
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(b.Attributes()|attrLogAppendTime))
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(ms))
	b.seal()
}

// SetMaxTimestamp corrects the greatest time of a record, in place, and computes the CRC anew: producers may get it wrong
// (Kafka: LogValidator sets it from the records).
func (b Batch) SetMaxTimestamp(ms int64) {
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(ms))
	b.seal()
}

// WithLogAppendTime is SetLogAppendTime on a copy.
func (b Batch) WithLogAppendTime(ms int64) Batch {
	c := append(make(Batch, 0, len(b)), b...)
	c.SetLogAppendTime(ms)
	return c
}

// seal computes the CRC.
func (b Batch) seal() {
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli))
}
