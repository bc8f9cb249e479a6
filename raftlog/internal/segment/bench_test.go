package segment

import (
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"path"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// shapes are rounds as raftlog writes them: entries of one size, then a sync.
var shapes = []struct {
	name           string
	entries, bytes int
}{
	{"1MiB", 1, 1 << 20},
	{"64x1KiB", 64, 1 << 10},
	{"1x64KiB", 1, 64 << 10},
	{"1x100B", 1, 100},
}

const benchSegmentBytes = 256 << 20

// BenchmarkAppendSync is Append and Sync of one round into recycled segments. BenchmarkBare is the same bytes with the
// same system calls and nothing else: the ratio of both is what the log costs.
func BenchmarkAppendSync(b *testing.B) {
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			l := benchLog(b)
			payload := make([]byte, shape.bytes)
			crc := crc32.Checksum(payload, castagnoli)
			es := make([]Entry, shape.entries)
			b.SetBytes(int64(shape.entries * shape.bytes))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				last := l.Last()
				for i := range es {
					es[i] = Entry{Index: last + 1 + uint64(i), Term: 1, Payload: [][]byte{payload}, CRC: crc, HasCRC: true}
				}
				if err := l.Append(nil, es); err != nil {
					b.Fatal(err)
				}
				if err := l.Sync(); err != nil {
					b.Fatal(err)
				}
				recycle(b, l)
			}
		})
	}
}

func BenchmarkBare(b *testing.B) {
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			name := path.Join(b.TempDir(), "file")
			writtenThrough(b, name)
			file, err := vfs.Disk{}.OpenReadWrite(name)
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			payload := make([]byte, shape.bytes)
			head := make([]byte, frameBytes)
			var bufs [][]byte
			for range shape.entries {
				bufs = append(bufs, head, payload)
			}
			size := int64(shape.entries * (shape.bytes + frameBytes))
			off := int64(headerBytes)
			b.SetBytes(int64(shape.entries * shape.bytes))
			b.ResetTimer()
			for range b.N {
				if off+size > benchSegmentBytes {
					off = headerBytes
				}
				if _, err := file.WriteVAt(bufs, off); err != nil {
					b.Fatal(err)
				}
				if err := file.SyncData(); err != nil {
					b.Fatal(err)
				}
				off += size
			}
		})
	}
}

// benchLog makes a log with recycled files.
func benchLog(b *testing.B) *Log {
	dir := path.Join(b.TempDir(), "log")
	if err := (vfs.Disk{}).MkdirAll(dir); err != nil {
		b.Fatal(err)
	}
	for i := range 2 {
		writtenThrough(b, path.Join(dir, fmt.Sprintf("%d%s", i, spareSuffix)))
	}
	l, err := Create(Options{
		FS: vfs.Disk{}, Dir: dir, UID: testUID, SegmentBytes: benchSegmentBytes, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, 1, 1, HardState{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Abandon() })
	return l
}

// writtenThrough makes a file all of whose blocks are on disk.
func writtenThrough(b *testing.B, name string) {
	file, err := newFile(vfs.Disk{}, name, benchSegmentBytes)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for off := int64(0); off < benchSegmentBytes; off += zeroChunkBytes {
		if _, err := file.WriteAt(zeroChunk[:], off); err != nil {
			b.Fatal(err)
		}
	}
	if err := file.Sync(); err != nil {
		b.Fatal(err)
	}
}

// recycle gives back all segments but the newest two.
func recycle(b *testing.B, l *Log) {
	if l.OpenSequence() < 3 || len(l.Segments()) < 3 {
		return
	}
	for range 2 {
		l.SetFloor(l.Durable() - 1)
		l.SetFloor(l.Durable())
	}
	l.SetCommit(l.Durable())
	if err := l.Compact(l.Durable()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFreshFile is AppendSync into files that were never written, with and without zeros ahead.
func BenchmarkFreshFile(b *testing.B) {
	for _, ahead := range []int64{-1, 4 << 20, 16 << 20} {
		for _, shape := range shapes {
			b.Run(fmt.Sprintf("ahead=%d/%s", ahead>>20, shape.name), func(b *testing.B) {
				l, err := Create(Options{
					FS: vfs.Disk{}, Dir: path.Join(b.TempDir(), "log"), UID: testUID, SegmentBytes: benchSegmentBytes, ZeroAhead: ahead,
					Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
				}, 1, 1, HardState{})
				if err != nil {
					b.Fatal(err)
				}
				defer l.Abandon()
				payload := make([]byte, shape.bytes)
				b.SetBytes(int64(shape.entries * shape.bytes))
				b.ResetTimer()
				for range b.N {
					if err := l.Append(nil, benchRound(l.Last(), shape.entries, payload)); err != nil {
						b.Fatal(err)
					}
					if err := l.Sync(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func benchRound(last uint64, n int, payload []byte) []Entry {
	es := make([]Entry, n)
	for i := range es {
		es[i] = Entry{Index: last + 1 + uint64(i), Term: 1, Payload: [][]byte{payload}}
	}
	return es
}

// BenchmarkAppend is the log's own work, into memory and without a sync.
func BenchmarkAppend(b *testing.B) {
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			l, err := Create(Options{FS: vfs.NewMemory(), Dir: "log", UID: testUID, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}, 1, 1, HardState{})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Abandon()
			payload := make([]byte, shape.bytes)
			crc := crc32.Checksum(payload, castagnoli)
			es := make([]Entry, shape.entries)
			pieces := [][]byte{payload}
			b.SetBytes(int64(shape.entries * shape.bytes))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				last := l.Last()
				for i := range es {
					es[i] = Entry{Index: last + 1 + uint64(i), Term: 1, Payload: pieces, CRC: crc, HasCRC: true}
				}
				if err := l.Append(nil, es); err != nil {
					b.Fatal(err)
				}
				recycle(b, l)
			}
		})
	}
}

// BenchmarkOpen opens 20 GiB of closed segments and one that is half full, as after kill -9, with a checkpoint that lacks
// the last 64 MiB. The closed segments' blocks are reserved, not written: nothing but their headers may be read.
func BenchmarkOpen(b *testing.B) {
	o := Options{
		FS: vfs.Disk{}, Dir: path.Join(b.TempDir(), "log"), UID: testUID, SegmentBytes: benchSegmentBytes,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Foreground: true, ZeroAhead: -1,
	}
	l, err := Create(o, 1, 1, HardState{})
	if err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, 64<<10)
	for range 80 {
		if err := l.Append(nil, benchRound(l.Last(), 10, payload)); err != nil {
			b.Fatal(err)
		}
		fakeFull(l)
	}
	if err := l.Append(nil, benchRound(l.Last(), 2000, payload)); err != nil {
		b.Fatal(err)
	}
	floor := Floor{Index: l.Last() - 1000, Term: 1}
	for b.Loop() {
		l.Abandon()
		if l, _, err = Open(o, floor); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(len(l.Segments())), "segments")
	l.Abandon()
}

// fakeFull makes the log take its tail for full, so that the next append begins a segment.
func fakeFull(l *Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail.seg.size = l.tail.seg.end
}
