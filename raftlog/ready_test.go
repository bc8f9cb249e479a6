package raftlog

import (
	"errors"
	"io"
	"log"
	"slices"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// lateFiller is a leader of three voters that the library drives, without a host around it.
type lateFiller struct {
	rn      *raft.RawNode
	storage *raft.MemoryStorage
}

func newLateFiller(t *testing.T) *lateFiller {
	t.Helper()
	f := &lateFiller{storage: raft.NewMemoryStorage()}
	err := f.storage.ApplySnapshot(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: proto.Uint64(1), Term: proto.Uint64(1), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.rn, err = raft.NewRawNode(&raft.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: f.storage, Applied: 1, AsyncStorageWrites: true,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 8, Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.rn.Campaign(); err != nil {
		t.Fatal(err)
	}
	f.turn(t, nil)
	f.answer(t, 2, &raftpb.Message{Type: raftpb.MsgVoteResp.Enum()})
	f.turn(t, nil)
	for _, peer := range []uint64{2, 3} {
		f.answer(t, peer, &raftpb.Message{Type: raftpb.MsgAppResp.Enum(), Index: proto.Uint64(2)}) // the no-op
	}
	f.turn(t, nil)
	return f
}

// turn performs Readys as host.ready does: fill first, then look at the messages, which it returns.
func (f *lateFiller) turn(t *testing.T, fill func(*raftpb.Entry)) (messages []*raftpb.Message) {
	t.Helper()
	for f.rn.HasReady() {
		rd := f.rn.Ready()
		if fill != nil {
			for _, e := range rd.Entries {
				fill(e)
			}
		}
		messages = append(messages, rd.Messages...)
		for _, m := range rd.Messages {
			if m.GetTo() != raft.LocalAppendThread && m.GetTo() != raft.LocalApplyThread {
				continue
			}
			if err := f.storage.Append(m.Entries); err != nil && m.GetTo() == raft.LocalAppendThread {
				t.Fatal(err)
			}
			for _, r := range m.Responses {
				if r.GetTo() == 1 {
					f.step(t, r)
				}
			}
		}
	}
	return messages
}

// answer steps a message of a peer.
func (f *lateFiller) answer(t *testing.T, from uint64, m *raftpb.Message) {
	t.Helper()
	m.From, m.To, m.Term = proto.Uint64(from), proto.Uint64(1), proto.Uint64(f.rn.BasicStatus().HardState.GetTerm())
	f.step(t, m)
}

func (f *lateFiller) step(t *testing.T, m *raftpb.Message) {
	t.Helper()
	if err := f.rn.Step(m); err != nil {
		t.Fatal(err)
	}
}

// TestLateFill guards what host.fill leans on: the entries of a Ready are the library's own, so that a payload which is
// put into them shows in every message that carries them, in this Ready and in later ones, and when they are applied.
func TestLateFill(t *testing.T) {
	f := newLateFiller(t)
	f.step(t, &raftpb.Message{
		Type: raftpb.MsgProp.Enum(), From: proto.Uint64(1), Entries: []*raftpb.Entry{{Data: []byte("ticket-1")}, {Data: []byte("ticket-2")}},
	})
	filled := 0
	payload := []byte("the payload, longer than a ticket")
	count := func(messages []*raftpb.Message, kind raftpb.MessageType) (n int) {
		for _, m := range messages {
			for _, e := range m.Entries {
				if m.GetType() == kind && e.GetType() == raftpb.EntryNormal && len(e.Data) > 0 {
					if string(e.Data) != string(payload) {
						t.Fatalf("%s carries %q", kind, e.Data)
					}
					n++
				}
			}
		}
		return n
	}
	messages := f.turn(t, func(e *raftpb.Entry) {
		if len(e.Data) == 8 {
			e.Data = payload
			filled++
		}
	})
	if filled != 2 {
		t.Fatalf("%d tickets came out of the library, want 2", filled)
	}
	if got := count(messages, raftpb.MsgApp); got != 4 {
		t.Fatalf("messages to two peers carry %d payloads, want 4", got)
	}
	if got := count(messages, raftpb.MsgStorageAppend); got != 2 {
		t.Fatalf("the storage gets %d payloads, want 2", got)
	}
	f.answer(t, 2, &raftpb.Message{
		Type: raftpb.MsgAppResp.Enum(), Reject: proto.Bool(true), Index: proto.Uint64(4), RejectHint: proto.Uint64(2), LogTerm: proto.Uint64(2),
	})
	if got := count(f.turn(t, nil), raftpb.MsgApp); got < 2 {
		t.Fatalf("a repeated message carries %d payloads, want 2", got)
	}
	f.answer(t, 2, &raftpb.Message{Type: raftpb.MsgAppResp.Enum(), Index: proto.Uint64(4)})
	if got := count(f.turn(t, nil), raftpb.MsgStorageApply); got != 2 {
		t.Fatalf("%d payloads are applied, want 2", got)
	}
}

// TestUnstoredCommandsComeBackInOrder: commands that a lost leadership left in the log are found not stored one after
// another, or many at once, and go before all others in the order in which they were proposed.
func TestUnstoredCommandsComeBackInOrder(t *testing.T) {
	ticket := func(name string) *Ticket {
		return &Ticket{command: Command{Head: []byte(name)}, done: make(chan struct{})}
	}
	placed := func(serial, term uint64, name string) *bundle {
		return &bundle{serial: serial, term: term, tickets: []*Ticket{ticket(name)}}
	}
	h := &host{l: &Log{inbox: newInbox()}, role: raft.StateLeader, pending: map[entryKey]*payload{}, swept: 4, waiting: map[uint64][]*bundle{
		10: {placed(1, 4, "a"), placed(4, 6, "d")},
		11: {placed(2, 4, "b")},
		12: {placed(3, 4, "c"), placed(5, 6, "e")},
	}}
	h.backlog = []*Ticket{ticket("new")}
	if got := h.settle(9, 4); got != nil {
		t.Fatal("nobody waits for entry 9")
	}
	if got := h.settle(10, 6); got == nil || string(got.tickets[0].command.Head) != "d" {
		t.Fatalf("entry 10 of term 6 is %v", got)
	}
	h.takeAgain()
	var order []string
	for _, t := range h.backlog {
		order = append(order, string(t.command.Head))
	}
	if want := []string{"a", "b", "c", "new"}; !slices.Equal(order, want) {
		t.Fatalf("proposed again: %v, want %v", order, want)
	}
	if got := h.settle(12, 6); got == nil || len(h.waiting) != 0 {
		t.Fatalf("entry 12 of term 6 is %v, still waiting: %v", got, h.waiting)
	}

	h.waiting[13] = []*bundle{placed(6, 6, "f")}
	lost := h.waiting[13][0].tickets[0]
	h.role, h.leader, h.backlog = raft.StateFollower, 2, nil
	h.settle(13, 7)
	h.takeAgain()
	var hint *NotLeaderError
	if _, err := lost.Wait(t.Context()); !errors.As(err, &hint) || hint.Leader != 2 {
		t.Fatalf("a follower answers %v", err)
	}
}

// TestAnswersOfAnEarlierLifeAreIgnored: the answer to a barrier that was asked before a restart may arrive after it.
func TestAnswersOfAnEarlierLifeAreIgnored(t *testing.T) {
	asked := func(life uint64) (*readQueue, chan readAnswer) {
		c := make(chan readAnswer, 1)
		return &readQueue{h: &host{life: life}, serial: 1, asked: []chan<- readAnswer{c}}, c
	}
	before, _ := asked(77)
	now, c := asked(78)
	now.states([]raft.ReadState{{Index: 5, RequestCtx: before.mark()}})
	if len(c) != 0 {
		t.Fatal("an old answer is taken")
	}
	now.states([]raft.ReadState{{Index: 9, RequestCtx: now.mark()}})
	if a := <-c; a.index != 9 || a.err != nil {
		t.Fatalf("got %+v", a)
	}
}

// TestWorksOfAnEndedApplierAreAnswered: after a failure the host may still hand over entries that somebody waits for.
func TestWorksOfAnEndedApplierAreAnswered(t *testing.T) {
	a := &applier{l: &Log{}, wake: make(chan struct{}, 1)}
	work := func() (*applyWork, *Ticket) {
		ticket := &Ticket{done: make(chan struct{})}
		return &applyWork{entries: []committed{{bundle: &bundle{tickets: []*Ticket{ticket}}}}}, ticket
	}
	queued, first := work()
	late, second := work()
	a.put(queued)
	a.end(nil)
	a.put(late)
	for _, ticket := range []*Ticket{first, second} {
		if _, err := ticket.Wait(t.Context()); !errors.Is(err, ErrUnknownOutcome) {
			t.Fatalf("got %v", err)
		}
	}
}
