package raftlog

import (
	"encoding/binary"
	"log/slog"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/duolog/duolog/raftlog/internal/segment"
)

// ready performs one Ready: fill in payloads, then hand every message to whom it is for.
func (h *host) ready(rd raft.Ready) {
	h.fill(rd.Entries)
	h.checkChange(rd.Entries)
	if rd.SoftState != nil {
		h.leadership(rd.SoftState)
	}
	if !raft.IsEmptyHardState(rd.HardState) || rd.SoftState != nil {
		h.publish(nil)
	}
	h.reads.states(rd.ReadStates)
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			h.toWriter(m)
		case raft.LocalApplyThread:
			h.toApplier(m)
		default:
			h.l.send(h.encode(m), m.GetTo())
		}
	}
}

// fill puts the payloads in the place of their tickets. Only entries that this leader has just proposed carry a ticket:
// eight bytes, less than any payload.
func (h *host) fill(entries []*raftpb.Entry) {
	if len(h.placing) == 0 {
		return
	}
	for _, e := range entries {
		if e.GetType() != raftpb.EntryNormal || len(e.Data) != 8 {
			continue
		}
		serial := binary.LittleEndian.Uint64(e.Data)
		b, ok := h.placing[serial]
		if !ok {
			continue
		}
		delete(h.placing, serial)
		b.term = e.GetTerm()
		h.waiting[e.GetIndex()] = append(h.waiting[e.GetIndex()], b)
		if b.payload.body != nil {
			h.pending[entryKey{e.GetIndex(), e.GetTerm()}] = &b.payload
			e.Data = b.payload.body
		} else {
			e.Data = b.payload.prefix
		}
	}
}

func (h *host) leadership(s *raft.SoftState) {
	level := slog.LevelInfo
	if s.RaftState == raft.StateCandidate || s.RaftState == raft.StatePreCandidate || s.Lead == h.leader {
		level = slog.LevelDebug // on the way to a leader
	}
	h.l.logger.Log(h.l.ctx, level, "leadership", "role", s.RaftState.String(), "leader", s.Lead)
	if s.RaftState != h.role {
		h.transfer = false
	}
	if s.RaftState != raft.StateLeader {
		h.forgetChanges()
	}
	h.role, h.leader = s.RaftState, s.Lead
}

// toStored is an entry as the segments keep it.
func (h *host) toStored(e *raftpb.Entry) segment.Entry {
	out := segment.Entry{Index: e.GetIndex(), Term: e.GetTerm(), Type: frameNormal}
	if e.GetType() != raftpb.EntryNormal {
		out.Type = frameConfChange
		if len(e.Data) > 0 {
			out.Payload = [][]byte{e.Data}
		}
		return out
	}
	if p, ok := h.pending[entryKey{out.Index, out.Term}]; ok {
		out.Payload, out.Time, out.CRC, out.HasCRC = p.gather(), p.time, p.crc, true
		return out
	}
	if len(e.Data) > 0 {
		out.Payload = [][]byte{e.Data}
		out.Time = payloadTime(e.Data)
	}
	return out
}

// toWriter hands on a storage append. A hard state that only moves commit, with nobody waiting for it, is not worth a
// write: the next frame carries it.
func (h *host) toWriter(m *raftpb.Message) {
	w := &appendWork{responses: m.Responses, snapshot: m.Snapshot}
	if m.Term != nil || m.Vote != nil || m.Commit != nil {
		hard := segment.HardState{Term: m.GetTerm(), Vote: m.GetVote(), Commit: m.GetCommit()}
		w.voted = hard.Term != h.hard.GetTerm() || hard.Vote != h.hard.GetVote()
		h.hard = raftpb.HardState{Term: &hard.Term, Vote: &hard.Vote, Commit: &hard.Commit}
		w.hard = &hard
	}
	if len(m.Entries) == 0 && len(m.Responses) == 0 && m.Snapshot == nil && !w.voted {
		if w.hard != nil {
			h.l.seg().SetCommit(w.hard.Commit)
		}
		return
	}
	if m.Snapshot != nil {
		w.prepared = h.l.snaps.accepted(m.Snapshot)
	}
	w.entries = make([]segment.Entry, len(m.Entries))
	for i, e := range m.Entries {
		w.entries[i] = h.toStored(e)
		// An entry that carries no time, a no-op or a membership change, is filed under the highest one so far.
		if highest := h.clock.floor(w.entries[i].Time); w.entries[i].Time == 0 {
			w.entries[i].Time = highest
		}
	}
	if h.inFlight == 0 {
		h.appendAt = time.Now()
	}
	h.inFlight++
	h.l.writer.put(w)
}

// toApplier hands on committed entries, together with who waits for each.
func (h *host) toApplier(m *raftpb.Message) {
	w := &applyWork{responses: m.Responses, entries: make([]committed, len(m.Entries))}
	for i, e := range m.Entries {
		key := entryKey{e.GetIndex(), e.GetTerm()}
		c := committed{index: key.index, term: key.term, confChange: e.GetType() != raftpb.EntryNormal}
		if p, ok := h.pending[key]; ok {
			c.payload = *p
			delete(h.pending, key)
		} else {
			c.payload = payload{prefix: e.Data}
		}
		c.bundle = h.settle(key.index, key.term)
		w.entries[i] = c
	}
	h.l.applier.put(w)
}
