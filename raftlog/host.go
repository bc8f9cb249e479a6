package raftlog

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/duolog/duolog/raftlog/internal/checkpoint"
)

// entryKey names an entry. Raft never has two different entries of one index and term.
type entryKey struct{ index, term uint64 }

// host drives the raft library. All of it is owned by the goroutine in run.
//
// Its pace: proposals are taken only while no append is in flight and the applier is idle, so that they gather meanwhile,
// those of just answered callers included, and one write and sync serve them all. The library clones what is proposed, so it is given an 8-byte ticket; the payload takes the ticket's
// place in Ready.Entries, before anything has left. This leans on version 3.7.0 sharing those entries with its own log:
// TestLateFill guards it.
type host struct {
	l     *Log
	rn    *raft.RawNode
	store *storage
	clock *clock

	backlog  []*Ticket          // proposals taken from the inbox, not yet placed
	placing  map[uint64]*bundle // by ticket number: proposed, not yet seen in a Ready
	serial   uint64             // last ticket number
	waiting  map[uint64][]*bundle
	again    []*bundle             // definitely not stored, to be proposed again before anything else
	swept    uint64                // term of the newest entry handed to the applier
	life     uint64                // random: tells this host's marks in the log and in messages from those of earlier lives
	pending  map[entryKey]*payload // large entries of this leader, until they are handed to the applier
	inFlight int                   // append works at the writer that carry entries, hard state or responses
	appendAt time.Time             // when the oldest of them was handed over

	role     raft.StateType
	leader   uint64
	hard     raftpb.HardState // last one handed to the writer or held back
	reads    readQueue
	own      []*bundle               // commands of the log itself, to be proposed
	transfer bool                    // a transfer of leadership is under way
	changes  map[uint64]chan<- error // who waits for a membership change, by serial
	proposed uint64                  // the change that no Ready has shown yet; 0: none
	settled  []settledChange
	snapping map[uint64]int // ticks that a member has been waiting for a snapshot
}

func newHost(l *Log, newest *checkpoint.Snapshot, conf *raftpb.ConfState) (*host, error) {
	h := &host{
		l: l, placing: map[uint64]*bundle{}, waiting: map[uint64][]*bundle{}, pending: map[entryKey]*payload{},
		changes: map[uint64]chan<- error{},
		clock:   newClock(uint64(l.cfg.Replica), l.opt.Now, l.opt.MaxClockStep, newest.Time), swept: newest.Term, life: newLife(),
	}
	h.clock.members(conf.Voters)
	segs := l.seg().Segments()
	h.clock.floor(segs[len(segs)-1].LastTime) // entries behind the checkpoint
	h.reads.h = h
	h.store = &storage{l: l, initial: conf}
	l.host = h // storage looks at pending
	hard := l.seg().Hard()
	h.hard = raftpb.HardState{Term: &hard.Term, Vote: &hard.Vote, Commit: &hard.Commit}
	rn, err := raft.NewRawNode(&raft.Config{
		ID: uint64(l.cfg.Replica), ElectionTick: l.opt.ElectionTicks, HeartbeatTick: l.opt.HeartbeatTicks,
		Storage: h.store, Applied: newest.Index, AsyncStorageWrites: true,
		MaxSizePerMsg: uint64(l.opt.MessageBytes), MaxCommittedSizePerReady: uint64(l.opt.ApplyBytes),
		MaxInflightMsgs: l.opt.InflightMessages, MaxInflightBytes: uint64(l.opt.MessageBytes) * uint64(l.opt.InflightMessages),
		CheckQuorum: true, PreVote: true, DisableProposalForwarding: true, StepDownOnRemoval: true,
		Logger: raftLogger{l.logger},
	})
	if err != nil {
		return nil, err
	}
	h.rn = rn
	h.publish(conf)
	return h, nil
}

// newLife takes a number from the source that simulations seed.
func newLife() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it does not fail
	return binary.LittleEndian.Uint64(b[:])
}

func (h *host) run() {
	ticker := time.NewTicker(h.l.opt.Tick)
	defer ticker.Stop()
	defer h.end()
	if h.l.loneVoter() {
		h.campaign()
	}
	h.turn(false)
	for {
		tick := false
		select {
		case <-h.l.inbox.wake:
		case <-ticker.C:
			tick = true
		case <-h.l.ctx.Done():
			return
		}
		h.turn(tick)
	}
}

