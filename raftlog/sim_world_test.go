package raftlog

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"
)

// simWorld is one simulation: the replicas, their network, the clients, and whoever hurts them. It lives in one synctest
// bubble, so its time is virtual.
//
// What repeats for a seed: the profile, the order and kind of faults, each link's weather, each client's plans, what a
// crash keeps, the library's election time-outs. What does not: which of two goroutines that can run at the same virtual
// moment runs first, and which case a select takes when several are ready. A seed therefore gives the same kind of
// history, nearly always the same one, but a failure may need several runs of its seed to come back.
type simWorld struct {
	seed    uint64
	profile *simProfile
	ledger  *simLedger
	net     *simNetwork
	random  *simRandom // for who restarts when; the others have their own
	start   time.Time

	calmed atomic.Bool // no more faults

	// For simCounts.
	faults                             int
	reads, snapshots, starts, replaced atomic.Int64

	ctx   context.Context // ends when the simulation is over, or has failed
	stop  context.CancelFunc
	over  chan struct{}  // closed when no replica runs any more
	tasks sync.WaitGroup // everything that spawn started

	mu         sync.Mutex // guards all below
	nodes      map[ReplicaID]*simNode
	next       ReplicaID // id of the next replica; ids are never used again
	repairs    []*simNode
	repairing  int
	pending    int // restarts that are due
	violations []string
	events     []string
	echo       func(string)
}

func newSimWorld(seed uint64, profile *simProfile, echo func(string)) *simWorld {
	w := &simWorld{
		seed: seed, profile: profile, random: newSimRandom(seed, 1), start: time.Now(), nodes: map[ReplicaID]*simNode{}, next: 1,
		echo: echo, over: make(chan struct{}),
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.ledger = newSimLedger(func(text string) { w.violate("%s", text) })
	w.net = newSimNetwork(w, profile.weather)
	return w
}

// simReport is what a simulation leaves behind.
type simReport struct {
	violations []string
	events     []string
	counts     simCounts
	lines      []string      // one for each replica at the end
	elapsed    time.Duration // virtual
	wall       time.Duration
}

// run is the whole life of a simulation.
func (w *simWorld) run() simReport {
	w.bootstrap()
	clients := w.startClients()
	w.spawn(w.observe)
	w.spawn(w.repairLoop)
	w.hurt()
	w.calm()
	w.sleep(time.Second)
	clients.stop()
	if w.converge("after the faults") {
		w.lastWrites()
		if w.converge("at the end") {
			w.examine()
		}
	}
	clients.stop()
	report := simReport{lines: w.describe()}
	w.end()
	report.counts, report.elapsed = w.count(), time.Since(w.start)
	report.violations, report.events = w.violations, w.events
	return report
}

// end stops everything.
func (w *simWorld) end() {
	w.stop()
	for _, n := range w.allNodes() {
		n.stop()
	}
	synctest.Wait() // whoever was answered has noted it
	close(w.over)
	w.tasks.Wait()
}

func (w *simWorld) bootstrap() {
	var boot []ReplicaID
	for i := range w.profile.voters {
		boot = append(boot, ReplicaID(i+1))
	}
	for i := range boot {
		w.newNode(i, boot)
	}
	for _, n := range w.allNodes() {
		n.start()
	}
}

// newNode makes a replica under an id that was never used.
func (w *simWorld) newNode(host int, boot []ReplicaID) *simNode {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := newSimNode(w, w.next, host, boot)
	w.nodes[n.id] = n
	w.next++
	return n
}

func (w *simWorld) node(id ReplicaID) *simNode {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[id]
}

// allNodes returns the replicas that were not replaced, by id.
func (w *simWorld) allNodes() []*simNode {
	w.mu.Lock()
	defer w.mu.Unlock()
	var nodes []*simNode
	for _, n := range w.nodes {
		if !n.is(simGone) {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b *simNode) int { return int(a.id) - int(b.id) })
	return nodes
}

// leader returns the node that leads in the highest term, nil if nobody knows that it does.
func (w *simWorld) leader() (*simNode, *Log) {
	var best *simNode
	var log *Log
	var term Term
	for _, n := range w.allNodes() {
		if l, _ := n.running(); l != nil {
			if s := l.Status(); s.IsLeader && s.Failed == nil && s.Term >= term {
				best, log, term = n, l, s.Term
			}
		}
	}
	return best, log
}

// spawn runs f on a goroutine that the simulation waits for.
func (w *simWorld) spawn(f func()) {
	w.tasks.Add(1)
	go func() {
		defer w.tasks.Done()
		f()
	}()
}

// later runs f after a while, as somebody who restarts what has crashed.
func (w *simWorld) later(f func()) {
	w.mu.Lock()
	w.pending++
	w.mu.Unlock()
	pause := w.random.between(w.profile.downtime/10, w.profile.downtime)
	w.spawn(func() {
		if w.sleep(pause) {
			f()
		}
		w.mu.Lock()
		w.pending--
		w.mu.Unlock()
	})
}

// sleep returns early, and false, when the simulation is over.
func (w *simWorld) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-w.ctx.Done():
		return false
	}
}

// violate notes what must not happen and ends the simulation.
func (w *simWorld) violate(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.event("VIOLATION: %s", text)
	w.mu.Lock()
	if len(w.violations) == 0 && strings.Contains(text, "panic") {
		text += "\n" + string(debug.Stack())
	}
	w.violations = append(w.violations, text)
	w.mu.Unlock()
	w.stop()
}

const simMaxEvents = 20000

