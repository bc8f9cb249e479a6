package rocketcore

import (
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/rocketcore/message"
)

func ready(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestArrivals(t *testing.T) {
	s := newScript(t)
	a, b := testQueue(1, 0), testQueue(1, 1)
	s.line("open 1/0 1/1")
	wait := func(q message.Queue, from message.Offset) <-chan struct{} {
		c, cancel := s.store.Arrivals(q, from)
		t.Cleanup(cancel)
		t.Cleanup(cancel) // twice is allowed
		return c
	}
	for _, step := range []struct {
		name     string
		queue    message.Queue
		from     message.Offset
		do       string
		at, then bool // ready before and after do
	}{
		{"an append", a, 0, "append 1/0 n=3", false, true},
		{"already there", a, 2, "append 1/1", true, true},
		{"another queue", a, 3, "append 1/1", false, false},
		{"not far enough", a, 5, "append 1/0 n=2", false, false},
		{"far enough, at the second append", a, 6, "append 1/0 ; append 1/0", false, true},
		{"a trim below", a, 7, "trim 1/0 7", false, false},
		{"unknown queue", testQueue(9, 9), 0, "append 1/1", true, true},
		{"deletion", b, 100, "delete 1/1", false, true},
	} {
		c := wait(step.queue, step.from)
		if ready(c) != step.at {
			t.Errorf("%s: ready beforehand: %t", step.name, !step.at)
		}
		if s.line(step.do); ready(c) != step.then {
			t.Errorf("%s: ready afterwards: %t", step.name, !step.then)
		}
	}
	c, cancel := s.store.Arrivals(a, 50)
	cancel()
	if ready(c) {
		t.Error("a cancelled waiter was woken")
	}
	left := 0
	for _, w := range s.store.machine.waiters {
		left += len(w)
	}
	if left != 1 { // for offset 7, which has not come yet
		t.Errorf("%d waiters are left", left)
	}
	c = wait(a, 1000)
	s.store.machine.wakeEverybody()
	if !ready(c) {
		t.Error("closing does not wake waiters")
	}
}

// TestArrivalWakesReaders measures from the answer of an append to the wake-up, over a real log.
func TestArrivalWakesReaders(t *testing.T) {
	s := openStore(t, testConfig(vfs.NewMemory()))
	q := testQueue(1, 0)
	if err := s.OpenQueues(testContext(t), []message.Queue{q}); err != nil {
		t.Fatal(err)
	}
	for i := range message.Offset(20) {
		c, cancel := s.Arrivals(q, i)
		mustAppend(t, s, Append{Queue: q, Batch: batchOf(1, "x")})
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Fatalf("nobody told that offset %d has arrived", i)
		}
		cancel()
	}
	c, cancel := s.Arrivals(q, 1000)
	defer cancel()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !ready(c) {
		t.Error("closing the store does not wake waiters")
	}
}
