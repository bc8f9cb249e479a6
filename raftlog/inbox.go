package raftlog

import (
	"context"
	"runtime"
	"sync"

	"go.etcd.io/raft/v3/raftpb"
)

// inbox is what other goroutines hand to the host goroutine. It is guarded by mu; the host takes everything at once.
type inbox struct {
	mu        sync.Mutex
	proposals []*Ticket
	bytes     int64 // cost of all tickets that are not done, taken ones included
	messages  []*raftpb.Message
	msgBytes  int
	responses []*raftpb.Message // of the storage goroutines, to this replica
	written   int               // append works that are done
	calls     []func()
	closed    error
	room      chan struct{} // closed and replaced when bytes fall below the budget
	wake      chan struct{} // capacity 1
}

func newInbox() *inbox {
	return &inbox{wake: make(chan struct{}, 1), room: make(chan struct{})}
}

func (in *inbox) signal() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

func (in *inbox) addProposal(t *Ticket, budget int64) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed != nil {
		return in.closed
	}
	if in.bytes >= budget {
		return ErrFull
	}
	in.bytes += t.cost()
	in.proposals = append(in.proposals, t)
	in.signal()
	return nil
}

// release gives back the cost of tickets that are done.
func (in *inbox) release(bytes, budget int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	full := in.bytes >= budget
	in.bytes -= bytes
	if full && in.bytes < budget && in.closed == nil {
		close(in.room)
		in.room = make(chan struct{})
	}
}

func (in *inbox) waitRoom(ctx context.Context, budget int64) error {
	for {
		in.mu.Lock()
		room, full, closed := in.room, in.bytes >= budget, in.closed
		in.mu.Unlock()
		if closed != nil {
			return closed
		}
		if !full {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// addMessage queues a peer's message; it drops it when the queue holds more than limit bytes.
func (in *inbox) addMessage(m *raftpb.Message, size, limit int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed != nil || in.msgBytes+size > limit && len(in.messages) > 0 {
		return
	}
	in.msgBytes += size
	in.messages = append(in.messages, m)
	in.signal()
}

// addWritten reports append works that are done, with the responses that they allow.
func (in *inbox) addWritten(works int, responses []*raftpb.Message) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.written += works
	in.responses = append(in.responses, responses...)
	in.signal()
}

// call runs f on the host goroutine. It returns false if that has ended.
func (in *inbox) call(f func()) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed != nil {
		return false
	}
	in.calls = append(in.calls, f)
	in.signal()
	return true
}

// batch is what one take returns.
type batch struct {
	messages, responses []*raftpb.Message
	written             int
	calls               []func()
}

func (in *inbox) take() batch {
	in.mu.Lock()
	defer in.mu.Unlock()
	b := batch{messages: in.messages, responses: in.responses, written: in.written, calls: in.calls}
	in.messages, in.responses, in.written, in.calls, in.msgBytes = nil, nil, 0, nil, 0
	return b
}

// gather takes the proposals. Callers that were just answered are runnable and about to propose again: as long as
// yielding the processor brings more, it yields, a few times at most. A round costs a sync, a yield next to nothing.
func (in *inbox) gather() []*Ticket {
	const yields = 10
	for have, i := 0, 0; i < yields; i++ {
		in.mu.Lock()
		n := len(in.proposals)
		in.mu.Unlock()
		if n == have && i > 0 || n == 0 {
			break
		}
		have = n
		runtime.Gosched()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	p := in.proposals
	in.proposals = nil
	return p
}

// close refuses everything from now on and returns the proposals that nobody will take.
func (in *inbox) close(err error) []*Ticket {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed == nil {
		in.closed = err
		close(in.room)
	}
	p := in.proposals
	in.proposals = nil
	in.signal()
	return p
}