// event notes what happens, for whoever looks into a failure.
func (w *simWorld) event(format string, args ...any) {
	line := fmt.Sprintf("%9.4fs ", time.Since(w.start).Seconds()) + fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) < simMaxEvents {
		w.events = append(w.events, line)
	}
	if w.echo != nil {
		w.echo(line)
	}
}

// logger passes a replica's log lines on as events.
func (w *simWorld) logger(id ReplicaID) *slog.Logger {
	return slog.New(slog.NewTextHandler(simLogWriter{w, id}, &slog.HandlerOptions{
		Level: w.profile.logLevel,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "log" || a.Key == "replica" {
				return slog.Attr{}
			}
			return a
		},
	}))
}

type simLogWriter struct {
	w  *simWorld
	id ReplicaID
}

func (s simLogWriter) Write(b []byte) (int, error) {
	s.w.event("replica %d: %s", s.id, strings.TrimSpace(string(b)))
	return len(b), nil
}

// observe looks at every replica again and again: within one life nothing may go back.
func (w *simWorld) observe() {
	type key struct {
		id   ReplicaID
		life int
	}
	seen := map[key]Status{}
	for w.sleep(100 * time.Millisecond) {
		for _, n := range w.allNodes() {
			n.mu.Lock()
			l, k := n.log, key{n.id, n.life}
			n.mu.Unlock()
			if l == nil {
				continue
			}
			s, old := l.Status(), seen[k]
			seen[k] = s
			if s.Term < old.Term || s.Commit < old.Commit || s.Applied < old.Applied || s.LogTime < old.LogTime || s.Checkpoint < old.Checkpoint {
				w.violate("%s went back from term %d, commit %d, applied %d, time %d, checkpoint %d to %d, %d, %d, %d, %d", n,
					old.Term, old.Commit, old.Applied, old.LogTime, old.Checkpoint, s.Term, s.Commit, s.Applied, s.LogTime, s.Checkpoint)
			}
			if ahead := time.Until(time.UnixMilli(s.LogTime)); ahead > w.profile.options.MaxClockStep+time.Second {
				w.violate("%s: log time is %v ahead of a majority's clocks", n, ahead)
			}
		}
	}
}

// calm ends all faults: the network is whole and quick, the disks are fast, the clocks agree, everybody is up.
func (w *simWorld) calm() {
	w.event("calm")
	w.calmed.Store(true)
	w.repairRotten()
	w.net.calm()
	for _, n := range w.allNodes() {
		n.calm()
	}
	for w.restarting() && w.sleep(50*time.Millisecond) {
	}
	for _, n := range w.allNodes() {
		n.calm() // restarts that were under way may have armed a crash
		n.start()
	}
}

func (w *simWorld) restarting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending > 0
}

// converge waits until nothing is left to repair and all members have applied the same. It says whether that came to be.
func (w *simWorld) converge(when string) bool {
	deadline := time.Now().Add(w.profile.patience)
	for {
		why := w.unsettled()
		if why == "" {
			return w.ctx.Err() == nil
		}
		if time.Now().After(deadline) {
			w.violate("no agreement %s within %v: %s\n%s", when, w.profile.patience, why, strings.Join(w.describe(), "\n"))
			return false
		}
		if !w.sleep(50 * time.Millisecond) {
			return false
		}
	}
}

// unsettled says what is missing for agreement, "" for nothing.
func (w *simWorld) unsettled() string {
	w.mu.Lock()
	repairs := len(w.repairs) + w.repairing
	w.mu.Unlock()
	if repairs > 0 {
		return fmt.Sprintf("%d replicas are to be replaced", repairs)
	}
	leader, log := w.leader()
	if log == nil {
		return "nobody leads"
	}
	want := log.Status()
	if !want.Serving || want.Applied != want.Commit || want.Applied != want.Last {
		return fmt.Sprintf("%s leads and has applied %d, commit %d, last %d, serving %t", leader, want.Applied, want.Commit, want.Last, want.Serving)
	}
	if len(want.Voters) != w.profile.voters || len(want.Learners) > 0 {
		return fmt.Sprintf("members are %v and learners %v", want.Voters, want.Learners)
	}
	for _, n := range w.allNodes() {
		l, _ := n.running()
		if l == nil {
			return fmt.Sprintf("%s is down", n)
		}
		s := l.Status()
		if s.Applied != want.Applied || s.Term != want.Term || !slices.Equal(s.Voters, want.Voters) || len(s.Learners) > 0 {
			return fmt.Sprintf("%s has applied %d in term %d with voters %v, learners %v; the leader %d in term %d with %v",
				n, s.Applied, s.Term, s.Voters, s.Learners, want.Applied, want.Term, want.Voters)
		}
	}
	return ""
}

// describe gives one line for each replica.
func (w *simWorld) describe() (lines []string) {
	for _, n := range w.allNodes() {
		l, m := n.running()
		if l == nil {
			lines = append(lines, fmt.Sprintf("%s: state %d", n, n.state))
			continue
		}
		s, c := l.Status(), l.Metrics()
		lines = append(lines, fmt.Sprintf("%s: life %d, leader %d, term %d, entries %d-%d, commit %d, applied %d, checkpoint %d, "+
			"voters %v, learners %v, hash checks %d, checkpoints %d, snapshots %d, count %d, hash %x",
			n, n.life, s.Leader, s.Term, s.First, s.Last, s.Commit, s.Applied, s.Checkpoint, s.Voters, s.Learners, s.HashChecks,
			c.Checkpoints, c.Snapshots, m.state().count, m.state().hash))
	}
	return lines
}

// randomOf picks one of a list; ok is false for an empty one.
func randomOf[T any](rng *rand.Rand, list []T) (v T, ok bool) {
	if len(list) == 0 {
		return v, false
	}
	return list[rng.IntN(len(list))], true
}
