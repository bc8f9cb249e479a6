package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// errExpandsTooFar and errBroken are what decompression ends with; callers put their own sentinel in their place.
var (
	errExpandsTooFar = errors.New("expands beyond the limit")
	errBroken        = errors.New("can't be decompressed")
)

const (
	// keptBufferBytes bounds the buffers that stay in the pool.
	keptBufferBytes = 8 << 20
	// smallestZstdWindow is a window that every zstd decoder should accept (RFC 8878, 3.1.1.1.2), however small the limit.
	smallestZstdWindow = 8 << 20
	// snappyRatio bounds what snappy can expand: three bytes say "copy 64".
	snappyRatio = 22
)

var (
	buffers = sync.Pool{New: func() any { return new([]byte) }}

	// expanding admits as many decompressions at a time as there are processors to run them, so that hostile batches on a
	// thousand connections cost memory for a few.
	expanding = make(chan struct{}, runtime.GOMAXPROCS(0))

	gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}
	zlibReaders sync.Pool
	lz4Readers  = sync.Pool{New: func() any {
		r := lz4.NewReader(nil)
		_ = r.Apply(lz4.ConcurrencyOption(1))
		return r
	}}
	zstdReaders sync.Pool
)

func takeBuffer() *[]byte { return buffers.Get().(*[]byte) }

func giveBuffer(b *[]byte) {
	if cap(*b) <= keptBufferBytes {
		buffers.Put(b)
	}
}

// expand decompresses the records of a batch into dst's memory, which it grows as it must, to limit bytes and hardly more.
// The caller holds a place in expanding. Errors wrap errExpandsTooFar or errBroken.
func expand(dst, src []byte, codec Codec, limit int) ([]byte, error) {
	switch codec {
	case CodecGzip:
		return expandGzip(dst, src, limit)
	case CodecSnappy:
		return expandSnappy(dst, src, limit)
	case CodecLZ4:
		// Kafka's Java reader knows frames of independent blocks only.
		if len(src) > 4 && src[4]&lz4IndependentBlocks == 0 {
			return nil, fmt.Errorf("%w: lz4 frame with dependent blocks", errBroken)
		}
		return expandLZ4(dst, src, limit)
	case CodecZstd:
		return expandZstd(dst, src, limit)
	}
	return nil, fmt.Errorf("%w: %v", errBroken, codec)
}

func expandGzip(dst, src []byte, limit int) ([]byte, error) {
	r := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(r)
	if err := r.Reset(bytes.NewReader(src)); err != nil {
		return nil, fmt.Errorf("%w: gzip: %v", errBroken, err)
	}
	return readBounded(r, dst, limit)
}

func expandZlib(dst, src []byte, limit int) ([]byte, error) {
	r, pooled := zlibReaders.Get().(io.ReadCloser)
	var err error
	if pooled {
		err = r.(zlib.Resetter).Reset(bytes.NewReader(src), nil)
	} else {
		r, err = zlib.NewReader(bytes.NewReader(src))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: zlib: %v", errBroken, err)
	}
	defer zlibReaders.Put(r)
	return readBounded(r, dst, limit)
}

const (
	lz4FrameMagic        = 0x184D2204
	lz4IndependentBlocks = 0x20
)

func expandLZ4(dst, src []byte, limit int) ([]byte, error) {
	if len(src) < 4 || binary.LittleEndian.Uint32(src) != lz4FrameMagic {
		return nil, fmt.Errorf("%w: not an lz4 frame", errBroken)
	}
	r := lz4Readers.Get().(*lz4.Reader)
	defer func() {
		r.Reset(nil) // gives its block buffers back to their pool
		lz4Readers.Put(r)
	}()
	r.Reset(bytes.NewReader(src))
	return readBounded(r, dst, limit)
}

// readBounded reads all of r into dst's memory; it never asks for more than limit+1 bytes.
func readBounded(r io.Reader, dst []byte, limit int) ([]byte, error) {
	dst = dst[:0]
	for {
		if len(dst) > limit {
			return nil, errExpandsTooFar
		}
		if len(dst) == cap(dst) {
			// Fourfold steps: a bomb at the limit has cost a third more than the limit.
			dst = append(make([]byte, 0, min(max(4*cap(dst), 4<<10), limit+1)), dst...)
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), limit+1)])
		dst = dst[:len(dst)+n]
		if err == io.EOF && len(dst) <= limit {
			return dst, nil
		}
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%w: %v", errBroken, err)
		}
	}
}

// zstdReader remembers the limit that it was made for; changing it costs allocations.
type zstdReader struct {
	*zstd.Decoder
	maxBytes int
}