// campaign makes a lone voter leader at once.
func (h *host) campaign() {
	if err := h.rn.Campaign(); err != nil {
		h.l.logger.Warn("cannot campaign", "err", err)
	}
}

// turn takes in what has come and performs what follows.
func (h *host) turn(tick bool) {
	defer func() {
		// The library panics where its invariants are broken, by damage or by a peer that lost log. That ends this
		// replica, not the node.
		if r := recover(); r != nil {
			h.l.fail(fmt.Errorf("raft: %v", r))
		}
	}()
	in := h.l.inbox.take()
	h.inFlight -= in.written
	for _, m := range in.responses {
		h.step(m)
	}
	for _, m := range in.messages {
		h.stepPeer(m)
	}
	for _, f := range in.calls {
		f()
	}
	h.answerChanges()
	if tick {
		h.tick()
	}
	for {
		h.propose()
		h.reads.ask()
		if !h.rn.HasReady() || h.l.ctx.Err() != nil {
			return
		}
		h.ready(h.rn.Ready())
	}
}

func (h *host) tick() {
	h.rn.Tick()
	if h.inFlight > 0 && h.role == raft.StateLeader && time.Since(h.appendAt) > h.l.opt.SlowAppend {
		h.yieldLeadership("an append takes longer than " + h.l.opt.SlowAppend.String())
	}
	if h.transfer && h.rn.BasicStatus().LeadTransferee == raft.None {
		h.transfer = false
	}
	h.reads.retry()
	h.l.snaps.expireOffers()
	h.resendSnapshots()
	if now, alarm := h.clock.read(); now > 0 && alarm != h.l.view.Load().alarm {
		h.publish(nil)
	}
}

// serving says that an entry of the leader's own term is applied here, and so everything that was committed before it.
func (h *host) serving() bool {
	return h.l.applier.servedTerm.Load() == h.rn.BasicStatus().HardState.GetTerm()
}

// step gives the library a message of this replica's own goroutines.
func (h *host) step(m *raftpb.Message) {
	if err := h.rn.Step(m); err != nil {
		h.l.logger.Debug("raft refused a message", "type", m.GetType().String(), "err", err)
	}
}

// stepPeer gives the library a peer's message. A commit index beyond this replica's log means that it once acknowledged
// entries which it no longer has: going on would lose them.
func (h *host) stepPeer(m *raftpb.Message) {
	if m.GetType() == raftpb.MsgHeartbeat && m.GetTerm() >= h.rn.BasicStatus().HardState.GetTerm() {
		if last := h.lastIndex(); m.GetCommit() > last && !h.l.breaks.trustPeers {
			h.l.fail(fmt.Errorf("%w: the leader counts on entry %d, the last here is %d", ErrUnclean, m.GetCommit(), last))
			return
		}
	}
	if m.GetType() == raftpb.MsgSnap {
		if !h.l.receiveSnapshot(m) {
			h.stepSnapshot(m) // else it is stepped when its files are here
		}
		return
	}
	h.step(m)
}

// lastIndex is the last entry the library knows of, written or on its way to the writer.
func (h *host) lastIndex() uint64 { return max(h.l.seg().Last(), h.l.writer.handed.Load()) }

// propose places as many proposals as one round takes, if this replica leads and no append is in flight. It waits for the
// first entry of the leader's own term to be applied: until then commands from an earlier leadership of this replica may
// turn out not to be stored, and these go first.
func (h *host) propose() {
	h.takeAgain()
	if h.inFlight > 0 || h.l.applier.busy.Load() > 0 {
		return
	}
	if len(h.backlog) == 0 {
		h.backlog = h.l.inbox.gather()
	}
	if len(h.backlog) == 0 && len(h.own) == 0 {
		return
	}
	if h.role != raft.StateLeader {
		h.refuseAll()
		return
	}
	if h.transfer || !h.serving() || h.l.applier.behind() {
		return
	}
	now, _ := h.clock.read()
	bundles, rest := h.l.bundles(h.backlog, now)
	bundles = append(bundles, h.takeOwn(now)...)
	entries := make([]*raftpb.Entry, len(bundles))
	for i, b := range bundles {
		h.serial++
		b.serial = h.serial
		h.placing[h.serial] = b
		entries[i] = &raftpb.Entry{Data: binary.LittleEndian.AppendUint64(nil, h.serial)}
	}
	err := h.rn.Step(&raftpb.Message{Type: raftpb.MsgProp.Enum(), From: proto.Uint64(uint64(h.l.cfg.Replica)), Entries: entries})
	if err != nil { // dropped: nothing was placed, a later turn tries again or refuses
		for i := range bundles {
			delete(h.placing, h.serial-uint64(i))
		}
		h.keepOwn(bundles)
		return
	}
	h.backlog = rest
}

