package message

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is the compression of a batch's records, by Kafka's numbers.
type Codec uint8

// The five codecs of record batch v2; 5 to 7 do not exist.
const (
	CodecNone Codec = iota
	CodecGzip
	CodecSnappy
	CodecLZ4
	CodecZstd
)

// Known says whether the codec exists.
func (c Codec) Known() bool { return c <= CodecZstd }

// String is the name that Kafka's compression.type uses.
func (c Codec) String() string {
	switch c {
	case CodecNone:
		return "none"
	case CodecGzip:
		return "gzip"
	case CodecSnappy:
		return "snappy"
	case CodecLZ4:
		return "lz4"
	case CodecZstd:
		return "zstd"
	}
	return "codec " + strconv.Itoa(int(c))
}

var (
	gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

	// Blocks of 64 KiB, independent, without checksums, as Kafka's Java client writes them.
	lz4Writers = sync.Pool{New: func() any {
		w := lz4.NewWriter(nil)
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1)); err != nil {
			panic(fmt.Sprintf("lz4 writer: %v", err))
		}
		return w
	}}

	zstdWriters = sync.Pool{New: func() any {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(fmt.Sprintf("zstd writer: %v", err))
		}
		return e
	}}
)

// compress appends the compressed form of src to dst. Writing to memory can't fail, so an error is a broken invariant.
func compress(dst, src []byte, codec Codec) []byte {
	switch codec {
	case CodecNone:
		return append(dst, src...)
	case CodecGzip:
		w := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(w)
		return compressStream(dst, src, w)
	case CodecSnappy:
		return compressXerial(dst, src)
	case CodecLZ4:
		w := lz4Writers.Get().(*lz4.Writer)
		defer lz4Writers.Put(w)
		return compressStream(dst, src, w)
	case CodecZstd:
		e := zstdWriters.Get().(*zstd.Encoder)
		defer zstdWriters.Put(e)
		return e.EncodeAll(src, dst)
	}
	panic(fmt.Sprintf("compress with %v", codec))
}

// resettable is what the gzip and lz4 writers share.
type resettable interface {
	io.WriteCloser
	Reset(io.Writer)
}

func compressStream(dst, src []byte, w resettable) []byte {
	out := bytes.NewBuffer(dst)
	w.Reset(out)
	_, err := w.Write(src)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("compress into memory: %v", err))
	}
	return out.Bytes()
}

const (
	xerialHeaderBytes = 16
	xerialBlockBytes  = 32 << 10
)

// xerialHeader opens a stream of org.xerial.snappy.SnappyOutputStream: magic, version 1, readable by version 1.
var xerialHeader = [xerialHeaderBytes]byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}

func isXerial(b []byte) bool {
	return len(b) >= xerialHeaderBytes && bytes.Equal(b[:8], xerialHeader[:8])
}

// compressXerial writes what the Java client writes: raw blocks of 32 KiB, each behind its length.
func compressXerial(dst, src []byte) []byte {
	dst = append(dst, xerialHeader[:]...)
	block := make([]byte, snappy.MaxEncodedLen(min(len(src), xerialBlockBytes)))
	for len(src) > 0 {
		n := min(len(src), xerialBlockBytes)
		packed := snappy.Encode(block, src[:n])
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(packed)))
		dst = append(dst, packed...)
		src = src[n:]
	}
	return dst
}
