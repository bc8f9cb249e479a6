package raftlog

import (
	"sync/atomic"
	"time"

	"github.com/duolog/duolog/raftlog/internal/segment"
)

// metrics counts what a log does. The counters only grow.
type metrics struct {
	rounds, entries, bytes atomic.Int64
	syncs, syncNanos       atomic.Int64
	checkpoints            atomic.Int64
	snapshots              atomic.Int64
}

// Metrics is a reading of a log's counters since it was opened.
type Metrics struct {
	Appends       int64 // append rounds that carried entries
	Entries       int64
	Bytes         int64 // of entries' payloads
	Syncs         int64
	SyncTime      time.Duration
	Checkpoints   int64
	Snapshots     int64 // taken in from a leader
	ProposalBytes int64 // queued or not yet applied, now
}

func (m *metrics) appended(entries []segment.Entry) {
	if len(entries) == 0 {
		return
	}
	m.rounds.Add(1)
	m.entries.Add(int64(len(entries)))
	for i := range entries {
		m.bytes.Add(int64(entries[i].Len()))
	}
}

func (m *metrics) synced(d time.Duration) {
	m.syncs.Add(1)
	m.syncNanos.Add(int64(d))
}

// Metrics reads the counters.
func (l *Log) Metrics() Metrics {
	m := &l.metrics
	l.inbox.mu.Lock()
	proposals := l.inbox.bytes
	l.inbox.mu.Unlock()
	return Metrics{
		Appends: m.rounds.Load(), Entries: m.entries.Load(), Bytes: m.bytes.Load(), Syncs: m.syncs.Load(),
		SyncTime: time.Duration(m.syncNanos.Load()), Checkpoints: m.checkpoints.Load(), Snapshots: m.snapshots.Load(),
		ProposalBytes: proposals,
	}
}
