package raftlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"

	"go.etcd.io/raft/v3"
)

// readQueue coalesces ReadIndex calls: one question to the quorum is on its way, those that come meanwhile share the
// next. It is owned by the host.
type readQueue struct {
	h      *host
	next   []chan<- readAnswer
	asked  []chan<- readAnswer
	serial uint64
	age    int // ticks since asked
}

type readAnswer struct {
	index uint64
	err   error
}

// ask sends the next question, if nobody waits for one.
func (q *readQueue) ask() {
	if len(q.next) == 0 || len(q.asked) > 0 {
		return
	}
	if q.h.leader == raft.None {
		if q.h.l.loneVoter() {
			return // it is about to lead
		}
		q.failNext(&NotLeaderError{})
		return
	}
	if q.h.role == raft.StateLeader && !q.h.serving() {
		return // what an earlier term left may be committed and not applied; the applier wakes the host
	}
	q.asked, q.next = q.next, nil
	q.age = 0
	q.serial++
	q.h.rn.ReadIndex(q.mark())
}

// mark names the question that is on its way. Answers to questions of an earlier life of this replica may still arrive:
// their index is too old.
func (q *readQueue) mark() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, q.h.life), q.serial)
}

func (q *readQueue) states(states []raft.ReadState) {
	for _, s := range states {
		if !bytes.Equal(s.RequestCtx, q.mark()) {
			continue
		}
		for _, c := range q.asked {
			c <- readAnswer{index: s.Index}
		}
		q.asked = nil
	}
}

// retry asks again when the question or its answer seems lost: the library drops both while there is no leader.
func (q *readQueue) retry() {
	if len(q.asked) == 0 {
		return
	}
	if q.age++; q.age > q.h.l.opt.ElectionTicks {
		q.next = append(q.asked, q.next...)
		q.asked = nil
	}
}

func (q *readQueue) failNext(err error) {
	for _, c := range q.next {
		c <- readAnswer{err: err}
	}
	q.next = nil
}

func (q *readQueue) failAll(err error) {
	q.next = append(q.next, q.asked...)
	q.asked = nil
	q.failNext(err)
}

// ReadIndex is a barrier: when it returns nil, this replica has applied everything that was committed anywhere when it
// was called. It asks the quorum, one question for all that call at the same time.
func (l *Log) ReadIndex(ctx context.Context) error {
	c := make(chan readAnswer, 1)
	ok := l.inbox.call(func() {
		if l.ctx.Err() != nil {
			c <- readAnswer{err: l.endReason()}
			return
		}
		l.host.reads.next = append(l.host.reads.next, c)
	})
	if !ok {
		return l.endReason()
	}
	select {
	case a := <-c:
		if a.err != nil {
			return a.err
		}
		return l.awaitApplied(ctx, a.index)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// applyWaiters wakes those who wait for an applied index.
type applyWaiters struct {
	mu      sync.Mutex
	waiting []applyWaiter
	ended   bool
}

type applyWaiter struct {
	index uint64
	done  chan struct{}
}

func (w *applyWaiters) advance(applied uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		return
	}
	keep := w.waiting[:0]
	for _, x := range w.waiting {
		if x.index <= applied {
			close(x.done)
		} else {
			keep = append(keep, x)
		}
	}
	w.waiting = keep
}

func (w *applyWaiters) failAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	for _, x := range w.waiting {
		close(x.done)
	}
	w.waiting = nil
}

// awaitApplied waits until this replica has applied index.
func (l *Log) awaitApplied(ctx context.Context, index uint64) error {
	w := &l.waiters
	w.mu.Lock()
	if l.applied.Load() >= index {
		w.mu.Unlock()
		return nil
	}
	if w.ended {
		w.mu.Unlock()
		return l.endReason()
	}
	x := applyWaiter{index: index, done: make(chan struct{})}
	w.waiting = append(w.waiting, x)
	w.mu.Unlock()
	select {
	case <-x.done:
		if l.applied.Load() < index {
			return l.endReason()
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ctx.Done():
		return l.endReason()
	}
}

// AwaitApplied waits until this replica has applied entry index.
func (l *Log) AwaitApplied(ctx context.Context, index Index) error {
	return l.awaitApplied(ctx, uint64(index))
}
