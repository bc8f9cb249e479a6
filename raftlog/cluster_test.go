package raftlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/duolog/duolog/internal/vfs"
)

// These tests put one event each into a cluster that is otherwise quiet. They use the simulation's replicas, network and
// observer, without its faults.

func quietProfile(voters int) *simProfile {
	p := newSimProfile(1)
	p.voters, p.diskTime = voters, 0
	p.weather = simWeather{minDelay: 200 * time.Microsecond, maxDelay: time.Millisecond}
	p.options = Options{
		SegmentBytes: 64 << 10, CommandBytes: 40 << 10, BundleBytes: 4 << 10, ProposalBytes: 1 << 20, CheckpointBytes: 16 << 10,
		HashInterval: 8, SnapshotBytesPerSecond: -1, Foreground: true,
	}.WithDefaults()
	return p
}

// runCluster runs body in a cluster on virtual time and fails if the observer has seen anything wrong.
func runCluster(t *testing.T, p *simProfile, body func(t *testing.T, w *simWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(1, p, nil)
		w.bootstrap()
		w.spawn(w.observe)
		defer func() {
			w.end()
			if len(w.violations) > 0 {
				t.Errorf("%s\n\nviolated: %s", strings.Join(w.events, "\n"), strings.Join(w.violations, "\n"))
			}
		}()
		body(t, w)
	})
}

// awaitLeader waits for a leader that serves.
func (w *simWorld) awaitLeader(t *testing.T) (*simNode, *Log) {
	t.Helper()
	for range 400 {
		if n, l := w.leader(); l != nil && l.Status().Serving {
			return n, l
		}
		w.sleep(50 * time.Millisecond)
	}
	t.Fatalf("nobody leads:\n%s", strings.Join(w.describe(), "\n"))
	return nil, nil
}

// write proposes n commands through the leader, one after another, and waits for all of them.
func (w *simWorld) write(t *testing.T, l *Log, n, bytes int) {
	t.Helper()
	var tickets []*Ticket
	for range n {
		_, ticket := w.propose(l, simKey{client: 1, sequence: w.ledger.serial + 1}, make([]byte, bytes))
		tickets = append(tickets, ticket)
	}
	for _, ticket := range tickets {
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// agree waits until all replicas that run have applied the same, and compares them.
func (w *simWorld) agree(t *testing.T) {
	t.Helper()
	_, l := w.awaitLeader(t)
	if err := l.ReadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want *simState
	for _, n := range w.allNodes() {
		follower, m := n.running()
		if follower == nil {
			continue
		}
		if err := follower.AwaitApplied(t.Context(), l.Applied()); err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		w.sleep(time.Second) // hash checks may follow
		if got := m.state(); want == nil {
			want = &got
		} else if got.count != want.count || got.hash != want.hash || got.session != want.session {
			t.Fatalf("%s has %+v, others %+v", n, got, *want)
		}
	}
	w.ledger.settle()
}

// followers are the running replicas that do not lead.
func (w *simWorld) followers() (list []*simNode) {
	leader, _ := w.leader()
	for _, n := range w.allNodes() {
		if l, _ := n.running(); l != nil && n != leader {
			list = append(list, n)
		}
	}
	return list
}

func TestClusterReplicates(t *testing.T) {
	for _, voters := range []int{3, 5} {
		runCluster(t, quietProfile(voters), func(t *testing.T, w *simWorld) {
			_, l := w.awaitLeader(t)
			w.write(t, l, 200, 100)
			w.write(t, l, 3, 30<<10) // entries of their own
			w.agree(t)
			for _, n := range w.followers() {
				follower, _ := n.running()
				_, err := follower.Propose(Command{Kind: simKind}).Wait(t.Context())
				var hint *NotLeaderError
				if !errors.As(err, &hint) || hint.Leader != l.cfg.Replica {
					t.Fatalf("a follower answers %v, want the leader %d", err, l.cfg.Replica)
				}
				if err := follower.ReadIndex(t.Context()); err != nil {
					t.Fatalf("barrier at a follower: %v", err)
				}
				if follower.Status().HashChecks == 0 {
					t.Fatal("no state hash was compared")
				}
			}
		})
	}
}

func TestPowerLossOfTheLeaderLosesNothing(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		old, l := w.awaitLeader(t)
		w.write(t, l, 100, 100)
		old.crash(vfs.DropUnsynced)
		start := time.Now()
		leader, l := w.awaitLeader(t)
		if took := time.Since(start); took > 3*time.Second {
			t.Fatalf("%v without a leader", took)
		}
		if leader == old {
			t.Fatal("a replica that is down leads")
		}
		w.write(t, l, 50, 100)
		old.start()
		w.agree(t)
	})
}

