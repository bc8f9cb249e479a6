package rocketcore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/message"
)

// network carries messages between stores in one process.
type network struct {
	mu     sync.Mutex
	stores map[raftlog.ReplicaID]*Store
	wires  sync.WaitGroup
}

// port is one replica's transport.
type port struct {
	net *network
}

func (p port) Send(to raftlog.ReplicaID, m raftlog.Message) {
	frame := bytes.Join(m.Buffers(), nil)
	p.net.wires.Go(func() {
		p.net.mu.Lock()
		s := p.net.stores[to]
		p.net.mu.Unlock()
		if s != nil {
			_ = s.Log().Step(frame) // a closed log refuses it
		}
	})
}

func (p port) FetchFile(from raftlog.ReplicaID, file string, off int64, buf []byte) (int, error) {
	p.net.mu.Lock()
	s := p.net.stores[from]
	p.net.mu.Unlock()
	if s == nil {
		return 0, errors.New("the peer is gone")
	}
	return s.Log().ReadSnapshotFile(file, off, buf)
}

func (n *network) open(t *testing.T, id raftlog.ReplicaID, bootstrap []raftlog.ReplicaID) *Store {
	t.Helper()
	cfg := testConfig(vfs.NewMemory())
	cfg.Replica, cfg.Bootstrap, cfg.Transport = id, bootstrap, port{n}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stores[id] = s
	return s
}

// leader waits for a store that leads.
func (n *network) leader(t *testing.T) *Store {
	t.Helper()
	for range 200 {
		n.mu.Lock()
		for _, s := range n.stores {
			if s.Log().Status().Serving {
				n.mu.Unlock()
				return s
			}
		}
		n.mu.Unlock()
		<-time.After(100 * time.Millisecond) // of the bubble's time
	}
	t.Fatal("nobody leads")
	return nil
}

// sameAs wants a store to have applied what the leader has, to have its hash, and to answer like it.
func (s *Store) sameAs(t *testing.T, leader *Store) {
	t.Helper()
	ctx := context.Background()
	if err := s.Log().AwaitApplied(ctx, leader.Log().Applied()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.machine.Hash(), leader.machine.Hash(); got != want {
		t.Errorf("replica %d has hash %x, the leader %x", s.cfg.Replica, got, want)
	}
	if got, want := s.Queues(), leader.Queues(); !slices.Equal(got, want) {
		t.Errorf("replica %d has queues %v, the leader %v", s.cfg.Replica, got, want)
	}
	for _, q := range leader.Queues() {
		b, err := leader.Bounds(q)
		if got, err2 := s.Bounds(q); err != nil || err2 != nil || got != b {
			t.Errorf("replica %d has %+v of %s, the leader %+v", s.cfg.Replica, got, q, b)
		}
		for from := b.Start; from < b.End; {
			r, err := leader.Read(q, from, ReadOptions{MaxBytes: 64 << 10})
			got, err2 := s.Read(q, from, ReadOptions{MaxBytes: 64 << 10})
			if err != nil || err2 != nil || len(r.Batches) == 0 {
				t.Fatalf("%v, %v", err, err2)
			}
			for i := range r.Batches {
				f, g := &r.Batches[i], &got.Batches[i]
				if !bytes.Equal(f.Batch, g.Batch) || f.BaseOffset != g.BaseOffset || f.Position != g.Position || f.Time != g.Time || f.Term != g.Term {
					t.Fatalf("replica %d has %+v, the leader %+v", s.cfg.Replica, g, f)
				}
			}
			from = r.Next
		}
	}
}

// TestReplicas runs a shard of three, loses a leader, trims the log's beginning away, and lets a new replica come from a
// snapshot, which has to make the whole index by itself.
func TestReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		n := &network{stores: map[raftlog.ReplicaID]*Store{}}
		members := []raftlog.ReplicaID{1, 2, 3}
		for _, id := range members {
			n.open(t, id, members)
		}
		defer func() {
			for _, s := range n.stores {
				_ = s.Close()
			}
			n.wires.Wait()
		}()
		leader := n.leader(t)
		queues := []message.Queue{testQueue(1, 0), testQueue(1, 1), testQueue(2, 0)}
		if err := leader.OpenQueues(ctx, queues); err != nil {
			t.Fatal(err)
		}
		sequence := int32(0)
		fill := func(s *Store, rounds int) {
			t.Helper()
			for i := range rounds {
				q := queues[i%len(queues)]
				o := message.BuildOptions{Producer: &message.Producer{ID: int64(i % len(queues)), Sequence: sequence / 3}}
				batch := message.Build([]message.Record{{Value: fmt.Appendf(nil, "%4000d", i)}}, o)
				for range 1 + i%2 { // every other one twice
					if _, err := s.Append(Append{Queue: q, Batch: slices.Clone(batch), LogAppendTime: i%5 == 0}).Wait(ctx); err != nil {
						t.Fatal(err)
					}
				}
				sequence++
			}
		}
		fill(leader, 120)
		for _, id := range members {
			n.stores[id].sameAs(t, leader)
		}
		follower := n.stores[leader.cfg.Replica%3+1]
		if _, err := follower.Append(Append{Queue: queues[0], Batch: batchOf(1, "x")}).Wait(ctx); !errors.Is(err, ErrNotLeader) {
			t.Errorf("append to a follower: %v", err)
		}

		n.mu.Lock()
		delete(n.stores, leader.cfg.Replica)
		n.mu.Unlock()
		if err := leader.Close(); err != nil {
			t.Fatal(err)
		}
		leader = n.leader(t)
		fill(leader, 120)
		if _, err := leader.Trim(ctx, queues[0], 60); err != nil {
			t.Fatal(err)
		}
		if _, err := leader.Trim(ctx, queues[1], 50); err != nil {
			t.Fatal(err)
		}
		if err := leader.DeleteQueues(ctx, queues[2:]); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(leader.Log().Checkpoint(), leader.machine.index.Settle(ctx), leader.Retain(ctx)); err != nil {
			t.Fatal(err)
		}
		if first := leader.Log().Segments()[0].Sequence; first == 1 {
			t.Fatal("the log's beginning was not dropped")
		}

		late := n.open(t, 9, nil)
		if err := leader.Log().AddLearner(ctx, 9); err != nil {
			t.Fatal(err)
		}
		queues = queues[:2]
		for i := range 30 {
			batch := batchOf(int64(i), fmt.Sprintf("%4000d", i))
			if _, err := leader.Append(Append{Queue: queues[i%2], Batch: batch}).Wait(ctx); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		late.sameAs(t, leader)
		if late.Log().Segments()[0].Sequence == 1 {
			t.Error("the new replica did not come from a snapshot")
		}
		for _, s := range n.stores {
			if err := s.machine.index.Settle(ctx); err != nil {
				t.Fatal(err)
			}
		}
		late.sameAs(t, leader)
	})
}
