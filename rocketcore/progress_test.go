package rocketcore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/rocketcore/message"
)

// TestCommitLater lets many one-way commits come and wants few entries in the log.
func TestCommitLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(testConfig(vfs.NewMemory()))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		q := func(i int) message.Queue { return testQueue(1, int32(i)) }
		entries := func() uint64 {
			synctest.Wait()
			s.machine.mu.RLock()
			defer s.machine.mu.RUnlock()
			return s.machine.applied
		}
		offset := func(i int) message.Offset {
			p, _ := s.Progress("g", q(i))
			return p.Offset
		}
		if err := s.CommitProgress(context.Background(), "other", nil); err != nil {
			t.Fatal(err)
		}
		s.CommitLater("other", Progress{Queue: q(0)})
		if err := s.FlushProgress(context.Background()); err != nil {
			t.Fatal(err)
		}
		begin := entries()
		for round := range 9 { // every 100 ms
			for i := range 50 {
				s.CommitLater("g", Progress{Queue: q(i), Offset: message.Offset(10 + round)})
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := entries() - begin; n != 0 || offset(7) != 0 {
			t.Errorf("after 0.9 s %d entries, progress %d", n, offset(7))
		}
		time.Sleep(150 * time.Millisecond)
		if n := entries() - begin; n != 1 || offset(7) != 18 {
			t.Errorf("after the interval %d entries, progress %d", n, offset(7))
		}
		begin = entries()
		for i := range 50 {
			s.CommitLater("g", Progress{Queue: q(i), Offset: 18})
		}
		time.Sleep(3 * time.Second)
		if n := entries() - begin; n != 0 {
			t.Errorf("nothing changed, %d entries", n)
		}
		s.CommitLater("g", Progress{Queue: q(7), Offset: 20})
		s.CommitLater("g", Progress{Queue: q(7), Offset: 19})
		if err := s.FlushProgress(context.Background()); err != nil || offset(7) != 20 {
			t.Errorf("flushed: %v, progress %d", err, offset(7))
		}
		for i := range lateCommits {
			s.CommitLater("h", Progress{Queue: q(i), Offset: 1})
		}
		synctest.Wait() // no time passes
		if got := len(s.GroupProgress("h")); got != lateCommits {
			t.Errorf("%d of %d commits stored, though there are many", got, lateCommits)
		}
	})
}

func TestCommitProgressBounds(t *testing.T) {
	s := openStore(t, testConfig(vfs.NewMemory()))
	ctx, q := testContext(t), testQueue(1, 0)
	for _, c := range []struct {
		group string
		item  Progress
		want  error
	}{
		{"g", Progress{Queue: q, Offset: 1, Metadata: strings.Repeat("x", 4096)}, nil},
		{"g", Progress{Queue: q, Offset: 1, Metadata: strings.Repeat("x", 4097)}, ErrTooLarge},
		{strings.Repeat("g", 1<<15), Progress{Queue: q, Offset: 1}, ErrTooLarge},
		{"g", Progress{Queue: q, Offset: -1}, ErrOffsetOutOfRange},
	} {
		if err := s.CommitProgress(ctx, c.group, []Progress{c.item}); !errors.Is(err, c.want) {
			t.Errorf("commit of %.10q, %d bytes of metadata: %v, want %v", c.group, len(c.item.Metadata), err, c.want)
		}
	}
	if err := s.DeleteProgress(ctx, "g", []message.Queue{testQueue(2, 0)}); err != nil || len(s.Groups()) != 1 {
		t.Errorf("delete of something else: %v, groups %v", err, s.Groups())
	}
	if err := s.DeleteProgress(ctx, "g", nil); err != nil || len(s.Groups()) != 0 {
		t.Errorf("delete of all: %v, groups %v", err, s.Groups())
	}
}
