package raftlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duolog/duolog/internal/vfs"
)

// simNode is one replica on one machine: its disk, and the log while it runs. Its life ends with a crash or a stop and
// the next one begins with a start; the disk goes on, short of what the crash took.
type simNode struct {
	w    *simWorld
	id   ReplicaID
	host int         // the machine; a replica that is replaced leaves it to the next one
	boot []ReplicaID // first voters; none for a replica that joins later

	turn chan struct{} // capacity 1, holds one token: who has it may start, stop and crash. A channel, because it is held while virtual time passes
	slow atomic.Int64  // how long a write and a sync take, ns
	skew atomic.Int64  // what its clock is ahead of the true time, ns

	apart  atomic.Pointer[simLedger] // who judges a replica that is fed nonsense; nil: the ledger of all
	doomed atomic.Bool               // its machine went down with unsynced acknowledgements: the id is used up
	rotten atomic.Bool               // a bit of its disk has flipped: it may fail, and must not serve what is wrong
	queued bool                      // is to be replaced, or was; guarded by simWorld.mu
	chance *simRandom                // for what happens to this replica alone

	mu      sync.Mutex // guards all below
	disk    *vfs.Fault
	boots   int
	life    int
	log     *Log // nil while down
	machine *simMachine
	state   simNodeState
	excuse  error // a failure that was injected, and that may end this life
	floor   Index // what the next life must know to be committed
}

type simNodeState uint8

const (
	simDown    simNodeState = iota // comes back
	simRunning                     //
	simLost                        // lost what it acknowledged: must be replaced
	simGone                        // replaced
)

func newSimNode(w *simWorld, id ReplicaID, host int, boot []ReplicaID) *simNode {
	n := &simNode{
		w: w, id: id, host: host, boot: boot, turn: make(chan struct{}, 1), disk: vfs.NewFault(w.seed ^ uint64(id)<<40),
		chance: newSimRandom(w.seed, 1000+uint64(id)),
	}
	n.turn <- struct{}{}
	n.slow.Store(int64(w.profile.diskTime))
	return n
}

// running returns the log and the machine, nil while the node is down.
func (n *simNode) running() (*Log, *simMachine) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log, n.machine
}

func (n *simNode) alive(life int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life == life && n.log != nil
}

func (n *simNode) is(s simNodeState) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state == s
}

func (n *simNode) set(s simNodeState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state = s
}

// judge is the ledger that this replica is held to.
func (n *simNode) judge() *simLedger {
	if own := n.apart.Load(); own != nil {
		return own
	}
	return n.w.ledger
}

func (n *simNode) now() time.Time { return time.Now().Add(time.Duration(n.skew.Load())) }

// hook makes the disk slow. What waits for it waits in channels: see segment.fileLock.
func (n *simNode) hook(op vfs.Op) {
	d := time.Duration(n.slow.Load())
	switch {
	case d == 0:
	case op.Kind == vfs.OpSync:
		n.w.sleep(d)
	case op.Kind == vfs.OpWrite:
		n.w.sleep(d / 8)
	}
}

// start opens the log. A crash that was armed may end it at once; a disk that lost something makes the node a lost one.
func (n *simNode) start() {
	<-n.turn
	defer func() { n.turn <- struct{}{} }()
	if !n.is(simDown) {
		return
	}
	n.mu.Lock()
	n.life++
	life, disk := n.life, n.disk
	n.excuse = nil
	n.mu.Unlock()
	disk.BeforeOp(n.hook)
	if !n.w.calmed.Load() && n.chance.chance(0.15) {
		disk.CrashAt(vfs.Before(disk.Count(vfs.AnyKind) + int(n.chance.uint64()%40))) // recovery, or soon after it
	}
	machine := newSimMachine(n.w.ledger, n.id)
	machine.noDedup = n.w.profile.noDedup
	l, err := prepare(n.config(disk, machine, life))
	if errors.Is(err, ErrUnclean) {
		_, err = prepare(n.config(disk, machine, life)) // asking twice must not help
	}
	switch unclean := errors.Is(err, ErrUnclean); {
	case err == nil && n.doomed.Load():
		l.seg().Abandon()
		n.w.violate("%s comes back under its id although its machine went down with unsynced acknowledgements", n)
	case err == nil:
		n.live(l, machine, life)
	case errors.Is(err, vfs.ErrCrashed):
		n.w.event("%s crashes while it starts", n)
		n.reboot(n.w.profile.loss(n.chance.uint64()))
		n.w.later(n.start)
	case unclean && n.doomed.Load(), n.rotten.Load():
		n.w.event("%s must be replaced: %v", n, err)
		n.set(simLost)
		n.w.repair(n)
	default:
		n.w.violate("%s does not start: %v", n, err)
	}
}

func (n *simNode) config(disk *vfs.Fault, machine *simMachine, life int) Config {
	opt := n.w.profile.options
	opt.Now, opt.BootID = n.now, fmt.Sprintf("%d-%d", n.host, n.boots)
	return Config{
		FS: disk, Dir: fmt.Sprintf("replica-%d", n.id), UID: UID{7: byte(n.w.seed), 15: 1}, Replica: n.id, Bootstrap: n.boot,
		Machine: machine, Transport: &simPort{n, life}, Options: opt, Logger: n.w.logger(n.id),
	}
}

