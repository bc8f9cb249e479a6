package kafka

import (
	"encoding/binary"
	"errors"
)

// decodeFactor bounds what kmsg may allocate per byte of a request that is not Produce: it refuses an array length that
// the remaining bytes cannot hold, so the worst is a list of the smallest elements. TestDecodeFactor measures it.
const decodeFactor = 64

// freeDecodeBytes is the size up to which a request's decoding is not charged to the listener's budget.
const freeDecodeBytes = 4 << 10

// What one element of a Produce request costs us: decoded, and answered.
const (
	produceTopicCost     = 192
	producePartitionCost = 256
	produceFreeCost      = 1 << 20
	produceCostFactor    = 4 // an honest partition has a batch of at least 61 bytes
)

var errImplausible = errors.New("it lists more partitions than its bytes can fill")

// checkProduce walks a Produce body without decoding it and refuses lists of empty elements, which would cost dozens of
// times their bytes. A Produce request may have 100 MiB, so the general bound does not do here.
func checkProduce(body []byte, version int16) error {
	r := reader{rest: body, compact: version >= 9}
	if version >= 3 {
		r.skipString() // transactional id
	}
	r.take(2 + 4) // acks, time-out
	budget := produceFreeCost + produceCostFactor*len(body)
	for topics := r.arrayLen(); topics > 0 && !r.failed; topics-- {
		budget -= produceTopicCost
		if version >= 13 {
			r.take(16) // topic id
		} else {
			r.skipString()
		}
		for partitions := r.arrayLen(); partitions > 0 && !r.failed; partitions-- {
			if budget -= producePartitionCost; budget < 0 {
				return errImplausible
			}
			r.take(4) // partition
			r.skipBytes()
			r.skipTags()
		}
		r.skipTags()
		if budget < 0 {
			return errImplausible
		}
	}
	return nil // what is cut short, the decoder reports
}

// reader walks the protocol's primitive types. After the first failure it yields zeros.
type reader struct {
	rest    []byte
	compact bool // flexible version: lengths are unsigned varints, one too high; tags exist
	failed  bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.failed, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) uvarint() uint32 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > 1<<32-1 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return uint32(v)
}

// arrayLen, skipString and skipBytes take null as empty.
func (r *reader) arrayLen() int {
	if r.compact {
		return int(r.uvarint()) - 1
	}
	return int(r.int32())
}

func (r *reader) skipString() {
	if r.compact {
		r.take(max(int(r.uvarint())-1, 0))
	} else {
		r.take(max(int(r.int16()), 0))
	}
}

func (r *reader) skipBytes() { r.take(max(r.arrayLen(), 0)) }

func (r *reader) skipTags() {
	if !r.compact {
		return
	}
	for n := r.uvarint(); n > 0 && !r.failed; n-- {
		r.uvarint() // tag
		r.take(int(r.uvarint()))
	}
}