// takeOwn turns the log's own commands into bundles with the time of this round.
func (h *host) takeOwn(now int64) []*bundle {
	own := h.own
	h.own = nil
	for _, b := range own {
		b.payload.setTime(now)
	}
	return own
}

func (h *host) keepOwn(bundles []*bundle) {
	for _, b := range bundles {
		if b.own {
			h.own = append(h.own, b)
		}
	}
}

// refuseAll answers what cannot be proposed here: it was definitely not stored.
func (h *host) refuseAll() {
	h.own = nil
	queue := h.backlog
	h.backlog = nil
	h.answerAll(queue, &NotLeaderError{Leader: ReplicaID(h.leader)})
}

func (h *host) answerAll(tickets []*Ticket, err error) {
	var cost int64
	for _, t := range tickets {
		cost += t.cost()
		t.resolve(nil, err)
	}
	if cost > 0 {
		h.l.inbox.release(cost, h.l.opt.ProposalBytes)
	}
}

// takeAgain puts commands that were not stored before all others, in their old order. If this replica does not lead, it
// answers them.
func (h *host) takeAgain() {
	if len(h.again) == 0 {
		return
	}
	slices.SortFunc(h.again, func(a, b *bundle) int { return cmp.Compare(a.serial, b.serial) })
	var tickets []*Ticket
	for _, b := range h.again {
		tickets = append(tickets, b.tickets...)
	}
	h.again = nil
	if h.role == raft.StateLeader {
		h.backlog = append(tickets, h.backlog...)
		return
	}
	h.answerAll(tickets, &NotLeaderError{Leader: ReplicaID(h.leader)})
}

// settle takes bundles out of waiting whose fate the commit of entry (index, term) decides, and returns the one that this
// entry is, if any. Terms never fall along a log: what was placed at or behind index in a lower term is not stored.
func (h *host) settle(index, term uint64) (stored *bundle) {
	for _, b := range h.waiting[index] {
		if b.term == term {
			stored = b
		} else {
			h.notStored(index, b)
		}
	}
	delete(h.waiting, index)
	if term == h.swept {
		return stored
	}
	h.swept = term
	for i, list := range h.waiting {
		if i < index {
			continue
		}
		kept := list[:0]
		for _, b := range list {
			if b.term < term {
				h.notStored(i, b)
			} else {
				kept = append(kept, b)
			}
		}
		if h.waiting[i] = kept; len(kept) == 0 {
			delete(h.waiting, i)
		}
	}
	return stored
}

func (h *host) notStored(index uint64, b *bundle) {
	delete(h.pending, entryKey{index, b.term})
	h.again = append(h.again, b)
}

// end resolves everything that is still open.
func (h *host) end() {
	err := h.l.Failed()
	if err == nil {
		err = ErrClosed
	}
	queued := h.l.inbox.close(err)
	for _, b := range h.again {
		h.answerAll(b.tickets, err)
	}
	h.answerAll(append(h.backlog, queued...), err)
	unknown := fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	for _, b := range h.placing {
		h.answerAll(b.tickets, unknown)
	}
	for _, list := range h.waiting {
		for _, b := range list {
			h.answerAll(b.tickets, unknown)
		}
	}
	h.reads.failAll(err)
	for _, f := range h.l.inbox.take().calls {
		f()
	}
	h.l.writer.close()
	h.l.applier.close()
}

// publish swaps the view that other goroutines see; conf nil keeps the membership.
func (h *host) publish(conf *raftpb.ConfState) {
	st := h.rn.BasicStatus()
	_, alarm := h.clock.read()
	v := &view{
		term: st.HardState.GetTerm(), leader: st.Lead, role: st.RaftState, commit: st.HardState.GetCommit(), conf: conf, alarm: alarm,
	}
	old := h.l.view.Load()
	if conf == nil {
		v.conf = old.conf
	}
	if alarm != "" && (old == nil || old.alarm == "") {
		h.l.logger.Error("clock alarm", "alarm", alarm)
	}
	h.l.view.Store(v)
}
