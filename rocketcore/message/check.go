package message

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// minRecordBytes is the shortest record: seven fields of one byte each.
const minRecordBytes = 7

// CheckBatch checks that b is one whole record batch that may stand in the log: length, magic, size limit, CRC-32C, codec,
// and a count that is positive and fits both the last offset delta and the bytes. It does not look into the records. The
// order of the checks is Kafka's (ProduceRequest, then UnifiedLog.analyzeAndValidateRecords). The returned Batch is b.
//
// Errors: ErrCorrupt, ErrTooLarge, ErrMagic, ErrCodec, ErrInvalidRecord, ErrExpansion.
func CheckBatch(b []byte, l Limits) (Batch, error) {
	l = l.orDefaults()
	if len(b) <= atMagic {
		return nil, fmt.Errorf("%w: %d bytes", ErrCorrupt, len(b))
	}
	if magic := int8(b[atMagic]); magic != magicV2 {
		return nil, fmt.Errorf("%w: magic %d", ErrMagic, magic)
	}
	if len(b) < BatchHeaderBytes {
		return nil, fmt.Errorf("%w: %d bytes, a header has %d", ErrCorrupt, len(b), BatchHeaderBytes)
	}
	batch := Batch(b)
	if n := int64(batch.Length()) + batchPrefixBytes; n != int64(len(b)) {
		return nil, fmt.Errorf("%w: its length field says %d bytes, there are %d", ErrCorrupt, n, len(b))
	}
	if len(b) > l.MaxBatchBytes {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(b), l.MaxBatchBytes)
	}
	if crc := crc32.Checksum(b[atAttributes:], castagnoli); crc != batch.CRC() {
		return nil, fmt.Errorf("%w: CRC is %08x, the bytes have %08x", ErrCorrupt, batch.CRC(), crc)
	}
	if !batch.Codec().Known() {
		return nil, fmt.Errorf("%w: %d", ErrCodec, batch.Codec())
	}
	if err := batch.checkCount(l); err != nil {
		return nil, err
	}
	return batch, nil
}

func (b Batch) checkCount(l Limits) error {
	count := b.Count()
	if count <= 0 || b.LastOffsetDelta() != int32(count-1) {
		return fmt.Errorf("%w: %d records with last offset delta %d", ErrInvalidRecord, count, b.LastOffsetDelta())
	}
	if count > l.MaxRecords {
		return fmt.Errorf("%w: %d records, limit %d", ErrExpansion, count, l.MaxRecords)
	}
	if b.Codec() == CodecNone && count > (len(b)-BatchHeaderBytes)/minRecordBytes {
		return fmt.Errorf("%w: %d records in %d bytes", ErrInvalidRecord, count, len(b)-BatchHeaderBytes)
	}
	return nil
}

// CheckProduced refuses what only a broker may write: a control batch, a base offset other than 0, the log-append flag; and
// what means nothing: a producer without epoch and sequence, a transaction without producer, unused bits (Kafka:
// LogValidator.validateBatch). A batch without producer may carry any epoch and sequence: sarama sends sequence 0. The batch
// must have passed CheckBatch.
//
// Errors: ErrInvalidRecord, ErrTimestamp.
func (b Batch) CheckProduced() error {
	switch {
	case b.BaseOffset() != 0:
		return fmt.Errorf("%w: base offset %d, a producer sends 0", ErrInvalidRecord, b.BaseOffset())
	case b.IsControl():
		return fmt.Errorf("%w: producers may not write control batches", ErrInvalidRecord)
	case b.Attributes()&(attrDeleteHorizon|^attrKnown) != 0:
		return fmt.Errorf("%w: attributes %#x", ErrInvalidRecord, uint16(b.Attributes()))
	case b.ProducerID() < -1:
		return fmt.Errorf("%w: producer id %d", ErrInvalidRecord, b.ProducerID())
	case b.ProducerID() >= 0 && (b.ProducerEpoch() < 0 || b.BaseSequence() < 0):
		return fmt.Errorf("%w: producer id %d with epoch %d and sequence %d", ErrInvalidRecord, b.ProducerID(),
			b.ProducerEpoch(), b.BaseSequence())
	case b.IsTransactional() && b.ProducerID() < 0:
		return fmt.Errorf("%w: transactional without a producer id", ErrInvalidRecord)
	case b.IsLogAppendTime():
		return fmt.Errorf("%w: producers may not set the log-append flag", ErrTimestamp)
	}
	return nil
}

// Split cuts a records field, as Produce requests and Fetch answers carry it, into its batches, by their length fields
// alone; each still needs CheckBatch. Bytes left over that are no whole batch are ErrCorrupt, beside the whole ones. The
// batches share the field's memory.
func Split(records []byte) ([]Batch, error) {
	var batches []Batch
	for at := 0; at < len(records); {
		rest := records[at:]
		if len(rest) < batchPrefixBytes {
			return batches, fmt.Errorf("%w: %d bytes are left after %d batches", ErrCorrupt, len(rest), len(batches))
		}
		length := int32(binary.BigEndian.Uint32(rest[atLength:]))
		// An old message set is shorter than a batch header; CheckBatch names it, so it may be that short here.
		if length <= atMagic-batchPrefixBytes || length > math.MaxInt32-batchPrefixBytes {
			return batches, fmt.Errorf("%w: length field %d", ErrCorrupt, length)
		}
		n := int(length) + batchPrefixBytes
		if n > len(rest) {
			return batches, fmt.Errorf("%w: a batch of %d bytes, %d are left", ErrCorrupt, n, len(rest))
		}
		batches = append(batches, Batch(rest[:n:n]))
		at += n
	}
	return batches, nil
}