func TestPowerLossOfAllLosesNothing(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		for range 4 {
			_, l := w.awaitLeader(t)
			w.write(t, l, 60, 300)
			for _, n := range w.allNodes() {
				n.crash(vfs.DropUnsynced)
			}
			for _, n := range w.allNodes() {
				n.start()
			}
		}
		w.agree(t)
	})
}

func TestPartitionedLeaderGrantsNoRead(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		old, l := w.awaitLeader(t)
		w.write(t, l, 10, 10)
		for h := range 3 {
			w.net.sever(old.host, h)
			w.net.sever(h, old.host)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := l.ReadIndex(ctx); err == nil {
			t.Fatal("a leader without a quorum grants a read")
		}
		var next *Log
		for next == nil || next == l {
			w.sleep(100 * time.Millisecond)
			_, next = w.leader()
		}
		w.write(t, next, 10, 10)
		w.net.calm()
		if err := errors.Join(l.AwaitLeader(t.Context()), l.ReadIndex(t.Context())); err != nil {
			t.Fatal(err)
		}
		w.agree(t)
	})
}

// TestLearnerOfAnIdleLog: nothing is written after the learner is added, so nothing triggers a checkpoint by itself.
// (Found by simulation seed 4.)
func TestLearnerOfAnIdleLog(t *testing.T) {
	for _, entries := range []int{0, 1, 300} {
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
				_, l := w.awaitLeader(t)
				w.write(t, l, entries, 1000)
				if err := l.Compact(l.Applied()); err != nil {
					t.Fatal(err)
				}
				next := w.newNode(0, nil)
				next.start()
				w.sleep(5 * time.Second)
				if joined, _ := next.running(); joined.Status().Term != 0 {
					t.Fatal("a replica that was never added takes part")
				}
				if err := l.AddLearner(t.Context(), next.id); err != nil {
					t.Fatal(err)
				}
				w.sleep(10 * time.Second)
				joined, _ := next.running()
				if got := joined.Metrics().Snapshots; got != 1 {
					t.Fatalf("%d snapshots were taken in\n%s", got, strings.Join(w.describe(), "\n"))
				}
				if !slices.Equal(l.Status().Learners, []ReplicaID{next.id}) {
					t.Fatalf("learners: %v", l.Status().Learners)
				}
				if err := l.Promote(t.Context(), next.id); err != nil {
					t.Fatal(err)
				}
				w.write(t, l, 100, 100)
				w.agree(t)
			})
		})
	}
}

// TestSnapshotBelowUncommittedEntries: one voter is gone, and the other needs a snapshot before it can help to commit what
// the leader has at its end. (Found by simulation seed 35.)
func TestSnapshotBelowUncommittedEntries(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		_, l := w.awaitLeader(t)
		lagging, lost := w.followers()[0], w.followers()[1]
		lagging.crash(vfs.ProcessCrash)
		for range 20 {
			w.write(t, l, 20, 1000)
			w.sleep(100 * time.Millisecond)
		}
		if err := l.Compact(l.Applied()); err != nil || l.Status().First < 20 {
			t.Fatalf("compacted to %d: %v", l.Status().First, err)
		}
		lost.crash(vfs.ProcessCrash)
		_, ticket := w.propose(l, simKey{2, 1}, []byte("not committed yet"))
		w.sleep(50 * time.Millisecond)
		lagging.start()
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(w.describe(), "\n"))
		}
		w.agree(t)
	})
}

