package raftlog

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/duolog/duolog/raftlog/internal/segment"
)

// appendWork is one storage append of the library: what to write, and the messages that may leave once it is durable.
type appendWork struct {
	entries   []segment.Entry
	hard      *segment.HardState
	voted     bool // term or vote changed: synced in every flush mode
	snapshot  *raftpb.Snapshot
	prepared  *prepared // the snapshot's files
	responses []*raftpb.Message
}

// writer owns the tail of the segments. It takes all works that are queued, writes them one after another, syncs once,
// and then lets their responses go.
type writer struct {
	l      *Log
	handed atomic.Uint64 // last index of the newest work handed over; it may lie below an older one's

	mu    sync.Mutex
	queue []*appendWork
	done  bool
	wake  chan struct{}

	unsynced bool // async mode: something was written since the last sync
}

func newWriter(l *Log) *writer {
	w := &writer{l: l, wake: make(chan struct{}, 1)}
	w.handed.Store(l.seg().Last())
	return w
}

func (w *writer) put(work *appendWork) {
	if n := len(work.entries); n > 0 {
		w.handed.Store(work.entries[n-1].Index)
	}
	if work.snapshot != nil {
		w.handed.Store(work.snapshot.GetMetadata().GetIndex())
	}
	w.mu.Lock()
	w.queue = append(w.queue, work)
	w.mu.Unlock()
	w.signal()
}

func (w *writer) close() {
	w.mu.Lock()
	w.done = true
	w.mu.Unlock()
	w.signal()
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take waits for works. It returns none when the writer shall end, and nil works with more set on a flush tick.
func (w *writer) take(flush <-chan time.Time) (works []*appendWork, more bool) {
	for {
		w.mu.Lock()
		works, w.queue = w.queue, nil
		done := w.done
		w.mu.Unlock()
		if done {
			return nil, false
		}
		if len(works) > 0 {
			return works, true
		}
		select {
		case <-w.wake:
		case <-flush:
			return nil, true
		}
	}
}

func (w *writer) run() {
	var flush <-chan time.Time
	if w.l.opt.Flush == FlushAsync {
		ticker := time.NewTicker(w.l.opt.FlushInterval)
		defer ticker.Stop()
		flush = ticker.C
	}
	for {
		works, more := w.take(flush)
		if !more {
			return
		}
		var err error
		if len(works) == 0 {
			err = w.sync()
		} else {
			err = w.perform(works)
		}
		if err != nil {
			w.l.fail(err)
			return
		}
	}
}

// perform writes works and lets their responses go: first to the peers, then to this replica.
func (w *writer) perform(works []*appendWork) error {
	mustSync, always := false, false
	for _, work := range works {
		if work.snapshot != nil {
			if err := w.l.installSnapshot(work.prepared, work.hard); err != nil {
				return err
			}
		}
		if err := w.write(work); err != nil {
			return err
		}
		always = always || work.voted || work.changesMembers()
		mustSync = mustSync || always || w.l.opt.Flush == FlushSync && (len(work.entries) > 0 || len(work.responses) > 0)
	}
	if mustSync && !always && w.l.breaks.ackBeforeSync {
		w.respond(works, len(works))
		return w.sync()
	}
	if mustSync {
		if err := w.sync(); err != nil {
			return err
		}
	}
	w.respond(works, len(works))
	return nil
}

// respond lets the responses of works go and reports appends as done.
func (w *writer) respond(works []*appendWork, appends int) {
	var own []*raftpb.Message
	for _, work := range works {
		for _, m := range work.responses {
			if m.GetTo() == uint64(w.l.cfg.Replica) {
				own = append(own, m)
			} else {
				w.l.send(w.l.host.encode(m), m.GetTo()) // responses carry no entries, so this touches none of the host's state
			}
		}
	}
	w.l.inbox.addWritten(appends, own)
}

func (w *writer) write(work *appendWork) error {
	hard := w.l.breaks.vote(work)
	if hard == nil && len(work.entries) == 0 {
		return nil
	}
	w.unsynced = true
	if err := w.l.seg().Append(behindEntries(hard, work.entries), work.entries); err != nil {
		return err
	}
	if hard != nil {
		w.l.seg().SetCommit(hard.Commit)
	}
	w.l.metrics.appended(work.entries)
	return nil
}

// changesMembers says that the work holds a membership change. It is synced in every flush mode: a lone voter that lost the
// one which gave it peers would go on alone, against them.
func (w *appendWork) changesMembers() bool {
	return slices.ContainsFunc(w.entries, func(e segment.Entry) bool { return e.Type == frameConfChange })
}

// behindEntries is the hard state that may lie before entries on disk. A commit index that covers some of them would, if
// the write is torn behind it, speak of those that they supersede; it is left to later frames.
func behindEntries(hard *segment.HardState, entries []segment.Entry) *segment.HardState {
	if hard == nil || len(entries) == 0 || hard.Commit < entries[0].Index {
		return hard
	}
	clipped := *hard
	clipped.Commit = entries[0].Index - 1
	return &clipped
}

func (w *writer) sync() error {
	if !w.unsynced {
		return nil
	}
	w.unsynced = false
	start := time.Now()
	err := w.l.seg().Sync()
	w.l.metrics.synced(time.Since(start))
	return err
}
