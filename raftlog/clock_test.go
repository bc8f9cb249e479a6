package raftlog

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClockFollowsTheMajority walks a leader's clock through steps of its wall clock.
func TestClockFollowsTheMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var skew time.Duration
		wall := func() time.Time { return time.Now().Add(skew) }
		c := newClock(wall, 5*time.Second, 0)
		c.members([]uint64{1, 2, 3})
		start, _ := c.read()
		at := func(want time.Duration, wantAlarm bool) {
			t.Helper()
			got, alarm := c.read()
			if d := time.Duration(got-start)*time.Millisecond - want; d < -2*time.Millisecond || d > 2*time.Millisecond {
				t.Fatalf("time is %v after the start, want %v", time.Duration(got-start)*time.Millisecond, want)
			}
			if (alarm != "") != wantAlarm {
				t.Fatalf("alarm %q, wanted one: %v", alarm, wantAlarm)
			}
		}
		peersAgreeWithRealTime := func() {
			for _, id := range []uint64{2, 3} {
				c.observe(id, time.Now().UnixMilli())
			}
		}
		begin := time.Now()
		time.Sleep(time.Second)
		peersAgreeWithRealTime()
		at(time.Second, false)

		skew = time.Hour // one wrong clock must not fire every timer
		peersAgreeWithRealTime()
		time.Sleep(time.Second)
		at(time.Since(begin), true)

		skew = 0
		peersAgreeWithRealTime()
		time.Sleep(time.Second)
		at(time.Since(begin), false)

		skew = -time.Second // a backward step is slewed: a tenth of real time
		peersAgreeWithRealTime()
		time.Sleep(2 * time.Second)
		at(time.Since(begin)-200*time.Millisecond, false)
		time.Sleep(time.Minute)
		at(time.Since(begin)-time.Second, false)
	})
}

func TestClockNeverFalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var skew time.Duration
		c := newClock(func() time.Time { return time.Now().Add(skew) }, 5*time.Second, 0)
		c.floor(time.Now().Add(time.Minute).UnixMilli())
		first, _ := c.read()
		if want := time.Now().Add(time.Minute).UnixMilli(); first != want {
			t.Fatalf("time %d is below the log's %d", first, want)
		}
		last := first
		for _, s := range []time.Duration{0, -time.Hour, time.Hour, -2 * time.Hour} {
			skew = s
			for range 20 {
				time.Sleep(100 * time.Millisecond)
				now, _ := c.read()
				if now < last {
					t.Fatalf("time fell from %d to %d", last, now)
				}
				last = now
			}
		}
	})
}

func TestLoneVoterTakesItsOwnWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var skew time.Duration
		c := newClock(func() time.Time { return time.Now().Add(skew) }, 5*time.Second, 0)
		c.read()
		skew = time.Hour
		time.Sleep(time.Second)
		if got, alarm := c.read(); got != time.Now().Add(time.Hour).UnixMilli() || alarm != "" {
			t.Fatalf("time %d, alarm %q", got, alarm)
		}
	})
}

// TestStepShowsBeforePeersAreHeardAgain: between a step of the own clock and the next message of a peer no time may be
// given that the majority would not agree with.
func TestStepShowsBeforePeersAreHeardAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var skew time.Duration
		c := newClock(func() time.Time { return time.Now().Add(skew) }, 5*time.Second, 0)
		c.members([]uint64{1, 2, 3})
		c.observe(2, time.Now().UnixMilli())
		c.observe(3, time.Now().UnixMilli())
		c.read()
		time.Sleep(100 * time.Millisecond)
		skew = time.Hour
		if got, alarm := c.read(); alarm == "" || time.Until(time.UnixMilli(got)) > 10*time.Millisecond {
			t.Fatalf("time %v ahead, alarm %q", time.Until(time.UnixMilli(got)), alarm)
		}
	})
}