func TestReplicaIDsAreUsedOnce(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		_, l := w.awaitLeader(t)
		gone := w.followers()[0]
		for _, c := range []struct {
			what string
			err  error
		}{
			{"adding a voter", l.AddLearner(t.Context(), gone.id)},
			{"promoting a voter", l.Promote(t.Context(), gone.id)},
			{"promoting a stranger", l.Promote(t.Context(), 99)},
			{"removing a stranger", l.Remove(t.Context(), 99)},
		} {
			if !errors.Is(c.err, ErrMembership) {
				t.Errorf("%s: %v", c.what, c.err)
			}
		}
		if err := l.Remove(t.Context(), gone.id); err != nil {
			t.Fatal(err)
		}
		gone.retire()
		if err := l.AddLearner(t.Context(), gone.id); !errors.Is(err, ErrMembership) {
			t.Fatalf("an old id is taken again: %v", err)
		}
		other := w.followers()[0]
		if err := l.Remove(t.Context(), other.id); err != nil {
			t.Fatal(err)
		}
		other.retire()
		if err := l.Remove(t.Context(), l.cfg.Replica); !errors.Is(err, ErrMembership) {
			t.Fatalf("the last voter is removed: %v", err)
		}
		w.write(t, l, 10, 10) // alone
	})
}

// TestSecondMembershipChangeIsAnswered: while one change is not applied the library puts nothing in the place of another.
func TestSecondMembershipChangeIsAnswered(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		_, l := w.awaitLeader(t)
		done := []chan error{make(chan error, 1), make(chan error, 1)}
		l.inbox.call(func() {
			for i, c := range done {
				if err := l.host.proposeChange(raftpb.ConfChangeAddLearnerNode, uint64(8+i), c); err != nil {
					c <- err
				}
				l.host.ready(l.host.rn.Ready())
			}
		})
		if err := <-done[0]; err != nil {
			t.Fatalf("the first change: %v", err)
		}
		if err := <-done[1]; !errors.Is(err, ErrMembership) {
			t.Fatalf("the second change: %v", err)
		}
	})
}

func TestTransferHandsOver(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		old, l := w.awaitLeader(t)
		w.write(t, l, 10, 10)
		to := w.followers()[0]
		var tickets []*Ticket
		proposed := make(chan struct{})
		w.spawn(func() {
			defer close(proposed)
			for i := range uint64(50) {
				_, ticket := w.propose(l, simKey{3, i + 1}, nil)
				tickets = append(tickets, ticket)
				w.sleep(time.Millisecond)
			}
		})
		w.sleep(10 * time.Millisecond)
		if err := l.Transfer(t.Context(), to.id); err != nil {
			t.Fatal(err)
		}
		leader, _ := w.awaitLeader(t)
		if leader != to || leader == old {
			t.Fatalf("%s leads, want %s", leader, to)
		}
		<-proposed
		for i, ticket := range tickets {
			if _, err := ticket.Wait(t.Context()); err != nil && !errors.Is(err, ErrNotLeader) {
				t.Fatalf("command %d: %v", i, err)
			}
		}
		if err := l.Transfer(t.Context(), 0); !errors.Is(err, ErrNotLeader) {
			t.Fatalf("a follower hands over: %v", err)
		}
		w.agree(t)
	})
}

func TestLeaderWithAStuckDiskHandsOver(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		old, l := w.awaitLeader(t)
		w.write(t, l, 10, 10)
		old.slow.Store(int64(time.Minute))
		_, ticket := w.propose(l, simKey{3, 1}, nil)
		w.sleep(l.opt.SlowAppend + time.Second)
		leader, _ := w.awaitLeader(t)
		if leader == old {
			t.Fatal("a leader whose append takes a minute goes on")
		}
		old.slow.Store(0)
		w.sleep(2 * time.Minute)
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Fatalf("the command that was on its way: %v", err)
		}
		w.agree(t)
	})
}