// live begins a life.
func (n *simNode) live(l *Log, machine *simMachine, life int) {
	hard := l.seg().Hard()
	n.w.event("%s starts: term %d, commit %d, entries %d to %d, checkpoint %d",
		n, hard.Term, hard.Commit, l.seg().First(), l.seg().Last(), l.ckpt().Newest().Index)
	n.w.starts.Add(1)
	if Index(hard.Commit) < n.floor && !n.rotten.Load() {
		n.w.violate("%s comes back with commit %d, which was %d when it went down", n, hard.Commit, n.floor)
	}
	n.w.ledger.reopened(n.id, Term(hard.Term), ReplicaID(hard.Vote))
	l.breaks = n.w.profile.breaks
	n.mu.Lock()
	n.log, n.machine, n.state = l, machine, simRunning
	n.mu.Unlock()
	l.start()
	n.w.spawn(func() { n.attend(l, life) })
}

// attend waits for the end of a life that nobody has asked for: an armed crash that went off, an injected failure, or
// what must not be.
func (n *simNode) attend(l *Log, life int) {
	n.mu.Lock()
	disk := n.disk
	n.mu.Unlock()
	select {
	case <-l.Stopped():
	case <-disk.Down():
	}
	if !n.alive(life) {
		return
	}
	n.mu.Lock()
	excuse := n.excuse
	n.mu.Unlock()
	err := l.Failed()
	switch {
	case disk.Crashed():
		n.crash(n.w.profile.loss(n.chance.uint64()))
	case excuse != nil && errors.Is(err, excuse):
		n.w.event("%s stops: %v", n, err)
		n.crash(n.w.profile.failureLoss(n.chance.uint64()))
	case n.rotten.Load():
		n.w.event("%s must be replaced: %v", n, err)
		if n.die(simLost, func() {}) {
			n.w.repair(n)
		}
		return
	default:
		n.w.violate("%s has failed: %v", n, err)
		return
	}
	n.w.later(n.start)
}

// crash ends a life at once; loss is what the disk forgets. It says whether there was a life to end.
func (n *simNode) crash(loss vfs.Loss) bool {
	return n.die(simDown, func() {
		n.w.event("%s crashes: %s", n, loss)
		n.reboot(loss)
	})
}

// wipe ends a life and takes the disk away.
func (n *simNode) wipe(then simNodeState) bool {
	return n.die(then, func() {
		n.w.event("%s gets a new disk", n)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.disk = vfs.NewFault(n.w.seed ^ uint64(n.id)<<40 ^ uint64(n.life))
		n.floor = 0
		n.boots++
	})
}

func (n *simNode) die(then simNodeState, f func()) bool {
	<-n.turn
	defer func() { n.turn <- struct{}{} }()
	l := n.leave(then)
	if l == nil {
		return false
	}
	n.disk.Crash()
	l.Crash()
	f()
	return true
}

// stop ends a life in order.
func (n *simNode) stop() { n.stopAs(simDown) }

// retire ends a node for good.
func (n *simNode) retire() { n.stopAs(simGone) }

func (n *simNode) stopAs(then simNodeState) {
	<-n.turn
	defer func() { n.turn <- struct{}{} }()
	l := n.leave(then)
	if l == nil {
		n.set(then)
		return
	}
	n.w.event("%s stops in order", n)
	failed := l.Failed()
	applied := l.Applied()
	err := errors.Join(l.Close(), failed)
	switch {
	case err == nil && !n.disk.Crashed():
		n.floor = max(n.floor, applied)
	case n.disk.Crashed():
		n.reboot(n.w.profile.loss(n.chance.uint64()))
	case n.excuse != nil && errors.Is(err, n.excuse):
		n.reboot(n.w.profile.failureLoss(n.chance.uint64()))
	case err != nil:
		n.w.violate("%s does not close: %v", n, err)
	}
	n.disk.ClearRules()
	n.disk.SetCapacity(1 << 40)
}

// leave takes the log away from everybody else; nil if it does not run.
func (n *simNode) leave(then simNodeState) *Log {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.log
	if l != nil {
		n.w.snapshots.Add(l.Metrics().Snapshots)
		n.floor = max(n.floor, l.Status().Checkpoint)
		n.log, n.state = nil, then
	}
	return l
}

// reboot replaces the disk by what the loss leaves. Only a process crash keeps the machine's boot.
func (n *simNode) reboot(loss vfs.Loss) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disk = n.disk.Reboot(loss)
	if !loss.Process {
		n.boots++
		n.doomed.Store(n.w.profile.options.Flush == FlushAsync)
	}
}

// calm ends what was done to the machine.
func (n *simNode) calm() {
	n.slow.Store(0)
	n.skew.Store(0)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disk.ClearRules()
	n.disk.CrashAt(vfs.Before(-2)) // never
	n.disk.SetCapacity(1 << 40)
}

func (n *simNode) String() string { return fmt.Sprintf("replica %d", n.id) }

// simRandom is a random source that several goroutines share.
type simRandom struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newSimRandom(seed, stream uint64) *simRandom {
	return &simRandom{rng: rand.New(rand.NewPCG(seed, stream))}
}

// do runs f with the source.
func (r *simRandom) do(f func(*rand.Rand)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.rng)
}

func (r *simRandom) uint64() (v uint64) {
	r.do(func(rng *rand.Rand) { v = rng.Uint64() })
	return v
}

func (r *simRandom) chance(p float64) (hit bool) {
	r.do(func(rng *rand.Rand) { hit = rng.Float64() < p })
	return hit
}

func (r *simRandom) between(low, high time.Duration) (d time.Duration) {
	r.do(func(rng *rand.Rand) { d = low + time.Duration(rng.Int64N(int64(high-low)+1)) })
	return d
}
