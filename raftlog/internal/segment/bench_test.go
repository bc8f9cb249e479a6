package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"path"
	"slices"
	"testing"
	"time"

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

// BenchmarkAppendSync is Append and Sync of one round, next to the same bytes with the same system calls and nothing else.
// Both take turns, so that what else the machine does hits both, and medians are compared. Recycled files are the rule;
// fresh ones, with and without zeros ahead, are a log's first segments.
func BenchmarkAppendSync(b *testing.B) {
	for _, shape := range shapes {
		b.Run("recycled/"+shape.name, func(b *testing.B) { besideBare(b, benchLog(b, 2, 0), shape.entries, shape.bytes) })
	}
	for _, shape := range shapes {
		b.Run("fresh/"+shape.name, func(b *testing.B) { besideBare(b, benchLog(b, 0, -1), shape.entries, shape.bytes) })
		b.Run("fresh-zeroed/"+shape.name, func(b *testing.B) { besideBare(b, benchLog(b, 0, 0), shape.entries, shape.bytes) })
	}
}

func besideBare(b *testing.B, l *Log, entries, bytes int) {
	payload := make([]byte, bytes)
	bare := newBareLoop(b, entries, payload)
	pieces := [][]byte{payload}
	crc := crc32.Checksum(payload, castagnoli)
	es := make([]Entry, entries)
	round := func() error {
		last := l.Last()
		for i := range es {
			es[i] = Entry{Index: last + 1 + uint64(i), Term: 1, Payload: pieces, CRC: crc, HasCRC: true}
		}
		return errors.Join(l.Append(nil, es), l.Sync())
	}
	var ours, theirs []time.Duration
	b.SetBytes(int64(entries * bytes))
	for n := 0; b.Loop(); n++ {
		if n%2 == 0 {
			ours = append(ours, timed(b, round))
			theirs = append(theirs, timed(b, bare.round))
		} else {
			theirs = append(theirs, timed(b, bare.round))
			ours = append(ours, timed(b, round))
		}
		recycle(b, l)
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	mine, base := ours[len(ours)/2], theirs[len(theirs)/2]
	b.ReportMetric(float64(mine.Microseconds()), "log-µs")
	b.ReportMetric(float64(base.Microseconds()), "bare-µs")
	b.ReportMetric(100*float64(base)/float64(mine), "%of-bare")
}

func timed(b *testing.B, fn func() error) time.Duration {
	start := time.Now()
	if err := fn(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// bareLoop writes and syncs rounds into a recycled file.
type bareLoop struct {
	file      vfs.File
	bufs      [][]byte
	off, size int64
}

func newBareLoop(b *testing.B, entries int, payload []byte) *bareLoop {
	name := path.Join(b.TempDir(), "file")
	writtenThrough(b, name)
	file, err := vfs.Disk{}.OpenReadWrite(name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() })
	loop := &bareLoop{file: file, off: headerBytes, size: int64(entries) * (int64(len(payload)) + frameBytes)}
	head := make([]byte, frameBytes)
	for range entries {
		loop.bufs = append(loop.bufs, head, payload)
	}
	return loop
}

func (l *bareLoop) round() error {
	if l.off+l.size > benchSegmentBytes {
		l.off = headerBytes
	}
	_, err := l.file.WriteVAt(l.bufs, l.off)
	l.off += l.size
	return errors.Join(err, l.file.SyncData())
}

// benchLog makes a log with so many recycled files.
func benchLog(b *testing.B, recycled int, zeroAhead int64) *Log {
	dir := path.Join(b.TempDir(), "log")
	if err := (vfs.Disk{}).MkdirAll(dir); err != nil {
		b.Fatal(err)
	}
	for i := range recycled {
		writtenThrough(b, path.Join(dir, fmt.Sprintf("%d%s", i, spareSuffix)))
	}
	l, err := Create(Options{
		FS: vfs.Disk{}, Dir: dir, UID: testUID, SegmentBytes: benchSegmentBytes, ZeroAhead: zeroAhead, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
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
