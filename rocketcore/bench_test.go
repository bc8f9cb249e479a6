package rocketcore

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
)

func benchBatch(n, bytes int) message.Batch {
	records := make([]message.Record, n)
	for i := range records {
		records[i].Value = make([]byte, bytes)
	}
	return message.Build(records, message.BuildOptions{})
}

// BenchmarkApply applies entries of 64 small appends, spread over queues.
func BenchmarkApply(b *testing.B) {
	for _, queues := range []int{10, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(queues, "-queues"), func(b *testing.B) {
			log := newMemLog()
			s := machineStore(b, vfs.NewMemory(), log, emptyCheckpoint())
			keys := s.manyQueues(log, queues)
			entry := raftlog.Entry{Index: raftlog.Index(1 + len(log.entries)), Term: 1}
			batch := benchBatch(1, 100)
			for range 64 {
				a := command.Append{Batch: batch}
				head := a.Head()
				entry.Commands = append(entry.Commands, raftlog.Applied{
					Kind: command.KindAppend, Version: command.Version, Head: head, Body: batch,
					Place: raftlog.Place{Segment: 1, Length: uint32(len(head) + len(batch))},
				})
			}
			results := make([]any, 64)
			n := 0
			for b.Loop() {
				if n%(1<<18) == 0 { // a segment's worth
					entry.Commands[0].Place.Segment++
				}
				segment := entry.Commands[0].Place.Segment
				entry.Index++
				for i := range entry.Commands {
					c := &entry.Commands[i]
					k := keys[(n*7919)%queues]
					copy(c.Head, k.Topic[:])
					c.Head[16], c.Head[17] = byte(k.Number), byte(k.Number>>8)
					c.Place.Segment = segment
					n++
				}
				s.machine.Apply(&entry, results)
				if n%(1<<18) == 0 {
					s.machine.SegmentClosed(raftlog.SegmentInfo{Sequence: segment, First: entry.Index - 4095, Last: entry.Index, Closed: true})
				}
			}
			if err, ok := results[0].(error); ok {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/append")
		})
	}
}

// benchStore is a store on the real disk, without fsync as a factor unless sync is set.
func benchStore(b *testing.B, sync bool, queues int) (*Store, []message.Queue) {
	b.Helper()
	cfg := Config{
		FS: vfs.Disk{}, Dir: b.TempDir(), UID: testUID, Replica: 1, Bootstrap: []raftlog.ReplicaID{1},
		Options: Options{RetentionInterval: -1},
	}
	if !sync {
		cfg.Options.Log.Flush = raftlog.FlushAsync
	}
	s := openStore(b, cfg)
	var keys []message.Queue
	for i := range queues {
		keys = append(keys, testQueue(byte(i%100), int32(i/100)))
	}
	if err := s.OpenQueues(context.Background(), keys); err != nil {
		b.Fatal(err)
	}
	return s, keys
}

// BenchmarkAppend stores batches from many goroutines, each waiting for its answer.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name             string
		records, bytes   int
		writers, queues  int
		sync, pipelining bool
	}{
		{"1KiB-256-writers-10-queues", 1, 1024, 256, 10, true, false},
		{"1KiB-256-writers-10000-queues", 1, 1024, 256, 10_000, true, false},
		{"16KiB-batches-of-16", 16, 1024, 64, 10, true, false},
		{"1MiB-batches", 1024, 1024, 8, 10, true, false},
		{"100B-async", 1, 100, 256, 10, false, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, keys := benchStore(b, c.sync, c.queues)
			batch := benchBatch(c.records, c.bytes)
			var next atomic.Int64
			var done sync.WaitGroup
			b.SetBytes(int64(len(batch)))
			b.ResetTimer()
			for range c.writers {
				done.Go(func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						own := append(message.Batch(nil), batch...)
						if _, err := s.Append(Append{Queue: keys[int(i)%len(keys)], Batch: own}).Wait(context.Background()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			done.Wait()
			b.ReportMetric(float64(b.N*c.records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkRead reads a queue of small batches that shares its log with others, from the page cache.
func BenchmarkRead(b *testing.B) {
	for _, queues := range []int{1, 10, 100} {
		b.Run(fmt.Sprint("1KiB-batches-1-of-", queues), func(b *testing.B) {
			s, keys := benchStore(b, false, queues)
			const each = 20_000
			batch := benchBatch(1, 1024)
			var pending []*Pending
			for i := range each * min(queues, 10) {
				pending = append(pending, s.Append(Append{Queue: keys[i%queues], Batch: append(message.Batch(nil), batch...)}))
			}
			for _, p := range pending {
				if _, err := p.Wait(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			var bounds Bounds
			var err error
			if bounds, err = s.Bounds(keys[0]); err != nil {
				b.Fatal(err)
			}
			from, batches := message.Offset(0), 0
			for b.Loop() {
				r, err := s.Read(keys[0], from, ReadOptions{MaxBytes: 1 << 20, MinOne: true})
				if err != nil {
					b.Fatal(err)
				}
				batches += len(r.Batches)
				r.Release()
				if from = r.Next; from >= bounds.End {
					from = 0
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(batches), "ns/batch")
			b.ReportMetric(float64(batches)/b.Elapsed().Seconds(), "batches/s")
		})
	}
}

// BenchmarkRestart opens a store whose checkpoint and log are as large as a busy shard's.
func BenchmarkRestart(b *testing.B) {
	s, keys := benchStore(b, false, 1000)
	batch := benchBatch(1, 1024)
	var pending []*Pending
	for i := range 400_000 {
		pending = append(pending, s.Append(Append{Queue: keys[i%len(keys)], Batch: append(message.Batch(nil), batch...)}))
	}
	for _, p := range pending {
		if _, err := p.Wait(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	pending = nil
	cfg := s.cfg
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		begin := time.Now()
		s, err := Open(cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms/open")
		runtime.KeepAlive(s)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
