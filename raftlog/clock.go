package raftlog

import (
	"slices"
	"sync"
	"time"
)

// clock gives a leader its log time: never falling, close to the wall clock, and not led astray by one wrong clock.
//
// It follows the monotonic clock from the last agreement with the wall and slews towards the wall at up to a tenth of
// real time when they differ by less than maxStep. A larger difference is a step: backward steps are slewed too (time
// stands slow until the wall has caught up), forward steps are taken only as far as the majority's clocks go along.
// A lone voter is its own majority.
type clock struct {
	self    uint64 // this replica
	wall    func() time.Time
	maxStep time.Duration

	mu      sync.Mutex
	last    int64     // ms, highest given
	logged  int64     // ms, highest of an entry in the log; at most last
	anchor  time.Time // when now was set, by the monotonic clock
	now     time.Time
	started bool
	peers   map[uint64]peerClock
	voters  []uint64
	alarm   string
}

// peerClock is a peer's clock as last heard. It runs on with the monotonic clock: a step of our own wall clock shows as a
// difference at once, not only when the peer is heard of again.
type peerClock struct {
	reading time.Time
	heard   time.Time
}

func newClock(self uint64, wall func() time.Time, maxStep time.Duration, last int64) *clock {
	return &clock{self: self, wall: wall, maxStep: maxStep, last: last, logged: last, peers: map[uint64]peerClock{}}
}

// observe notes a peer's clock, if it is a voter.
func (c *clock) observe(peer uint64, wallMs int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.voters, peer) {
		return
	}
	c.peers[peer] = peerClock{reading: time.UnixMilli(wallMs), heard: time.Now()}
}

// members sets whose clocks count.
func (c *clock) members(voters []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.voters = slices.Clone(voters)
	for id := range c.peers {
		if !slices.Contains(voters, id) {
			delete(c.peers, id)
		}
	}
}

// floor keeps later times at or above ms: the log holds an entry of that time. It returns the highest such time so far.
func (c *clock) floor(ms int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logged = max(c.logged, ms)
	c.last = max(c.last, ms)
	return c.logged
}

// read returns the time for the next entry in ms, and what is wrong with this replica's clock, if anything.
func (c *clock) read() (int64, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall := c.wall()
	target, known := c.believable(wall)
	if !known {
		// Nobody can have elected this replica yet, so this is no entry's time. It must not become the floor of later
		// ones: a node may start with a wrong clock.
		return max(c.last, wall.UnixMilli()), c.alarm
	}
	target = target.Round(0) // without the monotonic reading, so that differences are the wall's
	if !c.started {
		c.now, c.started = target, true
	} else {
		elapsed := time.Since(c.anchor)
		c.now = slew(c.now.Add(elapsed), target, elapsed, c.maxStep)
	}
	c.anchor = time.Now()
	c.last = max(c.last, c.now.UnixMilli())
	return c.last, c.alarm
}

// believable is the wall clock, or the latest time that a majority's clocks have reached if the wall is more than maxStep
// ahead of that. Voters that were not heard of count as not having reached it; before a majority was heard of, and for a
// replica that is no voter, nothing is known.
func (c *clock) believable(wall time.Time) (t time.Time, known bool) {
	c.alarm = ""
	offsets := []time.Duration{0}
	for _, id := range c.voters {
		if p, ok := c.peers[id]; ok {
			offsets = append(offsets, p.reading.Add(time.Since(p.heard)).Sub(wall))
		}
	}
	majority := len(c.voters)/2 + 1
	if len(offsets) < majority || !slices.Contains(c.voters, c.self) {
		return wall, false
	}
	slices.Sort(offsets)
	reached := offsets[len(offsets)-majority]
	if reached < -c.maxStep {
		c.alarm = "this node's clock is " + (-reached).Round(time.Millisecond).String() + " ahead of the majority's; their time is used"
		return wall.Add(reached), true
	}
	return wall, true
}

// slew moves now towards target by at most a tenth of elapsed; a target that is more than maxStep ahead is jumped to.
func slew(now, target time.Time, elapsed, maxStep time.Duration) time.Time {
	diff := target.Sub(now)
	if diff > maxStep {
		return target
	}
	limit := elapsed / 10
	return now.Add(min(max(diff, -limit), limit))
}
