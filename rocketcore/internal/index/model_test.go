package index

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

var testUID = [16]byte{1, 2, 3}

// model is a log that only keeps what an index would say of it. It is what the index is compared with, and what it is
// rebuilt from.
type model struct {
	mu       sync.Mutex
	rebuilds []uint64 // segments
	next     uint64   // index of the next entry
	time     int64
	ends     map[uint64]int64
	bytes    map[uint64]int64
	entries  map[uint64][]placed // by queue
	segments []Segment
	moments  map[uint64]int64 // index → time
}

type placed struct {
	Entry
	sequence uint64
	before   int64
}

func newModel() *model {
	return &model{next: 2, time: 1000, ends: map[uint64]int64{}, bytes: map[uint64]int64{}, entries: map[uint64][]placed{},
		moments: map[uint64]int64{}}
}

// fill adds a segment of n entries to the model and, if m is not nil, to the Memory of it.
func (l *model) fill(r *rand.Rand, sequence uint64, n, queues int, m *Memory) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seg := Segment{Sequence: sequence, First: l.next, Last: l.next + uint64(n) - 1, Closed: true}
	offset := uint32(100)
	for range n {
		l.time += int64(r.IntN(3))
		l.moments[l.next] = l.time
		if m != nil {
			m.Tick(l.next, l.time)
		}
		ordinal := 0
		for range 1 + r.IntN(3) {
			q := uint64(1 + r.IntN(queues))
			e := Entry{
				Base: l.ends[q], Count: 1 + r.IntN(5), Offset: offset, Size: 100 + r.IntN(1000), Index: l.next, Ordinal: ordinal,
				MaxTime: l.time + int64(r.IntN(50)), Tag: int32(r.Uint32()), HasTag: r.IntN(2) == 0,
			}
			if !e.HasTag {
				e.Tag = 0
			}
			if m != nil {
				m.Add(q, &e, l.bytes[q], r.Uint32N(10))
			}
			l.entries[q] = append(l.entries[q], placed{e, sequence, l.bytes[q]})
			l.ends[q] = e.End()
			l.bytes[q] += int64(e.Size)
			offset += uint32(e.Size)
			ordinal += e.Count
		}
		l.next++
	}
	l.segments = append(l.segments, seg)
}

// rebuild is Config.Rebuild: it knows where a queue's entries lie but takes their offsets from later segments, as a scan of a
// log must.
func (l *model) rebuild(set func() *Set) func(Segment, uint64) (*Memory, error) {
	return func(s Segment, until uint64) (*Memory, error) {
		all, ends, moments := l.within(s, until)
		counts := map[uint64]int64{}
		for _, e := range all {
			counts[e.queue] += int64(e.Count)
		}
		for q, count := range counts {
			next := ends[q]
			err := set().VisitBeyond(s.Sequence, q, func(_ Leaf, r Run) (bool, error) {
				next = r.Base
				return false, nil
			})
			if err != nil {
				return nil, err
			}
			first := slices.IndexFunc(all, func(e queued) bool { return e.queue == q })
			if until == 0 && next-count != all[first].Base {
				return nil, fmt.Errorf("queue %d begins at %d, worked out %d", q, all[first].Base, next-count)
			}
		}
		m := NewMemory(s.Sequence, s.First)
		for _, at := range moments {
			m.Tick(at.Index, at.Time)
		}
		for _, e := range all {
			m.Add(e.queue, &e.Entry, e.before, 0)
		}
		return m, nil
	}
}

type queued struct {
	placed
	queue uint64
}

