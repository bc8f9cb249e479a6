package raftlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/duolog/duolog/raftlog/internal/crc32c"
)

func encodeMessage(m *raftpb.Message) []byte {
	h := &host{l: &Log{opt: Options{}.WithDefaults()}}
	return slices.Concat(h.encode(m).Buffers()...)
}

func sampleMessages() []*raftpb.Message {
	entry := func(i, term uint64, kind raftpb.EntryType, data string) *raftpb.Entry {
		e := &raftpb.Entry{Index: &i, Term: &term, Type: kind.Enum()}
		if data != "" {
			e.Data = []byte(data)
		}
		return e
	}
	base := func(kind raftpb.MessageType) *raftpb.Message {
		return &raftpb.Message{Type: kind.Enum(), From: proto.Uint64(1), To: proto.Uint64(2), Term: proto.Uint64(7)}
	}
	app := base(raftpb.MsgApp)
	app.Index, app.LogTerm, app.Commit = proto.Uint64(10), proto.Uint64(6), proto.Uint64(9)
	app.Entries = []*raftpb.Entry{
		entry(11, 6, raftpb.EntryNormal, "some bytes of a bundle"), entry(12, 7, raftpb.EntryNormal, ""),
		entry(13, 7, raftpb.EntryConfChangeV2, "a change"),
	}
	rejected := base(raftpb.MsgAppResp)
	rejected.Reject, rejected.RejectHint, rejected.Index = proto.Bool(true), proto.Uint64(4), proto.Uint64(10)
	beat := base(raftpb.MsgHeartbeat)
	beat.Context, beat.Commit = []byte("context"), proto.Uint64(math.MaxUint64)
	snap := base(raftpb.MsgSnap)
	snap.Snapshot = &raftpb.Snapshot{Data: []byte("manifest"), Metadata: &raftpb.SnapshotMetadata{
		Index: proto.Uint64(40), Term: proto.Uint64(6), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}, Learners: []uint64{9}},
	}}
	vote := base(raftpb.MsgVoteResp)
	vote.Vote = proto.Uint64(3)
	return []*raftpb.Message{app, rejected, beat, snap, vote, base(raftpb.MsgTimeoutNow)}
}

func TestMessagesComeThrough(t *testing.T) {
	for _, m := range sampleMessages() {
		b := encodeMessage(m)
		got, sent, err := decodeMessage(b)
		if err != nil {
			t.Fatalf("%s: %v", m.GetType(), err)
		}
		if d := time.Since(time.UnixMilli(sent)); d < 0 || d > time.Minute {
			t.Errorf("%s: sent %v ago", m.GetType(), d)
		}
		if a, b := withZeros(m), withZeros(got); !proto.Equal(a, b) {
			t.Errorf("got  %v\nwant %v", b, a)
		}
	}
}

// withZeros sets the fields that the framing always carries.
func withZeros(m *raftpb.Message) *raftpb.Message {
	m = proto.Clone(m).(*raftpb.Message)
	for _, field := range []**uint64{&m.To, &m.From, &m.Term, &m.LogTerm, &m.Index, &m.Commit, &m.Vote, &m.RejectHint} {
		if *field == nil {
			*field = proto.Uint64(0)
		}
	}
	if m.Reject == nil {
		m.Reject = proto.Bool(false)
	}
	return m
}

