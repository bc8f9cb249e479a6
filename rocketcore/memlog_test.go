package rocketcore

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// memLog is a log in memory, cut into segments by hand: what a machine is fed from and reads from.
type memLog struct {
	segments [][]byte // by sequence-1
	infos    []raftlog.SegmentInfo
	entries  []raftlog.Entry
}

func newMemLog() *memLog {
	l := &memLog{}
	l.roll()
	return l
}

// roll closes the segment and begins the next.
func (l *memLog) roll() {
	if n := len(l.infos); n > 0 {
		l.infos[n-1].Closed = true
	}
	first := raftlog.Index(2 + len(l.entries))
	l.segments = append(l.segments, make([]byte, 64))
	l.infos = append(l.infos, raftlog.SegmentInfo{Sequence: uint64(len(l.segments)), First: first, Last: first - 1})
}

// add puts commands into an entry; they are copied.
func (l *memLog) add(time int64, commands ...raftlog.Command) *raftlog.Entry {
	info := &l.infos[len(l.infos)-1]
	info.Last++
	if info.FirstTime == 0 {
		info.FirstTime = time
	}
	info.LastTime = time
	e := raftlog.Entry{Index: raftlog.Index(2 + len(l.entries)), Term: 1, Time: time}
	segment := &l.segments[len(l.segments)-1]
	for _, c := range commands {
		*segment = append(*segment, "command."...)
		at := len(*segment)
		*segment = append(append(*segment, c.Head...), c.Body...)
		whole := bytes.Clone((*segment)[at:])
		e.Commands = append(e.Commands, raftlog.Applied{
			Kind: c.Kind, Version: c.Version, Head: whole[:len(c.Head):len(c.Head)], Body: whole[len(c.Head):],
			Place: raftlog.Place{Segment: info.Sequence, Offset: uint32(at), Length: uint32(len(whole))},
		})
	}
	info.Bytes = int64(len(*segment))
	l.entries = append(l.entries, e)
	return &l.entries[len(l.entries)-1]
}

func (l *memLog) ReadAt(p raftlog.Place, off int, buf []byte) error {
	s := l.segments[p.Segment-1]
	if from := int(p.Offset) + off; from+len(buf) <= len(s) {
		copy(buf, s[from:])
		return nil
	}
	return fmt.Errorf("segment %d ends before %+v", p.Segment, p)
}

func (l *memLog) ReadEntry(i raftlog.Index) (raftlog.Entry, error) {
	if i < 2 || int(i-2) >= len(l.entries) {
		return raftlog.Entry{}, fmt.Errorf("no entry %d", i)
	}
	return l.entries[i-2], nil
}

func (l *memLog) ScanTo(from, to raftlog.Index, fn func(*raftlog.Entry) error) error {
	for i := from; i <= to && int(i-2) < len(l.entries); i++ {
		e := l.entries[i-2]
		if err := fn(&e); err != nil {
			return err
		}
	}
	return nil
}

func (l *memLog) Segments() []raftlog.SegmentInfo { return slices.Clone(l.infos) }

func (l *memLog) SegmentFile(sequence uint64) string { return fmt.Sprintf("segment-%d", sequence) }

// memCheckpoint is a published checkpoint.
type memCheckpoint struct {
	index   raftlog.Index
	records map[string][]byte
}

func (c *memCheckpoint) Index() raftlog.Index { return c.index }

func (c *memCheckpoint) Records(yield func(k, v []byte) error) error {
	for _, k := range slices.Sorted(maps.Keys(c.records)) {
		if err := yield([]byte(k), c.records[k]); err != nil {
			return err
		}
	}
	return nil
}

// take adds what a frozen state emits, as the log's merging of runs does.
func (c *memCheckpoint) take(f raftlog.Frozen, at raftlog.Index) (*memCheckpoint, error) {
	next := &memCheckpoint{index: at, records: maps.Clone(c.records)}
	seen := map[string]bool{}
	err := f.Records(func(k, v []byte) error {
		if seen[string(k)] {
			return fmt.Errorf("key %q is emitted twice", k)
		}
		seen[string(k)] = true
		if v == nil {
			delete(next.records, string(k))
		} else {
			next.records[string(k)] = bytes.Clone(v)
		}
		return nil
	})
	return next, err
}

