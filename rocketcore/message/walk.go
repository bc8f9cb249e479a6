package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// admit waits for a place in expanding, if the batch needs one, and returns how to leave it.
func (b Batch) admit() (leave func()) {
	if b.Codec() == CodecNone {
		return func() {}
	}
	expanding <- struct{}{}
	return func() { <-expanding }
}

// plain returns the records of a batch as bytes, and the pooled buffer that holds them if they had to be decompressed. The
// caller was admitted.
func (b Batch) plain(l Limits) ([]byte, *[]byte, error) {
	if b.Codec() == CodecNone {
		return b[BatchHeaderBytes:], nil, nil
	}
	buf := takeBuffer()
	body, err := expand(*buf, b[BatchHeaderBytes:], b.Codec(), l.MaxExpandedBytes)
	if err != nil {
		giveBuffer(buf)
		if errors.Is(err, errExpandsTooFar) {
			return nil, nil, fmt.Errorf("%w: more than %d bytes", ErrExpansion, l.MaxExpandedBytes)
		}
		return nil, nil, fmt.Errorf("%w: %v", ErrInvalidRecord, err)
	}
	*buf = body
	return body, buf, nil
}

// needHeader guards the accessors against bytes that never passed CheckBatch.
func (b Batch) needHeader() error {
	if len(b) < BatchHeaderBytes {
		return fmt.Errorf("%w: %d bytes, a header has %d", ErrCorrupt, len(b), BatchHeaderBytes)
	}
	return nil
}

// walk cuts records off the expanded bytes of a batch, one after another.
type walk struct {
	rest      []byte
	count     int // records still to come
	headers   int // headers still allowed
	lastDelta int32
	maxDelta  int32 // of the batch header
	baseTime  int64
	fixedTime bool // baseTime is the time of every record
}

func newWalk(b Batch, body []byte, l Limits) walk {
	w := walk{
		rest:      body,
		count:     b.Count(),
		headers:   l.MaxHeaders,
		lastDelta: -1,
		maxDelta:  b.LastOffsetDelta(),
		baseTime:  b.BaseTimestamp(),
	}
	if b.IsLogAppendTime() {
		w.baseTime, w.fixedTime = b.MaxTimestamp(), true
	}
	return w
}

// rawRecord is a decoded record whose headers are still bytes.
type rawRecord struct {
	offsetDelta int32
	timestamp   int64
	key, value  []byte // nil = null
	headerCount int
	headers     []byte
}

// next decodes the next record. It checks that offset deltas rise and stay within the header's, that each record uses its
// length to the last byte, that the header count fits the bytes, and that nothing is left after the last record; header
// contents are checked by whoever walks them.
func (w *walk) next(r *rawRecord) (bool, error) {
	if w.count <= 0 {
		if len(w.rest) > 0 || w.count < 0 {
			return false, fmt.Errorf("%w: %d bytes after the last record", ErrInvalidRecord, len(w.rest))
		}
		return false, nil
	}
	c := cursor{rest: w.rest}
	size := c.varint()
	if c.failed || size < 0 || int64(size) > int64(len(c.rest)) {
		return false, fmt.Errorf("%w: a record of %d bytes, %d are left", ErrInvalidRecord, size, len(c.rest))
	}
	w.rest = c.rest[size:]
	w.count--
	c.rest = c.rest[:size]
	c.bytes(1) // attributes, unused
	r.timestamp = w.baseTime
	if delta := c.varlong(); !w.fixedTime {
		r.timestamp += delta
	}
	r.offsetDelta = c.varint()
	r.key = c.nullable()
	r.value = c.nullable()
	count := c.varint()
	if c.failed || count < 0 || int64(count)*2 > int64(len(c.rest)) || count == 0 && len(c.rest) > 0 {
		return false, fmt.Errorf("%w: record after offset delta %d is malformed", ErrInvalidRecord, w.lastDelta)
	}
	if int(count) > w.headers {
		return false, fmt.Errorf("%w: too many headers", ErrExpansion)
	}
	w.headers -= int(count)
	r.headerCount, r.headers = int(count), c.rest
	if r.offsetDelta <= w.lastDelta || r.offsetDelta > w.maxDelta {
		return false, fmt.Errorf("%w: offset delta %d after %d, last is %d", ErrInvalidRecord, r.offsetDelta, w.lastDelta, w.maxDelta)
	}
	w.lastDelta = r.offsetDelta
	return true, nil
}

// headerWalk steps through the headers of one record.
type headerWalk struct {
	name, value []byte // value nil = null
	left        int
	c           cursor
	err         error
}

func (r *rawRecord) headerWalk() headerWalk {
	return headerWalk{left: r.headerCount, c: cursor{rest: r.headers}}
}

// next decodes the next header; false at the end, or with err set when the bytes are not the headers that were counted.
func (h *headerWalk) next() bool {
	if h.left == 0 {
		if len(h.c.rest) > 0 {
			h.err = fmt.Errorf("%w: %d bytes after the last header", ErrInvalidRecord, len(h.c.rest))
		}
		return false
	}
	h.left--
	h.name = h.c.nullable()
	h.value = h.c.nullable()
	if h.c.failed || h.name == nil {
		h.err = fmt.Errorf("%w: a header is malformed", ErrInvalidRecord)
		return false
	}
	return true
}

// cursor reads the fields of a record; after the first that does not fit it is failed and yields zeros.
type cursor struct {
	rest   []byte
	failed bool
}

// varint reads a zigzag number of 32 bits in at most five bytes.
func (c *cursor) varint() int32 {
	// Nearly all are a single byte: deltas, and lengths below 64.
	if len(c.rest) > 0 && c.rest[0] < 0x80 {
		v := uint32(c.rest[0])
		c.rest = c.rest[1:]
		return int32(v>>1) ^ -int32(v&1)
	}
	v, n := binary.Uvarint(c.rest[:min(len(c.rest), binary.MaxVarintLen32)])
	if n <= 0 || v > math.MaxUint32 {
		c.fail()
		return 0
	}
	c.rest = c.rest[n:]
	return int32(uint32(v)>>1) ^ -int32(v&1)
}

// varlong reads a zigzag number of 64 bits in at most ten bytes.
func (c *cursor) varlong() int64 {
	v, n := binary.Varint(c.rest)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) bytes(n int) []byte {
	if n > len(c.rest) {
		c.fail()
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

// nullable reads a length and that many bytes; length -1 is nil, and no other is negative.
func (c *cursor) nullable() []byte {
	n := c.varint()
	if n == -1 || c.failed {
		return nil
	}
	if n < 0 {
		c.fail()
		return nil
	}
	return c.bytes(int(n))
}

func (c *cursor) fail() { c.rest, c.failed = nil, true }
