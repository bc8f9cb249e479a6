package raftlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/duolog/duolog/internal/vfs"
)

// simFault is one way to hurt a cluster. It returns quickly; what it does ends by itself or by calm.
type simFault struct {
	name  string
	often int
	do    func(w *simWorld, rng *rand.Rand)
}

// simFaults are all ways; a profile gives each a weight.
var simFaults = []simFault{
	{"kill", 3, (*simWorld).kill},
	{"power", 3, (*simWorld).powerOff},
	{"power all", 1, (*simWorld).powerOffAll},
	{"armed", 4, (*simWorld).armCrash},
	{"stop", 1, (*simWorld).stopOne},
	{"fail", 1, (*simWorld).failOperation},
	{"full", 1, (*simWorld).fillDisk},
	{"isolate", 2, (*simWorld).isolate},
	{"one way", 2, (*simWorld).cutOneWay},
	{"split", 2, (*simWorld).split},
	{"storm", 2, (*simWorld).storm},
	{"slow", 2, (*simWorld).slowDisk},
	{"transfer", 1, (*simWorld).transfer},
	{"campaign", 1, (*simWorld).campaign},
	{"checkpoint", 1, (*simWorld).checkpoint},
	{"compact", 5, (*simWorld).compact},
	{"skew", 1, (*simWorld).skewClock},
	{"replace", 2, (*simWorld).replaceOne},
	{"wipe", 2, (*simWorld).wipeDisks},
	{"rot", 2, (*simWorld).rotDisk},
}

// hurt does random faults until the profile's time is over.
func (w *simWorld) hurt() {
	rng := rand.New(rand.NewPCG(w.seed, 2))
	end := w.start.Add(w.profile.duration)
	for time.Now().Before(end) {
		if !w.sleep(time.Duration(rng.Int64N(int64(w.profile.pace)))) {
			return
		}
		w.faults++
		simFaults[w.profile.pick(rng)].do(w, rng)
	}
}

// victim is a running replica, the leader more often than others.
func (w *simWorld) victim(rng *rand.Rand) *simNode {
	leader, _ := w.leader()
	if leader != nil && rng.IntN(3) == 0 {
		return leader
	}
	var up []*simNode
	for _, n := range w.allNodes() {
		if l, _ := n.running(); l != nil {
			up = append(up, n)
		}
	}
	n, _ := randomOf(rng, up)
	return n
}

func (w *simWorld) kill(rng *rand.Rand) {
	if n := w.victim(rng); n != nil {
		n.crash(vfs.ProcessCrash)
		w.later(n.start)
	}
}

// powerOff takes one machine down. Without sync before an acknowledgement that costs the replica its id.
func (w *simWorld) powerOff(rng *rand.Rand) {
	n := w.victim(rng)
	if n == nil || w.profile.options.Flush == FlushAsync && !w.mayLose(1) {
		return
	}
	n.crash(w.profile.powerLoss(rng.Uint64()))
	w.later(n.start)
}

// powerOffAll takes all machines down at once; without sync before an acknowledgement, only all processes.
func (w *simWorld) powerOffAll(rng *rand.Rand) {
	for _, n := range w.allNodes() {
		loss := vfs.ProcessCrash
		if w.profile.options.Flush == FlushSync {
			loss = w.profile.powerLoss(rng.Uint64())
		}
		n.mu.Lock()
		n.disk.Crash() // all at the same moment, before anybody's crash takes time
		n.mu.Unlock()
		w.spawn(func() {
			if n.crash(loss) {
				w.later(n.start)
			}
		})
	}
}

// armCrash makes a crash go off in the middle of one of the next file operations.
func (w *simWorld) armCrash(rng *rand.Rand) {
	n := w.victim(rng)
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	at := n.disk.Count(vfs.AnyKind) + rng.IntN(80)
	point := []vfs.Point{vfs.Before(at), vfs.After(at), vfs.During(at, rng.IntN(2000))}[rng.IntN(3)]
	w.event("%s is to crash %s", n, point)
	n.disk.CrashAt(point)
}

