package raftlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// AddLearner adds a replica that receives the log and does not vote. Its id must be higher than any that was ever a
// member: ids are issued once. Errors: ErrMembership, ErrNotLeader, ErrUnknownOutcome.
func (l *Log) AddLearner(ctx context.Context, id ReplicaID) error {
	return l.changeMember(ctx, raftpb.ConfChangeAddLearnerNode, id)
}

// Promote makes a learner a voter. The caller sees to it that the learner has caught up (Status.Progress).
func (l *Log) Promote(ctx context.Context, id ReplicaID) error {
	return l.changeMember(ctx, raftpb.ConfChangeAddNode, id)
}

// Remove takes a replica out. It can come back only under a new id.
func (l *Log) Remove(ctx context.Context, id ReplicaID) error {
	return l.changeMember(ctx, raftpb.ConfChangeRemoveNode, id)
}

func (l *Log) changeMember(ctx context.Context, kind raftpb.ConfChangeType, id ReplicaID) error {
	done := make(chan error, 1)
	ok := l.inbox.call(func() {
		if err := l.host.proposeChange(kind, uint64(id), done); err != nil {
			done <- err
		}
	})
	if !ok {
		return l.endReason()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, context.Cause(ctx))
	case <-l.ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, l.endReason())
	}
}

// proposeChange puts a membership change into the log. Its context names the proposal, so that Apply can answer it.
func (h *host) proposeChange(kind raftpb.ConfChangeType, id uint64, done chan<- error) error {
	if h.role != raft.StateLeader {
		return &NotLeaderError{Leader: ReplicaID(h.leader)}
	}
	h.serial++
	change := &raftpb.ConfChangeV2{
		Changes: []*raftpb.ConfChangeSingle{{Type: kind.Enum(), NodeId: &id}}, Context: h.changeMark(h.serial),
	}
	if err := h.rn.ProposeConfChange(change); err != nil {
		return fmt.Errorf("%w: %w", ErrMembership, err)
	}
	h.changes[h.serial] = done
	h.proposed = h.serial
	return nil
}

// checkChange answers the change that was just proposed if the library has put an empty entry in its place: it does so
// while an earlier one is not applied.
func (h *host) checkChange(entries []*raftpb.Entry) {
	if h.proposed == 0 {
		return
	}
	mark := h.changeMark(h.proposed)
	placed := slices.ContainsFunc(entries, func(e *raftpb.Entry) bool {
		return e.GetType() == raftpb.EntryConfChangeV2 && bytes.Contains(e.Data, mark)
	})
	if done, ok := h.changes[h.proposed]; ok && !placed {
		delete(h.changes, h.proposed)
		done <- fmt.Errorf("%w: an earlier one is not applied yet", ErrMembership)
	}
	h.proposed = 0
}

// changeMark names a change that was proposed in this life of this replica.
func (h *host) changeMark(serial uint64) []byte {
	mark := binary.LittleEndian.AppendUint64(nil, uint64(h.l.cfg.Replica))
	mark = binary.LittleEndian.AppendUint64(mark, h.life)
	return binary.LittleEndian.AppendUint64(mark, serial)
}

// forgetChanges answers those who wait for a change: without leadership nobody here can tell what becomes of it.
func (h *host) forgetChanges() {
	for serial, done := range h.changes {
		done <- ErrUnknownOutcome
		delete(h.changes, serial)
	}
}

// changeMembers applies a committed change. The library changes its configuration on the host goroutine; the machine
// waits for that, so that a checkpoint's membership fits its index.
func (a *applier) changeMembers(c *committed) error {
	change := &raftpb.ConfChangeV2{}
	if err := proto.Unmarshal(c.payload.prefix, change); err != nil {
		return fmt.Errorf("membership change at entry %d: %w", c.index, err)
	}
	refused := a.refuse(change)
	done := make(chan *raftpb.ConfState, 1)
	ok := a.l.inbox.call(func() { done <- a.l.host.applyChange(c.index, change, refused) })
	if !ok {
		return ErrClosed
	}
	if conf := <-done; conf != nil {
		a.conf = conf
		for _, id := range slices.Concat(conf.Voters, conf.Learners) {
			a.top = max(a.top, id)
		}
		a.saver.want() // a checkpoint that knows the members, for new ones and for the next start
	}
	return nil
}

