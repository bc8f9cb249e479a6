package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	bombBytes = 32 << 20
	bombLimit = 8 << 20
)

// zeros streams bombBytes zeros through a compressor.
func zeros(t *testing.T, open func(w io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := open(&out)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range bombBytes / len(block) {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipBomb(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) }
func zlibBomb(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriterLevel(w, zlib.BestSpeed) }
func lz4Bomb(w io.Writer) (io.WriteCloser, error)  { return lz4.NewWriter(w), nil }

// A streaming zstd writer leaves the content's size out of the frame's header, so that only decoding shows it.
func zstdBomb(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
}

func bombs(t *testing.T) map[string]struct {
	codec Codec
	bytes []byte
} {
	type bomb = struct {
		codec Codec
		bytes []byte
	}
	var xerial []byte
	xerial = append(xerial, xerialHeader[:]...)
	block := snappy.Encode(nil, make([]byte, 1<<20))
	for range bombBytes >> 20 {
		xerial = binary.BigEndian.AppendUint32(xerial, uint32(len(block)))
		xerial = append(xerial, block...)
	}
	// A zstd frame of one byte whose header claims as many as it likes.
	liar := func(claim uint32) []byte {
		frame := binary.LittleEndian.AppendUint32([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0}, claim)
		return append(frame, 9, 0, 0, 'x')
	}
	return map[string]bomb{
		"gzip":                         {CodecGzip, zeros(t, gzipBomb)},
		"lz4":                          {CodecLZ4, zeros(t, lz4Bomb)},
		"zstd":                         {CodecZstd, zeros(t, zstdBomb)},
		"zstd, named size":             {CodecZstd, zstdAll(make([]byte, bombBytes))},
		"zstd, claims":                 {CodecZstd, liar(bombBytes)},
		"zstd, claims a little less":   {CodecZstd, liar(bombLimit - 1)},
		"zstd, many frames":            {CodecZstd, bytes.Repeat(zstdAll(make([]byte, 1<<20)), bombBytes>>20)},
		"snappy, xerial":               {CodecSnappy, xerial},
		"snappy, raw":                  {CodecSnappy, snappy.Encode(nil, make([]byte, bombBytes))},
		"snappy, claims":               {CodecSnappy, append(binary.AppendUvarint(nil, 1<<32-1), 0, 0, 0)},
		"snappy, claims a little less": {CodecSnappy, append(binary.AppendUvarint(nil, bombLimit-1), 0, 0, 0)},
	}
}

func zstdAll(b []byte) []byte {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true))
	if err != nil {
		panic(err)
	}
	return e.EncodeAll(b, nil)
}

func TestBombs(t *testing.T) {
	for name, bomb := range bombs(t) {
		t.Run(name, func(t *testing.T) {
			if len(bomb.bytes) > bombLimit {
				t.Fatalf("%d bytes are no bomb", len(bomb.bytes))
			}
			b := make(Batch, BatchHeaderBytes, BatchHeaderBytes+len(bomb.bytes))
			b = append(b, bomb.bytes...)
			b.putHeader(1, 0, 0, BuildOptions{Codec: bomb.codec})
			var err error
			spent := allocated(func() { _, err = b.CheckRecords(RecordRules{Limits: Limits{MaxExpandedBytes: bombLimit}}) })
			if !errors.Is(err, ErrExpansion) && !errors.Is(err, ErrInvalidRecord) {
				t.Errorf("CheckRecords: %v", err)
			}
			if spent > 4*bombLimit {
				t.Errorf("allocated %d MiB for a limit of %d MiB", spent>>20, bombLimit>>20)
			}
		})
	}
}

func TestBodyBombs(t *testing.T) {
	for name, bomb := range map[string]struct {
		sysFlag int32
		bytes   []byte
	}{
		"zlib": {sysFlagCompressed | bodyZlib, zeros(t, zlibBomb)},
		"lz4":  {sysFlagCompressed | bodyLZ4, zeros(t, lz4Bomb)},
		"zstd": {sysFlagCompressed | bodyZstd, zeros(t, zstdBomb)},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			spent := allocated(func() { _, err = DecompressBody(bomb.bytes, bomb.sysFlag, 4<<20) })
			if !errors.Is(err, ErrBodyTooLarge) || spent > 4*bombLimit {
				t.Errorf("allocated %d MiB, %v", spent>>20, err)
			}
		})
	}
}

