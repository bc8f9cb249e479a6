package raftlog

import (
	"context"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// Status is a picture of a replica.
type Status struct {
	Replica    ReplicaID
	Leader     ReplicaID // 0: none known
	IsLeader   bool
	Serving    bool // leads, and has applied everything that was committed before its term
	Term       Term
	Commit     Index
	Applied    Index
	First      Index // first entry kept
	Last       Index
	Checkpoint Index // newest published
	Voters     []ReplicaID
	Learners   []ReplicaID
	LogTime    int64  // of the newest applied entry, ms
	Alarm      string // what is wrong with this node's clock; empty: nothing
	HashChecks uint64 // comparisons of the state hash that agreed
	Failed     error  // why the replica has stopped
	Bytes      int64  // in segments
}

// Status returns a picture that is true for this replica and may be behind others.
func (l *Log) Status() Status {
	v := l.view.Load()
	s := Status{
		Replica: l.cfg.Replica, Leader: ReplicaID(v.leader), IsLeader: v.role == raft.StateLeader,
		Term: Term(v.term), Commit: Index(v.commit), Applied: Index(l.applied.Load()),
		First: Index(l.seg().First()), Last: Index(l.seg().Last()),
		Alarm: v.alarm, HashChecks: l.applier.hashes.checked.Load(), Failed: l.Failed(),
		LogTime: l.applier.logTime.Load(),
	}
	s.Serving = s.IsLeader && l.applier.servedTerm.Load() == v.term
	if n := l.ckpt().Newest(); n != nil {
		s.Checkpoint = Index(n.Index)
	}
	for _, id := range v.conf.Voters {
		s.Voters = append(s.Voters, ReplicaID(id))
	}
	for _, id := range v.conf.Learners {
		s.Learners = append(s.Learners, ReplicaID(id))
	}
	for _, g := range l.seg().Segments() {
		s.Bytes += g.Bytes
	}
	return s
}

// Progress is how far a leader knows a member to be.
type Progress struct {
	Match    Index
	Active   bool // heard of within an election time-out
	Snapshot bool // it is being sent one
	Learner  bool
}

// Progress returns the members' progress; empty unless this replica leads.
func (l *Log) Progress() map[ReplicaID]Progress {
	result := make(chan map[ReplicaID]Progress, 1)
	ok := l.inbox.call(func() {
		all := map[ReplicaID]Progress{}
		if l.host.role == raft.StateLeader {
			l.host.rn.WithProgress(func(id uint64, kind raft.ProgressType, p tracker.Progress) {
				all[ReplicaID(id)] = Progress{
					Match: Index(p.Match), Active: p.RecentActive, Snapshot: p.State == tracker.StateSnapshot,
					Learner: kind == raft.ProgressTypeLearner,
				}
			})
		}
		result <- all
	})
	if !ok {
		return nil
	}
	return <-result
}

// IsLeader says whether this replica leads as far as it knows.
func (l *Log) IsLeader() bool { return l.view.Load().role == raft.StateLeader }

// Leader returns the leader that this replica knows of, 0 if none, and the term.
func (l *Log) Leader() (ReplicaID, Term) {
	v := l.view.Load()
	return ReplicaID(v.leader), Term(v.term)
}

// Applied is the last entry that the machine has applied.
func (l *Log) Applied() Index { return Index(l.applied.Load()) }

// LogTime is the time for a command proposed now, ms; it is never below that of an applied entry.
func (l *Log) LogTime() int64 {
	now, _ := l.host.clock.read()
	return now
}

// awaitView polls the published view once a tick until it satisfies ok.
func (l *Log) awaitView(ctx context.Context, ok func(*view) bool) error {
	ticker := time.NewTicker(l.opt.Tick)
	defer ticker.Stop()
	for !ok(l.view.Load()) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.ctx.Done():
			return l.endReason()
		}
	}
	return nil
}

// AwaitLeader waits until this replica knows a leader.
func (l *Log) AwaitLeader(ctx context.Context) error {
	return l.awaitView(ctx, func(v *view) bool { return v.leader != raft.None })
}

// Segments describes the segment files, oldest first.
func (l *Log) Segments() []SegmentInfo {
	segs := l.seg().Segments()
	out := make([]SegmentInfo, len(segs))
	for i, s := range segs {
		out[i] = segmentInfo(s)
	}
	return out
}

// ReadAt fills buf from the bytes at p, off bytes into them. It does not verify: the caller knows the checksums of what
// it stored. A segment that was reclaimed gives an error.
func (l *Log) ReadAt(p Place, off int, buf []byte) error { return l.seg().ReadAt(p, off, buf) }

// Locate says where entry i's commands lie, the first one's header at the place's first byte.
func (l *Log) Locate(i Index) (Place, error) {
	p, err := l.seg().Locate(uint64(i))
	if err != nil || p.Length < timeBytes {
		return Place{}, err
	}
	return Place{Segment: p.Segment, Offset: p.Offset + timeBytes, Length: p.Length - timeBytes}, nil
}

// ReadEntry reads entry i, which must be applied, from the disk and verifies it.
func (l *Log) ReadEntry(i Index) (Entry, error) {
	e, err := l.seg().ReadEntry(uint64(i))
	if err != nil {
		return Entry{}, err
	}
	place, err := l.seg().Locate(uint64(i))
	if err != nil {
		return Entry{}, err
	}
	return decodeEntry(&e, place)
}

// Compact drops whole segments that lie entirely below keep and below the older of the two checkpoints. Dropped files
// are recycled.
func (l *Log) Compact(keep Index) error { return l.seg().Compact(uint64(keep)) }

// SegmentFile is the path of a segment's file, for error messages.
func (l *Log) SegmentFile(sequence uint64) string {
	for _, s := range l.seg().Segments() {
		if s.Sequence == sequence {
			return l.segmentPath(s.Name)
		}
	}
	return ""
}
