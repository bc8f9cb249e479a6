package kafkacompat

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestFetchMemoryLeavesSomethingForOthers(t *testing.T) {
	const mib = 1 << 20
	m := newFetchMemory(256 * mib)
	taken := []int64{m.take(50 * mib), m.take(90 * mib)}
	if taken[0] != 50*mib || taken[1] != 90*mib {
		t.Fatalf("with half of it free, %v are granted", taken)
	}
	for range 8 { // greedy ones
		taken = append(taken, m.take(55*mib))
	}
	if last := taken[len(taken)-1]; last > 4*mib || last < mib {
		t.Errorf("the eighth greedy one gets %d", last)
	}
	if got := m.take(mib); got != mib {
		t.Errorf("a modest one gets %d", got)
	}
	for m.take(55*mib) > 0 {
	}
	if m.free <= 0 || m.free > 4*leastGrant {
		t.Errorf("%d are left", m.free)
	}
	if got := m.take(100); got != 100 {
		t.Errorf("a tiny one gets %d", got)
	}
}

func TestFetchMemoryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFetchMemory(1 << 20)
		all := m.take(1 << 20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := m.await(ctx, 1000); got != 0 {
			t.Errorf("%d granted out of nothing", got)
		}
		got := make(chan int64)
		for range 2 {
			go func() { got <- m.await(t.Context(), 1000) }()
		}
		synctest.Wait()
		m.give(all)
		if a, b := <-got, <-got; a != 1000 || b != 1000 {
			t.Errorf("%d and %d granted", a, b)
		}
	})
}