func (w *simWorld) stopOne(rng *rand.Rand) {
	if n := w.victim(rng); n != nil {
		n.stop()
		w.later(n.start)
	}
}

// failOperation makes one of the next file operations fail. The replica has to stop if it was one that counts.
func (w *simWorld) failOperation(rng *rand.Rand) {
	n := w.victim(rng)
	if n == nil || w.profile.options.Flush == FlushAsync {
		return
	}
	kinds := []vfs.Kind{vfs.AnyKind, vfs.OpWrite, vfs.OpSync, vfs.OpSyncDir, vfs.OpRename, vfs.OpCreate}
	rule := vfs.Rule{Kind: kinds[rng.IntN(len(kinds))], Nth: 1 + rng.IntN(20), Lose: rng.IntN(2) == 0, Done: rng.IntN(4) == 0}
	if rule.Kind == vfs.OpWrite {
		rule.Partial = rng.IntN(300)
	}
	n.excuseFor(vfs.ErrInjected, func(disk *vfs.Fault) { disk.Inject(rule) })
	w.event("%s: operation %d of kind %s is to fail", n, rule.Nth, rule.Kind)
}

// fillDisk leaves a little room on a disk.
func (w *simWorld) fillDisk(rng *rand.Rand) {
	n := w.victim(rng)
	if n == nil || w.profile.options.Flush == FlushAsync {
		return
	}
	n.excuseFor(vfs.ErrNoSpace, func(disk *vfs.Fault) {
		free, total, err := disk.Space(".")
		if err == nil {
			disk.SetCapacity(int64(total-free) + int64(rng.IntN(96<<10)))
		}
	})
	w.event("%s: the disk is nearly full", n)
}

func (n *simNode) excuseFor(err error, f func(disk *vfs.Fault)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.log != nil && n.excuse == nil {
		n.excuse = err
		f(n.disk)
	}
}

// cutFor severs directions between machines for a while.
func (w *simWorld) cutFor(rng *rand.Rand, what string, pairs [][2]int) {
	length := time.Duration(rng.Int64N(int64(4 * time.Second)))
	w.event("%s for %v", what, length.Round(time.Millisecond))
	var heals []func()
	for _, p := range pairs {
		heals = append(heals, w.net.sever(p[0], p[1]))
	}
	w.spawn(func() {
		w.sleep(length)
		for _, heal := range heals {
			heal()
		}
	})
}

func (w *simWorld) hosts() []int {
	var hosts []int
	for i := range w.profile.voters {
		hosts = append(hosts, i)
	}
	return hosts
}

func (w *simWorld) isolate(rng *rand.Rand) {
	n := w.victim(rng)
	if n == nil {
		return
	}
	var pairs [][2]int
	for _, h := range w.hosts() {
		if h != n.host {
			pairs = append(pairs, [2]int{h, n.host}, [2]int{n.host, h})
		}
	}
	w.cutFor(rng, fmt.Sprintf("%s is cut off", n), pairs)
}

func (w *simWorld) cutOneWay(rng *rand.Rand) {
	n := w.victim(rng)
	if n == nil {
		return
	}
	inward := rng.IntN(2) == 0
	var pairs [][2]int
	for _, h := range w.hosts() {
		if h == n.host || rng.IntN(4) == 0 {
			continue
		}
		if inward {
			pairs = append(pairs, [2]int{h, n.host})
		} else {
			pairs = append(pairs, [2]int{n.host, h})
		}
	}
	w.cutFor(rng, fmt.Sprintf("%s is cut off one way (inward %t)", n, inward), pairs)
}

func (w *simWorld) split(rng *rand.Rand) {
	side := map[int]bool{}
	for _, h := range w.hosts() {
		side[h] = rng.IntN(2) == 0
	}
	var pairs [][2]int
	for a := range side {
		for b := range side {
			if side[a] != side[b] {
				pairs = append(pairs, [2]int{a, b})
			}
		}
	}
	w.cutFor(rng, fmt.Sprintf("the network splits %v", side), pairs)
}

