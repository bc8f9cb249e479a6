package rocketcore

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
)

// randomCommand makes any command about a handful of queues, producers and groups.
func randomCommand(r *rand.Rand, trim func(message.Queue) command.Trim) raftlog.Command {
	q := testQueue(byte(r.IntN(2)), int32(r.IntN(4)))
	c := raftlog.Command{Version: command.Version}
	switch n := r.IntN(20); {
	case n < 2:
		c.Kind, c.Body = command.KindOpenQueues, command.EncodeQueues([]message.Queue{q, testQueue(3, 0)})
	case n < 3 && r.IntN(3) == 0:
		c.Kind, c.Body = command.KindDeleteQueues, command.EncodeQueues([]message.Queue{q})
	case n < 4:
		c.Kind, c.Body = command.KindTrim, command.EncodeTrims([]command.Trim{trim(q)})
	case n < 7:
		commit := command.Commit{Group: fmt.Sprint("g", r.IntN(4)), Queue: q, Offset: message.Offset(r.IntN(50)), Rewind: r.IntN(4) == 0}
		c.Kind, c.Body = command.KindCommitProgress, command.EncodeCommits([]command.Commit{commit})
	case n < 8:
		d := command.DeleteProgress{Group: fmt.Sprint("g", r.IntN(4)), All: r.IntN(2) == 0, Queues: []message.Queue{q}}
		c.Kind, c.Body = command.KindDeleteProgress, d.Encode()
	case n < 9:
		c.Kind, c.Body = command.KindExpireProducers, command.EncodeExpireProducers(int64(r.IntN(2000)))
	case n < 11:
		c.Kind, c.Body = command.KindCoordinate, randomChange(r, q).body
	default:
		o := message.BuildOptions{}
		if r.IntN(2) == 0 {
			o.Producer = &message.Producer{ID: int64(r.IntN(4)), Epoch: int16(r.IntN(8) / 7), Sequence: int32(r.IntN(5))}
		}
		records := make([]message.Record, 1+r.IntN(3))
		a := command.Append{Queue: q, Batch: message.Build(records, o)}
		c.Kind, c.Head, c.Body = command.KindAppend, a.Head(), a.Batch
	}
	return c
}

func randomChange(r *rand.Rand, q message.Queue) *Change {
	c := NewChange(uint64(r.IntN(8) / 7 * 2))
	for range 1 + r.IntN(4) {
		group := fmt.Sprint("g", r.IntN(4))
		switch r.IntN(6) {
		case 0, 1:
			c.Put(group, fmt.Append(nil, r.IntN(1000)))
		case 2:
			c.Delete(group)
		case 3:
			c.Commit(group, Progress{Queue: q, Offset: message.Offset(r.IntN(50)), Expires: int64(r.IntN(3)) - 1})
		case 4:
			c.Forget(group, q, int64(r.IntN(2000)))
		case 5:
			if r.IntN(4) == 0 {
				c.ForgetAll(group)
			}
		}
	}
	return c
}

// TestMachinesAgree feeds random entries to two machines. One only applies them; the other is frozen, written and given up
// at random, with entries applied while it is written, and replaced by one that is restored from what was published. Hash and
// state must never differ.
func TestMachinesAgree(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 11))
			s := newScript(t)
			apply := func() {
				commands := make([]raftlog.Command, 1+r.IntN(3))
				for i := range commands {
					commands[i] = randomCommand(r, func(q message.Queue) command.Trim {
						v, err := s.shadow.machine.view(q)
						if err != nil {
							return command.Trim{Queue: q, Start: 1}
						}
						to := v.start + message.Offset(r.Int64N(int64(v.end-v.start)+1))
						before, _ := s.shadow.bytesBefore(&v, to)
						return command.Trim{Queue: q, Start: to, Bytes: before}
					})
				}
				s.time += int64(r.IntN(3))
				e := s.log.add(s.time, commands...)
				got, want := s.store.apply(e), s.shadow.apply(e)
				for i := range want {
					if describe(got[i]) != describe(want[i]) {
						t.Fatalf("entry %d: %s, without restarts %s", e.Index, describe(got[i]), describe(want[i]))
					}
				}
				if s.store.machine.Hash() != s.shadow.machine.Hash() {
					t.Fatalf("hashes differ after entry %d", e.Index)
				}
			}
			for range 400 {
				switch apply(); r.IntN(25) {
				case 0:
					s.roll()
				case 1:
					s.restart(r.IntN(3) == 0)
				case 2, 3, 4:
					s.freezeWhile(r, apply)
				}
			}
			s.restart(false)
		})
	}
}

// freezeWhile writes a checkpoint and applies entries in between.
func (s *script) freezeWhile(r *rand.Rand, apply func()) {
	at := raftlog.Index(1 + len(s.log.entries))
	f := s.store.machine.Freeze()
	next, err := s.checkpoint.take(interrupted{f, func() {
		if r.IntN(2) == 0 {
			apply()
		}
	}}, at)
	if err != nil {
		s.t.Fatal(err)
	}
	publish := r.IntN(3) > 0
	if f.Release(publish); publish {
		s.checkpoint = next
	}
}

// interrupted does something else between two records.
type interrupted struct {
	raftlog.Frozen
	do func()
}

func (i interrupted) Records(emit func(k, v []byte) error) error {
	return i.Frozen.Records(func(k, v []byte) error {
		i.do()
		return emit(k, v)
	})
}

// TestRestoreRefusesGarbage feeds a machine records that are malformed.
func TestRestoreRefusesGarbage(t *testing.T) {
	for _, key := range []string{"", "x", "m", "q", "q0123", "p12", "g", "g\x00", "g\xff\xff", "r1", "i123", "i12345678", "i123456781234"} {
		s := newStore(Config{FS: vfs.NewMemory(), Dir: "shard", UID: testUID, Options: Options{}.WithDefaults()})
		if err := s.openIndex(); err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"", "\x01", "0123456789012345678901234567890"} {
			c := &memCheckpoint{index: 5, records: map[string][]byte{key: []byte(value)}}
			if err := s.machine.Restore(c); err == nil {
				t.Errorf("record %q = %q was accepted", key, value)
			}
		}
		_ = s.machine.index.Close()
	}
}

// FuzzRecord restores and explains checkpoint records of any form.
func FuzzRecord(f *testing.F) {
	log := newMemLog()
	s := newStore(Config{FS: vfs.NewMemory(), Dir: "shard", UID: testUID, Options: Options{}.WithDefaults()})
	if err := s.openIndex(); err != nil {
		f.Fatal(err)
	}
	defer s.machine.index.Close()
	r := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		s.apply(log.add(5, randomCommand(r, func(q message.Queue) command.Trim { return command.Trim{Queue: q} })))
	}
	c, err := emptyCheckpoint().take(s.machine.Freeze(), 100)
	if err != nil {
		f.Fatal(err)
	}
	for k, v := range c.records {
		f.Add([]byte(k), v)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		s := newStore(Config{FS: vfs.NewMemory(), Dir: "shard", UID: testUID, Options: Options{}.WithDefaults()})
		if err := s.openIndex(); err != nil {
			t.Fatal(err)
		}
		defer s.machine.index.Close()
		_ = s.machine.Restore(&memCheckpoint{index: 5, records: map[string][]byte{string(key): value}})
		_, _ = DescribeRecord(key, value)
	})
}
