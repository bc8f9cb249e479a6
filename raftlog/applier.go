package raftlog

import (
	"fmt"
	"sync"
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/duolog/duolog/raftlog/internal/checkpoint"
	"github.com/duolog/duolog/raftlog/internal/segment"
)

// committed is one committed entry on its way to the machine.
type committed struct {
	index, term uint64
	confChange  bool
	payload     payload // in either form
	bundle      *bundle // who waits for it, if it was proposed here
}

type applyWork struct {
	entries   []committed
	responses []*raftpb.Message
	call      func() // run between entries instead
}

// applier owns the machine. Works are applied in order; the library bounds the bytes that are queued.
type applier struct {
	l *Log

	mu    sync.Mutex
	queue []*applyWork
	done  bool // shall end
	ended bool // takes no works any more
	wake  chan struct{}

	// Owned by the goroutine in run.
	index, term uint64
	time        int64
	conf        *raftpb.ConfState
	top         uint64 // highest replica id ever a member
	commands    []Applied
	results     []any
	hashes      hashRing
	sinceFreeze int64 // bytes applied since the last checkpoint began
	lastClosed  uint64

	busy        atomic.Int32 // works that are queued or being applied
	unpublished atomic.Int64 // bytes applied since the newest published checkpoint was frozen
	servedTerm  atomic.Uint64
	logTime     atomic.Int64
	saver       saver
}

func newApplier(l *Log, newest *checkpoint.Snapshot, conf *raftpb.ConfState) *applier {
	a := &applier{
		l: l, wake: make(chan struct{}, 1), index: newest.Index, term: newest.Term, time: newest.Time,
		conf: proto.Clone(conf).(*raftpb.ConfState), top: newest.Top,
	}
	for _, s := range l.seg().Segments() {
		if s.Closed && s.Last <= newest.Index {
			a.lastClosed = s.Sequence
		}
	}
	a.saver.l = l
	a.logTime.Store(newest.Time)
	return a
}

func (a *applier) put(w *applyWork) {
	a.busy.Add(1)
	a.mu.Lock()
	ended := a.ended
	if !ended {
		a.queue = append(a.queue, w)
	}
	a.mu.Unlock()
	if ended {
		a.abandon([]*applyWork{w})
		return
	}
	a.signal()
}

// do runs f between two entries, on the applier's goroutine. It is not run if the applier has ended.
func (a *applier) do(f func()) { a.put(&applyWork{call: f}) }

func (a *applier) close() {
	a.mu.Lock()
	a.done = true
	a.mu.Unlock()
	a.signal()
}

func (a *applier) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *applier) run() {
	for {
		a.mu.Lock()
		works, done := a.queue, a.done
		a.queue = nil
		a.mu.Unlock()
		if done {
			a.end(works)
			return
		}
		for i, w := range works {
			err := a.perform(w)
			a.busy.Add(-1)
			if err != nil {
				a.l.fail(err)
				a.end(works[i:])
				return
			}
		}
		if len(works) > 0 {
			a.l.inbox.signal() // the host may wait for the answers to bring new proposals
		}
		if len(works) == 0 {
			<-a.wake
		}
	}
}

// end abandons works that were taken, those that are queued, and all that will come.
func (a *applier) end(works []*applyWork) {
	a.mu.Lock()
	works = append(works, a.queue...)
	a.queue, a.ended = nil, true
	a.mu.Unlock()
	a.abandon(works)
}

// abandon answers those who wait for entries that will not be applied here.
func (a *applier) abandon(works []*applyWork) {
	err := a.l.Failed()
	if err == nil {
		err = ErrClosed
	}
	err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	for _, w := range works {
		for i := range w.entries {
			if b := w.entries[i].bundle; b != nil {
				for _, t := range b.tickets {
					select {
					case <-t.done:
					default:
						t.resolve(nil, err)
					}
				}
			}
		}
	}
	a.l.waiters.failAll()
}

func (a *applier) perform(w *applyWork) error {
	if w.call != nil {
		w.call()
		return nil
	}
	for i := range w.entries {
		if err := a.applyOne(&w.entries[i]); err != nil {
			return err
		}
	}
	a.l.waiters.advance(a.index)
	a.l.inbox.addWritten(0, w.responses)
	a.closedSegments()
	return a.saver.consider(a)
}