// storm makes the network bad for a while.
func (w *simWorld) storm(rng *rand.Rand) {
	bad := simWeather{
		loss: rng.Float64() * 0.4, double: rng.Float64() * 0.2, damage: rng.Float64() * 0.02, reorder: rng.IntN(3) > 0,
		minDelay: time.Millisecond, maxDelay: 5*time.Millisecond + time.Duration(rng.Int64N(int64(300*time.Millisecond))),
	}
	length := time.Duration(rng.Int64N(int64(3 * time.Second)))
	w.event("storm for %v: %+v", length.Round(time.Millisecond), bad)
	w.net.setWeather(bad)
	w.spawn(func() {
		w.sleep(length)
		w.net.setWeather(w.profile.weather)
	})
}

func (w *simWorld) slowDisk(rng *rand.Rand) {
	n := w.victim(rng)
	if n == nil {
		return
	}
	d := []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, 2 * time.Second, 5 * time.Second}[rng.IntN(4)]
	length := time.Duration(rng.Int64N(int64(3 * time.Second)))
	w.event("%s: a sync takes %v, for %v", n, d, length.Round(time.Millisecond))
	n.slow.Store(int64(d))
	w.spawn(func() {
		w.sleep(length)
		n.slow.CompareAndSwap(int64(d), int64(w.profile.diskTime))
	})
}

func (w *simWorld) transfer(rng *rand.Rand) {
	_, l := w.leader()
	if l == nil {
		return
	}
	var to ReplicaID
	if n, ok := randomOf(rng, w.allNodes()); ok && rng.IntN(2) == 0 {
		to = n.id
	}
	w.spawn(func() {
		ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
		defer cancel()
		err := l.Transfer(ctx, to)
		w.event("transfer to %d: %v", to, err)
	})
}

func (w *simWorld) campaign(rng *rand.Rand) {
	if n := w.victim(rng); n != nil {
		if l, _ := n.running(); l != nil {
			w.event("%s campaigns", n)
			l.Campaign()
		}
	}
}

func (w *simWorld) checkpoint(rng *rand.Rand) {
	if n := w.victim(rng); n != nil {
		if l, _ := n.running(); l != nil {
			w.spawn(func() { _ = l.Checkpoint() }) // a failure ends the replica, and attend sees it
		}
	}
}

// compact drops old segments everywhere, so that replicas that were away need a snapshot.
func (w *simWorld) compact(rng *rand.Rand) {
	for _, n := range w.allNodes() {
		keep := Index(rng.IntN(60))
		if l, _ := n.running(); l != nil && l.Applied() > keep {
			w.spawn(func() { _ = l.Compact(l.Applied() - keep) })
		}
	}
}

// skewClock sets a clock wrong, forwards or back, but only those of a minority of the machines.
func (w *simWorld) skewClock(rng *rand.Rand) {
	if n := w.victim(rng); n != nil && n.host < (w.profile.voters-1)/2 {
		skew := time.Duration(rng.Int64N(int64(40*time.Second))) - 20*time.Second
		w.event("%s: the clock is %v off", n, skew.Round(time.Millisecond))
		n.skew.Store(int64(skew))
	}
}

func (w *simWorld) replaceOne(rng *rand.Rand) {
	if n := w.victim(rng); n != nil && w.mayLose(1) {
		w.repair(n)
	}
}

// wipeDisks gives machines new disks: their replicas come back with less log than they acknowledged. Under their old
// ids that is the amnesia that the simulation must notice.
func (w *simWorld) wipeDisks(rng *rand.Rand) {
	count := 1 + rng.IntN((w.profile.voters-1)/2)
	if !w.profile.amnesia && !w.mayLose(count) {
		return
	}
	for range count {
		n := w.victim(rng)
		switch {
		case n == nil:
		case w.profile.amnesia:
			if n.wipe(simDown) {
				w.ledger.forget(n.id)
				w.later(n.start)
			}
		case n.wipe(simLost):
			w.repair(n)
		}
	}
}