// within copies what lies in a segment, in the order of the log.
func (l *model) within(s Segment, until uint64) (all []queued, ends map[uint64]int64, moments []Moment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rebuilds = append(l.rebuilds, s.Sequence)
	for q, list := range l.entries {
		for _, e := range list {
			if e.sequence == s.Sequence && (until == 0 || e.Index < until) {
				all = append(all, queued{e, q})
			}
		}
	}
	slices.SortFunc(all, func(a, b queued) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	for index := s.First; index <= s.Last && (until == 0 || index < until); index++ {
		moments = append(moments, Moment{index, l.moments[index]})
	}
	return all, maps.Clone(l.ends), moments
}

// check compares everything that the set says with the model, from segment lowest on.
func (l *model) check(t *testing.T, s *Set, lowest uint64) {
	t.Helper()
	for q, list := range l.entries {
		start := 0
		for start < len(list) && list[start].sequence < lowest {
			start++
		}
		list = list[start:]
		if len(list) == 0 {
			continue
		}
		l.checkWalk(t, s, q, list)
		for _, i := range []int{0, len(list) / 3, len(list) - 1} {
			l.checkOffset(t, s, q, list[i])
		}
	}
}

func (l *model) checkWalk(t *testing.T, s *Set, q uint64, list []placed) {
	t.Helper()
	at := 0
	err := s.Visit(q, list[0].Base, nil, func(leaf Leaf, r Run) (bool, error) {
		var dst [7]Entry
		for i := 0; ; {
			n, err := leaf.Entries(r, i, dst[:])
			if err != nil {
				return false, err
			}
			for _, e := range dst[:n] {
				if at >= len(list) || e != list[at].Entry || leaf.Sequence() != list[at].sequence {
					t.Fatalf("queue %d, entry %d: %+v in %d, want %+v", q, at, e, leaf.Sequence(), list[at])
				}
				time, until, ok, err := leaf.TimeOf(e.Index)
				if err != nil || !ok || time != l.moments[e.Index] || until <= e.Index || l.moments[until-1] != time {
					t.Fatalf("time of %d: %d until %d, %t %v, want %d", e.Index, time, until, ok, err, l.moments[e.Index])
				}
				at++
			}
			if i += n; n < len(dst) {
				return true, nil
			}
		}
	})
	if err != nil || at != len(list) {
		t.Fatalf("queue %d: %d of %d entries, err %v", q, at, len(list), err)
	}
}

func (l *model) checkOffset(t *testing.T, s *Set, q uint64, want placed) {
	t.Helper()
	offset := want.Base + int64(want.Count)/2
	found := false
	err := s.Visit(q, offset, nil, func(leaf Leaf, r Run) (bool, error) {
		i, err := leaf.SearchOffset(r, offset)
		if err != nil {
			return false, err
		}
		var e [1]Entry
		if n, err := leaf.Entries(r, i, e[:]); err != nil || n != 1 {
			t.Fatalf("entry %d of %+v: %d %v", i, r, n, err)
		}
		found = e[0] == want.Entry
		return false, nil
	})
	if err != nil || !found {
		t.Fatalf("queue %d, offset %d: found %t, err %v", q, offset, found, err)
	}
}

func openSet(t *testing.T, fs vfs.FS, l *model) *Set {
	t.Helper()
	var s *Set
	s, err := Open(Config{
		FS: fs, Dir: "index", UID: testUID, CacheBytes: 64 << 10, Files: 4,
		Rebuild: l.rebuild(func() *Set { return s }),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func settle(t *testing.T, s *Set) {
	t.Helper()
	if err := s.Settle(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestSetAgainstModel(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			fs, l := vfs.NewMemory(), newModel()
			s := openSet(t, fs, l)
			if err := s.Reconcile(nil, 0); err != nil {
				t.Fatal(err)
			}
			lowest, covered := uint64(1), uint64(0)
			for sequence := uint64(1); sequence <= 280; sequence++ {
				var guard sync.RWMutex
				m := s.Begin(sequence, l.next, guard.RLocker())
				l.fill(r, sequence, r.IntN(4), 1+r.IntN(40), m)
				seg := l.segments[len(l.segments)-1]
				s.Seal(sequence, seg.First, seg.Last)
				if r.IntN(25) == 0 {
					l.check(t, s, lowest)
				}
				if r.IntN(20) == 0 && sequence > lowest+20 {
					lowest += uint64(r.IntN(20))
					s.Drop(lowest)
				}
				if r.IntN(40) != 0 {
					continue
				}
				if r.IntN(2) == 0 {
					settle(t, s)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				damageFiles(t, r, fs)
				s = openSet(t, fs, l)
				covered = l.next - 1
				if err := s.Reconcile(l.segments[lowest-1:], covered); err != nil {
					t.Fatal(err)
				}
			}
			settle(t, s)
			l.check(t, s, lowest)
			if tops := len(*s.tops.Load()); tops > 40 {
				t.Errorf("%d tops for 280 segments: fences are missing", tops)
			}
		})
	}
}

// damageFiles removes or overwrites a few index files.
func damageFiles(t *testing.T, r *rand.Rand, fs vfs.FS) {
	t.Helper()
	names, err := fs.List("index")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		switch name := "index/" + name; r.IntN(12) {
		case 0:
			if err := fs.Remove(name); err != nil {
				t.Fatal(err)
			}
		case 1:
			f, err := fs.OpenReadWrite(name)
			if err != nil {
				t.Fatal(err)
			}
			size, _ := f.Size()
			if _, err := f.WriteAt([]byte{0xff, 0x55}, r.Int64N(size-1)); err != nil {
				t.Fatal(err)
			}
			if r.IntN(3) == 0 {
				_ = f.Truncate(r.Int64N(size))
			}
			_ = f.Close()
		}
	}
}
