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
		c := newClock(1, wall, 5*time.Second, 0)
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
		c := newClock(1, func() time.Time { return time.Now().Add(skew) }, 5*time.Second, 0)
		c.members([]uint64{1})
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
		c := newClock(1, func() time.Time { return time.Now().Add(skew) }, 5*time.Second, 0)
		c.members([]uint64{1})
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
		c := newClock(1, func() time.Time { return time.Now().Add(skew) }, 5*time.Second, 0)
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

// TestWrongClocksOfAMinority: whichever of the other voters a leader has heard of, a minority of clocks that are ahead
// does not carry it away, and neither do learners.
func TestWrongClocksOfAMinority(t *testing.T) {
	for _, c := range []struct {
		voters, ahead, right []uint64 // of whom was heard; voter 1 reads the clock and is ahead
		believed             bool
	}{
		{voters: []uint64{1}, believed: true},
		{voters: []uint64{1, 2}, right: []uint64{2}},
		{voters: []uint64{1, 2, 3}, right: []uint64{2, 3}},
		{voters: []uint64{1, 2, 3}, right: []uint64{3}},
		{voters: []uint64{1, 2, 3}, ahead: []uint64{2}, right: []uint64{3}, believed: true},
		{voters: []uint64{1, 2, 3}, ahead: []uint64{7, 8, 9}, right: []uint64{3}},
		{voters: []uint64{1, 2, 3, 4, 5}, ahead: []uint64{2}, right: []uint64{3}},
		{voters: []uint64{1, 2, 3, 4, 5}, ahead: []uint64{2}, right: []uint64{3, 4, 5}},
		{voters: []uint64{1, 2, 3, 4, 5}, ahead: []uint64{2, 3}, right: []uint64{4, 5}, believed: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			clock := newClock(1, func() time.Time { return time.Now().Add(time.Minute) }, 5*time.Second, 0)
			clock.members(c.voters)
			for _, id := range c.ahead {
				clock.observe(id, time.Now().Add(time.Minute).UnixMilli())
			}
			for _, id := range c.right {
				clock.observe(id, time.Now().UnixMilli())
			}
			got, alarm := clock.read()
			if believed := time.Until(time.UnixMilli(got)) > time.Second; believed != c.believed || believed == (alarm != "") {
				t.Errorf("%+v: the time is %v ahead, alarm %q", c, time.Until(time.UnixMilli(got)), alarm)
			}
		})
	}
}

// TestStartWithAWrongClock: what a node reads before it has heard of a majority is not the floor of what it gives later.
func TestStartWithAWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(1, func() time.Time { return time.Now().Add(time.Hour) }, 5*time.Second, 0)
		c.members([]uint64{1, 2, 3})
		c.read()
		time.Sleep(time.Second)
		c.observe(2, time.Now().UnixMilli())
		if got, alarm := c.read(); alarm == "" || time.Until(time.UnixMilli(got)) > 10*time.Millisecond {
			t.Fatalf("time %v ahead, alarm %q", time.Until(time.UnixMilli(got)), alarm)
		}
	})
}

// TestClockOfNoVoter: what a replica reads before it is a voter is not the floor of what it gives as a leader.
func TestClockOfNoVoter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(9, func() time.Time { return time.Now().Add(time.Hour) }, 5*time.Second, 0)
		for _, members := range [][]uint64{nil, {1, 2, 3}, {1, 2, 3, 9}} {
			c.read()
			c.members(members)
			for _, id := range members[:max(0, len(members)-1)] {
				c.observe(id, time.Now().UnixMilli())
			}
			c.read()
			time.Sleep(time.Second)
		}
		if got, alarm := c.read(); alarm == "" || time.Until(time.UnixMilli(got)) > 10*time.Millisecond {
			t.Fatalf("time %v ahead, alarm %q", time.Until(time.UnixMilli(got)), alarm)
		}
	})
}