func TestOneWrongClockRaisesAnAlarm(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		leader, l := w.awaitLeader(t)
		w.write(t, l, 10, 10)
		w.sleep(time.Second)
		leader.skew.Store(int64(time.Hour))
		w.sleep(time.Second)
		w.write(t, l, 10, 10)
		if got := time.UnixMilli(l.Status().LogTime); time.Until(got) > 10*time.Second {
			t.Fatalf("log time is %v ahead", time.Until(got))
		}
		if l.Status().Alarm == "" {
			t.Fatal("no alarm")
		}
		leader.skew.Store(0)
		w.sleep(time.Second)
		if got := l.Status().Alarm; got != "" {
			t.Fatalf("the alarm goes on: %s", got)
		}
	})
}

func TestDivergedStateIsNoticed(t *testing.T) {
	runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
		_, l := w.awaitLeader(t)
		bad, good := w.followers()[0], w.followers()[1]
		badLog, m := bad.running()
		m.mu.Lock()
		m.diverge = func(e *Entry) bool { return e.Index == 20 }
		m.mu.Unlock()
		bad.mu.Lock()
		bad.excuse = ErrDiverged
		bad.mu.Unlock()
		w.write(t, l, 10, 10)
		for range 30 {
			w.write(t, l, 1, 10)
		}
		w.sleep(100 * time.Millisecond)
		if err := badLog.Failed(); !errors.Is(err, ErrDiverged) {
			t.Fatalf("the diverged replica says %v", err)
		}
		if goodLog, _ := good.running(); goodLog.Failed() != nil || l.Failed() != nil {
			t.Fatalf("the others say %v and %v", goodLog.Failed(), l.Failed())
		}
		w.sleep(10 * time.Second) // it starts again from its checkpoint, which is older, and agrees
		w.agree(t)
	})
}

// TestUncleanReplicaIsRefusedAgain: in async mode a replica whose machine went down does not come back under its id, however
// often it is started. (Found by simulation seed 17.)
func TestUncleanReplicaIsRefusedAgain(t *testing.T) {
	p := quietProfile(3)
	p.options.Flush = FlushAsync
	runCluster(t, p, func(t *testing.T, w *simWorld) {
		_, l := w.awaitLeader(t)
		w.write(t, l, 10, 10)
		n := w.followers()[0]
		n.crash(vfs.ProcessCrash)
		n.start() // the machine was up
		n.crash(vfs.DropUnsynced)
		for range 3 {
			if _, err := prepare(n.config(n.disk, newSimMachine(w.ledger, n.id), n.life)); !errors.Is(err, ErrUnclean) {
				t.Fatalf("got %v", err)
			}
		}
	})
}

// TestLoneVoterThatGotPeersIsRefused: a lone voter may go on after its machine went down, but not if peers have come since.
func TestLoneVoterThatGotPeersIsRefused(t *testing.T) {
	for _, peers := range []bool{false, true} {
		p := quietProfile(1)
		p.options.Flush, p.options.CheckpointBytes = FlushAsync, 1<<20
		runCluster(t, p, func(t *testing.T, w *simWorld) {
			n, l := w.awaitLeader(t)
			w.write(t, l, 10, 10)
			n.leave(simGone) // the test takes care of it
			if peers {
				n.disk.Inject(vfs.Rule{Kind: vfs.OpCreate, Name: "*.ckpt.tmp", Times: -1}) // no checkpoint may tell
				if err := l.AddLearner(t.Context(), 2); err != nil && !errors.Is(err, ErrUnknownOutcome) {
					t.Fatal(err)
				}
			}
			n.disk.Crash()
			l.Crash()
			n.reboot(vfs.DropUnsynced)
			again, err := prepare(n.config(n.disk, newSimMachine(w.ledger, n.id), n.life))
			if err == nil {
				again.seg().Abandon()
			}
			if errors.Is(err, ErrUnclean) != peers {
				t.Fatalf("peers %t: %v", peers, err)
			}
		})
	}
}
