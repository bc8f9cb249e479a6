package enc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Errors of a Reader; they come wrapped with the field's position.
var (
	ErrShort    = errors.New("the encoding ends in the middle of a field")
	ErrTrailing = errors.New("the encoding has bytes after its last field")
	ErrRange    = errors.New("a field of the encoding is outside its bounds")
)

// Writer gathers fields. The zero Writer is empty.
type Writer struct{ buf []byte }

// Bytes returns what was written; the Writer must not be used afterwards.
func (w *Writer) Bytes() []byte { return w.buf }

// Uint writes an unsigned varint.
func (w *Writer) Uint(v uint64) { w.buf = binary.AppendUvarint(w.buf, v) }

// Int writes a zigzag varint.
func (w *Writer) Int(v int64) { w.buf = binary.AppendVarint(w.buf, v) }

// Bool writes one byte.
func (w *Writer) Bool(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	w.buf = append(w.buf, b)
}

// UUID writes 16 bytes.
func (w *Writer) UUID(v [16]byte) { w.buf = append(w.buf, v[:]...) }

// String writes a length and the bytes.
func (w *Writer) String(s string) {
	w.Uint(uint64(len(s)))
	w.buf = append(w.buf, s...)
}

// Optional writes a string that may be absent.
func (w *Writer) Optional(s *string) {
	w.Bool(s != nil)
	if s != nil {
		w.String(*s)
	}
}

// Reader takes fields off a byte string that it does not keep: strings are copies.
type Reader struct {
	buf []byte
	at  int
	err error
}

// NewReader returns a Reader over data.
func NewReader(data []byte) *Reader { return &Reader{buf: data} }

// Err returns the first error, if any.
func (r *Reader) Err() error { return r.err }

// Close returns the first error, or ErrTrailing when bytes are left.
func (r *Reader) Close() error {
	if r.err == nil && r.at < len(r.buf) {
		r.fail(ErrTrailing)
	}
	return r.err
}

// Left returns the number of bytes that were not read yet.
func (r *Reader) Left() int { return len(r.buf) - r.at }

func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("byte %d: %w", r.at, err)
	}
}

// Uint reads an unsigned varint of at most limit.
func (r *Reader) Uint(limit uint64) uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.buf[r.at:])
	if n <= 0 {
		r.fail(ErrShort)
		return 0
	}
	if v > limit {
		r.fail(ErrRange)
		return 0
	}
	r.at += n
	return v
}

// Int reads a zigzag varint between low and high.
func (r *Reader) Int(low, high int64) int64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Varint(r.buf[r.at:])
	if n <= 0 {
		r.fail(ErrShort)
		return 0
	}
	if v < low || v > high {
		r.fail(ErrRange)
		return 0
	}
	r.at += n
	return v
}

// Int64 reads a zigzag varint of any value.
func (r *Reader) Int64() int64 { return r.Int(math.MinInt64, math.MaxInt64) }

// Int32 reads a zigzag varint that fits 32 bits.
func (r *Reader) Int32() int32 { return int32(r.Int(math.MinInt32, math.MaxInt32)) }

// Bool reads one byte, 0 or 1.
func (r *Reader) Bool() bool {
	b := r.take(1)
	if b == nil {
		return false
	}
	if b[0] > 1 {
		r.fail(ErrRange)
	}
	return b[0] == 1
}

// UUID reads 16 bytes.
func (r *Reader) UUID() (v [16]byte) {
	copy(v[:], r.take(16))
	return v
}

// String reads a string of at most limit bytes.
func (r *Reader) String(limit int) string {
	n := r.Uint(uint64(limit))
	return string(r.take(int(n)))
}

// Optional reads a string that may be absent.
func (r *Reader) Optional(limit int) *string {
	if !r.Bool() || r.err != nil {
		return nil
	}
	s := r.String(limit)
	return &s
}

// Count reads the number of elements of a list, each of which takes at least one byte, so that a count beyond what is
// left is refused before the list is allocated.
func (r *Reader) Count(limit int) int {
	n := r.Uint(uint64(limit))
	if r.err == nil && n > uint64(r.Left()) {
		r.fail(ErrShort)
		return 0
	}
	return int(n)
}

func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > r.Left() {
		r.fail(ErrShort)
		return nil
	}
	r.at += n
	return r.buf[r.at-n : r.at]
}
