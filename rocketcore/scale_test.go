package rocketcore

import (
	"bytes"
	"runtime"
	"slices"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
)

// manyQueues opens n queues of a thousand topics.
func (s *Store) manyQueues(log *memLog, n int) []message.Queue {
	queues := make([]message.Queue, n)
	for i := range queues {
		queues[i] = message.Queue{Topic: message.TopicID{byte(i), byte(i >> 8)}, Number: int32(i >> 10)}
	}
	for part := range slices.Chunk(queues, queuesPerCommand) {
		s.apply(log.add(1, raftlog.Command{Kind: command.KindOpenQueues, Version: command.Version, Body: command.EncodeQueues(part)}))
	}
	return queues
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first one may leave what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestIdleQueuesAreCheap opens a hundred thousand queues, restarts, and looks at the memory of each.
func TestIdleQueuesAreCheap(t *testing.T) {
	const n, limit = 100_000, 200
	log := newMemLog()
	c := checkpointOf(t, log, n)
	before := heap()
	s := machineStore(t, vfs.NewMemory(), log, c)
	each := (int64(heap()) - int64(before)) / n
	t.Logf("%d bytes for each of %d queues", each, n)
	if each > limit || each < 50 {
		t.Errorf("an idle queue takes %d bytes", each)
	}
	if len(s.Queues()) != n {
		t.Error("queues are missing")
	}
	runtime.KeepAlive(c)
}

// checkpointOf makes the checkpoint of a machine with n queues, and drops that.
func checkpointOf(t *testing.T, log *memLog, n int) *memCheckpoint {
	s := newStore(Config{FS: vfs.NewMemory(), Dir: "shard", UID: testUID, Options: Options{}.WithDefaults()})
	if err := s.openIndex(); err != nil {
		t.Fatal(err)
	}
	defer s.machine.index.Close()
	if err := s.machine.Restore(emptyCheckpoint()); err != nil {
		t.Fatal(err)
	}
	s.manyQueues(log, n)
	c, err := emptyCheckpoint().take(s.machine.Freeze(), raftlog.Index(1+len(log.entries)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFreezeDoesNotStallApply changes a hundred thousand queues, freezes, and counts what Freeze itself costs in
// allocations: they must not depend on the number of queues.
func TestFreezeDoesNotStallApply(t *testing.T) {
	log := newMemLog()
	s := machineStore(t, vfs.NewMemory(), log, emptyCheckpoint())
	s.manyQueues(log, 100_000)
	var f raftlog.Frozen
	allocated := testing.AllocsPerRun(1, func() {
		if f != nil {
			f.Release(false)
		}
		f = s.machine.Freeze()
	})
	if allocated > 100 {
		t.Errorf("Freeze allocates %v times", allocated)
	}
	records := 0
	if err := f.Records(func(k, v []byte) error {
		if k[0] == recordQueue && !bytes.Equal(v, nil) {
			records++
		}
		return nil
	}); err != nil || records != 100_000 {
		t.Errorf("%d queues emitted, %v", records, err)
	}
	f.Release(true)
}