func expandZstd(dst, src []byte, limit int) ([]byte, error) {
	if len(src) == 0 {
		return nil, fmt.Errorf("%w: zstd: nothing", errBroken)
	}
	bound, err := zstdBound(src, limit)
	if err != nil {
		return nil, err
	}
	if room := min(bound, limit+zstdBlockBytes) + zstdSlackBytes; cap(dst) < room {
		dst = make([]byte, 0, room)
	}
	// The decoder takes its memory limit for a limit of the window too, and small bodies may come with big windows.
	r, err := takeZstdReader(max(limit, smallestZstdWindow))
	if err != nil {
		return nil, fmt.Errorf("%w: zstd: %v", errBroken, err)
	}
	defer zstdReaders.Put(r)
	out, err := r.DecodeAll(src, dst[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) || len(out) > limit {
		return nil, errExpandsTooFar
	}
	if err != nil {
		return nil, fmt.Errorf("%w: zstd: %v", errBroken, err)
	}
	return out, nil
}

const (
	// zstdBlockBytes is the most that one block holds (RFC 8878, 3.1.1.2.4).
	zstdBlockBytes = 128 << 10
	// zstdSlackBytes behind the output let the decoder copy in wide steps.
	zstdSlackBytes = 32
)

// zstdBound walks the block headers and adds up the most that the blocks can hold, which for all but the last of a frame is
// what they do hold; so the output is allocated once. What it does not understand the decoder refuses.
func zstdBound(src []byte, limit int) (int, error) {
	bound := 0
	for len(src) > 0 && bound <= limit {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, fmt.Errorf("%w: zstd: %v", errBroken, err)
		}
		if h.HasFCS && h.FrameContentSize > uint64(limit) {
			return 0, errExpandsTooFar
		}
		src = src[min(h.HeaderSize, len(src)):]
		if h.Skippable {
			src = src[min(uint64(h.SkippableSize), uint64(len(src))):]
			continue
		}
		n, used := zstdBlocks(src)
		if h.HasFCS {
			n = min(n, int(h.FrameContentSize))
		}
		bound += n
		src = src[used:]
		if h.HasCheckSum {
			src = src[min(4, len(src)):]
		}
	}
	return bound, nil
}

// zstdBlocks walks the blocks of one frame: the most that they hold, and the bytes that they are.
func zstdBlocks(src []byte) (bound, used int) {
	const rawBlock, rleBlock = 0, 1
	for last := false; !last && len(src)-used >= 3; {
		header := int(src[used]) | int(src[used+1])<<8 | int(src[used+2])<<16
		last = header&1 != 0
		size := header >> 3
		used += 3
		switch header >> 1 & 3 {
		case rawBlock:
			bound += min(size, zstdBlockBytes)
			used += size
		case rleBlock:
			bound += min(size, zstdBlockBytes)
			used++
		default:
			bound += zstdBlockBytes
			used += size
		}
	}
	return bound, min(used, len(src))
}

func takeZstdReader(maxBytes int) (*zstdReader, error) {
	if r, ok := zstdReaders.Get().(*zstdReader); ok {
		if r.maxBytes == maxBytes {
			return r, nil
		}
		if err := r.ResetWithOptions(nil, zstd.WithDecoderMaxMemory(uint64(maxBytes))); err != nil {
			return nil, err
		}
		r.maxBytes = maxBytes
		return r, nil
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(maxBytes)))
	return &zstdReader{d, maxBytes}, err
}

// expandSnappy takes both framings that producers use: one raw block (librdkafka, sarama), or the stream of xerial's Java
// library, which the Java client writes: an eight-byte magic, two version numbers, then blocks behind their lengths.
func expandSnappy(dst, src []byte, limit int) ([]byte, error) {
	dst = dst[:0]
	if !isXerial(src) {
		return expandSnappyBlock(dst, src, limit)
	}
	total, err := xerialLength(src, limit)
	if err != nil {
		return nil, err
	}
	if cap(dst) < total {
		dst = make([]byte, 0, total)
	}
	for rest := src; len(rest) > 0; {
		if isXerial(rest) {
			rest = rest[xerialHeaderBytes:]
			continue
		}
		size := int(binary.BigEndian.Uint32(rest))
		if dst, err = expandSnappyBlock(dst, rest[4:4+size], limit); err != nil {
			return nil, err
		}
		rest = rest[4+size:]
	}
	return dst, nil
}

// xerialLength walks the stream's blocks and adds up what they say they hold, so that the output is allocated once. Java's
// reader accepts a new header between blocks, and so do we.
func xerialLength(src []byte, limit int) (int, error) {
	total := 0
	for rest := src; len(rest) > 0; {
		if isXerial(rest) {
			rest = rest[xerialHeaderBytes:]
			continue
		}
		if len(rest) < 4 {
			return 0, fmt.Errorf("%w: snappy stream ends in a block length", errBroken)
		}
		size := binary.BigEndian.Uint32(rest)
		if uint64(size) > uint64(len(rest)-4) {
			return 0, fmt.Errorf("%w: snappy block of %d bytes, %d left", errBroken, size, len(rest)-4)
		}
		n, err := snappyLength(rest[4:4+size], limit-total)
		if err != nil {
			return 0, err
		}
		total += n
		rest = rest[4+size:]
	}
	return total, nil
}

// snappyLength reads the length that a block says it has, and refuses one that so few bytes can't hold: the caller allocates it.
func snappyLength(block []byte, limit int) (int, error) {
	n, err := snappy.DecodedLen(block)
	if err != nil {
		return 0, fmt.Errorf("%w: %v", errBroken, err)
	}
	if n > limit {
		return 0, errExpandsTooFar
	}
	if n > snappyRatio*len(block) {
		return 0, fmt.Errorf("%w: snappy block of %d bytes claims %d", errBroken, len(block), n)
	}
	return n, nil
}

// expandSnappyBlock appends what a raw block holds to dst.
func expandSnappyBlock(dst, block []byte, limit int) ([]byte, error) {
	at := len(dst)
	n, err := snappyLength(block, limit-at)
	if err != nil {
		return nil, err
	}
	if cap(dst)-at < n {
		dst = append(make([]byte, 0, at+n), dst...)
	}
	if _, err := snappy.Decode(dst[at:at+n], block); err != nil {
		return nil, fmt.Errorf("%w: %v", errBroken, err)
	}
	return dst[:at+n], nil
}