// allocated is how many bytes f allocated, those already freed included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // twice: the pools are empty after that, so their buffers count
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Cut or flipped anywhere, a compressed batch gives an error or other records, and no panic.
func TestDamagedCompression(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, codec := range codecs[1:] {
		whole := Build(goldenRecords(), BuildOptions{Codec: codec})
		for n := BatchHeaderBytes; n < len(whole); n += 1 + (len(whole)-BatchHeaderBytes)/200 {
			cut := bytes.Clone(whole[:n])
			reseal(cut, codec)
			if _, err := Batch(cut).Records(Limits{}); !errors.Is(err, ErrInvalidRecord) {
				t.Errorf("%v cut at %d: %v", codec, n, err)
			}
		}
		for range 500 {
			flipped := bytes.Clone(whole)
			flipped[BatchHeaderBytes+rng.IntN(len(whole)-BatchHeaderBytes)] ^= 1 << rng.IntN(8)
			if _, err := Batch(flipped).Records(Limits{MaxExpandedBytes: 1 << 20}); err != nil &&
				!errors.Is(err, ErrInvalidRecord) && !errors.Is(err, ErrExpansion) {
				t.Errorf("%v flipped: %v", codec, err)
			}
		}
	}
}

// Java's Kafka reader knows no lz4 frames of dependent blocks, so no producer sends them; other lz4 magic is refused too.
func TestLZ4Framing(t *testing.T) {
	b := Build(goldenRecords(), BuildOptions{Codec: CodecLZ4})
	flag := b[BatchHeaderBytes+4]
	if flag&lz4IndependentBlocks == 0 || flag>>6 != 1 {
		t.Errorf("frame flags %#x", flag)
	}
	for _, change := range []func(Batch){
		func(b Batch) { b[BatchHeaderBytes+4] &^= lz4IndependentBlocks },
		func(b Batch) { b[BatchHeaderBytes] = 0x02 }, // legacy frame
		func(b Batch) { b[BatchHeaderBytes] = 0x50; b[BatchHeaderBytes+1] = 0x2a },
	} {
		bad := bytes.Clone(b)
		change(bad)
		if _, err := Batch(bad).Records(Limits{}); !errors.Is(err, ErrInvalidRecord) {
			t.Error(err)
		}
	}
}

func TestDecompressBody(t *testing.T) {
	body := bytes.Repeat([]byte("a message body "), 1000)
	for name, c := range map[string]struct {
		sysFlag int32
		bytes   []byte
	}{
		"zlib of old clients": {0x1, packed(t, body, func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil })},
		"zlib":                {0x301, packed(t, body, func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil })},
		"lz4":                 {0x101, packed(t, body, lz4Bomb)},
		"zstd":                {0x201, packed(t, body, zstdBomb)},
	} {
		t.Run(name, func(t *testing.T) {
			m := Message{Facts: Facts{SysFlag: c.sysFlag | 0x18}, Body: c.bytes}
			if _, _, err := ToRecord(m); !errors.Is(err, ErrBodyCompressed) {
				t.Errorf("ToRecord took a compressed body: %v", err)
			}
			if err := m.Expand(len(body)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(m.Body, body) || m.SysFlag != 0x18 || m.SentCompression != c.sysFlag {
				t.Errorf("%d bytes, sysFlag %#x, sent %#x", len(m.Body), m.SysFlag, m.SentCompression)
			}
			if err := m.Expand(1); err != nil {
				t.Errorf("a plain body: %v", err)
			}
			if _, err := DecompressBody(c.bytes, c.sysFlag, len(body)-1); !errors.Is(err, ErrBodyTooLarge) {
				t.Errorf("over the limit: %v", err)
			}
			if _, err := DecompressBody(c.bytes[:len(c.bytes)/2], c.sysFlag, len(body)); !errors.Is(err, ErrBody) {
				t.Errorf("cut: %v", err)
			}
			if _, err := DecompressBody(nil, c.sysFlag, len(body)); !errors.Is(err, ErrBody) {
				t.Errorf("nothing: %v", err)
			}
		})
	}
	if _, err := DecompressBody(body, 0x401, 1<<20); !errors.Is(err, ErrBody) {
		t.Errorf("an unknown method: %v", err)
	}
	if got, err := DecompressBody(body, 0x300, 1); err != nil || &got[0] != &body[0] {
		t.Errorf("a plain body was touched: %v", err)
	}
}

func packed(t *testing.T, b []byte, open func(w io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := open(&out)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The pools are shared; many goroutines with different limits must not disturb each other.
func TestConcurrentExpansion(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(4, uint64(i)))
			for range 20 {
				records := randomRecords(rng, 20)
				b := Build(records, BuildOptions{Codec: codecs[rng.IntN(len(codecs))]})
				if got, err := b.Records(Limits{MaxExpandedBytes: 1 << (16 + i)}); err != nil || len(got) != len(records) {
					t.Errorf("%d records, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
}
