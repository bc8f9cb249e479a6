package group

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestTimers compares the heap with a list that is searched.
func TestTimers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var ts timers
	all := make([]*timer, 50)
	due := map[*timer]time.Time{}
	for i := range all {
		all[i] = &timer{}
	}
	now := epoch
	for range 20_000 {
		x := all[rng.IntN(len(all))]
		switch rng.IntN(8) {
		case 0:
			ts.stop(x)
			delete(due, x)
		case 1:
			now = now.Add(time.Duration(rng.IntN(20)) * time.Millisecond)
			for {
				fired := ts.pop(now)
				if fired == nil {
					break
				}
				if at, set := due[fired]; !set || at.After(now) {
					t.Fatalf("fired a timer that is not due: %v, %v", at, set)
				}
				for _, at := range due {
					if at.Before(due[fired]) {
						t.Fatal("fired a timer before an earlier one")
					}
				}
				delete(due, fired)
			}
		default:
			due[x] = now.Add(time.Duration(rng.IntN(100)) * time.Millisecond)
			ts.set(x, due[x])
		}
		var first time.Time
		for _, at := range due {
			if first.IsZero() || at.Before(first) {
				first = at
			}
		}
		if next, ok := ts.next(); ok != (len(due) > 0) || ok && !next.Equal(first) {
			t.Fatalf("next is %v, want %v", next, first)
		}
	}
}

// TestTimersTie: what is due at the same time fires in the order in which it was set.
func TestTimersTie(t *testing.T) {
	var ts timers
	a, b, c := &timer{}, &timer{}, &timer{}
	at := epoch.Add(time.Second)
	ts.set(a, epoch)
	ts.set(c, at)
	ts.set(b, at)
	ts.set(a, at)
	for i, want := range []*timer{c, b, a} {
		if ts.pop(at) != want {
			t.Fatalf("another timer than expected fires as number %d", i)
		}
	}
	if ts.pop(at) != nil {
		t.Error("there is one more")
	}
}