// refuse says why a change may not take effect: the same answer on every replica, from the log alone.
func (a *applier) refuse(change *raftpb.ConfChangeV2) error {
	for _, c := range change.Changes {
		id := c.GetNodeId()
		voter, learner := slices.Contains(a.conf.Voters, id), slices.Contains(a.conf.Learners, id)
		switch c.GetType() {
		case raftpb.ConfChangeAddLearnerNode:
			if voter || learner {
				return fmt.Errorf("%w: replica %d is a member already", ErrMembership, id)
			}
			if id <= a.top {
				return fmt.Errorf("%w: replica id %d is not new, ids up to %d were used", ErrMembership, id, a.top)
			}
		case raftpb.ConfChangeAddNode:
			if !learner {
				return fmt.Errorf("%w: replica %d is no learner", ErrMembership, id)
			}
		case raftpb.ConfChangeRemoveNode:
			if !voter && !learner {
				return fmt.Errorf("%w: replica %d is no member", ErrMembership, id)
			}
			if voter && len(a.conf.Voters) == 1 {
				return fmt.Errorf("%w: replica %d is the last voter", ErrMembership, id)
			}
		}
	}
	return nil
}

// applyChange runs on the host. It returns the new membership, nil if the change was refused.
func (h *host) applyChange(index uint64, change *raftpb.ConfChangeV2, refused error) *raftpb.ConfState {
	var conf *raftpb.ConfState
	if refused == nil {
		conf = proto.Clone(h.rn.ApplyConfChange(change)).(*raftpb.ConfState)
		h.clock.members(conf.Voters)
		h.publish(conf)
		h.l.logger.Info("membership", "voters", conf.Voters, "learners", conf.Learners)
	}
	for serial, done := range h.changes {
		if bytes.Equal(change.Context, h.changeMark(serial)) {
			delete(h.changes, serial)
			h.settled = append(h.settled, settledChange{index, refused, done})
		}
	}
	return conf
}

// settledChange is an applied change whose proposer is not answered yet.
type settledChange struct {
	index   uint64
	outcome error
	done    chan<- error
}

// answerChanges tells proposers of changes that the library knows to be applied: from then on it takes the next one.
func (h *host) answerChanges() {
	if len(h.settled) == 0 {
		return
	}
	applied := h.rn.BasicStatus().Applied
	h.settled = slices.DeleteFunc(h.settled, func(s settledChange) bool {
		if s.index <= applied {
			s.done <- s.outcome
		}
		return s.index <= applied
	})
}

// Transfer asks the leader, which this replica must be, to hand over to a voter that has caught up, or to the best one
// if id is 0. It returns when another replica leads. Proposals wait meanwhile.
func (l *Log) Transfer(ctx context.Context, id ReplicaID) error {
	result := make(chan error, 1)
	ok := l.inbox.call(func() { result <- l.host.transferTo(uint64(id)) })
	if !ok {
		return l.endReason()
	}
	if err := <-result; err != nil {
		return err
	}
	return l.awaitView(ctx, func(v *view) bool { return v.leader != raft.None && v.leader != uint64(l.cfg.Replica) })
}

func (h *host) transferTo(id uint64) error {
	if h.role != raft.StateLeader {
		return &NotLeaderError{Leader: ReplicaID(h.leader)}
	}
	if id == 0 {
		if id = h.bestFollower(); id == 0 {
			return fmt.Errorf("%w: no voter is in reach", ErrMembership)
		}
	}
	h.transfer = true
	h.rn.TransferLeader(id)
	return nil
}

// bestFollower is the voter in reach with the longest log, 0 if there is none.
func (h *host) bestFollower() (best uint64) {
	var match uint64
	h.rn.WithProgress(func(id uint64, kind raft.ProgressType, p tracker.Progress) {
		if kind == raft.ProgressTypePeer && id != uint64(h.l.cfg.Replica) && p.RecentActive && p.Match >= match {
			best, match = id, p.Match
		}
	})
	return best
}

// yieldLeadership hands over because this replica cannot do the leader's work.
func (h *host) yieldLeadership(why string) {
	if h.transfer {
		return
	}
	if id := h.bestFollower(); id != 0 {
		h.l.logger.Warn("handing over leadership", "to", id, "why", why)
		_ = h.transferTo(id)
	}
}

// Campaign makes this replica stand for election now. Tests and operators use it.
func (l *Log) Campaign() {
	l.inbox.call(func() { l.host.campaign() })
}
