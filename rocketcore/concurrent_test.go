package rocketcore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/rocketcore/message"
)

// TestConcurrentUse appends, reads, waits, trims, retains, commits and takes checkpoints at once, with small segments, and wants
// each reader to see each record once and in order. The race detector watches.
func TestConcurrentUse(t *testing.T) {
	cfg := testConfig(vfs.NewMemory())
	cfg.Options.IndexFiles, cfg.Options.IndexCacheBytes, cfg.Options.ProgressInterval = 18, 64<<10, 5*time.Millisecond
	cfg.Retention = func(q message.Queue) RetentionPolicy {
		if q.Number == 0 {
			return RetentionPolicy{MaxBytes: 60 << 10}
		}
		return RetentionPolicy{}
	}
	s := openStore(t, cfg)
	ctx := testContext(t)
	const queues, records = 4, 400
	var all []message.Queue
	for i := range queues {
		all = append(all, testQueue(1, int32(i)))
	}
	if err := s.OpenQueues(ctx, all); err != nil {
		t.Fatal(err)
	}
	var writers, readers, others sync.WaitGroup
	stop, end := context.WithCancel(ctx)
	for _, q := range all {
		writers.Go(func() { writeRecords(t, ctx, s, q, records) })
		readers.Go(func() { readRecords(t, ctx, s, q, records) })
	}
	repeat := func(do func(i int) error) {
		others.Go(func() {
			for i := 0; stop.Err() == nil; i++ {
				if err := do(i); err != nil && stop.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	repeat(func(int) error { return s.Retain(stop) })
	repeat(func(int) error { return s.Log().Checkpoint() })
	repeat(func(i int) error {
		s.CommitLater(fmt.Sprint("g", i%3), Progress{Queue: all[i%queues], Offset: message.Offset(i)})
		_, _ = s.Progress("g1", all[0])
		return s.CommitProgress(stop, "h", []Progress{{Queue: all[0], Offset: message.Offset(i)}})
	})
	repeat(func(i int) error {
		q := all[i%queues]
		b, err := s.Bounds(q)
		if err != nil || b.End == 0 {
			return err
		}
		_, _, _, err = s.OffsetAt(q, b.MaxTime-int64(i%100))
		_, _, _, err2 := s.OffsetOfMaxTime(q)
		_, _, err3 := s.OffsetAtStoreTime(q, time.Now().UnixMilli()-int64(i%200))
		return errors.Join(err, err2, err3)
	})
	repeat(func(i int) error {
		_, cancel := s.Arrivals(all[i%queues], 1<<40)
		defer cancel()
		extra := testQueue(2, int32(i%3))
		return errors.Join(s.OpenQueues(stop, []message.Queue{extra}), s.DeleteQueues(stop, []message.Queue{extra}))
	})
	writers.Wait()
	readers.Wait()
	end()
	others.Wait()
}

func writeRecords(t *testing.T, ctx context.Context, s *Store, q message.Queue, n int) {
	for i := 0; i < n; i += 4 {
		var pending []*Pending
		for j := range 4 {
			batch := batchOf(int64(i+j), fmt.Sprintf("%d %900d", i+j, 0))
			pending = append(pending, s.Append(Append{Queue: q, Batch: batch, LogAppendTime: i%3 == 0}))
		}
		for j, p := range pending {
			if at, err := p.Wait(ctx); err != nil || at.BaseOffset != message.Offset(i+j) {
				t.Errorf("record %d of %s: %+v %v", i+j, q, at, err)
				return
			}
		}
	}
}

// readRecords follows a queue as a long poll does. Retention may run ahead of it.
func readRecords(t *testing.T, ctx context.Context, s *Store, q message.Queue, n int) {
	for from := message.Offset(0); from < message.Offset(n); {
		ready, cancel := s.Arrivals(q, from)
		select {
		case <-ready:
		case <-ctx.Done():
			t.Errorf("nothing arrives behind %d of %s", from, q)
			return
		}
		cancel()
		r, err := s.Read(q, from, ReadOptions{MaxBytes: 8 << 10, MinOne: true})
		if errors.Is(err, ErrOffsetOutOfRange) && r.Start > from {
			from = r.Start
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		for i := range r.Batches {
			records, err := s.Records(&r.Batches[i])
			if err != nil || r.Batches[i].BaseOffset != from {
				t.Errorf("%s has %d at %d: %v", q, r.Batches[i].BaseOffset, from, err)
				return
			}
			var number int
			if _, err := fmt.Sscan(string(records[0].Value), &number); err != nil || message.Offset(number) != from {
				t.Errorf("%s has record %d at %d: %v", q, number, from, err)
				return
			}
			from = r.Batches[i].End()
		}
		r.Release()
	}
}