func (a *applier) applyOne(c *committed) error {
	if c.index != a.index+1 {
		return fmt.Errorf("entry %d follows %d at the machine", c.index, a.index)
	}
	size := c.payload.size()
	switch {
	case c.confChange:
		if err := a.changeMembers(c); err != nil {
			return err
		}
	case size > 0:
		if err := a.applyCommands(c); err != nil {
			return err
		}
	}
	a.index, a.term = c.index, c.term
	a.sinceFreeze += int64(size) + frameOverhead
	a.unpublished.Add(int64(size) + frameOverhead)
	a.hashes.note(a.l, a.index)
	a.l.applied.Store(a.index)
	if a.servedTerm.Load() != a.term {
		a.servedTerm.Store(a.term)
	}
	return nil
}

// frameOverhead is what an entry costs a replay beside its payload.
const frameOverhead = 64

func (a *applier) applyCommands(c *committed) error {
	place, err := a.l.seg().Locate(c.index)
	if err != nil {
		return fmt.Errorf("place of entry %d: %w", c.index, err)
	}
	e := Entry{Index: Index(c.index), Term: Term(c.term), Time: c.payload.time}
	if c.payload.body == nil {
		e.Time = payloadTime(c.payload.prefix)
	}
	e.Time = max(e.Time, a.time) // a leader's clock may have been behind its predecessor's entries
	a.time = e.Time
	a.logTime.Store(e.Time)
	a.commands, err = c.payload.parse(a.commands[:0], place)
	if err != nil {
		// The same bytes are damaged in the same way everywhere; they were written so. Nothing in it is applied.
		a.l.logger.Error("entry cannot be decoded", "index", c.index, "err", err)
		a.answer(c.bundle, nil, err)
		return nil
	}
	if len(a.commands) == 0 {
		return nil // a time and nothing else: no leader of ours writes it
	}
	if a.commands[0].Kind >= firstOwnKind {
		return a.applyOwn(&a.commands[0])
	}
	e.Commands = a.commands
	if cap(a.results) < len(a.commands) {
		a.results = make([]any, len(a.commands)*2)
	}
	results := a.results[:len(a.commands)]
	clear(results)
	a.l.cfg.Machine.Apply(&e, results)
	a.answer(c.bundle, results, nil)
	clear(a.commands)
	return nil
}

// answer resolves the tickets of a bundle that was applied.
func (a *applier) answer(b *bundle, results []any, err error) {
	if b == nil {
		return
	}
	var cost int64
	for i, t := range b.tickets {
		cost += t.cost()
		switch result := resultAt(results, i, err).(type) {
		case error:
			t.resolve(nil, result)
		default:
			t.resolve(result, nil)
		}
	}
	a.l.inbox.release(cost, a.l.opt.ProposalBytes)
}

// resultAt is a command's result, or err for all of them. A machine's result that is an error becomes the ticket's.
func resultAt(results []any, i int, err error) any {
	if err != nil {
		return err
	}
	return results[i]
}

// closedSegments tells the machine of segments that are closed and wholly applied.
func (a *applier) closedSegments() {
	if a.l.seg().OpenSequence() <= a.lastClosed+1 {
		return
	}
	for _, s := range a.l.seg().Segments() {
		if s.Closed && s.Sequence > a.lastClosed && s.Last <= a.index {
			a.lastClosed = s.Sequence
			a.l.cfg.Machine.SegmentClosed(segmentInfo(s))
		}
	}
}

func segmentInfo(s segment.Info) SegmentInfo {
	return SegmentInfo{
		Sequence: s.Sequence, First: Index(s.First), Last: Index(s.Last), Bytes: s.Bytes, Closed: s.Closed,
		FirstTime: s.FirstTime, LastTime: s.LastTime,
	}
}

// behind says that checkpoints have fallen so far behind that appends must wait: a restart would replay too much.
func (a *applier) behind() bool { return a.unpublished.Load() > 4*a.l.opt.CheckpointBytes }

func (a *applier) awaitCheckpoint() { a.saver.wait() }
