package rocketcore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/rocketcore/message"
)

// TestSegmentsAreReclaimed fills many segments from two queues and wants them back when nothing in them is kept.
func TestSegmentsAreReclaimed(t *testing.T) {
	fs := vfs.NewMemory()
	cfg := testConfig(fs)
	cfg.Retention = func(q message.Queue) RetentionPolicy {
		if q.Number == 0 {
			return RetentionPolicy{MaxBytes: 100 << 10}
		}
		return RetentionPolicy{}
	}
	s := openStore(t, cfg)
	ctx, a, b := testContext(t), testQueue(1, 0), testQueue(1, 1)
	if err := s.OpenQueues(ctx, []message.Queue{a, b}); err != nil {
		t.Fatal(err)
	}
	first := mustAppend(t, s, Append{Queue: b, Batch: batchOf(1, "pinned")})
	fill := func(n int) {
		var pending []*Pending
		for range n {
			pending = append(pending, s.Append(Append{Queue: a, Batch: batchOf(1, strings.Repeat("x", 2000))}))
		}
		for _, p := range pending {
			if _, err := p.Wait(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(600)
	settled := func() int {
		t.Helper()
		if err := s.machine.index.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Retain(ctx), s.machine.index.Settle(ctx)); err != nil {
			t.Fatal(err)
		}
		return len(s.Log().Segments())
	}
	full := settled()
	bounds, err := s.Bounds(a)
	if err != nil || bounds.Bytes < 100<<10 || bounds.Bytes > 103<<10 || bounds.Start == 0 {
		t.Fatalf("%+v %v", bounds, err)
	}
	if full < 9 {
		t.Fatalf("%d segments, although one batch in the first is kept", full)
	}
	if _, _, err := s.Lookup(first.Position); err != nil {
		t.Fatalf("the batch that pins the first segment: %v", err)
	}
	if err := s.DeleteQueues(ctx, []message.Queue{b}); err != nil {
		t.Fatal(err)
	}
	// The log keeps what its older checkpoint needs; two more checkpoints pass.
	fill(200)
	if n := settled(); n > 5 {
		t.Errorf("%d of %d segments are left", n, full)
	}
	if names, err := fs.List("shard/index"); err != nil || len(names) > len(s.Log().Segments()) {
		t.Errorf("index files %v, %v", names, err)
	}
	readAll(t, s, a, bounds.Start+200)
	if _, _, err := s.Lookup(first.Position); !errors.Is(err, ErrNotFound) {
		t.Errorf("a record whose segment is gone: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, cfg)
	if now, err := s.Bounds(a); err != nil || now.Start <= bounds.Start {
		t.Errorf("after a restart %+v %v", now, err)
	}
}

// TestRetentionByAge moves the wall clock and wants whole leading batches to go, none that has a younger record.
func TestRetentionByAge(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	cfg := testConfig(vfs.NewMemory())
	cfg.Options.Log.Now = func() time.Time { return now }
	cfg.Retention = func(message.Queue) RetentionPolicy { return RetentionPolicy{MaxAge: 10 * time.Second} }
	s := openStore(t, cfg)
	ctx, q := testContext(t), testQueue(1, 0)
	if err := s.OpenQueues(ctx, []message.Queue{q}); err != nil {
		t.Fatal(err)
	}
	for _, time := range []int64{1_000_000, 1_002_000, 1_009_000, 1_004_000, 1_020_000} {
		mustAppend(t, s, Append{Queue: q, Batch: batchOf(time, "a", "b")})
	}
	var starts []message.Offset
	for _, at := range []int64{1_010_000, 1_010_002, 1_012_500, 1_018_000, 1_019_500, 1_030_001, 1_030_002} {
		now = time.UnixMilli(at)
		if err := s.Retain(ctx); err != nil {
			t.Fatal(err)
		}
		b, _ := s.Bounds(q)
		starts = append(starts, b.Start)
	}
	// The fourth batch, of 4,000, is older than the third; it goes together with it.
	if want := []message.Offset{0, 2, 4, 4, 8, 8, 10}; !slices.Equal(starts, want) {
		t.Errorf("starts %v, want %v", starts, want)
	}
}

func TestDiskFull(t *testing.T) {
	cfg := testConfig(vfs.NewMemory())
	var full error
	cfg.Disk = func() error { return full }
	s, q := openStore(t, cfg), testQueue(1, 0)
	if err := s.OpenQueues(context.Background(), []message.Queue{q}); err != nil {
		t.Fatal(err)
	}
	full = &DiskFullError{UsedPercent: 96, LimitPercent: 95, Reclaimable: 14 << 30}
	_, err := s.Append(Append{Queue: q, Batch: batchOf(1, "x")}).Wait(context.Background())
	want := "writes stopped: data dir is 96 % full, limit 95 % (log.disk.high.watermark); oldest data that retention may drop: 14 GiB"
	if !errors.Is(err, ErrDiskFull) || err.Error() != want {
		t.Errorf("%v", err)
	}
	if err := s.CommitProgress(context.Background(), "g", []Progress{{Queue: q, Offset: 1}}); err != nil {
		t.Errorf("progress must still be stored: %v", err)
	}
	full = nil
	mustAppend(t, s, Append{Queue: q, Batch: batchOf(1, "x")})
}
