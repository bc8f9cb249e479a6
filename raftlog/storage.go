package raftlog

import (
	"errors"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/duolog/duolog/raftlog/internal/segment"
)

// Entry types in frames.
const (
	frameNormal     = 1
	frameConfChange = 2 // a raftpb.ConfChangeV2
)

// storage is the raft library's view of the segments. It is used on the host goroutine only.
type storage struct {
	l       *Log
	initial *raftpb.ConfState
}

var _ raft.Storage = (*storage)(nil)

func (s *storage) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	h := s.l.seg().Hard()
	commit := max(h.Commit, s.l.applied.Load()) // the library panics when applied is ahead of commit
	if h == (segment.HardState{}) && commit == 0 {
		return nil, s.initial, nil
	}
	return &raftpb.HardState{Term: &h.Term, Vote: &h.Vote, Commit: &commit}, s.initial, nil
}

func (s *storage) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	got, err := s.l.seg().Entries(lo, hi, maxSize)
	if err != nil {
		return nil, s.translate(err)
	}
	out := make([]*raftpb.Entry, len(got))
	for i := range got {
		out[i] = s.entry(&got[i])
	}
	return out, nil
}

// entry turns a stored entry into the library's. The data of a large entry that this leader has proposed and not yet
// applied is its body alone, as everywhere while it is in host.pending; all other data is the whole payload.
func (s *storage) entry(e *segment.Entry) *raftpb.Entry {
	out := &raftpb.Entry{Index: &e.Index, Term: &e.Term, Type: raftpb.EntryNormal.Enum()}
	if e.Type == frameConfChange {
		out.Type = raftpb.EntryConfChangeV2.Enum()
	}
	if p, ok := s.l.host.pending[entryKey{e.Index, e.Term}]; ok {
		out.Data = p.body
	} else {
		out.Data = joinPayload(e.Payload)
	}
	return out
}

func (s *storage) Term(i uint64) (uint64, error) {
	t, err := s.l.seg().Term(i)
	return t, s.translate(err)
}

func (s *storage) LastIndex() (uint64, error) { return s.l.seg().Last(), nil }

func (s *storage) FirstIndex() (uint64, error) { return s.l.seg().First(), nil }

// Snapshot returns a manifest at once; the files travel apart from raft. See snapshot.go.
func (s *storage) Snapshot() (*raftpb.Snapshot, error) {
	snap := s.l.snapshotManifest()
	if snap == nil {
		s.l.applier.saver.want()
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return snap, nil
}

// translate maps the segments' errors to those that the library understands. Any other one is the end of this replica:
// the library would panic on it.
func (s *storage) translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, segment.ErrCompacted):
		return raft.ErrCompacted
	case errors.Is(err, segment.ErrUnavailable):
		return raft.ErrUnavailable
	}
	s.l.fail(err)
	return err
}