// machineStore makes a store without a raft log: what it applies comes from a test, what it reads from log.
func machineStore(t testing.TB, fs vfs.FS, log *memLog, c *memCheckpoint) *Store {
	t.Helper()
	s := newStore(Config{FS: fs, Dir: "shard", UID: testUID, Options: Options{}.WithDefaults()})
	if err := s.openIndex(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.machine.index.Close() })
	if err := s.machine.Restore(c); err != nil {
		t.Fatal(err)
	}
	s.attach(log)
	return s
}

func emptyCheckpoint() *memCheckpoint { return &memCheckpoint{index: 1, records: map[string][]byte{}} }

// apply applies an entry and returns its results.
func (s *Store) apply(e *raftlog.Entry) []any {
	results := make([]any, len(e.Commands))
	// The machine may keep nothing of the entry: what it was given is overwritten afterwards.
	lent := *e
	lent.Commands = slices.Clone(e.Commands)
	for i := range lent.Commands {
		c := &lent.Commands[i]
		c.Head, c.Body = bytes.Clone(c.Head), bytes.Clone(c.Body)
	}
	s.machine.Apply(&lent, results)
	for _, c := range lent.Commands {
		for i := range c.Head {
			c.Head[i] = 0xdd
		}
		for i := range c.Body {
			c.Body[i] = 0xdd
		}
	}
	return results
}

// replay applies what a checkpoint does not have, telling of closed segments as the log does.
func (s *Store) replay(t testing.TB, log *memLog, covered raftlog.Index) {
	t.Helper()
	for i := range log.entries {
		if e := &log.entries[i]; e.Index > covered {
			s.apply(e)
			for _, g := range log.infos {
				if g.Closed && g.Last == e.Index {
					s.machine.SegmentClosed(g)
				}
			}
		}
	}
	if err := s.machine.reconcile(); err != nil {
		t.Fatal(err)
	}
}

// dump writes the machine's whole state as text, places included.
func (m *machine) dump() string {
	m.mu.RLock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "hash %016x next %d\n", m.hash, m.nextID)
	for _, k := range m.sortedKeys() {
		q := m.queues.get(k)
		fmt.Fprintf(&b, "queue %s id %d opened %d range %d-%d bytes %d-%d max %d\n", k, q.id, q.opened, q.start, q.end, q.trimmed, q.total, q.maxTime)
	}
	for _, g := range m.progress.Groups() {
		for _, q := range m.progress.Queues(g) {
			fmt.Fprintf(&b, "progress %s %s %v\n", g, q, m.encodeProgress(g, q))
		}
	}
	for _, k := range m.states.Keys("") {
		v, _ := m.states.Get(k)
		fmt.Fprintf(&b, "state %s %q\n", k, v)
	}
	fmt.Fprintf(&b, "producers %d refused %v terms %v\n", m.producers.Len(), slices.Sorted(maps.Keys(m.refused.within(0, m.applied))), m.terms)
	queues := m.sortedKeys()
	ids := map[uint64]bool{}
	for _, k := range queues {
		ids[m.queues.get(k).id] = true
	}
	m.mu.RUnlock()
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		err := m.index.Visit(id, -1, nil, func(l index.Leaf, r index.Run) (bool, error) {
			return true, eachEntry(l, r, 0, func(e *index.Entry) bool {
				time, _, _, _ := l.TimeOf(e.Index)
				fmt.Fprintf(&b, "entry %d in %d at %d: %+v\n", id, l.Sequence(), time, *e)
				return true
			})
		})
		if err != nil {
			fmt.Fprintf(&b, "entries of %d: %v\n", id, err)
		}
	}
	return b.String()
}

func (m *machine) sortedKeys() []message.Queue {
	return slices.SortedFunc(maps.Keys(m.queues.places), progress.CompareQueues)
}

func (m *machine) encodeProgress(group string, q message.Queue) []byte {
	return m.progress.Encode(progress.Key{Group: group, Queue: q})
}
