package raftlog

import (
	"context"
	"slices"
	"time"
)

// Whoever runs a cluster replaces replicas that lost log: each comes back under an id that was never used, as a learner,
// and is promoted when it has caught up. One replica at a time.

// mayLose says whether count more replicas may lose their log: the others must still hold everything, which they do as
// long as fewer than a majority are lost, and all earlier ones must have been replaced.
func (w *simWorld) mayLose(count int) bool {
	w.mu.Lock()
	busy := len(w.repairs) + w.repairing
	w.mu.Unlock()
	for _, n := range w.allNodes() {
		if n.is(simLost) || n.doomed.Load() || n.rotten.Load() {
			return false
		}
	}
	return busy == 0 && count <= (w.profile.voters-1)/2
}

// repair has a replica replaced.
func (w *simWorld) repair(n *simNode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !n.queued {
		n.queued = true
		w.repairs = append(w.repairs, n)
	}
}

func (w *simWorld) repairLoop() {
	rng := newSimRandom(w.seed, 3)
	for w.sleep(100 * time.Millisecond) {
		w.mu.Lock()
		var n *simNode
		if len(w.repairs) > 0 {
			n, w.repairs = w.repairs[0], w.repairs[1:]
			w.repairing++
		}
		w.mu.Unlock()
		if n == nil {
			continue
		}
		w.replace(n, rng)
		w.mu.Lock()
		w.repairing--
		w.mu.Unlock()
	}
}

// replace takes a replica out and a new one in, in either order.
func (w *simWorld) replace(old *simNode, rng *simRandom) {
	next := w.newNode(old.host, nil)
	w.event("%s is replaced by %s", old, next)
	steps := []func() bool{func() bool { return w.join(next, rng) }, func() bool { return w.expel(old) }}
	if rng.chance(0.5) || old.rotten.Load() { // a leader with a bad disk cannot give a snapshot
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if !step() {
			return
		}
	}
	w.replaced.Add(1)
	w.event("%s has replaced %s", next, old)
}

// expel removes a replica and retires its machine's part.
func (w *simWorld) expel(old *simNode) bool {
	gone := func(s Status) bool { return !slices.Contains(s.Voters, old.id) && !slices.Contains(s.Learners, old.id) }
	if !w.untilMembers(gone, func(ctx context.Context, l *Log) error { return l.Remove(ctx, old.id) }) {
		return false
	}
	w.sleep(w.random.between(0, time.Second)) // it may live on for a while without knowing
	old.retire()
	return true
}

// join adds a replica as a learner, waits until it has caught up, and promotes it.
func (w *simWorld) join(next *simNode, rng *simRandom) bool {
	if rng.chance(0.5) {
		next.start()
	}
	there := func(s Status) bool { return slices.Contains(s.Voters, next.id) || slices.Contains(s.Learners, next.id) }
	if !w.untilMembers(there, func(ctx context.Context, l *Log) error { return l.AddLearner(ctx, next.id) }) {
		return false
	}
	next.start()
	for {
		_, l := w.leader()
		if l != nil {
			if p, ok := l.Progress()[next.id]; ok && p.Match > 0 && p.Match+20 >= l.Status().Commit {
				break
			}
		}
		if !w.sleep(50 * time.Millisecond) {
			return false
		}
	}
	voter := func(s Status) bool { return slices.Contains(s.Voters, next.id) }
	return w.untilMembers(voter, func(ctx context.Context, l *Log) error { return l.Promote(ctx, next.id) })
}

// untilMembers asks leaders for a change until one shows it as applied.
func (w *simWorld) untilMembers(done func(Status) bool, change func(context.Context, *Log) error) bool {
	for w.ctx.Err() == nil {
		leader, l := w.leader()
		if l != nil {
			if done(l.Status()) {
				return true
			}
			ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
			err := change(ctx, l)
			cancel()
			w.event("%s changes the membership: %v", leader, err)
		}
		w.sleep(50 * time.Millisecond)
	}
	return false
}
