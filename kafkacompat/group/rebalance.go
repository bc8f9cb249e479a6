package group

import (
	"strconv"
	"time"
)

// rebalance lets the members join for a next generation, because something has changed; while they are joining already, it
// looks whether that was the last one.
func (g *group) rebalance(why string) {
	if g.state == PreparingRebalance {
		g.completeIfJoined()
	} else {
		g.prepare(why)
	}
}

// prepare begins to wait for the members to join.
func (g *group) prepare(why string) {
	if g.state == CompletingRebalance {
		g.voidAssignment()
	}
	g.endSyncing()
	first := g.state == Empty
	g.enter(PreparingRebalance)
	g.note("rebalance of generation " + strconv.Itoa(int(g.generation)) + ": " + why)
	switch delay := g.m.opts.initialDelay(); {
	case first && delay > 0:
		// The first members of a group usually start together.
		g.initial, g.newMember = true, false
		g.step, g.remaining = delay, max(g.rebalanceTimeout()-delay, 0)
		g.m.timers.set(&g.joinTimer, g.m.now.Add(delay))
	case first || g.allJoined():
		g.complete()
	default:
		g.m.timers.set(&g.joinTimer, g.m.now.Add(g.rebalanceTimeout()))
	}
}

// voidAssignment tells those who wait for their assignment to join again.
func (g *group) voidAssignment() {
	for _, mem := range g.members {
		g.change(mem, func() { mem.assignment = nil })
		if g.answerSync(mem, Synced{Err: ErrRebalanceInProgress}) {
			g.renew(mem)
		}
	}
}

// endSyncing stops waiting for members to sync.
func (g *group) endSyncing() {
	g.m.timers.stop(&g.syncTimer)
	for _, mem := range g.members {
		g.setUnsynced(mem, false)
	}
}

// completeIfJoined begins the next generation if there is nobody left to wait for. The initial delay is waited for in any
// case.
func (g *group) completeIfJoined() {
	if g.state == PreparingRebalance && !g.initial && g.allJoined() {
		g.complete()
	}
}

// joinDue ends the wait for members to join, or a step of the initial delay.
func (g *group) joinDue() {
	if g.initial && g.newMember && g.remaining > 0 {
		step := min(g.m.opts.initialDelay(), g.remaining)
		g.remaining = max(g.remaining-g.step, 0)
		g.step, g.newMember = step, false
		g.m.timers.set(&g.joinTimer, g.m.now.Add(step))
		return
	}
	g.complete()
}

// complete begins the next generation with those who have joined. Dynamic members that have not are removed; static ones
// keep their place until their session ends. If nobody but static members is there and none has joined, it waits on.
func (g *group) complete() {
	g.m.timers.stop(&g.joinTimer)
	g.initial = false
	var absent []*member
	for _, mem := range g.members {
		if mem.join == 0 && mem.instance == "" {
			absent = append(absent, mem)
		}
	}
	for _, mem := range absent {
		g.note("member " + mem.id + " did not join in time")
		g.remove(mem)
	}
	if len(g.members) > 0 && !g.electLeader() {
		g.m.timers.set(&g.joinTimer, g.m.now.Add(max(g.rebalanceTimeout(), time.Second))) // members may want none at all
		return
	}
	g.nextGeneration()
	if len(g.members) == 0 {
		g.protocol = ""
		g.enter(Empty)
		g.topics = g.subscribed()
		g.store()
		g.note("empty")
		return
	}
	g.begin()
}

// begin opens a generation: from here on its number may be known outside, so it is stored before anybody is answered. A
// crash from now on finds the members in place, and they can go on syncing.
func (g *group) begin() {
	g.protocol = g.choose()
	g.enter(CompletingRebalance)
	g.topics = g.subscribed()
	g.store()
	g.note("generation " + strconv.Itoa(int(g.generation)) + ", members: " + strconv.Itoa(len(g.members)))
	for _, mem := range g.members {
		g.answerJoin(mem, g.joined(mem))
		mem.isNew = false
	}
	g.awaitSyncs()
}

// awaitSyncs gives the members time to sync. Sessions begin anew: they were not watched while members waited.
func (g *group) awaitSyncs() {
	for _, mem := range g.members {
		g.renew(mem)
		g.setUnsynced(mem, true)
	}
	g.m.timers.set(&g.syncTimer, g.m.now.Add(g.rebalanceTimeout()))
}

// electLeader makes somebody lead who has joined; false if nobody has.
func (g *group) electLeader() bool {
	if leader := g.byID[g.leader]; leader != nil && leader.join != 0 {
		return true
	}
	for _, mem := range g.members {
		if mem.join != 0 {
			g.note("member " + mem.id + " leads in place of " + g.leader)
			g.leader = mem.id
			return true
		}
	}
	return false
}

// syncDue removes the members that have not asked for their assignment in time.
func (g *group) syncDue() {
	if g.unsynced == 0 {
		return
	}
	for _, mem := range append([]*member(nil), g.members...) {
		if mem.unsynced {
			g.note("member " + mem.id + " did not sync in time")
			g.remove(mem)
		}
	}
	g.prepare("members did not sync in time")
}

// sessionDue removes a member that was not heard of for its session time-out. One that waits for an answer is there, as
// long as it knows its id: when it gets the answer, its session begins anew.
func (g *group) sessionDue(mem *member) {
	if !mem.isNew && (mem.join != 0 || mem.sync != 0) {
		return
	}
	g.note("session of member " + mem.id + " has ended")
	g.remove(mem)
	g.afterRemoval("session of member " + mem.id + " ended")
}

// afterRemoval goes on without members that have gone.
func (g *group) afterRemoval(why string) {
	switch {
	case g.state != PreparingRebalance:
		g.prepare(why)
	case g.allJoined():
		g.complete()
	}
}

// pendingDue forgets a member that did not come back with the id it was given.
func (g *group) pendingDue(id string) {
	g.removePending(id)
	if g.state == PreparingRebalance && g.allJoined() {
		g.complete()
	}
	g.m.forgetIdle(g)
}