func TestEveryDamagedMessageIsRefused(t *testing.T) {
	for _, m := range sampleMessages() {
		b := encodeMessage(m)
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			if _, _, err := decodeMessage(b); !errors.Is(err, ErrBadMessage) {
				t.Fatalf("%s with bit %d flipped: %v", m.GetType(), bit, err)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
		for n := range len(b) {
			if _, _, err := decodeMessage(b[:n]); !errors.Is(err, ErrBadMessage) {
				t.Fatalf("%d bytes of %s: %v", n, m.GetType(), err)
			}
		}
		if _, _, err := decodeMessage(append(b, 0)); !errors.Is(err, ErrBadMessage) {
			t.Fatalf("%s and one byte more: %v", m.GetType(), err)
		}
	}
}

// FuzzMessage also repairs the checksum of the head, so that what lies behind it is reached.
func FuzzMessage(f *testing.F) {
	for _, m := range sampleMessages() {
		f.Add(encodeMessage(m), true)
		f.Add(encodeMessage(m), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		if repair {
			b = repairHead(bytes.Clone(b))
		}
		m, _, err := decodeMessage(b)
		if err != nil {
			if !errors.Is(err, ErrBadMessage) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, _, err := decodeMessage(encodeMessage(m))
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		if m.Snapshot.GetMetadata().GetIndex() == 0 {
			m.Snapshot = nil // is not encoded
		}
		if !proto.Equal(m, again) {
			t.Fatalf("decoded %v, and again %v", m, again)
		}
	})
}

// repairHead puts the right checksum behind a head that fits into b.
func repairHead(b []byte) []byte {
	le := binary.LittleEndian
	if len(b) < messageFixed+4 {
		return b
	}
	at := messageFixed - 12
	end := uint64(messageFixed) + uint64(le.Uint32(b[at:])) + uint64(le.Uint32(b[at+4:])) + uint64(le.Uint32(b[at+8:]))*messageEntry
	if end+4 <= uint64(len(b)) {
		le.PutUint32(b[end:], crc32c.Sum(b[:end]))
	}
	return b
}

// TestHostilePeer sends a replica messages that are well formed and make no sense. It may stop, which it says, but it must
// not take the process with it, and the others go on.
func TestHostilePeer(t *testing.T) {
	for seed := range uint64(20) {
		runCluster(t, quietProfile(3), func(t *testing.T, w *simWorld) {
			rng := rand.New(rand.NewPCG(seed, 0))
			_, l := w.awaitLeader(t)
			w.write(t, l, 20, 100)
			n := w.followers()[0]
			for h := range 3 {
				w.net.sever(n.host, h) // what it makes of all this is nobody's business
			}
			victim, m := n.running()
			n.apart.Store(newSimLedger(func(string) {}))
			m.mu.Lock()
			m.ledger = n.judge()
			m.mu.Unlock()
			n.leave(simGone)
			for range 300 {
				_ = victim.Step(hostileMessage(rng, n.id, l.Status()))
				w.sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			}
			if err := victim.Close(); err != nil {
				t.Fatal(err)
			}
			if err := victim.Failed(); err != nil && strings.Contains(err.Error(), "runtime error") {
				t.Fatal(err)
			}
			_, l = w.awaitLeader(t)
			w.write(t, l, 20, 100)
		})
	}
}

func hostileMessage(rng *rand.Rand, to ReplicaID, s Status) []byte {
	near := func(n uint64) *uint64 {
		v := []uint64{0, n, n + 1, n - 1, n + uint64(rng.IntN(100)), rng.Uint64(), math.MaxUint64}[rng.IntN(7)]
		return &v
	}
	kind := raftpb.MessageType(rng.IntN(len(raftpb.MessageType_name)))
	m := &raftpb.Message{
		Type: &kind, To: proto.Uint64(uint64(to)), From: near(uint64(s.Leader)), Term: near(uint64(s.Term)), LogTerm: near(uint64(s.Term)),
		Index: near(uint64(s.Last)), Commit: near(uint64(s.Commit)), Vote: near(1), RejectHint: near(uint64(s.Last)),
		Reject: proto.Bool(rng.IntN(2) == 0),
	}
	if rng.IntN(2) == 0 {
		m.Context = make([]byte, rng.IntN(20))
	}
	for i := range rng.IntN(4) {
		e := &raftpb.Entry{Index: proto.Uint64(m.GetIndex() + 1 + uint64(i)), Term: near(uint64(s.Term)), Type: raftpb.EntryNormal.Enum()}
		if rng.IntN(4) == 0 {
			e.Index = near(uint64(s.Last))
		}
		if rng.IntN(4) == 0 {
			e.Type = raftpb.EntryConfChangeV2.Enum()
		}
		e.Data = make([]byte, rng.IntN(40))
		for k := range e.Data {
			e.Data[k] = byte(rng.Uint32())
		}
		m.Entries = append(m.Entries, e)
	}
	if rng.IntN(4) == 0 || kind == raftpb.MsgSnap {
		m.Snapshot = &raftpb.Snapshot{Data: []byte(`{"Files":[{"Name":"log/../../x","Bytes":99999999999}]}`), Metadata: &raftpb.SnapshotMetadata{
			Index: near(uint64(s.Last)), Term: near(uint64(s.Term)), ConfState: &raftpb.ConfState{Voters: []uint64{*near(1)}},
		}}
	}
	return encodeMessage(m)
}
