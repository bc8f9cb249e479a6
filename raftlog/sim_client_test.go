package raftlog

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/duolog/duolog/raftlog/internal/segment"
)

// Clients propose commands, several at a time, to whom they believe to lead; what was not answered they propose again
// under the same name, or give up. Readers ask for barriers.

type simClients struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
}

func (c *simClients) stop() {
	c.cancel()
	c.group.Wait()
}

func (w *simWorld) startClients() *simClients {
	ctx, cancel := context.WithCancel(w.ctx)
	c := &simClients{cancel: cancel}
	for i := range w.profile.clients {
		client := newSimClient(w, uint64(i+1))
		c.group.Go(func() { client.run(ctx) })
	}
	c.group.Go(func() { w.read(ctx) })
	return c
}

// simClient is one client. It is owned by the goroutine in run.
type simClient struct {
	w        *simWorld
	id       uint64
	sequence uint64
	rng      *rand.Rand
	leader   ReplicaID // believed
}

func newSimClient(w *simWorld, id uint64) *simClient {
	return &simClient{w: w, id: id, rng: rand.New(rand.NewPCG(w.seed, 100+id))}
}

func (c *simClient) run(ctx context.Context) {
	for ctx.Err() == nil {
		var batch []simKey
		for range 1 + c.rng.IntN(c.w.profile.window) {
			c.sequence++
			batch = append(batch, simKey{c.id, c.sequence})
		}
		for len(batch) > 0 && ctx.Err() == nil {
			batch = c.try(ctx, batch)
		}
		c.w.sleep(time.Duration(c.rng.Int64N(int64(c.w.profile.think) + 1)))
	}
}

// try proposes a batch to one replica and returns what is to be tried again.
func (c *simClient) try(ctx context.Context, batch []simKey) (again []simKey) {
	l := c.target()
	if l == nil {
		c.w.sleep(30 * time.Millisecond)
		return batch
	}
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond+time.Duration(c.rng.Int64N(int64(4*time.Second))))
	defer cancel()
	attempts := make([]*simAttempt, len(batch))
	tickets := make([]*Ticket, len(batch))
	for i, key := range batch {
		attempts[i], tickets[i] = c.w.propose(l, key, c.body())
	}
	last := uint64(0)
	for i, t := range tickets {
		result, err := t.Wait(ctx)
		switch r, _ := result.(simResult); {
		case err == nil && r.Duplicate:
		case err == nil:
			if r.Number <= last {
				c.w.violate("client %d proposed command %v after one that was numbered %d, it is number %d", c.id, batch[i], last, r.Number)
			}
			last = r.Number
		default:
			c.learn(err)
			if errors.Is(err, ErrFull) {
				_ = l.WaitRoom(ctx) // its error is that of the next attempt
			}
			if c.rng.Float64() < 0.9 {
				again = append(again, batch[i])
			}
		}
	}
	if len(again) > 0 {
		c.w.sleep(time.Duration(c.rng.Int64N(int64(60 * time.Millisecond))))
	}
	return again
}

// propose makes one attempt and sees to it that its answer is noted, even if the client does not wait for it.
func (w *simWorld) propose(l *Log, key simKey, body []byte) (*simAttempt, *Ticket) {
	a := w.ledger.propose(key)
	t := l.Propose(Command{Kind: simKind, Version: 1, Head: a.command.head(), Body: body})
	w.spawn(func() {
		select {
		case <-t.Done():
		case <-w.over:
			w.violate("attempt %d of command %v was never answered", a.command.attempt, key)
			return
		}
		switch {
		case t.err == nil:
			w.ledger.answer(a, simStored, t.result.(simResult), nil)
		case errors.Is(t.err, ErrUnknownOutcome):
			w.ledger.answer(a, simUnknown, simResult{}, t.err)
		default:
			w.ledger.answer(a, simNotStored, simResult{}, t.err)
		}
	})
	return a, t
}

// body is small mostly, sometimes an entry of its own, seldom nearly as large as a segment.
func (c *simClient) body() []byte {
	n := c.rng.IntN(c.w.profile.body)
	switch p := c.rng.Float64(); {
	case p < 0.01:
		n = c.rng.IntN(c.w.profile.options.CommandBytes - 64)
	case p < 0.1:
		n = c.rng.IntN(6 << 10)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(c.rng.Uint32())
	}
	return b
}

// target is the believed leader's log, or anybody's.
func (c *simClient) target() *Log {
	if n := c.w.node(c.leader); n != nil && c.rng.Float64() < 0.95 {
		if l, _ := n.running(); l != nil {
			return l
		}
	}
	n, _ := randomOf(c.rng, c.w.allNodes())
	l, _ := n.running()
	if l != nil {
		c.leader = n.id
	}
	return l
}

// learn takes the hint of who leads from an error.
func (c *simClient) learn(err error) {
	var hint *NotLeaderError
	if errors.As(err, &hint) {
		c.leader = hint.Leader
		return
	}
	if !errors.Is(err, ErrFull) {
		c.leader = 0
	}
}

// read asks replicas for barriers: when one is granted, that replica has applied all that was applied anywhere before.
func (w *simWorld) read(ctx context.Context) {
	rng := rand.New(rand.NewPCG(w.seed, 99))
	var group sync.WaitGroup
	defer group.Wait()
	for ctx.Err() == nil {
		w.sleep(time.Duration(rng.Int64N(int64(60 * time.Millisecond))))
		n, _ := randomOf(rng, w.allNodes())
		l, _ := n.running()
		if l == nil {
			continue
		}
		patience := time.Duration(rng.Int64N(int64(3 * time.Second)))
		group.Go(func() { w.readOnce(ctx, n, l, patience) })
		if s := l.Status(); s.Applied >= s.First && rng.IntN(3) == 0 {
			from := s.First + Index(rng.Uint64N(uint64(s.Applied-s.First)+1))
			group.Go(func() { w.scanSome(n, l, from, min(from+10, s.Applied)) })
		}
	}
}

// scanSome reads a few entries while everything goes on. It may be refused, since the replica ends or compacts; what it
// gets must be what was applied.
func (w *simWorld) scanSome(n *simNode, l *Log, from, to Index) {
	err := l.ScanTo(from, to, func(e *Entry) error {
		w.compareScanned(n, e)
		return w.readBack(l, e)
	})
	if errors.Is(err, segment.ErrCorrupt) && !n.rotten.Load() {
		w.violate("%s: scan from %d: %v", n, from, err)
	}
}

func (w *simWorld) readOnce(ctx context.Context, n *simNode, l *Log, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	want := w.ledger.barrier()
	if err := l.ReadIndex(ctx); err != nil {
		return
	}
	w.reads.Add(1)
	if got := l.Applied(); got < want {
		w.violate("%s grants a read at entry %d, entry %d was applied before it was asked", n, got, want)
	}
}

// lastWrites writes enough for every replica to compare its state hash, and reads everywhere.
func (w *simWorld) lastWrites() {
	_, l := w.leader()
	ctx, cancel := context.WithTimeout(w.ctx, w.profile.patience)
	defer cancel()
	for i := range uint64(3 * w.profile.options.HashInterval) {
		_, t := w.propose(l, simKey{0, i + 1}, nil)
		if _, err := t.Wait(ctx); err != nil {
			w.violate("the last writes fail: %v", err)
			return
		}
	}
	for _, n := range w.allNodes() {
		if l, _ := n.running(); l != nil {
			w.readOnce(ctx, n, l, w.profile.patience)
		}
	}
}
